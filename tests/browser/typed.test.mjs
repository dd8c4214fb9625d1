// The example whose page is typed by its server: its script runs as it is, and the types hold what is really sent.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
const PIXEL = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
let browser, server

before(async () => {
  browser = await launch()
  server = await start('typed', ['0'])
})
after(() => endAll(browser, server))

test('two pages share a list of tasks; the server asks before one is taken back', TIMEOUT, async (t) => {
  const [ann, bob] = await Promise.all([1, 2].map(() => visit(browser, `http://127.0.0.1:${server.port}/`)))
  t.after(() => endAll(ann.context(), bob.context()))
  const shows = (page, text) => page.waitForFunction((text) => document.querySelector('#tasks').textContent.includes(text), text, PATIENCE)
  const complains = (page, text) => page.waitForFunction((text) => document.querySelector('#result').textContent.includes(text), text, PATIENCE)
  await ann.fill('#title', 'tea')
  await ann.fill('#due', '2030-01-02')
  await ann.click('#editor button')
  await shows(bob, 'tea by 2030-01-02')
  await ann.fill('#title', 'cake')
  await ann.click('#editor button')
  await shows(bob, 'cake')
  await ann.fill('#title', ' ')
  await ann.click('#editor button')
  await complains(ann, 'a task has a title')
  for (const label of ['Begin', 'Done']) await bob.click(`#tasks button:text-is("${label}")`, PATIENCE)
  await ann.waitForSelector('#tasks span.done', PATIENCE)
  const asked = []
  ann.on('dialog', (dialog) => (asked.push(dialog.message()), asked.length > 1 ? dialog.accept() : dialog.dismiss()))
  await ann.click('#tasks button')
  await complains(ann, 'it is still done')
  await ann.click('#tasks button')
  // The other task is open all the time.
  await bob.waitForFunction(() => document.querySelectorAll('#tasks span.open').length === 2, null, PATIENCE)
  assert.deepEqual(asked, ['tea is done. Take it back?', 'tea is done. Take it back?'])
  await bob.setInputFiles('#tasks input[type=file]', { name: 'a.gif', mimeType: 'image/gif', buffer: PIXEL })
  await ann.waitForFunction(() => document.querySelector('#tasks img')?.naturalWidth === 1, null, PATIENCE)
  const late = await visit(browser, `http://127.0.0.1:${server.port}/`)
  t.after(() => endAll(late.context()))
  await shows(late, 'tea by 2030-01-02')
  const tasks = (page) => page.$$eval('#tasks span', (all) => all.map((each) => each.textContent))
  for (const page of [ann, bob, late]) assert.deepEqual(await tasks(page), ['tea by 2030-01-02', 'cake'], 'a task keeps its place')
  assert.deepEqual([...ann.complaints, ...bob.complaints, ...late.complaints], [])
})
