// The example of a server that is replaced, and one that crashes, while a page sends orders.

import assert from 'node:assert/strict'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
let browser, server

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch()
  server = await start('deploy', ['0'])
})
after(async () => {
  await endAll(browser, server)
  // Where the versions found each other.
  await rm(`${tmpdir()}/anywire-deploy-${server.port}`, { recursive: true, force: true })
})

test('orders go on through two deploys and a crash: each is answered', TIMEOUT, async (t) => {
  const page = await visit(browser, `http://127.0.0.1:${server.port}/`)
  t.after(() => endAll(page.context()))
  const answeredBy = (version) =>
    page.waitForFunction((version) => self.orders.filter((order) => order.version === version).length > 20, version, PATIENCE)
  await answeredBy(1)
  for (const [version, what] of [[2, 'deploy'], [3, 'deploy'], [4, 'crash']]) {
    await page.click(`#${what}`)
    await answeredBy(version)
    const { again, wait, count, answered } = await page.evaluate(() => self.figures)
    t.diagnostic(`version ${version} after a ${what}: ${again} sent again so far, longest wait ${Math.round(wait)} ms`)
    // A deploy moves the session: it has counted each order once, and nothing was sent again.
    if (what === 'deploy') assert.deepEqual([again, count], [0, answered])
  }
  // No order was left out: of all but the last few each has its answer.
  const last = await page.evaluate(() => self.orders.length)
  await page.waitForFunction((last) => self.orders.slice(0, last).every((order) => order.version), last, PATIENCE)
  const versions = await page.evaluate(() => self.orders.filter((order) => order.version).map((order) => order.version))
  assert.deepEqual([...new Set(versions)].sort(), [1, 2, 3, 4])
  await page.setViewportSize({ width: 1100, height: 720 })
  await page.screenshot({ path: `${OUT}deploy.png` })
  assert.deepEqual(page.complaints, [])
})
