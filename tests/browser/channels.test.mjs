// Namespaces in a browser: how a channel opens, is refused, carries events and requests both ways, and ends, over cuts and
// switches; and how channels open again where the server has lost the session.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BLOCKED, FaultProxy } from '../proxies/fault-proxy.mjs'
import { launch, visit } from './browser.mjs'
import { start } from './lab.mjs'
import { endAll } from './support.mjs'

const TIMEOUT = { timeout: 90_000 }
const PATIENCE = { timeout: 30_000 }
const EACH = [['mjs', ['websocket']], ['mjs', ['fetch-stream']], ['mjs', ['xhr-poll']], ['js', ['jsonp-poll']]]
const ALL = ['mjs', ['websocket', 'fetch-stream', 'xhr-poll']]
const CUTS = 4
const REQUESTS = 60
let browser, server

before(async () => {
  browser = await launch()
  server = await start('channels', ['0'])
})
after(() => endAll(browser, server))

/** Runs in the page: what happens in each channel is in `self.noted`, by its namespace; `/` is the session's. */
function prepare(options) {
  self.line = self.connect('/live', options)
  self.noted = {}
  self.transports = []
  self.line.on('open', () => self.transports.push(self.line.transport))
  self.line.on('transport', (name) => self.transports.push(name))
  self.note = (namespace, channel) => {
    const noted = (self.noted[namespace] = { life: [], ends: [], asked: [], mirrored: [] })
    channel.on('count back', (number, reply) => {
      noted.asked.push(number)
      reply(number)
    })
    channel.on('mirrored', (number, bytes) => noted.mirrored.push([number, ...new Uint8Array(bytes)]))
    channel.on('last', () => noted.life.push(['last']))
    if (namespace !== '/') for (const name of ['open', 'closed']) channel.on(name, (detail) => noted.life.push([name, detail]))
    channel.on('connect_error', ({ code, message, data }) => noted.life.push(['connect_error', code, message, data]))
    return channel
  }
  self.enter = (namespace, auth) => self.note(namespace, self.line.channel(namespace, auth))
  self.ask = (namespace, channel, name, value) => {
    const { ends } = self.noted[namespace]
    channel.timeout(60_000).request(name, value).then((answer) => ends.push([value, answer]), ({ code }) => ends.push([value, code]))
  }
  self.lines = () => self.line.request('log')
  self.note('/', self.line)
}

async function open(t, port, [bundle, transports]) {
  const proxy = await FaultProxy.listen({ target: port })
  const page = await visit(browser, `${proxy.origin}/page`)
  t.after(() => endAll(page.context(), proxy))
  await page.evaluate(async (bundle) => {
    self.connect = (bundle === 'js' ? self.anywire : await import('/live/client.mjs')).connect
  }, bundle)
  await page.evaluate(prepare, { transports })
  return { proxy, page, until: (check, value) => page.waitForFunction(check, value, PATIENCE) }
}

/** Sends numbers and asks them in several namespaces at once, a few in each turn. */
function converse({ namespaces, requests }) {
  const bytes = (number) => new Uint8Array([number, 255 - number, 0])
  const next = (number) => {
    for (const namespace of namespaces) {
      const channel = namespace === '/' ? self.line : self.line.channel(namespace)
      self.ask(namespace, channel, 'count', number)
      channel.emit('mirror', number, bytes(number))
    }
    if (number < requests) setTimeout(next, 15, number + 1)
  }
  next(1)
}

const numbers = Array.from({ length: REQUESTS }, (_, at) => at + 1)
const NAMESPACES = ['/room-a', '/room-b', '/']

for (const variant of [...EACH, ALL]) {
  const [bundle, transports] = variant
  const switching = transports.length > 1
  test(`channels over ${transports.join(', ')} (${bundle}) and ${CUTS} cuts: each carries its own, once and in order`, TIMEOUT, async (t) => {
    const { proxy, page, until } = await open(t, server.port, variant)
    await page.evaluate(() => {
      self.enter('/room-a', { key: 'a' })
      self.enter('/room-b', () => ({ key: 'b' }))
    })
    await page.evaluate(converse, { namespaces: NAMESPACES, requests: REQUESTS })
    for (let cut = 1; cut <= CUTS; cut++) {
      await until((least) => Object.values(self.noted).every(({ ends }) => ends.length >= least), (cut * REQUESTS) / (CUTS + 1))
      if (switching && cut % 2) proxy.rule('websocket', BLOCKED[(cut >> 1) % BLOCKED.length], { times: 2 })
      for (const connection of proxy.live()) connection.cut(cut % 2 ? 'rst' : 'fin')
    }
    await until((count) => Object.values(self.noted).every(({ ends, mirrored }) => ends.length >= count && mirrored.length >= count), REQUESTS)
    const { noted, taken, state } = await page.evaluate(() => ({ noted: self.noted, taken: self.transports, state: self.line.state }))
    for (const namespace of NAMESPACES) {
      const { life, ends, asked, mirrored } = noted[namespace]
      assert.deepEqual(ends, numbers.map((number) => [number, number]), namespace)
      assert.deepEqual(asked, numbers, namespace)
      assert.deepEqual(mirrored, numbers.map((number) => [number, number, 255 - number, 0]), namespace)
      assert.deepEqual(life, namespace === '/' ? [] : [['open', { first: true }]], namespace)
    }
    assert.equal(state, 'open')
    if (switching) assert.ok(new Set(taken).size > 1, `transports switched: ${taken}`)
    assert.deepEqual(page.complaints, [])
  })

  test(`channels over ${transports.join(', ')} (${bundle}) are refused, left, opened again, and closed by the server`, TIMEOUT, async (t) => {
    const { proxy, page, until } = await open(t, server.port, variant)
    const cut = (how) => {
      if (switching) proxy.rule('websocket', 'refused', { times: 2 })
      for (const connection of proxy.live()) connection.cut(how)
    }
    const run = `${bundle} ${transports}`
    await page.evaluate((run) => {
      for (const [namespace, auth] of [['/room-no', { key: 'wrong' }], ['/nothing', undefined], ['/room-x', { key: run }], ['/room-k', { key: run }]]) {
        self.ask(namespace, self.enter(namespace, auth), 'count', 1)
      }
    }, run)
    await until(() => ['/room-no', '/nothing', '/room-x', '/room-k'].every((namespace) => self.noted[namespace].ends.length))
    const first = await page.evaluate(() => self.noted)
    const life = (noted) => Object.fromEntries(Object.entries(noted).map(([namespace, { life, ends }]) => [namespace, [life, ends]]))
    assert.deepEqual(life(first), {
      '/': [[], []],
      '/room-no': [[['connect_error', 'login', 'unknown key', 7]], [[1, 'login']]],
      '/nothing': [[['connect_error', 'unknown', first['/nothing'].life[0][2], undefined]], [[1, 'unknown']]],
      '/room-x': [[['open', { first: true }]], [[1, 1]]],
      '/room-k': [[['open', { first: true }]], [[1, 1]]]
    })

    // One is left with a request under way, and opened again at once, while the connections are cut.
    await page.evaluate((run) => {
      const channel = self.line.channel('/room-x')
      channel.emit('note', `last of ${run}`)
      self.ask('/room-x', channel, 'hold')
      channel.leave()
      self.before = self.noted['/room-x']
      self.ask('/room-x', self.enter('/room-x', { key: `${run} again` }), 'count', 2)
    }, run)
    cut('rst')
    await until(() => self.noted['/room-x'].ends.length)
    const [before, again] = await page.evaluate(() => [self.before, self.noted['/room-x']])
    assert.deepEqual([before.life.at(-1), before.ends.at(-1)], [['closed', { code: 1000, reason: '' }], [undefined, 'closed']])
    assert.deepEqual([again.life, again.ends], [[['open', { first: true }]], [[2, 2]]])

    // One is closed by the server behind what it sent there.
    await page.evaluate(() => {
      const channel = self.line.channel('/room-k')
      channel.emit('kick')
      self.ask('/room-k', channel, 'count', 3)
    })
    cut('fin')
    await until(() => self.noted['/room-k'].ends.length === 2)
    const kicked = await page.evaluate(() => self.noted['/room-k'])
    assert.deepEqual(kicked.life.slice(1), [['last'], ['closed', { code: 3001, reason: 'kicked' }]])
    assert.deepEqual(kicked.ends[1], [3, 'closed'])
    await page.evaluate(() => self.ask('/', self.line, 'count', 4))
    await until(() => self.noted['/'].ends.length)
    assert.deepEqual(await page.evaluate(() => [self.line.state, self.noted['/'].ends]), ['open', [[4, 4]]])

    // The log has the rooms of the other variants too.
    const lines = await page.evaluate(() => self.lines())
    // Which of two namespaces opens first is nobody's promise.
    const from = lines.findIndex((line) => line.endsWith(` open ${run}`))
    assert.deepEqual(lines.slice(from).filter((line) => line.startsWith('/room-x')), [
      `/room-x open ${run}`, `/room-x note last of ${run}`, '/room-x hold', '/room-x end 1000', `/room-x open ${run} again`
    ])
    assert.deepEqual(lines.slice(from).filter((line) => line.startsWith('/room-k')), [`/room-k open ${run}`, '/room-k end 3001'])
    assert.deepEqual(page.complaints, [])
  })
}

for (const variant of EACH) {
  const [bundle, transports] = variant
  test(`a server restart over ${transports} (${bundle}): channels open again in front of what waited`, TIMEOUT, async (t) => {
    let server = await start('channels', ['0'])
    t.after(() => endAll(server))
    const { proxy, page, until } = await open(t, server.port, variant)
    await page.evaluate(() => {
      let openings = 0
      self.lost = []
      self.line.on('resumed', ({ outcome, unknown }) => self.lost.push([outcome, unknown]))
      for (const namespace of ['/room-a', '/room-left']) {
        const channel = self.enter(namespace, namespace === '/room-a' ? () => ({ key: `opening ${++openings}` }) : { key: 'left' })
        channel.emit('note', 'known')
        self.ask(namespace, channel, 'count', 1)
      }
    })
    await until(() => ['/room-a', '/room-left'].every((namespace) => self.noted[namespace].ends.length))
    // One request may have been received when the session is lost.
    await page.evaluate(() => {
      self.line.channel('/room-left').leave()
      self.ask('/room-a', self.line.channel('/room-a'), 'hold')
    })
    await page.evaluate(async () => {
      while (!(await self.lines()).includes('/room-a hold')) await new Promise((resolve) => setTimeout(resolve, 20))
      await self.line.flush()
    })
    const { port } = server
    const refuse = proxy.rule('*', 'reset')
    await server.stop()
    for (const connection of proxy.live()) connection.cut('rst')
    await until(() => self.line.state === 'interrupted')
    await page.evaluate(() => {
      for (const [namespace, channel] of [['/room-a', self.line.channel('/room-a')], ['/room-late', self.enter('/room-late', { key: 'late' })], ['/', self.line]]) {
        for (const number of [1, 2, 3]) channel.emit('note', `waited ${number}`)
        channel.emit('mirror', 9, new Uint8Array([9]))
        self.ask(namespace, channel, 'count', 2)
      }
    })
    server = await start('channels', [String(port)])
    refuse()
    await until(() => ['/room-a', '/room-late', '/'].every((namespace) => self.noted[namespace].ends.some(([value]) => value === 2)))
    const { noted, lost, lines } = await page.evaluate(async () => ({ noted: self.noted, lost: self.lost, lines: await self.lines() }))
    const waited = [1, 2, 3].map((number) => `note waited ${number}`)
    const of = (namespace) => lines.filter((line) => line.startsWith(`${namespace} `)).map((line) => line.slice(namespace.length + 1))
    assert.deepEqual(of('/room-a'), ['open opening 2', ...waited])
    assert.deepEqual(of('/room-late'), ['open late', ...waited])
    assert.deepEqual([of('/room-left'), of('/')], [[], waited])
    assert.deepEqual(lost, [['new', []]])
    assert.deepEqual(noted['/room-a'].life, [['open', { first: true }], ['open', { first: false }]])
    assert.deepEqual(noted['/room-a'].ends, [[1, 1], [undefined, 'unknown'], [2, 2]])
    assert.deepEqual([noted['/room-late'].life, noted['/room-late'].ends], [[['open', { first: true }]], [[2, 2]]])
    for (const namespace of ['/room-a', '/room-late', '/']) assert.deepEqual(noted[namespace].mirrored, [[9, 9]], namespace)
    assert.deepEqual(page.complaints, [])
  })
}

test('sockets of `io` in three namespaces share a session, over cuts and a server restart', TIMEOUT, async (t) => {
  let server = await start('channels', ['0'])
  t.after(() => endAll(server))
  const { port } = server
  const proxy = await FaultProxy.listen({ target: port })
  const page = await visit(browser, `${proxy.origin}/page`)
  t.after(() => endAll(page.context(), proxy))
  const until = (check, value) => page.waitForFunction(check, value, PATIENCE)
  const cut = () => proxy.live().map((connection) => connection.cut('rst'))
  await page.evaluate(() => {
    self.life = []
    self.sockets = {}
    for (const [namespace, key] of [['/', ''], ['/room-a', 'a'], ['/room-b', 'b'], ['/room-c', 'wrong']]) {
      const socket = (self.sockets[namespace] = self.io(namespace, { auth: { key } }))
      for (const name of ['connect', 'disconnect', 'connect_error']) {
        socket.on(name, (detail) => self.life.push([namespace, name, detail && (detail.data ?? detail)]))
      }
      socket.on('count back', (number, reply) => reply(number))
    }
    self.ends = []
    self.ask = (number) => {
      for (const namespace of ['/', '/room-a', '/room-b']) {
        self.sockets[namespace].emit('count', number, (answer) => self.ends.push([namespace, answer.error ? answer.error.code : answer]))
      }
    }
  })
  await until(() => self.life.length === 4)
  const ids = await page.evaluate(() => ['/', '/room-a', '/room-b', '/room-c'].map((namespace) => self.sockets[namespace].id ?? null))
  assert.deepEqual([ids[3], new Set(ids.slice(0, 3)).size], [null, 1])
  assert.deepEqual(await page.evaluate(() => self.life.splice(0).toSorted()), [
    ['/', 'connect', undefined], ['/room-a', 'connect', undefined], ['/room-b', 'connect', undefined], ['/room-c', 'connect_error', 7]
  ])
  for (const number of [1, 2, 3]) {
    await page.evaluate((number) => self.ask(number), number)
    cut()
    await until((count) => self.ends.length === count, 3 * number)
  }
  // A cut is no disconnect.
  assert.deepEqual(await page.evaluate(() => self.life), [])

  const refuse = proxy.rule('*', 'reset')
  await server.stop()
  cut()
  await until(() => self.sockets['/'].io.session.state === 'interrupted')
  await page.evaluate(() => self.ask(4))
  server = await start('channels', [String(port)])
  refuse()
  await until(() => self.ends.length === 12)
  const { ends, life, lines } = await page.evaluate(async () => ({ ends: self.ends, life: self.life, lines: await self.sockets['/'].emitWithAck('log') }))
  for (const namespace of ['/', '/room-a', '/room-b']) {
    assert.deepEqual(ends.filter(([of]) => of === namespace).map(([, end]) => end), [1, 2, 3, 4], namespace)
    assert.deepEqual(life.filter(([of]) => of === namespace).map(([, ...what]) => what), [['disconnect', 'transport close'], ['connect', undefined]])
  }
  assert.equal(life.length, 6)
  assert.deepEqual(lines.toSorted(), ['/room-a open a', '/room-b open b'])
  assert.deepEqual(page.complaints, [])
})
