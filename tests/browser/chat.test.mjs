// The chat example as two people use it: texts, pictures, the list of people, and a transport that changes
// under them.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 120_000 }
const PATIENCE = { timeout: 20_000 }
const OUT = fileURLToPath(new URL('out/', import.meta.url))
/** A red square of 8 by 8. */
const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mO4YOCAFTEMLQkAZplQAe0LctUAAAAASUVORK5CYII=', 'base64'
)

const TRANSPORTS = [
  'websocket', 'fetch-stream', 'xhr-stream', 'multipart', 'eventsource', 'htmlfile', 'iframe', 'xhr-poll', 'jsonp-poll', 'poll'
]
/** These two need an old Gecko and an old Internet Explorer. */
const ELSEWHERE = ['multipart', 'htmlfile']
let browser, chat, origin

before(async () => {
  await mkdir(OUT, { recursive: true })
  browser = await launch()
  chat = await start('chat', ['0'])
  origin = `http://127.0.0.1:${chat.port}`
})
after(() => endAll(browser, chat))

async function enter(name, room) {
  const page = await visit(browser, origin)
  await page.fill('#name', name)
  await page.fill('#where', room)
  await page.click('#join button')
  return page
}

async function say(page, text) {
  await page.fill('#text', text)
  await page.press('#text', 'Enter')
}

const inside = (page, room) => page.waitForFunction((room) => document.querySelector('#room').textContent.includes(room), room, PATIENCE)
const here = (page, names, patience = PATIENCE) =>
  page.waitForFunction(
    (names) => [...document.querySelectorAll('#here li')].map((li) => li.textContent.replace(' (you)', '')).sort().join() === names,
    names.sort().join(), patience
  )
const sees = (page, text) =>
  page.waitForFunction((text) => [...document.querySelectorAll('.said')].some((each) => each.textContent.endsWith(text)), text, PATIENCE)
/** Waits until a transport of this kind carries; if none does, the error has the text of the page's panel. */
async function carriedBy(page, wanted) {
  try {
    await page.waitForFunction(
      (source) => {
        const [state, transport] = ['#state', '#transport'].map((id) => document.querySelector(id).textContent)
        return state === 'open' && new RegExp(source).test(transport)
      },
      wanted.source, PATIENCE
    )
  } catch (error) {
    throw new Error(`never carried by ${wanted}: ${await page.innerText('aside')}`, { cause: error })
  }
}

const words = (page, begin) =>
  page.$$eval('.said', (all, begin) => all.map((each) => each.lastChild.textContent).filter((text) => text.startsWith(begin)), begin)

test('two people talk, send a picture, and change their transport in the middle of it', TIMEOUT, async (t) => {
  const ada = await enter('Ada', 'lobby')
  const ben = await enter('Ben', 'lobby')
  t.after(() => endAll(ada.context(), ben.context()))
  await here(ada, ['Ada', 'Ben'])
  await here(ben, ['Ada', 'Ben'])

  const tricky = '<b>not bold</b> & "quoted" – ñ 漢字 😀'
  await say(ada, tricky)
  await sees(ben, tricky)
  await ben.type('#text', 'typing')
  await ada.waitForFunction(() => document.querySelector('#typing').textContent.includes('Ben'), null, PATIENCE)

  await ada.setInputFiles('#file', { name: 'red.png', mimeType: 'image/png', buffer: PICTURE })
  await ben.waitForFunction(() => document.querySelector('.said img')?.naturalWidth === 8, null, PATIENCE)

  // A client whose streams are cut twice in a row polls for a while.
  let sent = 0
  const talk = async (n) => {
    for (const end = sent + n; sent < end; ) await say(ada, `line ${++sent}`)
  }
  for (const [button, transport] of [['fetch-stream', /stream$|poll$/], ['xhr-poll', /poll$/], ['all', /./]]) {
    await talk(3)
    await ada.click(`[data-allow=${button}]`)
    await talk(3)
    await carriedBy(ada, transport)
    await ada.click('#cut')
  }
  await talk(2)
  await sees(ben, `line ${sent}`)
  assert.deepEqual(await words(ben, 'line'), Array.from({ length: sent }, (_, i) => `line ${i + 1}`))
  assert.notEqual(await ada.textContent('#resumed'), '0', 'the cuts interrupted the session')

  await ada.setViewportSize({ width: 1100, height: 720 })
  await ada.screenshot({ path: `${OUT}chat.png` })
  await ben.setViewportSize({ width: 420, height: 820 })
  await ben.waitForFunction(() => {
    const log = document.querySelector('#log')
    return log.scrollHeight - log.scrollTop - log.clientHeight < 2
  }, null, PATIENCE)
  await ben.screenshot({ path: `${OUT}chat-narrow.png` })
  assert.deepEqual([...ada.complaints, ...ben.complaints], [])
})

test('a person who reloads never left; one who leaves is gone after the grace time', TIMEOUT, async (t) => {
  const cleo = await enter('Cleo', 'porch')
  const dan = await enter('Dan', 'porch')
  t.after(() => endAll(cleo.context()))
  await here(cleo, ['Cleo', 'Dan'])
  await cleo.evaluate(() => {
    self.absences = 0
    new MutationObserver(() => {
      const names = document.querySelector('#here').textContent
      if (names && !names.includes('Dan')) self.absences += 1
    }).observe(document.querySelector('#here'), { childList: true, subtree: true })
  })
  await dan.reload()
  await inside(dan, 'porch')
  await say(dan, 'back again')
  await sees(cleo, 'back again')
  assert.equal(await cleo.evaluate(() => self.absences), 0)
  await dan.context().close()
  await here(cleo, ['Cleo'], { timeout: 60_000 })
})

test('a room does not receive the texts of another', TIMEOUT, async (t) => {
  const eve = await enter('Eve', 'east')
  const walt = await enter('Walt', 'west')
  t.after(() => endAll(eve.context(), walt.context()))
  await inside(eve, 'east')
  await inside(walt, 'west')
  await say(eve, 'only in the east')
  await sees(eve, 'only in the east')
  await say(walt, 'only in the west')
  await sees(walt, 'only in the west')
  assert.deepEqual(await words(walt, 'only'), ['only in the west'])
})

test('bad input gets a friendly message, and the session lives', TIMEOUT, async (t) => {
  const fay = await enter('Fay', 'attic')
  await inside(fay, 'attic')
  const twin = await enter('Fay', 'attic')
  t.after(() => endAll(fay.context(), twin.context()))
  await twin.waitForFunction(() => document.querySelector('#sorry').textContent.length > 10, null, PATIENCE)
  t.diagnostic(`a name that is taken: ${await twin.textContent('#sorry')}`)

  await fay.evaluate(() => self.sayText('x'.repeat(3000)))
  await fay.waitForFunction(() => document.querySelector('.refused .why')?.textContent.includes('2,000'), null, PATIENCE)
  for (const [name, data, code] of [
    ['say', { text: 'without an id' }, 'data'],
    ['picture', [1, 2, 3], 'picture'],
    ['enter', { room: 'attic', name: ' ', key: '' }, 'name'],
    ['enter', { room: 'attic', name: 'Gus', key: '' }, 'name'],
    ['no such thing', null, 'unknown']
  ]) {
    const fault = await fay.evaluate(
      ([name, data]) => new Promise((done) => self.ask(name, Array.isArray(data) ? new Uint8Array(data) : data, done)),
      [name, data]
    )
    t.diagnostic(`${name}: ${fault.message}`)
    assert.equal(fault.code, code)
  }
  await say(fay, 'still here')
  await sees(fay, 'still here')
})

const isPale = (page, text, pale) =>
  page.waitForFunction(
    ([text, pale]) => [...document.querySelectorAll('.said.mine')].some((each) => each.textContent.endsWith(text) && each.matches('.pale') === pale),
    [text, pale], PATIENCE
  )
const block = (page, what) => page.click(`[data-allow=${what}]`)

test('what is said while cut is there at once, pale until it has arrived', TIMEOUT, async (t) => {
  const gil = await enter('Gil', 'cellar')
  const hal = await enter('Hal', 'cellar')
  t.after(() => endAll(gil.context(), hal.context()))
  await here(gil, ['Gil', 'Hal'])
  await block(gil, 'nothing')
  await say(gil, 'said in the dark')
  await isPale(gil, 'said in the dark', true)
  assert.deepEqual(await words(hal, 'said'), [])
  await gil.screenshot({ path: `${OUT}chat-pale.png` })
  await block(gil, 'all')
  await isPale(gil, 'said in the dark', false)
  await sees(hal, 'said in the dark')
  assert.deepEqual(await words(gil, 'said'), ['said in the dark'], 'one bubble, not two')
})

test('a reload keeps the log, and who comes later gets the last texts of the room', TIMEOUT, async (t) => {
  const ida = await enter('Ida', 'library')
  await inside(ida, 'library')
  for (let i = 1; i <= 60; i++) await ida.evaluate((i) => self.sayText(`page ${i}`), i)
  await isPale(ida, 'page 60', false)
  await ida.reload()
  await sees(ida, 'page 60')
  await say(ida, 'page 61')
  await isPale(ida, 'page 61', false)
  const jan = await enter('Jan', 'library')
  t.after(() => endAll(ida.context(), jan.context()))
  await sees(jan, 'page 61')
  const pages = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `page ${from + i}`)
  assert.deepEqual(await words(ida, 'page'), pages(11, 61), 'the last 50, and the one since')
  assert.deepEqual(await words(jan, 'page'), pages(12, 61))
})

test('three pictures of 480 KB wait for a page that is away', TIMEOUT, async (t) => {
  const kim = await enter('Kim', 'gallery')
  const lea = await enter('Lea', 'gallery')
  t.after(() => endAll(kim.context(), lea.context()))
  await here(kim, ['Kim', 'Lea'])
  await block(kim, 'nothing')
  // Chromium ignores what follows the end of a picture.
  const buffer = Buffer.concat([PICTURE, Buffer.alloc(480_000, 7)])
  for (let i = 0; i < 3; i++) await lea.setInputFiles('#file', { name: 'red.png', mimeType: 'image/png', buffer })
  await lea.waitForFunction(() => document.querySelectorAll('.said img').length === 3 && !document.querySelector('.pale'), null, PATIENCE)
  await block(kim, 'all')
  await kim.waitForFunction(() => [...document.querySelectorAll('.said img')].filter((img) => img.naturalWidth === 8).length === 3, null, PATIENCE)
  assert.match(await kim.textContent('#log'), /back, nothing lost/)
  assert.equal(await kim.evaluate(() => self.session.state), 'open')
})

test('each transport can be forced', TIMEOUT, async (t) => {
  const mia = await enter('Mia', 'station')
  const noa = await enter('Noa', 'station')
  t.after(() => endAll(mia.context(), noa.context()))
  await here(mia, ['Mia', 'Noa'])
  for (const transport of TRANSPORTS) {
    await mia.selectOption('#force', transport)
    if (ELSEWHERE.includes(transport)) {
      await mia.waitForFunction((name) => document.querySelector('#log').textContent.includes(`This browser has no ${name}.`), transport, PATIENCE)
      continue
    }
    await carriedBy(mia, new RegExp(`^${transport}$`))
    await say(mia, `by ${transport}`)
    await sees(noa, `by ${transport}`)
    await isPale(mia, `by ${transport}`, false)
  }
  await mia.selectOption('#force', '')
  await say(mia, 'by the best')
  await sees(noa, 'by the best')
  assert.deepEqual(mia.complaints, [])
})

test('a page whose session is closed connects again', TIMEOUT, async (t) => {
  const oda = await enter('Oda', 'hall')
  const pia = await enter('Pia', 'hall')
  t.after(() => endAll(oda.context(), pia.context()))
  await here(oda, ['Oda', 'Pia'])
  await oda.evaluate(() => self.session.close(3500, 'enough'))
  await oda.waitForSelector('#over:not([hidden])', PATIENCE)
  await here(pia, ['Pia'])
  await oda.click('#again')
  await here(pia, ['Oda', 'Pia'])
  await say(oda, 'here again')
  await sees(pia, 'here again')
})

test('a restart of the server with texts waiting: the page joins first, and they arrive', TIMEOUT, async (t) => {
  const quin = await enter('Quin', 'yard')
  const rob = await enter('Rob', 'yard')
  t.after(() => endAll(quin.context(), rob.context()))
  await here(quin, ['Quin', 'Rob'])
  await chat.stop()
  await quin.waitForFunction(() => self.session.state === 'interrupted', null, PATIENCE)
  await say(quin, 'wait for me')
  await say(quin, 'and for this')
  await isPale(quin, 'and for this', true)
  chat = await start('chat', [String(chat.port)])
  await sees(rob, 'and for this')
  await isPale(quin, 'and for this', false)
  assert.deepEqual(await Promise.all([quin, rob].map((page) => page.locator('#log .note.sorry').count())), [0, 0])
  assert.deepEqual(await words(rob, ''), ['wait for me', 'and for this'])
})
