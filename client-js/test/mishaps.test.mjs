/** Mishaps: what once made a session hang, spin, forget or come alive after its end. */
import assert from 'node:assert/strict'
import { ReadableStream } from 'node:stream/web'
import { story } from './support/network.mjs'
import { connect } from '../src/index.js'

const HTTP_ONLY = { transports: ['fetch-stream', 'xhr-poll'] }
const POLLS = { transports: ['xhr-poll'] }

/** An answer of somebody who knows nothing of us. */
const answer = (ok, status, text) => ({
  ok,
  status,
  headers: { get: () => null },
  body: new ReadableStream({
    start(body) {
      if (text) body.enqueue(new TextEncoder().encode(text))
      body.close()
    }
  })
})

story('a session that is aborted at once opens nothing', async (it) => {
  const { session, named } = it.open()
  session.abort()
  await it.pass(1000)
  assert.deepEqual([named('closed').length, it.sockets.length, it.fetched.length], [1, 0, 0])
})

story('one that is aborted while auth is asked for opens nothing', async (it) => {
  let tell
  const { session } = it.open({ auth: () => new Promise((resolve) => (tell = resolve)) })
  await it.pass(100)
  session.abort()
  await it.pass(100)
  tell('token')
  await it.pass(1000)
  assert.deepEqual([it.sockets.length, it.fetched.length], [0, 0])
})

story('a server whose answers are all empty is asked with pauses', async (it) => {
  let count = 0
  globalThis.fetch = () => new Promise((resolve) => it.clock.setTimeout(() => resolve(answer(true, 200), count++), 20))
  it.open(HTTP_ONLY)
  await it.pass(20000)
  assert.ok(count < 40, `${count} requests`)
})

story('a query of the address is kept apart from ours', async (it) => {
  const urls = []
  globalThis.document = {}
  globalThis.localStorage = {}
  globalThis.fetch = (url) => (urls.push(url), new Promise(() => {}))
  connect('http://host/live?room=a', POLLS)
  delete globalThis.localStorage
  delete globalThis.document
  connect('http://host/live?room=b&', POLLS)
  await it.pass(10)
  const queries = urls.map((url) => Object.fromEntries(new URL(url).searchParams))
  assert.equal(new URL(urls[0]).pathname, '/live/open')
  assert.deepEqual(queries.map(({ room, bytes, session }) => [room, bytes, session]), [['a', '1', ''], ['b', '1', '']])
  assert.deepEqual(queries.map(({ browser }) => Boolean(browser)), [true, false])
})

story('a page that is shown again asks on its next poll for a sign of life', async (it) => {
  const listeners = {}
  globalThis.addEventListener = (name, listener) => (listeners[name] = listener)
  globalThis.removeEventListener = () => {}
  const { named } = it.open(POLLS)
  delete globalThis.addEventListener
  delete globalThis.removeEventListener
  await it.pass(5000)
  listeners.visibilitychange()
  await it.pass(10)
  assert.match(it.fetched.at(-1).body, /^r1,.*:w:$/, 'it asks, since a poll is not answered before there is something to say')
  await it.pass(22000)
  assert.deepEqual(named('interrupted'), [])
}, { terms: { interval: 25000, timeout: 20000, hold: 25000 } })

story('a new session does not wait for an upload of the one before, and ignores its answer', async (it) => {
  const { session } = it.open(POLLS)
  await it.pass(100)
  const real = globalThis.fetch
  let late
  globalThis.fetch = (url, how) => (/send/.test(url) && !late ? new Promise((resolve) => (late = resolve)) : real(url, how))
  session.send('old')
  await it.pass(50)
  it.half.forgotten = true
  it.half.line.end()
  await it.pass(1000)
  assert.deepEqual([it.server.sessions.length, session.state], [2, 'open'])
  session.send('new')
  late(answer(true, 200, 'a1:'))
  await it.pass(1)
  assert.equal(session.unacknowledged, 1, 'not taken for acknowledged')
  await it.pass(1000)
  assert.deepEqual([it.half.messages, session.unacknowledged], [['new'], 0])
})

story('a WebSocket that ends with 1000 does not end the session', async (it) => {
  const { session, named } = it.open()
  await it.pass(100)
  session.close(1000, 'bye')
  await it.pass(1000)
  assert.deepEqual([named('closed').length, it.half.closed], [1, [1000, 'bye']])
})

story('a WebSocket that ends with 1000 or 1001, as browsers and proxies end them, was cut', async (it) => {
  const { session, named } = it.open()
  await it.pass(100)
  for (const code of [1001, 1000]) {
    it.sockets.at(-1).cut(code)
    await it.pass(5000)
    assert.equal(session.state, 'open')
  }
  assert.deepEqual(named('resumed').map((event) => event[1].outcome), ['full', 'full'])
})

story('auth is asked for again when a session is lost while a WebSocket is tried', async (it) => {
  let asked = 0
  it.mode.websocket = 'silent'
  it.open({ auth: () => `token ${++asked}` })
  await it.pass(1000)
  it.half.forgotten = true
  it.half.line.end()
  await it.pass(2000)
  assert.deepEqual(it.server.sessions.map(({ auth }) => auth), ['token 1', 'token 2'])
})

story('uploads that something refuses do not make it reconnect without pause', async (it) => {
  const { session, named } = it.open(HTTP_ONLY)
  await it.pass(100)
  const real = globalThis.fetch
  globalThis.fetch = (url, how) =>
    /send/.test(url) ? new Promise((resolve) => it.clock.setTimeout(() => resolve(answer(false, 403, '<html>no</html>')), 5)) : real(url, how)
  session.send("' or 1=1 --")
  for (let i = 0; i < 300; i++) {
    it.half.send('tick')
    await it.pass(100)
  }
  assert.ok(named('interrupted').length < 40, `${named('interrupted').length} times in half a minute`)
  globalThis.fetch = real
  await it.pass(30000)
  assert.deepEqual(it.half.messages, ["' or 1=1 --"])
})

story('the close of a page that goes needs no link', async (it) => {
  const listeners = {}
  globalThis.addEventListener = (name, listener) => (listeners[name] = listener)
  globalThis.removeEventListener = () => {}
  const { session, named } = it.open()
  delete globalThis.addEventListener
  delete globalThis.removeEventListener
  await it.pass(100)
  it.sockets[0].cut(1001)
  session.send('last')
  listeners.pagehide({})
  await it.pass(20)
  assert.deepEqual([it.half.messages, it.half.closed, named('interrupted').length], [['last'], [1001, ''], 1])
})
