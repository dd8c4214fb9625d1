// The pages of the example `everyone`: by the native client, by a script that the user names, by a bare WebSocket.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 20_000 }
let browser, server

before(async () => {
  browser = await launch()
  server = await start('everyone', ['0'])
})
after(() => endAll(browser, server))

async function enter(t, path) {
  const page = await visit(browser, `http://127.0.0.1:${server.port}${path}`)
  t.after(() => endAll(page.context()))
  return page
}
const shows = (page, line) =>
  page.waitForFunction((line) => [...document.querySelectorAll('#lines li')].some((item) => item.textContent === line), line, PATIENCE)
async function say(page, text) {
  await page.fill('#input', text)
  await page.press('#input', 'Enter')
}

test('each page shows what all of them say, and by which kind of client', TIMEOUT, async (t) => {
  const native = await enter(t, '/')
  await native.waitForFunction(() => session.state === 'open' && session.transport === 'websocket', null, PATIENCE)
  const script = await enter(t, '/other')
  await script.click('[value=script]')
  await shows(script, 'page: connected')
  const bare = await enter(t, '/other')
  await bare.click('[value=bare]')
  await shows(bare, 'page: connected')
  // Nothing but its own line tells that it is in the room.
  await say(bare, 'zero')
  await shows(bare, 'WebSocket, websocket: zero')
  await say(native, 'one')
  await say(script, 'two')
  for (const page of [native, script, bare]) {
    await shows(page, 'WebSocket, websocket: zero')
    await shows(page, 'Anywire, websocket: one')
    await page.waitForFunction(() => /Anywire's io\(\), [a-z-]+: two/.test(document.querySelector('#lines').textContent), null, PATIENCE)
    assert.deepEqual(page.complaints, [])
  }
})

test('a script that does not exist is reported', TIMEOUT, async (t) => {
  const page = await enter(t, '/other')
  await page.fill('#script', '/none.js')
  await page.click('[value=script]')
  await shows(page, `page: there is no script at http://127.0.0.1:${server.port}/none.js`)
})
