/**
 * Every subset of working transports, with each way of failing and with each pair of ways, in virtual time:
 * the client always ends on the best transport that works. The client runs as it stands; its transports are
 * played here.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createClock } from './clock.mjs'
import { createServer } from './server.mjs'

// The bundle for old browsers, in which nothing waits for a promise: its time is all ours.
globalThis.LEGACY = true
globalThis.self = {}
globalThis.document = { createElement: () => ({}) }
const { connect } = await import('../src/api.js')
const { legacyHttp } = await import('../src/http-legacy.js')
const { decode, encode } = await import('../src/codec.js')

const LAG = 5
/** The best first. Streams need some way to make requests besides. */
const STREAMS = ['xhr-stream', 'eventsource', 'iframe']
const POLLS = ['xhr-poll', 'jsonp-poll']
const ALL = ['websocket', ...STREAMS, ...POLLS]
/** How a request fails; a WebSocket fails likewise. `held`: the frames come when the answer has ended. */
const WAYS = ['refused', 'silent', 'garbage', 'held', 'cut']
/** When a server ends a stream that is not acknowledged, and when a path cuts one that is too long. */
const HELD = 900
const CUT = 400
const TIME = 800000
const STEP = 50
/** How often the server sends a message. */
const SAY = 2000

/** One page with its server: `fails` has how each transport fails, if it does. */
const world = (fails) => {
  const clock = createClock()
  const server = createServer({ hold: 20000 })
  const soon = (task, delay = LAG) => clock.setTimeout(task, delay)

  /** Polls that were cut while they waited. */
  let cuts = 0

  /** A request that fails in its way, or brings the server's answer. */
  const request = (transport) => (url, frames, credentials, take, done) => {
    const name = /live\/([a-z-]+)/.exec(url)[1]
    const how = fails[transport]
    const streams = STREAMS.includes(transport)
    let over
    const finish = (code, reason) => {
      if (over) return
      over = true
      line.broken = true
      done(code, reason)
    }
    const cut = (name) => {
      if (!over && name.endsWith('poll')) cuts++
      finish(-1)
    }
    const kept = []
    const hear = (chunk) => soon(() => over || decode(chunk, 0, take, finish))
    const line = {
      write(chunk) {
        if (line.broken) return
        if (streams && how === 'held') kept.push(chunk)
        else hear(chunk)
      },
      end() {
        for (const chunk of kept.splice(0)) hear(chunk)
        soon(() => finish(0))
      },
      refuse: (status, text) => hear(text)
    }
    if (how === 'refused') soon(() => finish(-1))
    else if (how === 'garbage') soon(() => finish(-1, 'malformed'))
    else if (how !== 'silent' && (how !== 'held' || streams)) {
      soon(() => {
        if (over) return
        server.request(streams && name !== 'open' ? 'xhr-stream' : name.replace('jsonp', 'xhr'), encode(frames), line)
        if (how === 'cut') soon(() => cut(name), CUT)
        // A server asks for a delay when polls are cut again and again.
        if (name.endsWith('poll') && cuts > 1) {
          line.write('y2000:')
          line.end()
        }
        if (streams && how === 'held') soon(() => { line.write('w:x4008,0:'); line.end() }, HELD)
      })
    }
    return () => (over = line.broken = true)
  }

  const Socket = class {
    constructor() {
      this.line = { socket: true, write: (data) => this.hear(data), end: (code = 1000) => this.cut(code) }
      const how = fails.websocket
      if (how === 'refused' || how === 'garbage') soon(() => this.cut())
      // Accepted, and then not a word; or nothing at all.
      else if (how !== 'silent') soon(() => this.over || this.onopen())
      if (how === 'cut') soon(() => this.cut(), CUT)
    }

    hear(data) {
      soon(() => this.over || this.onmessage({ data: typeof data === 'string' ? data : new Uint8Array(data).buffer }))
    }

    send(data) {
      if (fails.websocket !== 'held') soon(() => this.over || server.receive(data, this.line))
    }

    cut(code = 1006) {
      if (this.over) return
      this.over = true
      this.onclose({ code, reason: '' })
    }

    close() {
      this.over = true
    }
  }
  return { clock, server, request, Socket }
}

/** Runs one page for `TIME`; returns which transport carried when, and which messages arrived. */
const run = (fails) => {
  const { clock, server, request, Socket } = world(fails)
  const ours = { setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, Date: clock.Date }
  const theirs = Object.fromEntries(Object.keys(ours).map((key) => [key, globalThis[key]]))
  const { random } = Math
  const from = clock.now()
  const poll = (name) => ({ name_: name, request_: request(name), uploadName_: 'send', upload_: request(name) })
  const carried = []
  const sent = []
  const heard = []
  let first
  Object.assign(globalThis, ours)
  Math.random = () => 0.5
  try {
    const options = { WebSocket: Socket }
    const streams = STREAMS.map((name) => ({ name_: name, request_: request(name) }))
    const session = connect('ws://host/live', options, () => legacyHttp(options, streams, POLLS.map(poll)))
    session.on('message', (text) => {
      first ??= clock.now() - from
      heard.push(text)
    })
    session.send('up')
    for (let now = 0; now < TIME; now += STEP) {
      const half = server.sessions[0]
      if (half && sent.length * SAY <= now) {
        sent.push(`down ${now}`)
        half.send(sent.at(-1))
      }
      clock.advance(STEP)
      carried.push(session.state === 'open' ? session.transport : '')
    }
    session.abort()
    return { carried, first, server, sent, heard }
  } finally {
    Object.assign(globalThis, theirs)
    Math.random = random
  }
}

/**
 * Those that can carry in the end, the best alone if there is one. A request is answered before it is cut,
 * but no poll that waits.
 */
const expected = (fails) => {
  if (!fails.websocket) return ['websocket']
  const asks = POLLS.filter((name) => !fails[name] || fails[name] === 'cut')
  const streams = STREAMS.filter((name) => !fails[name])
  if (!asks.length) return ['']
  if (streams.length) return streams
  return asks
}

/**
 * The last half: it may look for something better, but what it ends on is what it mostly has. Returns since
 * when it had that.
 */
const judge = (fails) => {
  const { carried, first, server, sent, heard } = run(fails)
  const fit = expected(fails)
  const what = JSON.stringify(fails)
  const half = carried.slice(carried.length / 2)
  const had = half.filter((name) => fit.includes(name)).length / half.length
  assert.ok(had > 0.9, `${what}: ${fit} in ${Math.round(had * 100)}% of the time, at the end ${carried.at(-1)}`)
  if (fit[0] === '') return null
  assert.equal(server.sessions.length, 1, `${what}: one session`)
  assert.deepEqual(server.sessions[0].messages, ['up'], what)
  assert.deepEqual(heard, sent.slice(0, heard.length), `${what}: in order, once`)
  assert.ok(sent.length - heard.length < 3, `${what}: ${sent.length - heard.length} never came`)
  return { first, settled: carried.findIndex((name) => fit.includes(name)) * STEP }
}

const subsets = Array.from({ length: 2 ** ALL.length }, (_, bits) => ALL.filter((_, i) => bits & (1 << i)))

const report = (t, times) => {
  const of = (key) => times.map((time) => time[key]).sort((a, b) => a - b)
  const [first, settled] = [of('first'), of('settled')]
  const at = (list, part) => list[Math.floor((list.length - 1) * part)]
  t.diagnostic(`first message: median ${at(first, 0.5)} ms, worst ${at(first, 1)}; on its best: median ${at(settled, 0.5)} ms, 90% ${at(settled, 0.9)}, worst ${at(settled, 1)}`)
}

for (const way of WAYS) {
  test(`every subset of transports, where the others fail: ${way}`, (t) => {
    const times = subsets.map((failing) => judge(Object.fromEntries(failing.map((name) => [name, way]))))
    report(t, times.filter(Boolean))
  })
}

for (const one of WAYS) {
  for (const other of WAYS.filter((way) => way !== one)) {
    test(`every subset fails: ${one} and ${other} in turn`, (t) => {
      const several = subsets.filter((failing) => failing.length > 1)
      const times = several.map((failing) => judge(Object.fromEntries(failing.map((name, i) => [name, i % 2 ? other : one]))))
      report(t, times.filter(Boolean))
    })
  }
}
