/** `connect()` from end to end in virtual time, with WebSocket and fetch in the test's hands. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { ReadableStream } from 'node:stream/web'
import '../current.mjs'
import { createClock } from '../clock.mjs'
import { createServer } from '../server.mjs'
import { connect } from '../../src/index.js'

const settle = async () => {
  for (let i = 0; i < 20; i++) await setImmediate()
}

/** Plays the network: `mode.websocket` and `mode.http` are ok, refused or silent. */
const createNetwork = (terms) => {
  const clock = createClock()
  const server = createServer(terms)
  const mode = { websocket: 'ok', http: 'ok' }
  const sockets = []
  const streams = []
  const fetched = []

  const Socket = class {
    constructor(url) {
      assert.match(url, /^ws:\/\/host\/live\/websocket\?session=(id\d+)?&$/)
      this.readyState = 0
      this.sent = []
      this.line = { socket: true, write: (data) => this.hear(data), end: (code = 1000, reason = '') => this.cut(code, reason) }
      sockets.push(this)
      if (mode.websocket === 'refused') clock.setTimeout(() => this.cut(1006), 5)
      if (mode.websocket === 'ok') clock.setTimeout(() => this.open(), 5)
    }

    open() {
      this.readyState = 1
      this.onopen()
    }

    /** Nothing comes through any more, either way, and no end is told; or again. */
    stall(stalled = true) {
      this.broken = this.stalled = stalled
    }

    hear(data) {
      clock.setTimeout(() => this.readyState === 1 && !this.stalled && this.onmessage({ data: typeof data === 'string' ? data : new Uint8Array(data).buffer }), 5)
    }

    send(data) {
      assert.equal(this.readyState, 1)
      this.sent.push([clock.now(), data])
      clock.setTimeout(() => !this.broken && mode.websocket === 'ok' && server.receive(data, this.line), 5)
    }

    cut(code = 1006, reason = '') {
      this.broken = true
      if (this.readyState > 1) return
      this.readyState = 3
      this.onclose({ code, reason })
    }

    close() {
      this.readyState = 3
    }
  }

  const answer = (path, body, signal, resolve, reject) => {
    let controller
    let over
    const end = (act) => {
      if (!over) act()
      over = true
    }
    const stream = new ReadableStream({ start: (one) => (controller = one) })
    const respond = (status) => resolve({ ok: status < 400, status, body: stream, headers: { get: () => null } })
    signal.addEventListener('abort', () => end(() => controller.error(Error('aborted'))))
    streams.push({ path, at: clock.now(), cut: () => end(() => controller.error(Error('cut'))) })
    server.request(path, body, {
      bytes: true,
      write(chunk) {
        respond(200)
        if (!over) controller.enqueue(new Uint8Array(chunk))
      },
      end: () => end(() => controller.close()),
      refuse(status, text) {
        respond(status)
        controller.enqueue(new Uint8Array(Buffer.from(text)))
        end(() => controller.close())
      }
    }, reject)
  }

  const fetch = (url, { method, body, signal, keepalive }) => {
    const [, path] = /^http:\/\/host\/live\/([a-z-]+)\?session=(?:id\d+)?&(?:browser=[\w.]+&)?bytes=1$/.exec(url)
    assert.equal(method, 'POST')
    fetched.push({ path, body: Buffer.from(body).toString(), keepalive })
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(Error('aborted')))
      if (mode.http === 'refused') clock.setTimeout(() => reject(Error('refused')), 5)
      if (mode.http === 'ok') clock.setTimeout(() => signal.aborted || answer(path, body, signal, resolve, reject), 5)
    })
  }

  return { clock, server, grant: server.grant, mode, sockets, streams, fetched, Socket, fetch, pass: (time) => clock.pass(time, settle) }
}

/** A server acknowledges a second after a message has come. */
export const acknowledging = async (it, seconds, each = () => {}) => {
  for (let i = 0; i < seconds; i++) {
    await each(i)
    await it.pass(1000)
    if (it.half.line) it.half.put(`a${it.half.received}`)
  }
}

const EVENTS = ['open', 'message', 'transport', 'interrupted', 'resumed', 'gap', 'closed', 'connect_error', 'error']

/** A story in which time and the network are ours. */
export const story = (name, run, { terms, ...options } = {}) =>
  test(name, async () => {
    const network = createNetwork(terms)
    const { clock } = network
    const ours = { setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, Date: clock.Date, fetch: network.fetch }
    const theirs = Object.fromEntries(Object.keys(ours).map((key) => [key, globalThis[key]]))
    Object.assign(globalThis, ours)
    try {
      const open = (more) => {
        const session = connect('ws://host/live', { WebSocket: network.Socket, ...options, ...more })
        const events = []
        for (const event of EVENTS) session.on(event, (...details) => events.push([event, ...details.filter((detail) => detail !== undefined)]))
        return { session, events, named: (event) => events.filter(([one]) => one === event) }
      }
      await run({ ...network, open, get half() {
        return network.server.sessions.at(-1)
      } })
    } finally {
      Object.assign(globalThis, theirs)
    }
  })
