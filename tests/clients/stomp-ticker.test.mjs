// The example `stomp_ticker`: clients of STOMP and the native one in the same rooms, in one page.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { launch, visit } from '../browser/browser.mjs'
import { start } from '../browser/lab.mjs'
import { PATIENCE, closing, here } from './support.mjs'

const LIMIT = { timeout: 4 * PATIENCE }
const OUT = here('../browser/out/')
const NAMES = ['Anywire', 'STOMP by SockJS', 'STOMP by Anywire']
let browser, server

before(async () => {
  await mkdir(OUT, { recursive: true })
  ;[browser, server] = await Promise.all([launch(), start('stomp_ticker', ['0', here('node_modules')])])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const origin = () => `http://127.0.0.1:${server.port}/`
const until = (page, condition, argument) => page.waitForFunction(condition, argument, { timeout: PATIENCE })
/** Waits until each panel has got `count` more prices of each symbol. */
async function prices(page, count) {
  await page.evaluate(() => self.panels.forEach(({ rows }) => rows.forEach((row) => Object.assign(row, { prices: 0 }))))
  await until(page, (count) => self.panels.every(({ rows }) => [...rows.values()].every((row) => row.prices >= count)), count)
}
const lines = (page) => page.$$eval('section', (all) => all.map((section) => [...section.querySelectorAll('li')].map((line) => line.textContent)))
const states = (page) => page.$$eval('.state', (all) => all.map((state) => state.textContent))

test('each client gets the prices, and what any of them orders', LIMIT, () =>
  closing(async (later) => {
    const page = await visit(browser, origin())
    later(() => page.context().close())
    await prices(page, 5)
    assert.deepEqual(await states(page), ['open by websocket', 'STOMP 1.2 by websocket', 'STOMP 1.2'])
    for (let nth = 1; nth <= NAMES.length; nth++) {
      await page.click(`section:nth-child(${nth}) tr:nth-child(${nth}) button`)
      await until(page, (nth) => [...document.querySelectorAll('section')].every((all) => all.querySelectorAll('li').length >= nth), nth)
      await until(page, (nth) => /is taken/.test(document.querySelector(`section:nth-child(${nth}) ul`).textContent), nth)
    }
    const symbols = ['AMBR', 'BIRK', 'CEDR']
    const heard = (await lines(page)).map((all) => all.filter((line) => line.includes('by')).reverse())
    assert.deepEqual(heard, NAMES.map(() => symbols.map((symbol, at) => `1 × ${symbol}, by ${NAMES[at]}`)))
    await page.setViewportSize({ width: 1000, height: 560 })
    await page.screenshot({ path: `${OUT}stomp-ticker.png` })
    assert.deepEqual(page.complaints, [])
  })
)

test('an order that is refused is told to the client that ordered alone', LIMIT, () =>
  closing(async (later) => {
    const page = await visit(browser, origin())
    later(() => page.context().close())
    await prices(page, 1)
    for (let nth = 1; nth <= NAMES.length; nth++) {
      await page.click(`section:nth-child(${nth}) > button`)
      await until(page, (nth) => document.querySelector(`section:nth-child(${nth}) .fault`), nth)
    }
    assert.deepEqual(await lines(page), NAMES.map(() => ['there is no symbol NONE']))
  })
)

test('each client comes back to a server that was started again', LIMIT, () =>
  closing(async (later) => {
    const page = await visit(browser, origin())
    later(() => page.context().close())
    await prices(page, 1)
    await server.stop()
    // The socket on our session stays open while that may come back.
    await until(page, () => [...document.querySelectorAll('.state')].slice(0, 2).every((state) => !state.classList.contains('open')))
    server = await start('stomp_ticker', [String(server.port), here('node_modules')])
    await prices(page, 3)
  })
)

test('a page without the packages has the native client alone', LIMIT, () =>
  closing(async (later) => {
    const bare = await start('stomp_ticker', ['0'])
    later(() => bare.stop())
    const page = await visit(browser, `http://127.0.0.1:${bare.port}/`)
    later(() => page.context().close())
    await until(page, () => [...self.panels[0].rows.values()].every((row) => row.prices > 0))
    const none = 'start the example with the folder of its packages'
    assert.deepEqual(await states(page), ['open by websocket', none, none])
  })
)
