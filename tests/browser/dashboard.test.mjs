// The example of logging in: by a cookie and by a token, a notification from a route, who is online, kicking.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 20_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
let browser, server, origin

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch()
  server = await start('dashboard', ['0'])
  origin = `http://127.0.0.1:${server.port}`
})
after(() => endAll(browser, server))

const contains = (page, selector, text) =>
  page.waitForFunction(([selector, text]) => document.querySelector(selector).textContent.includes(text), [selector, text], PATIENCE)
const isOnline = (page, name) => contains(page, '#online', name)
const isOffline = (page, name) => page.waitForFunction((name) => !document.querySelector('#online').textContent.includes(name), name, PATIENCE)

async function logIn(page, name) {
  await page.waitForSelector('#closed:not([hidden])', PATIENCE)
  await page.fill('[name=name]', name)
  await page.click('#closed .main')
  await contains(page, '#me', name)
  return page
}
async function enter(t, name) {
  const page = await visit(browser, origin)
  t.after(() => endAll(page.context()))
  return name ? logIn(page, name) : page
}

test('nobody gets in without a login; a cookie survives a reload, and a token works in another browser', TIMEOUT, async (t) => {
  const ann = await enter(t)
  await ann.waitForSelector('#closed:not([hidden])', PATIENCE)
  assert.equal(await ann.evaluate(() => self.session.state), 'closed')
  await logIn(ann, 'Ann')
  await ann.reload()
  await contains(ann, '#me', 'You are Ann, logged in by a cookie')
  const cookies = await ann.context().cookies()
  assert.deepEqual(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite })), [{ name: 'login', httpOnly: true, sameSite: 'Strict' }])

  const token = await ann.evaluate(() => self.me.token)
  const other = await visit(browser, `${origin}/#${token}`)
  t.after(() => endAll(other.context()))
  await contains(other, '#me', 'You are Ann, logged in by a token')
  const wrong = await visit(browser, `${origin}/#no-such-token`)
  t.after(() => endAll(wrong.context()))
  await wrong.waitForSelector('#closed:not([hidden])', PATIENCE)
  assert.deepEqual([...ann.complaints, ...other.complaints, ...wrong.complaints], [])
})

test('notifications from the page and from a program reach all pages of a person, and nobody else', TIMEOUT, async (t) => {
  const [bob, cy] = [await enter(t, 'Bob'), await enter(t, 'Cy')]
  await isOnline(bob, 'Cy')
  const second = await bob.context().newPage()
  await second.goto(origin)
  await isOnline(cy, 'Bob · 2 pages')
  await cy.selectOption('#to', 'Bob')
  await cy.fill('#text', 'lunch?')
  await cy.press('#text', 'Enter')
  await Promise.all([bob, second].map((page) => contains(page, '#notes', 'lunch?')))
  await contains(cy, '#sent', 'Sent to 2 pages of Bob')

  const post = (headers) =>
    fetch(`${origin}/notify`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ to: 'Bob', text: 'from a program' }) })
  assert.equal((await post({})).status, 401)
  assert.deepEqual(await (await post({ authorization: `Bearer ${await cy.evaluate(() => self.me.token)}` })).json(), { pages: 2 })
  await Promise.all([bob, second].map((page) => contains(page, '#notes', 'from a program')))
  assert.equal(await cy.textContent('#notes'), '')
  await bob.setViewportSize({ width: 1000, height: 560 })
  await bob.screenshot({ path: `${OUT}dashboard.png` })
  assert.deepEqual([...bob.complaints, ...cy.complaints], [])
})

test('a person who is kicked learns by whom, and may come back; one who logs out is gone', TIMEOUT, async (t) => {
  const [dan, eve] = [await enter(t, 'Dan'), await enter(t, 'Eve')]
  await isOnline(dan, 'Eve')
  await dan.click('#online li:has-text("Eve") button')
  await contains(eve, '#why', 'Dan has kicked you')
  await isOffline(dan, 'Eve')
  await eve.click('#again')
  await isOnline(dan, 'Eve')
  await eve.waitForSelector('#closed', { state: 'hidden', ...PATIENCE })
  await eve.click('#logout')
  await isOffline(dan, 'Eve')
  await eve.waitForSelector('#closed:not([hidden])', PATIENCE)
  assert.deepEqual([...dan.complaints, ...eve.complaints], [])
})
