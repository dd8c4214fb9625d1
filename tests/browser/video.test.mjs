// The example of binary pictures: a page shows what another draws, and one on a slow line skips and stays live.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SlowLine } from '../proxies/slow-line.mjs'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
let browser, server

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch({ flags: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] })
  server = await start('video', ['0'])
})
after(() => endAll(browser, server))

const shown = (page, n) =>
  page.waitForFunction((n) => [...self.cameras.values()].some(({ shown }) => shown.pictures >= n) && [...self.cameras.values()][0].shown, n, PATIENCE).then((it) => it.jsonValue())

test('a drawing and a camera are shown, a viewer on a slow line skips pictures, and the others do not wait', TIMEOUT, async (t) => {
  const line = await SlowLine.listen({ target: server.port })
  const artist = await visit(browser, `http://127.0.0.1:${server.port}/`)
  const viewer = await visit(browser, `http://127.0.0.1:${server.port}/`)
  const slow = await visit(browser, `${line.origin}/`)
  t.after(() => endAll(artist.context(), viewer.context(), slow.context(), line))
  await artist.click('#drawing')
  await Promise.all([shown(viewer, 5), shown(slow, 5)])

  // About half of what the pictures need.
  line.rate = 60_000
  const before = await shown(viewer, 1)
  const seen = await shown(slow, 80)
  const after = await shown(viewer, 1)
  t.diagnostic(`slow: ${JSON.stringify(seen)}; viewer: ${JSON.stringify(before)} to ${JSON.stringify(after)}`)
  assert.ok(seen.skipped > 30, 'the slow viewer skipped pictures')
  assert.ok(after.pictures - before.pictures > 100, 'the other viewer had them')
  assert.deepEqual(await slow.evaluate(() => [self.session.state, document.querySelector('#state').textContent]), ['open', 'open · websocket'])

  // The picture on the slow page is one of the last, and not one of the line's past.
  const [latest, last] = await Promise.all([viewer, slow].map((page) => page.evaluate(() => [...self.cameras.values()][0].shown.last)))
  t.diagnostic(`${latest - last} pictures behind`)
  assert.ok(latest - last < seen.skipped / 2, 'a line that shows each picture would be behind by all that were skipped')

  await viewer.click('#camera')
  await artist.waitForFunction(() => self.cameras.size === 1, null, PATIENCE)
  await shown(artist, 5)
  const colours = await artist.evaluate(() => {
    const canvas = document.querySelector('#tiles figure:not(#own) canvas')
    return new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size
  })
  assert.ok(colours > 10, 'there is a picture on the canvas')
  await artist.setViewportSize({ width: 1100, height: 620 })
  await artist.screenshot({ path: `${OUT}video.png` })
  await viewer.click('#stop')
  await artist.waitForFunction(() => self.cameras.size === 0, null, PATIENCE)
  assert.deepEqual([...artist.complaints, ...viewer.complaints, ...slow.complaints], [])
})
