// The example in which four kinds of clients are in one room, with one handler.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, visit } from '../browser/browser.mjs'
import { start } from '../browser/lab.mjs'
import { PATIENCE, REFERENCE } from './support.mjs'

const BOXES = ['native', 'four', 'two', 'bare']
const TEXTS = ['hello', 'é€😀 "\\', '<b>5 > 4</b>']
let browser, server

before(async () => {
  if (!REFERENCE) [browser, server] = await Promise.all([launch(), start('everyone', ['0'])])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

test('each hears all, in one order', { timeout: 4 * PATIENCE, skip: REFERENCE && 'the example needs our server' }, async (t) => {
  const page = await visit(browser, `http://127.0.0.1:${server.port}/`)
  t.after(() => page.context().close())
  /** The lines of a box that match, once there are so many. */
  const lines = async (box, pattern, count) => {
    const found = await page.waitForFunction(([box, pattern, count]) => {
      const texts = [...document.querySelectorAll(`#${box} li`)].map((item) => item.textContent)
      const found = texts.filter((text) => new RegExp(pattern).test(text))
      return found.length >= count && found
    }, [box, pattern, count], { timeout: PATIENCE })
    return found.jsonValue()
  }
  // Who has come hears of itself.
  for (const box of BOXES) await lines(box, '^guest \\d came$', 1)
  for (const text of TEXTS) {
    for (const box of BOXES) {
      await page.fill(`#${box} input`, `${box}: ${text}`)
      await page.click(`#${box} button`)
    }
  }
  const total = BOXES.length * TEXTS.length
  const heard = {}
  for (const box of BOXES) heard[box] = await lines(box, ' \\w+: ', total)
  for (const box of BOXES) {
    assert.deepEqual(heard[box], heard.native, `${box} and native`)
    const own = heard.native.filter((line) => line.includes(` ${box}: `))
    assert.deepEqual(own.map((line) => line.replace(/^guest \d /, '')), TEXTS.map((text) => `${box}: ${text}`))
    assert.equal(new Set(own.map((line) => line.slice(0, 7))).size, 1, 'one name')
  }
  assert.equal(heard.native.length, total)
  assert.deepEqual(page.complaints, [])
})
