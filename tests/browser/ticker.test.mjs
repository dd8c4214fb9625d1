// The example of many prices: subscriptions, and a page on a slow line that stays fresh.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SlowLine } from '../proxies/slow-line.mjs'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 40_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
let browser, server

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch()
  server = await start('ticker', ['0'])
})
after(() => endAll(browser, server))

const origin = () => `http://127.0.0.1:${server.port}/`
/** Waits until `n` more prices came, and returns the figures of the page from now on. */
const watch = async (page, n) => {
  await page.evaluate(() => Object.assign(self.figures, { prices: 0, skipped: 0 }))
  await page.waitForFunction((n) => self.figures.prices >= n, n, PATIENCE)
  return page.evaluate(() => ({ ...self.figures }))
}

test('a page on a fast line shows prices of all symbols', TIMEOUT, async (t) => {
  const page = await visit(browser, origin())
  t.after(() => endAll(page.context()))
  const seen = await watch(page, 2000)
  t.diagnostic(JSON.stringify(seen))
  // A busy machine may hold a page up, so that it skips some.
  assert.ok(await page.evaluate(() => [...self.cards.values()].every((card) => card.number() > 0)))
  await page.setViewportSize({ width: 1100, height: 720 })
  await page.screenshot({ path: `${OUT}ticker.png` })
  assert.deepEqual(page.complaints, [])
})

test('a page gets the symbols that it subscribes to, also from the next server', TIMEOUT, async (t) => {
  const page = await visit(browser, origin())
  t.after(() => endAll(page.context()))
  await watch(page, 100)
  await page.click('#none')
  await page.click('.card:nth-child(3)')
  await page.evaluate(() => self.session.flush())
  const symbols = () =>
    page.evaluate(
      () => new Promise((done) => {
        const seen = []
        const take = (text) => {
          seen.push(JSON.parse(text).symbol)
          if (seen.length < 10) return
          self.session.off('message', take)
          done([...new Set(seen)])
        }
        self.session.on('message', take)
      })
    )
  assert.deepEqual(await symbols(), ['CEDR'])
  const { port } = server
  await server.stop()
  server = await start('ticker', [String(port)])
  await page.waitForFunction(() => self.session.state === 'open', null, PATIENCE)
  assert.deepEqual(await symbols(), ['CEDR'])
  assert.equal(await page.locator('.card[aria-pressed=true]').count(), 1)
})

test('a page on a line of 5 kB a second skips prices, and what it shows is fresh', TIMEOUT, async (t) => {
  const line = await SlowLine.listen({ target: server.port })
  const slow = await visit(browser, line.origin)
  t.after(() => endAll(slow.context(), line))
  const fast = await visit(browser, origin())
  t.after(() => endAll(fast.context()))
  await Promise.all([watch(slow, 100), watch(fast, 100)])
  line.rate = 5000
  const seen = await watch(slow, 1000)
  const numbers = (page) => page.evaluate(() => [...self.cards.values()].reduce((sum, card) => sum + card.number(), 0))
  // The slow page first: what comes in between counts against it.
  const behind = -(await numbers(slow)) + (await numbers(fast))
  t.diagnostic(`${JSON.stringify(seen)}, ${behind} prices behind`)
  assert.ok(seen.skipped > 3000, 'far more prices were made than came')
  assert.ok(behind < seen.skipped / 4, `it is ${behind} behind; a line that shows each price would be behind by all that were skipped`)
  assert.equal(await slow.evaluate(() => self.session.state), 'open')
  assert.deepEqual(slow.complaints, [])
})
