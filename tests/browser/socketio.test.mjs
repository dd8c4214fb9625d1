// The first chat of everybody in Socket.IO on our server, by its page as it was and by one changed `src`: nothing is
// lost over cuts.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
let browser, server

before(async () => {
  browser = await launch()
  server = await start('socketio', ['0'])
})
after(() => endAll(browser, server))

/** A person at a page, whose connections go through a proxy of its own. */
async function person(t, path = '/') {
  const proxy = await FaultProxy.listen({ target: server.port })
  const page = await visit(browser, proxy.origin + path)
  t.after(() => endAll(page.context(), proxy))
  return {
    page,
    cut: (how) => proxy.live().map((connection) => connection.cut(how)).length,
    connected: () => page.waitForFunction(() => socket.connected, null, PATIENCE),
    /** Types a message and sends the form. */
    async say(text) {
      await page.fill('#input', text)
      await page.click('button')
    },
    read: () => page.$$eval('#messages li', (items) => items.map((item) => item.textContent)),
    /** Waits until the page shows so many messages. */
    shows: (count) => page.waitForFunction((count) => document.querySelectorAll('#messages li').length >= count, count, PATIENCE)
  }
}

test('the page as it was, and the one with a changed `src`, chat by the native protocol', TIMEOUT, async (t) => {
  const people = [await person(t), await person(t, '/live.html')]
  const places = []
  for (const { page, connected } of people) {
    const paths = []
    const note = (asked) => paths.push(new URL(asked.url()).pathname)
    page.on('request', note)
    page.on('websocket', note)
    await page.reload()
    await connected()
    const [src] = await page.$$eval('script[src]', (scripts) => scripts.map((script) => script.getAttribute('src')))
    // The session opens by what answers first.
    const opened = paths.filter((path) => /\/(open|websocket)$/.test(path))
    places.push([src, [...new Set(opened.map((path) => path.replace(/\/\w+$/, '')))], paths.includes('/socket.io/')])
  }
  assert.deepEqual(places, [
    ['/socket.io/socket.io.js', ['/socket.io/anywire'], false],
    ['/live/io.js', ['/live'], false]
  ])
  for (const [at, { say }] of people.entries()) {
    await say(`from ${at}`)
    for (const reader of people) await reader.shows(at + 1)
  }
  for (const reader of people) assert.deepEqual([await reader.read(), reader.page.complaints], [['from 0', 'from 1'], []])
})

test('the module by the name that it has in socket.io-client finds the native routes', TIMEOUT, async (t) => {
  const { page } = await person(t)
  const answer = await page.evaluate(async () => {
    const { io } = await import('/socket.io/socket.io.esm.min.js')
    const other = io({ path: '/socket.io/', forceNew: true })
    const name = await other.emitWithAck('nothing').catch(({ code }) => code)
    const { id } = other
    other.disconnect()
    return [name, typeof id]
  })
  assert.deepEqual(answer, ['unknown', 'string'])
})

test('two pages chat over cuts: both show each message once, in the same order', TIMEOUT, async (t) => {
  const [ann, bob] = [await person(t), await person(t)]
  await Promise.all([ann.connected(), bob.connected()])
  const reported = () => {
    self.reported = []
    for (const name of ['connect', 'disconnect', 'connect_error']) socket.on(name, (detail) => self.reported.push([name, String(detail)]))
  }
  for (const { page } of [ann, bob]) await page.evaluate(reported)
  const said = { ann: [], bob: [] }
  for (let round = 1; round <= 5; round++) {
    for (const [name, writer] of [['ann', ann], ['bob', bob]]) {
      for (const part of [1, 2, 3]) {
        const text = `${name} ${round}.${part}`
        said[name].push(text)
        // The connections end in the midst of what a person writes, those of the reader too.
        if (part === 2) assert.ok((round % 2 ? ann : bob).cut(round % 3 ? 'rst' : 'fin') > 0, 'a connection is cut')
        await writer.say(text)
      }
    }
  }
  const total = said.ann.length + said.bob.length
  await Promise.all([ann.shows(total), bob.shows(total)])
  const [first, second] = [await ann.read(), await bob.read()]
  assert.deepEqual(first, second)
  for (const name of ['ann', 'bob']) assert.deepEqual(first.filter((text) => text.startsWith(name)), said[name])
  assert.equal(first.length, total)
  // A cut is no disconnect.
  for (const { page } of [ann, bob]) assert.deepEqual([await page.evaluate(() => self.reported), page.complaints], [[], []])
})

test('each message with an id of the page is acknowledged once, behind itself, over cuts', TIMEOUT, async (t) => {
  const [ann, bob] = [await person(t), await person(t)]
  await Promise.all([ann.connected(), bob.connected()])
  const TOTAL = 60
  await bob.page.evaluate(() => {
    self.got = []
    socket.on('chat message', (text, id) => self.got.push(id))
  })
  await ann.page.evaluate((total) => {
    self.order = []
    self.ids = []
    socket.on('chat message', (text, id) => self.order.push(id))
    const next = (number) => {
      const id = `${socket.id}-${number}`
      self.ids.push(id)
      socket.emit('chat message', `text ${number}`, id, (...values) => self.order.push(`ack ${id} ${values.length}`))
      if (number < total) setTimeout(next, 20, number + 1)
    }
    next(1)
  }, TOTAL)
  for (let cut = 1; cut <= 4; cut++) {
    await ann.page.waitForFunction((least) => self.order.length >= least, (cut * 2 * TOTAL) / 5, PATIENCE)
    ann.cut(cut % 2 ? 'rst' : 'fin')
    if (cut % 2) bob.cut('rst')
  }
  await ann.page.waitForFunction((count) => self.order.length >= count, 2 * TOTAL, PATIENCE)
  await bob.shows(TOTAL)
  const { ids, order } = await ann.page.evaluate(() => ({ ids: self.ids, order: self.order }))
  assert.equal(new Set(ids).size, TOTAL)
  assert.deepEqual(order, ids.flatMap((id) => [id, `ack ${id} 0`]))
  assert.deepEqual(await bob.page.evaluate(() => self.got), ids)
  assert.deepEqual(await bob.read(), ids.map((_, at) => `text ${at + 1}`))
})

test('what a page writes while it is disconnected is sent when it connects again', TIMEOUT, async (t) => {
  const [ann, bob] = [await person(t), await person(t)]
  await Promise.all([ann.connected(), bob.connected()])
  const before = await ann.page.evaluate(() => {
    self.reasons = []
    socket.on('disconnect', (reason) => self.reasons.push(reason))
    const { id } = socket
    socket.disconnect()
    return id
  })
  assert.deepEqual(await ann.page.evaluate(() => [socket.connected, socket.id ?? null, self.reasons]), [false, null, ['io client disconnect']])
  await ann.say('later')
  await bob.say('now')
  await bob.shows(1)
  assert.deepEqual([await ann.read(), await bob.read()], [[], ['now']])
  await ann.page.evaluate(() => void socket.connect())
  await Promise.all([ann.shows(1), bob.shows(2)])
  assert.deepEqual([await ann.read(), await bob.read()], [['later'], ['now', 'later']])
  await ann.connected()
  assert.notEqual(await ann.page.evaluate(() => socket.id), before)
})

test('the parts of the page that use promises and time limits', TIMEOUT, async (t) => {
  const ann = await person(t)
  await ann.connected()
  const ends = await ann.page.evaluate(async () => {
    const limited = (name, value) => new Promise((resolve) => socket.timeout(5000).emit(name, value, (error, ...rest) => resolve([error && error.code, rest.length])))
    return [
      await socket.emitWithAck('chat message', 'promised'),
      await limited('chat message', 'limited'),
      await limited('nothing', 1),
      await socket.timeout(5000).emitWithAck('nothing').catch(({ code }) => code),
      await new Promise((resolve) => socket.emit('nothing', 1, resolve)).then(({ error }) => error.code)
    ]
  })
  assert.deepEqual(ends, [undefined, [null, 0], ['unknown', 0], 'unknown', 'unknown'])
  assert.deepEqual(await ann.read(), ['promised', 'limited'])
})
