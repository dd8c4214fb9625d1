/**
 * Which way to make requests the client for old browsers uses: outages and lost races are not held against
 * one.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createClock } from './clock.mjs'
import { createServer, parse } from './server.mjs'

globalThis.LEGACY = true
globalThis.self = {}
globalThis.document = { createElement: () => ({}) }
const { connect } = await import('../src/api.js')
const { legacyHttp } = await import('../src/http-legacy.js')
const { decode, encode } = await import('../src/codec.js')

/**
 * A network that takes `lag` one way, in which requests (`xhr`, `script`) and WebSockets work or are refused.
 */
const world = (lag, run, ways = ({ xhr, script }) => [xhr, script]) => {
  const clock = createClock()
  const server = createServer()
  const works = { xhr: true, script: true, socket: true }
  const sockets = []
  /** The messages of all forms. */
  const uploads = []
  const soon = (task) => clock.setTimeout(task, lag)

  const request = (way) => (url, frames, credentials, take, done) => {
    const name = /live\/([a-z-]+)/.exec(url)[1]
    const body = encode(frames)
    let over
    const finish = (code, reason) => {
      if (!over) done(code, reason, (over = 0))
      over = 1
    }
    const hear = (chunk) => soon(() => over || decode(chunk, 0, take, finish))
    const line = { write: hear, end: () => soon(() => finish(0)), refuse: (status, text) => hear(text) }
    soon(() => {
      if (!over && works[way]) server.request(name.replace('jsonp', 'xhr'), body, line)
      else finish(-1)
    })
    return () => (over = 1)
  }

  /** The page cannot read a form's answer: what it brings is acknowledged in the poll that waits. */
  const form = (url, frames, credentials, take, done) => {
    const body = encode(frames)
    uploads.push(...parse(body).filter(({ letter }) => letter === 'm'))
    soon(() => {
      server.request('send', body, { write() {}, end: () => soon(() => done(0)) })
      // The acknowledgement is slower than the end of the form.
      clock.setTimeout(() => {
        const half = server.sessions.at(-1)
        if (!half.line) return
        half.put(`a${half.received}`)
        half.line.end()
        half.line = null
      }, 3 * lag)
    })
    return () => {}
  }

  const Socket = class {
    constructor() {
      sockets.push(this)
      this.line = {
        socket: true,
        write: (data) => soon(() => this.over || this.onmessage({ data })),
        end: (code = 1000, reason = '') => soon(() => this.cut(code, reason))
      }
      soon(() => this.over || (works.socket ? this.onopen() : this.cut()))
    }

    send(data) {
      soon(() => this.over || server.receive(data, this.line))
    }

    cut(code = 1006, reason = '') {
      if (!this.over) this.onclose({ code, reason }, (this.over = 1))
    }

    close() {
      this.over = 1
    }
  }

  const ours = { setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, Date: clock.Date }
  const theirs = Object.fromEntries(Object.keys(ours).map((name) => [name, globalThis[name]]))
  const { random } = Math
  Object.assign(globalThis, ours)
  Math.random = () => 0.5
  try {
    const options = { WebSocket: Socket }
    const poll = (name, make) => ({ name_: name, request_: make, uploadName_: 'send', upload_: make })
    const polls = ways({ xhr: poll('xhr-poll', request('xhr')), script: poll('jsonp-poll', request('script')), form })
    const session = connect('ws://host/live', options, () => legacyHttp(options, [], polls))
    run({ clock, server, works, sockets, session, uploads })
  } finally {
    Object.assign(globalThis, theirs)
    Math.random = random
  }
}

test('a race that the WebSocket wins does not count against requests', () =>
  world(100, ({ clock, works, sockets, session }) => {
    clock.advance(2000)
    assert.equal(session.transport, 'websocket')
    works.socket = false
    sockets[0].cut()
    clock.advance(5000)
    assert.equal(session.transport, 'xhr-poll')
  }))

test('after an outage the way that was of use is kept', () =>
  world(5, ({ clock, server, works, session }) => {
    works.socket = false
    clock.advance(2000)
    assert.equal(session.transport, 'xhr-poll')
    for (let outage = 0; outage < 10; outage++) {
      server.sessions.at(-1).send('of use')
      clock.advance(1000)
      works.xhr = works.script = false
      server.sessions.at(-1).line?.end()
      clock.advance(3000 + outage * 900)
      works.xhr = works.script = true
      clock.advance(40000)
      assert.deepEqual([session.state, session.transport], ['open', 'xhr-poll'], `outage ${outage}`)
    }
  }))

test('if no transport is left, connect throws', () => {
  for (const transports of [[], ['fetch-stream'], ['jsonp-poll', 'xhr-stream']]) {
    const options = { transports }
    assert.throws(() => connect('http://host/live', options, () => legacyHttp(options, [], [{ name_: 'xhr-poll' }])), /no transport works here/)
  }
})

test('a way that never works is replaced by the next', () =>
  world(5, ({ clock, works, session }) => {
    works.socket = works.xhr = false
    clock.advance(5000)
    assert.deepEqual([session.state, session.transport], ['open', 'jsonp-poll'])
  }))

test('the time that an upload by a form has does not end that of a later one', () =>
  world(
    20,
    ({ clock, server, works, session, uploads }) => {
      works.socket = false
      clock.advance(1000)
      assert.deepEqual([session.state, session.transport], ['open', 'jsonp-poll'])
      const messages = Array.from({ length: 500 }, (_, i) => `message ${i}`)
      for (const message of messages) {
        session.send(message)
        clock.advance(20)
      }
      clock.advance(1000)
      assert.deepEqual(server.sessions[0].messages, messages)
      assert.deepEqual([...new Set(server.requests)].sort(), ['open', 'send', 'xhr-poll'])
      assert.equal(uploads.length, messages.length, 'none was sent twice')
    },
    ({ script, form }) => [{ ...script, uploadName_: 'form-post', upload_: form }]
  ))
