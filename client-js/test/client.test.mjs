import { test } from 'node:test'
import assert from 'node:assert/strict'
import { connect } from '../dist/anywire.mjs'
import { listen, next } from './support/http.mjs'

/** Runs a story with a server, and ends all of it. */
const story = (name, options, run) =>
  test(name, { timeout: 30000 }, async () => {
    const server = await listen()
    const sessions = []
    const open = (more) => {
      const session = connect(server.url, { WebSocket: null, ...options, ...more })
      session.heard = []
      session.events = []
      session.on('message', (message) => session.heard.push(message))
      for (const event of ['open', 'interrupted', 'transport', 'closed']) session.on(event, () => session.events.push(event))
      session.on('resumed', ({ outcome, gap }) => session.events.push([outcome, gap]))
      session.on('gap', (gap) => session.events.push(['gap', gap]))
      session.hears = async (count) => {
        while (session.heard.length < count) await next(session, 'message')
        return session.heard
      }
      sessions.push(session)
      return session
    }
    try {
      await run(open, server)
    } finally {
      for (const session of sessions) session.abort()
      server.stop()
    }
  })

const POLL = { transports: ['xhr-poll'] }
const STREAM = { transports: ['fetch-stream'] }
const HTTP = { transports: ['fetch-stream', 'xhr-poll'] }

for (const [name, options] of Object.entries({ poll: POLL, stream: STREAM, both: HTTP })) {
  story(`${name}: messages that are sent before and after the opening come back in order`, options, async (open, server) => {
    const session = open()
    assert.equal(session.state, 'connecting')
    for (let i = 0; i < 20; i++) session.send(`early ${i} é€😀`)
    await next(session, 'open')
    assert.equal(session.state, 'open')
    assert.equal(session.id, server.sessions[0].id)
    for (let i = 0; i < 200; i++) session.send(`late ${i}`)
    const heard = await session.hears(220)
    assert.equal(heard[3], 'early 3 é€😀')
    assert.deepEqual(heard.slice(20), Array.from({ length: 200 }, (_, i) => `late ${i}`))
    assert.equal(await session.flush(), true)
    assert.equal(session.unacknowledged, 0)
    assert.equal(session.bufferedAmount, 0)
    assert.equal(server.sessions.length, 1)
  })

  story(`${name}: bytes arrive as bytes`, options, async (open) => {
    const session = open()
    const buffer = new Uint8Array([1, 2, 3, 254])
    session.send(buffer.subarray(1))
    buffer[1] = 99
    session.send('!bytes')
    const [echo, told] = await session.hears(2)
    assert.ok(echo instanceof ArrayBuffer)
    assert.deepEqual([...new Uint8Array(echo)], [2, 3, 254])
    assert.deepEqual([...new Uint8Array(told)], [0, 127, 128, 255])
  })

  story(`${name}: a close comes behind all that was sent`, options, async (open, server) => {
    const session = open()
    // A session that is closed in the turn of its `connect` never opens.
    await next(session, 'open')
    for (let i = 0; i < 50; i++) session.send(`${i}`)
    session.close(3001, 'bye ä')
    assert.throws(() => session.send('too late'), /closed/)
    const [how] = await next(session, 'closed')
    assert.deepEqual(how, { code: 3001, reason: 'bye ä', unacknowledged: 0 })
    assert.equal(server.sessions[0].heard.length, 50)
    assert.deepEqual(server.sessions[0].closed, ['3001', 'bye ä'])
    assert.equal(session.state, 'closed')
    assert.equal(await session.flush(), true, 'all has arrived')
  })

  story(`${name}: the server closes`, options, async (open, server) => {
    const session = open()
    session.send('one')
    session.send('!close')
    const [how] = await next(session, 'closed')
    assert.deepEqual(how, { code: 3005, reason: 'as you wish', unacknowledged: 0 })
    assert.deepEqual(session.heard, ['one'])
    while (server.sessions[0].acked < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(session.events, ['open', 'closed'].filter((event) => session.events.includes(event)))
  })

  story(`${name}: lost answers and cut requests lose nothing`, options, async (open, server) => {
    const session = open()
    const counts = {}
    server.fault = (path) => {
      counts[path] = (counts[path] || 0) + 1
      return path !== 'open' && counts[path] % 4 === 1 ? 'break' : null
    }
    for (let i = 0; i < 60; i++) {
      session.send(`${i}`)
      if (i % 6 === 0) await session.hears(i + 1)
    }
    const heard = await session.hears(60)
    assert.deepEqual(heard, Array.from({ length: 60 }, (_, i) => `${i}`))
    // A stream that breaks off before it has begun gives way to a poll.
    assert.ok(name === 'both' || session.events.some(([outcome]) => outcome === 'full'), 'some resume')
    assert.ok(!session.events.some(([outcome]) => outcome === 'new'), 'no new session')
  })
}

story('a gap is reported', POLL, async (open) => {
  const session = open()
  session.send('!drop')
  assert.deepEqual(await session.hears(1), ['behind the gap'])
  assert.deepEqual(session.events, ['open', ['gap', { from: 1, to: 1 }]])
})

story('a server that has lost the session: messages that may have arrived are reported, those never sent are sent', POLL, async (open, server) => {
  const session = open()
  session.send('known')
  await session.hears(1)
  await session.flush()
  server.fault = (path) => (path === 'send' ? 'break' : null)
  session.send('maybe')
  const flushed = session.flush()
  await next(session, 'interrupted')
  session.send('unsent')
  server.fault = () => null
  server.sessions[0].id = 'gone'
  const [resumed] = await next(session, 'resumed')
  assert.deepEqual(resumed, { outcome: 'new', unknown: ['maybe'], dropped: [] })
  assert.equal(await flushed, false)
  assert.deepEqual((await session.hears(2)).slice(1), ['unsent'])
  assert.equal(server.sessions.length, 2)
  assert.notEqual(server.sessions[0].attempt, server.sessions[1].attempt)
})

story('a stream that is held back becomes polls in the same session', HTTP, async (open, server) => {
  let held = 0
  server.attach = new Proxy(server.attach, {
    apply: (attach, self, [session, path, ...rest]) => {
      if (path === 'fetch-stream') held += 1
      else attach.call(self, session, path, ...rest)
    }
  })
  const session = open()
  await next(session, 'open')
  session.send('a')
  assert.deepEqual(await session.hears(1), ['a'])
  assert.equal(session.transport, 'xhr-poll')
  assert.equal(held, 1)
  assert.equal(server.sessions.length, 1)
  assert.ok(!session.events.includes('interrupted'))
})

story('auth is asked for at each opening, whether it is a text, a function or a promise', POLL, async (open, server) => {
  let asked = 0
  const answers = ['plain', () => 'called', async () => 'promised €', () => (asked++ ? 'second' : Promise.reject(Error('not yet')))]
  for (const auth of answers) {
    const session = open({ auth })
    session.on('error', (error) => assert.equal(error.message, 'not yet'))
    await next(session, 'open')
  }
  assert.deepEqual(server.auths, ['plain', 'called', 'promised €', 'second'])
  assert.equal(asked, 2)
})

story('a refusal: the class of the code decides whether the client tries again', POLL, async (open, server) => {
  server.fault = () => [401, 'x4301,10:not for you']
  const session = open()
  const [how] = await next(session, 'closed')
  assert.deepEqual(how, { code: 4301, reason: 'not for you'.slice(0, 10), unacknowledged: 0 })
  let tries = 0
  server.fault = () => (++tries < 3 ? [503, 'x4200,8:too many', { 'Retry-After': '0' }] : null)
  await next(open(), 'open')
  assert.equal(tries, 3)
})

story("a proxy's page is no answer", POLL, async (open, server) => {
  let tries = 0
  server.fault = () => (++tries < 3 ? [tries === 1 ? 200 : 502, '<html>Sign in: <a href="https://x">here</a></html>'] : null)
  const session = open()
  await next(session, 'open')
  assert.equal(tries, 3)
  assert.deepEqual(session.trace().slice(0, 2).map(({ status, code }) => [status, code]), [[200, -1], [502, -1]])
})

story('mistakes of the application throw at once', POLL, async (open) => {
  const session = open({ buffer: 2000 })
  await next(session, 'open')
  assert.throws(() => session.send(new Blob(['x'])), /a message is text/)
  assert.throws(() => session.send(5), /a message is text/)
  assert.throws(() => session.send(null), /a message is text/)
  assert.throws(() => session.send('é'.repeat(501)), /too large/)
  assert.equal(session.send('é'.repeat(500)), true)
  assert.equal(session.send('x'.repeat(999)), false)
  assert.equal(session.unacknowledged, 1)
  session.send('half \ud800, whole 😀')
  assert.equal((await session.hears(2))[1], 'half \ufffd, whole 😀')
})

story('calls that a listener makes are done', POLL, async (open) => {
  const session = open()
  const answers = []
  session.on('message', (text) => {
    answers.push(text)
    if (answers.length < 5) session.send(`${text}+`)
    else session.close()
  })
  session.send('a')
  await next(session, 'closed')
  assert.deepEqual(answers, ['a', 'a+', 'a++', 'a+++', 'a++++'])
})

story('an abort is sent to the server', POLL, async (open, server) => {
  const session = open()
  await next(session, 'open')
  const closed = next(session, 'closed')
  session.abort('enough')
  assert.deepEqual((await closed)[0], { code: 4310, reason: 'enough', unacknowledged: 0 })
  while (!server.sessions[0].aborted) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(server.sessions[0].aborted, ['4310', 'enough'])
})

story('the trace has each attempt and keeps twenty', POLL, async (open, server) => {
  // No pause between attempts.
  const { random } = Math
  Math.random = () => 0
  const session = open()
  Math.random = random
  await next(session, 'open')
  const [first] = session.trace()
  assert.equal(first.transport, 'xhr-poll')
  assert.ok(first.proven >= first.at)
  let left = 22
  server.fault = () => (left-- > 0 ? [409, 'x4000,8:replaced'] : null)
  session.send('x')
  await next(session, 'resumed')
  assert.equal(session.trace().length, 20)
  assert.match(session.trace().at(-2).outcome, /^4000 replaced/)
})

story('credentials that are null are the default', HTTP, async (open) => {
  const session = open({ credentials: null })
  await next(session, 'open')
  assert.equal(session.state, 'open')
})
