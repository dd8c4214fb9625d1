/** `connect()` from end to end in virtual time: see `support/network.mjs`. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

const HTTP_ONLY = { transports: ['fetch-stream', 'xhr-poll'] }

describe('opening', () => {
  story('states, events and the properties of the session', async (it) => {
    const { session, events } = it.open()
    assert.deepEqual([session.state, session.transport, session.id], ['connecting', '', ''])
    await it.pass(100)
    assert.deepEqual([session.state, session.transport, session.id], ['open', 'websocket', 'id1'])
    assert.equal(session.rtt, 10)
    assert.deepEqual(events, [['open', { first: true, waiting: 0 }]])
  })

  story('auth is sent as a text', async (it) => {
    it.open({ auth: 'token \u20ac' })
    await it.pass(100)
    assert.equal(it.half.auth, 'token \u20ac')
  })

  story('each opening and each resume lists the names that this client knows', async (it) => {
    const heads = () => it.sockets.map(({ sent }) => sent[0][1].split(':')[0])
    it.open({ transports: ['websocket'] })
    await it.pass(100)
    it.sockets[0].cut()
    await it.pass(1000)
    assert.match(heads()[0], /^o1,\d+,[\d.]+,0,ping\.rotate\.events$/)
    assert.match(heads()[1], /^r1,\d+,0,0,id1,\w+,0,ping\.rotate\.events$/)
  })

  story('a client that sends credentials to other origins says so', async (it) => {
    it.open({ credentials: 'include' })
    await it.pass(100)
    assert.match(it.sockets[0].sent[0][1], /^o1,\d+,[\d.]+,0,ping\.rotate\.events\.cred:/)
  })

  story('auth is an object with any names of fields', async (it) => {
    const auth = { call: 'lobby', then: 'bow', charAt: 1, apply: null }
    it.open({ auth })
    await it.pass(100)
    assert.deepEqual(JSON.parse(it.half.auth), auth)
  })

  story('auth is asked for at each opening, and not on a resume', async (it) => {
    let asked = 0
    const { session } = it.open({ auth: () => `token ${++asked}`, transports: ['websocket'] })
    await it.pass(100)
    it.sockets[0].cut()
    await it.pass(1000)
    assert.equal(session.state, 'open')
    assert.equal(asked, 1)
    it.half.forgotten = true
    it.sockets.at(-1).cut()
    await it.pass(3000)
    assert.equal(asked, 2)
    assert.deepEqual(it.server.sessions.map(({ auth }) => auth), ['token 1', 'token 2'])
  })

  story('auth is asked for again when a session is lost during a race', async (it) => {
    let asked = 0
    const { session } = it.open({ auth: () => `token ${++asked}` })
    await it.pass(100)
    it.half.forgotten = true
    it.sockets[0].cut()
    await it.pass(5000)
    assert.equal(session.state, 'open')
    assert.deepEqual(it.server.sessions.map(({ auth }) => auth), ['token 1', 'token 2'])
  })

  story('auth is promised', async (it) => {
    let tell
    it.open({ auth: () => new Promise((resolve) => (tell = resolve)) })
    await it.pass(1000)
    assert.equal(it.sockets.length, 0)
    tell('late')
    await it.pass(100)
    assert.equal(it.half.auth, 'late')
  })

  for (const [how, fail] of [['throws', () => { throw Error('no token') }], ['is refused', () => Promise.reject(Error('no token'))]]) {
    story(`auth that ${how} is reported, and asked for again`, async (it) => {
      let asked = 0
      const { named, session } = it.open({ auth: () => (asked++ ? 'token' : fail()) })
      await it.pass(1000)
      assert.equal(named('error').length, 1)
      assert.equal(named('error')[0][1].message, 'no token')
      assert.equal(session.state, 'open')
      assert.equal(it.half.auth, 'token')
    })
  }

  story('HTTP carries until a silent WebSocket works', async (it) => {
    it.mode.websocket = 'silent'
    const { session, named } = it.open()
    await it.pass(249)
    assert.deepEqual(it.streams, [])
    await it.pass(100)
    assert.deepEqual([session.state, session.transport], ['open', 'fetch-stream'])
    it.mode.websocket = 'ok'
    it.sockets[0].open()
    await it.pass(100)
    assert.equal(session.transport, 'websocket')
    assert.equal(it.server.sessions.length, 1, 'both opened one session')
    assert.equal(named('open').length, 1)
    assert.deepEqual(named('transport').at(-1), ['transport', 'websocket'])
    assert.deepEqual(named('interrupted'), [])
  })

  story('a late refusal of an opening that another has overtaken does no harm', async (it) => {
    it.mode.websocket = 'silent'
    const { session, named } = it.open()
    await it.pass(400)
    assert.deepEqual([session.state, session.transport], ['open', 'fetch-stream'])
    it.sockets[0].cut(4301, 'who are you?')
    await it.pass(400)
    assert.deepEqual([session.state, named('closed')], ['open', []])
  })

  story('a stream that is held back is replaced by polls, and this is shown at once', async (it) => {
    const { session, named } = it.open(HTTP_ONLY)
    await it.pass(4)
    it.mode.http = 'silent'
    await it.pass(1100)
    assert.equal(session.transport, 'xhr-poll')
    assert.deepEqual(named('transport').at(-1), ['transport', 'xhr-poll'])
  })

  story('a refusal by the application is the end', async (it) => {
    const { session, named } = it.open()
    await it.pass(7)
    it.sockets[0].cut(4301, 'who are you?')
    await it.pass(60000)
    assert.equal(session.state, 'closed')
    assert.deepEqual(named('closed'), [['closed', { code: 4301, reason: 'who are you?', unacknowledged: 0 }]])
    assert.equal(it.sockets.length, 1)
  })
})

for (const [name, options] of [['WebSocket', {}], ['HTTP', HTTP_ONLY], ['polls', { transports: ['xhr-poll'] }]]) {
  describe(`over ${name}`, () => {
    const tell = (what, run) => story(what, run, options)

    tell('messages go both ways, and are acknowledged when asked for', async (it) => {
      const { session, named } = it.open()
      const sent = ['before', '', 'a\u0000b', '\ud83d\ude00', '\ufeffm1:']
      assert.equal(session.send(sent[0]), true)
      assert.deepEqual([session.unacknowledged, session.bufferedAmount], [1, 64 + 6])
      await it.pass(100)
      for (const text of sent.slice(1)) session.send(text)
      const done = session.flush()
      await it.pass(100)
      assert.equal(await done, true)
      assert.deepEqual([session.unacknowledged, session.bufferedAmount], [0, 0])
      assert.deepEqual(it.half.messages, sent)
      for (const text of sent) it.half.send(text)
      await it.pass(100)
      assert.deepEqual(named('message').map(([, text]) => text), sent)
    })

    tell('bytes go both ways, and what was handed in may be used again', async (it) => {
      const { session, named } = it.open()
      await it.pass(100)
      const bytes = new Uint8Array([9, 0, 128, 255, 9])
      session.send(bytes.subarray(1, 4))
      session.send(new DataView(bytes.buffer, 1, 1))
      session.send(bytes.buffer)
      session.send(new ArrayBuffer(0))
      bytes.fill(1)
      await it.pass(100)
      assert.deepEqual(it.half.messages.map((data) => [...data]), [[0, 128, 255], [0], [9, 0, 128, 255, 9], []])
      it.half.send(Buffer.from([0, 200]))
      await it.pass(100)
      assert.ok(named('message')[0][1] instanceof ArrayBuffer)
      assert.deepEqual([...new Uint8Array(named('message')[0][1])], [0, 200])
    })

    tell('it closes with code and reason behind what was sent, and a flush after the end is answered', async (it) => {
      const { session, named } = it.open()
      await it.pass(100)
      session.send('last')
      session.close(3001, 'done')
      assert.throws(() => session.send('late'))
      await it.pass(100)
      assert.deepEqual(it.half.messages, ['last'])
      assert.deepEqual(it.half.closed, [3001, 'done'])
      assert.deepEqual(named('closed'), [['closed', { code: 3001, reason: 'done', unacknowledged: 0 }]])
      assert.equal(session.state, 'closed')
      assert.equal(await session.flush(), true)
    })

    tell('the server closes behind its last message', async (it) => {
      const { session, named } = it.open()
      await it.pass(100)
      it.half.send('last')
      it.half.close(3002, 'bye')
      await it.pass(100)
      assert.deepEqual(named('message'), [['message', 'last']])
      assert.deepEqual(named('closed'), [['closed', { code: 3002, reason: 'bye', unacknowledged: 0 }]])
      assert.equal(session.state, 'closed')
      assert.equal(it.half.acked, 2)
    })

    tell('a cut is told, survived, and nothing is lost or repeated', async (it) => {
      const { session, events, named } = it.open()
      await it.pass(100)
      it.mode.websocket = it.mode.http = 'refused'
      for (const one of [...it.sockets, ...it.streams]) one.cut()
      await it.pass(10)
      assert.equal(session.state, 'interrupted')
      session.send('meanwhile')
      it.half.send('for you')
      await it.pass(5000)
      it.mode.websocket = it.mode.http = 'ok'
      await it.pass(30000)
      assert.deepEqual(events.map(([event]) => event).filter((event) => !/transport|message|connect_error/.test(event)), ['open', 'interrupted', 'resumed'])
      assert.deepEqual(named('resumed'), [['resumed', { outcome: 'full' }]])
      assert.deepEqual(it.half.messages, ['meanwhile'])
      assert.deepEqual(named('message'), [['message', 'for you']])
    })

    tell('a server that has forgotten gives a new session, and what is unknown is told', async (it) => {
      const { session, named } = it.open()
      await it.pass(100)
      it.half.forgotten = true
      it.mode.websocket = it.mode.http = 'silent'
      session.send('unknown')
      const done = session.flush()
      await it.pass(100)
      it.mode.websocket = it.mode.http = 'refused'
      for (const one of [...it.sockets, ...it.streams]) one.cut()
      await it.pass(100)
      session.send('unsent')
      it.mode.websocket = it.mode.http = 'ok'
      await it.pass(10000)
      assert.equal(await done, false)
      assert.deepEqual(named('resumed'), [['resumed', { outcome: 'new', unknown: ['unknown'], dropped: [] }]])
      assert.equal(session.id, it.half.id)
      assert.deepEqual(it.half.messages, ['unsent'])
    })
  })
}

describe('messages', () => {
  story('a Blob, and anything else but text and bytes, is refused', async (it) => {
    const { session } = it.open()
    await it.pass(50)
    for (const wrong of [{ size: 1, type: '', slice() {} }, 7, null, undefined, {}, [1]]) assert.throws(() => session.send(wrong), /a message is text/)
    assert.equal(session.unacknowledged, 0)
  })

  story('nothing over the limit, which counts UTF-8', async (it) => {
    const { session } = it.open()
    await it.pass(50)
    assert.equal(session.send('\u20ac'.repeat(10)), true)
    assert.throws(() => session.send('\u20ac'.repeat(10) + 'x'), /too large/)
    assert.throws(() => session.send(new Uint8Array(31)), /too large/)
    await it.pass(50)
    assert.equal(it.half.messages.length, 1)
  }, { terms: { limit: 30 } })

  story('half a surrogate pair becomes U+FFFD', async (it) => {
    const { session } = it.open()
    session.send('a\ud800b\udc00\ud83d\ude00')
    await it.pass(50)
    assert.deepEqual(it.half.messages, ['a\ufffdb\ufffd\ud83d\ude00'])
  })

  story('no more than fits into the buffer', async (it) => {
    const { session } = it.open({ buffer: 200 })
    assert.deepEqual([session.send('a'.repeat(100)), session.send('b'), session.bufferedAmount], [true, false, 164])
    await it.pass(100)
    assert.equal(session.send('c'), true)
    await it.pass(100)
    assert.deepEqual(it.half.messages.map((text) => text[0]), ['a', 'c'])
  })
})

describe('the public object', () => {
  story('a listener that throws does not harm the session or other listeners', async (it) => {
    const { session, named } = it.open()
    const thrown = []
    const report = (error) => thrown.push(error.message)
    session.on('message', () => {
      throw Error('mine')
    })
    const after = []
    session.on('message', (text) => after.push(text))
    await it.pass(50)
    process.setUncaughtExceptionCaptureCallback(report)
    try {
      it.half.send('one')
      it.half.send('two')
      await it.pass(50)
    } finally {
      process.setUncaughtExceptionCaptureCallback(null)
    }
    assert.deepEqual(after, ['one', 'two'])
    assert.equal(named('message').length, 2)
    assert.deepEqual(thrown, ['mine', 'mine'])
    assert.equal(session.state, 'open')
  })

  story('a listener that was removed is not called, one that was added twice is called once', async (it) => {
    const { session } = it.open()
    const heard = []
    const on = (text) => heard.push(['on', text])
    const off = (text) => heard.push(['off', text])
    for (const listener of [on, on, off]) session.on('message', listener)
    session.off('message', off)
    await it.pass(50)
    it.half.send('one')
    await it.pass(50)
    assert.deepEqual(heard, [['on', 'one']])
  })

  story('the trace keeps the last twenty attempts with their outcome', async (it) => {
    it.mode.websocket = it.mode.http = 'refused'
    const { session } = it.open()
    await it.pass(600000)
    const trace = session.trace()
    assert.equal(trace.length, 20)
    assert.ok(it.sockets.length > 20)
    for (const { transport, at, ended, outcome, proven } of trace) {
      assert.match(transport, /^(websocket|xhr-poll)$/)
      assert.match(outcome, transport === 'websocket' ? /^1006 / : /^refused/)
      assert.equal(ended - at, 5)
      assert.equal(proven, undefined)
    }
    it.mode.websocket = 'ok'
    await it.pass(60000)
    const last = session.trace().at(-1)
    assert.deepEqual([last.transport, last.proven - last.at, last.ended], ['websocket', 15, undefined])
  })

  story('a silent WebSocket is found dead, a sleeper asks first', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    it.clock.sleep(60000)
    await it.pass(100)
    assert.deepEqual(named('interrupted'), [], 'asked, and answered')
    it.sockets[0].line.write = () => {}
    await it.pass(36000)
    assert.equal(named('interrupted').length, 1)
    assert.match(session.trace()[0].outcome, /^4003 /)
    assert.equal(session.state, 'open')
  })

  story('a server that goes away gets its new link beside the old one', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    it.half.put('z3000')
    await it.pass(2900)
    assert.equal(it.sockets.length, 1)
    await it.pass(300)
    assert.equal(it.sockets.length, 2)
    assert.deepEqual([session.state, named('interrupted')], ['open', []])
    it.half.send('still here')
    await it.pass(100)
    assert.deepEqual(named('message'), [['message', 'still here']])
  })

  story('an abort reaches the server, and ends the session at once', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    session.abort('enough')
    assert.equal(session.state, 'closed')
    assert.equal(named('closed')[0][1].code, 4310)
  })
})
