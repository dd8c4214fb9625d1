/** Nothing fails silently: what can never work, what fails for now, and what something on the way refuses. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { ReadableStream } from 'node:stream/web'
import { story } from './support/network.mjs'

const HTTP_ONLY = { transports: ['fetch-stream', 'xhr-poll'] }
const POLLS = { transports: ['xhr-poll'] }
const SOCKET_ONLY = { transports: ['websocket'] }

/** An answer of something that is not our server. */
const answer = (status, text = '', headers = {}) => ({
  ok: status < 400,
  status,
  headers: { get: (name) => headers[name] ?? null },
  body: new ReadableStream({
    start(body) {
      if (text) body.enqueue(new TextEncoder().encode(text))
      body.close()
    }
  })
})

const NGINX = '<html><head><title>404 Not Found</title></head></html>'

/** Collects what is written to the console. */
const warnings = () => {
  const list = []
  const { warn } = console
  console.warn = (...texts) => list.push(texts.join(' '))
  return { list, restore: () => (console.warn = warn) }
}

describe('rounds of attempts that fail', () => {
  for (const [status, text] of [[404, NGINX], [401, ''], [405, ''], [200, '<!doctype html>'], [502, NGINX], [500, 'x']]) {
    story(`status ${status} is an event once a round, and a warning after the third`, async (it) => {
      let requests = 0
      globalThis.fetch = async () => (requests++, answer(status, text))
      const console = warnings()
      const { session, named } = it.open(POLLS)
      await it.pass(60000)
      console.restore()
      const errors = named('connect_error').map(([, error]) => error)
      assert.equal(errors.length, requests)
      assert.ok(requests > 3)
      for (const error of errors) {
        assert.deepEqual([error.transport, error.status, error.code], ['xhr-poll', status, -1])
        assert.ok(error.message)
      }
      assert.equal(console.list.length, 1)
      assert.ok(console.list[0].startsWith(`anywire: http://host/live: ${errors[2].message}`), console.list[0])
      assert.deepEqual([session.state, session.trace().at(-1).status], ['connecting', status])
      assert.deepEqual(session.trace().at(-1), errors.at(-1))
    })
  }

  story('a race that fails on both transports is one event, with what tells most', async (it) => {
    it.mode.websocket = 'refused'
    globalThis.fetch = async () => answer(404, NGINX)
    const { named } = it.open()
    await it.pass(8)
    assert.equal(it.sockets.length, 1)
    assert.deepEqual(named('connect_error').map(([, { transport, status }]) => [transport, status]), [['xhr-poll', 404]])
  })

  story('a port that nobody listens on: the text of the failure', async (it) => {
    globalThis.fetch = async () => {
      throw new TypeError('fetch failed', { cause: Error('connect ECONNREFUSED') })
    }
    const { named } = it.open(POLLS)
    await it.pass(100)
    assert.deepEqual([named('connect_error')[0][1].message, named('connect_error')[0][1].status], ['connect ECONNREFUSED', undefined])
  })

  story('one that times out', async (it) => {
    it.mode.websocket = 'silent'
    const { named } = it.open({ ...SOCKET_ONLY, timeout: 2000 })
    await it.pass(1999)
    assert.deepEqual(named('connect_error'), [])
    await it.pass(1)
    assert.equal(named('connect_error')[0][1].message, 'timeout')
  })

  story('the warning comes again only after a session was open', async (it) => {
    const console = warnings()
    const { session, named } = it.open(SOCKET_ONLY)
    for (let outage = 0; outage < 2; outage++) {
      it.mode.websocket = 'ok'
      await it.pass(60000)
      assert.equal(session.state, 'open')
      it.mode.websocket = 'refused'
      it.sockets.at(-1).cut()
      await it.pass(60000)
      assert.equal(session.state, 'interrupted')
    }
    console.restore()
    assert.ok(named('connect_error').length > 8)
    assert.equal(console.list.length, 2)
  })

  for (const code of [4100, 4102, 4103]) {
    story(`an opening that is always refused with ${code} has pauses, and each has an attempt of its own`, async (it) => {
      const attempts = []
      globalThis.fetch = async (url, { body }) => {
        attempts.push(/^o1,\d+,([^,]+),/.exec(Buffer.from(body).toString())[1])
        return answer(410, `x${code},4:gone`)
      }
      const { named } = it.open(POLLS)
      await it.pass(20000)
      assert.ok(attempts.length < 40, `${attempts.length} attempts`)
      assert.equal(new Set(attempts).size, attempts.length)
      assert.equal(named('connect_error').length, attempts.length)
      assert.deepEqual([named('connect_error')[0][1].code, named('connect_error')[0][1].status], [code, 410])
    })
  }

  for (const [what, header, wait] of [
    ['seconds', '7', 7000],
    ['a date', new Date(1e12 + 9000).toUTCString(), 9000],
    ['a time that is too long', '86400', 300000],
    ['a date that has passed', new Date(0).toUTCString(), 0],
    ['nonsense', 'soon', 0]
  ]) {
    story(`a limiter in front says when to come again: ${what}`, async (it) => {
      const times = []
      globalThis.fetch = async () => (times.push(it.clock.now()), answer(429, 'slow down', { 'Retry-After': header }))
      it.open(POLLS)
      await it.pass(wait + 1000)
      assert.ok(times.length > 1)
      assert.ok(times[1] - times[0] >= wait && times[1] - times[0] <= wait + 400, `${times[1] - times[0]} ms`)
    })
  }
})

describe("the page's own parts", () => {
  story('a fetch that throws at once is a failed request, for openings and uploads', async (it) => {
    const { fetch } = globalThis
    let throws = true
    globalThis.fetch = (...request) => {
      if (throws) throw Error('no fetch today')
      return fetch(...request)
    }
    const { session, named } = it.open(HTTP_ONLY)
    await it.pass(100)
    assert.match(named('connect_error')[0][1].message, /no fetch today/)
    throws = false
    await it.pass(5000)
    assert.equal(session.state, 'open')
    throws = true
    session.send('later')
    await it.pass(3000)
    throws = false
    await it.pass(30000)
    assert.deepEqual([session.state, it.half.messages], ['open', ['later']])
    assert.equal(it.server.sessions.length, 1)
  })

  for (const [when, Socket] of [
    ['made', class { constructor() { throw Error('no socket today') } }],
    ['opened', class { constructor() { setTimeout(() => this.onopen(), 5) } send() { throw Error('no socket today') } close() { throw Error('nor a close') } }]
  ]) {
    story(`a WebSocket that throws when it is ${when} gives way to HTTP`, async (it) => {
      const { session } = it.open({ WebSocket: Socket })
      await it.pass(1000)
      assert.deepEqual([session.state, session.transport], ['open', 'fetch-stream'])
      assert.equal(session.trace()[0].message, 'no socket today')
    })
  }

  story('a WebSocket that throws later loses nothing, and `send` does not throw', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    it.sockets[0].send = () => {
      throw Error('enough')
    }
    assert.equal(session.send('kept'), true)
    await it.pass(2000)
    assert.deepEqual([session.state, it.half.messages, named('interrupted').length], ['open', ['kept'], 1])
  })

  for (const [what, auth] of [['for ever', () => new Promise(() => {})], ['with a thenable that throws', () => ({ then() { throw Error('mine') } })], ['with a number', () => 5]]) {
    story(`auth that answers ${what} is an error, and is asked for again`, async (it) => {
      let asked = 0
      const { session, named } = it.open({ auth: () => (asked++ ? 'token' : auth()), timeout: 3000 })
      await it.pass(5000)
      assert.equal(named('error').length, 1)
      assert.match(named('error')[0][1].message, what === 'for ever' ? /timeout/ : what === 'with a number' ? /auth "5" is not one of/ : /mine/)
      assert.deepEqual([session.state, asked, it.half.auth], ['open', 2, 'token'])
    })
  }

  story('auth that answers too late, or twice, begins nothing', async (it) => {
    const answers = []
    it.open({ auth: () => ({ then: (done) => answers.push(done) }), timeout: 1000 })
    await it.pass(2000)
    assert.equal(answers.length, 2)
    answers[0]('late')
    assert.equal(it.sockets.length, 0)
    answers[1]('token')
    answers[1]('token')
    await it.pass(100)
    assert.deepEqual([it.sockets.length, it.half.auth], [1, 'token'])
  })

  for (const [what, auth] of [['an object', { token: 'a', n: 1 }], ['a function', () => ({ token: 'a', n: 1 })], ['a promise', async () => ({ token: 'a', n: 1 })]]) {
    story(`auth as ${what} goes as JSON`, async (it) => {
      it.open({ auth })
      await it.pass(100)
      assert.equal(it.half.auth, '{"token":"a","n":1}')
    })
  }

  story('an error without a listener goes to the console', async (it) => {
    const console = warnings()
    const { session } = it.open({ auth: () => Promise.reject(Error('no token')) })
    session.off('error')
    await it.pass(0)
    console.restore()
    assert.deepEqual(console.list, ['anywire: http://host/live: no token'])
    session.abort()
  })
})

describe('sessions that are lost as soon as they open', () => {
  for (const transports of [['fetch-stream', 'xhr-poll'], ['websocket']]) {
    story(`follow each other with pauses, and this is told: ${transports}`, async (it) => {
      const { session, named } = it.open({ transports })
      session.on('open', () => {
        it.server.sessions.at(-1).forgotten = true
        if (transports[0] === 'websocket') setTimeout(() => it.sockets.at(-1).cut(), 20)
      })
      await it.pass(60000)
      assert.ok(it.server.sessions.length < 12, `${it.server.sessions.length} sessions`)
      assert.ok(named('connect_error').length > 2)
    })
  }
})

describe('messages that are too large for something', () => {
  story('one that was sent before the limit was known is given back, and the rest goes', async (it) => {
    const { session, named } = it.open()
    assert.equal(session.send('first'), true)
    assert.equal(session.send('x'.repeat(200000)), true)
    const flushed = session.flush()
    session.send('behind')
    await it.pass(1000)
    assert.deepEqual(named('error').map(([, error]) => [error.message, error.data.length]), [['too large', 200000]])
    assert.equal(await flushed, false)
    assert.deepEqual([session.state, session.unacknowledged, it.half.messages], ['open', 1, ['first', 'behind']])
  })

  /** nginx with `client_max_body_size`. */
  const limitBodies = (it, limit) => {
    const { fetch } = globalThis
    const bodies = []
    globalThis.fetch = async (url, how) => {
      if (how.body.length > limit) return bodies.push(-how.body.length), answer(413, '<html>413 Request Entity Too Large</html>')
      if (/send/.test(url)) bodies.push(how.body.length)
      return fetch(url, how)
    }
    return bodies
  }

  story('uploads that a proxy finds too large become smaller, and all arrives', async (it) => {
    const bodies = limitBodies(it, 20000)
    const { session, named } = it.open(POLLS)
    await it.pass(100)
    for (let i = 0; i < 200; i++) session.send(`${i} `.padEnd(1000))
    await it.pass(20000)
    assert.deepEqual(it.half.messages.map((text) => parseInt(text)), Array.from({ length: 200 }, (_, i) => i))
    assert.deepEqual([named('interrupted'), named('error'), session.unacknowledged], [[], [], 0])
    assert.ok(bodies.filter((size) => size < 0).length < 4, `refused: ${bodies}`)
  }, { terms: { batch: 1e6 } })

  story('a single message that a proxy finds too large is given back, and the rest goes', async (it) => {
    limitBodies(it, 20000)
    const { session, named } = it.open(POLLS)
    await it.pass(100)
    session.send('before')
    session.send('x'.repeat(50000))
    session.send('behind')
    await it.pass(10000)
    assert.deepEqual(it.half.messages, ['before', 'behind'])
    assert.deepEqual(named('error').map(([, error]) => [error.message, error.data.length]), [['too large', 50000]])
    assert.deepEqual([session.unacknowledged, session.bufferedAmount, named('interrupted')], [0, 0, []])
  })

  story('an opening whose messages are too large for a proxy is made without them', async (it) => {
    limitBodies(it, 5000)
    const { session } = it.open(POLLS)
    for (let i = 0; i < 10; i++) session.send('x'.repeat(1000))
    await it.pass(20000)
    assert.deepEqual([session.state, it.half.messages.length], ['open', 10])
  })

  for (const [what, refusal] of [['the server', () => answer(200, 'x4006,9:too large')], ['a proxy', () => answer(413)]]) {
    story(`auth data that is too large for ${what} ends the session at the second opening`, async (it) => {
      let openings = 0
      globalThis.fetch = async () => (openings++, refusal())
      const { session, named } = it.open({ ...POLLS, auth: 'x'.repeat(99) })
      session.send('first')
      await it.pass(60000)
      assert.deepEqual([session.state, openings, named('closed').map(([, how]) => [how.code, how.reason])], ['closed', 2, [[4006, 'auth is too large']]])
      assert.equal(it.clock.timers(), 0)
    })
  }

  for (const code of [4006, 1009]) {
    story(`a WebSocket that ends with ${code} at each large message`, async (it) => {
      const { session, named } = it.open(SOCKET_ONLY)
      await it.pass(100)
      const refuse = (socket) => {
        const { send } = socket
        socket.send = (data) => (data.length > 5000 ? it.clock.setTimeout(() => socket.cut(code, 'too big'), 5) : send.call(socket, data))
      }
      const { push } = it.sockets
      it.sockets.push = (socket) => (refuse(socket), push.call(it.sockets, socket))
      refuse(it.sockets[0])
      for (const size of [1, 6000, 2, 7000, 3]) session.send('x'.repeat(size))
      await it.pass(30000)
      assert.equal(session.state, 'open')
      assert.deepEqual(it.half.messages.map((text) => text.length), [1, 2, 3])
      assert.deepEqual(named('error').map(([, error]) => error.data.length), [7000, 6000])
    })
  }

  story('uploads that a limiter refuses wait as long as it says, and the downlink goes on', async (it) => {
    const { session, named } = it.open(POLLS)
    await it.pass(100)
    const { fetch } = globalThis
    let refused = 0
    const until = it.clock.now() + 8000
    globalThis.fetch = async (url, how) => {
      if (!/send/.test(url) || it.clock.now() > until) return fetch(url, how)
      refused++
      return answer(429, '', { 'Retry-After': '5' })
    }
    session.send('patient')
    await it.pass(6000)
    it.half.send('meanwhile')
    await it.pass(6000)
    assert.deepEqual([refused, it.half.messages, named('message').length], [2, ['patient'], 1])
    assert.deepEqual([named('interrupted'), named('connect_error').map(([, error]) => error.status)], [[], [429, 429]])
    globalThis.fetch = async (url, how) => (/send/.test(url) ? answer(429, '', { 'Retry-After': '100' }) : fetch(url, how))
    session.send('in vain')
    await it.pass(1000)
    session.abort()
    await it.pass(10)
    assert.equal(it.clock.timers(), 0)
  })

  story('uploads that a policy refuses are told each time, and the console learns of them', async (it) => {
    const { session, named } = it.open(POLLS)
    await it.pass(100)
    const { fetch } = globalThis
    globalThis.fetch = async (url, how) => (/send/.test(url) ? answer(403, 'no') : fetch(url, how))
    const console = warnings()
    session.send("' or 1=1 --")
    await it.pass(60000)
    console.restore()
    assert.ok(named('connect_error').length > 3)
    for (const [, error] of named('connect_error')) assert.equal(error.status, 403)
    assert.equal(console.list.length, 1)
  })

  story('uploads whose answers acknowledge nothing end the link, and are told', async (it) => {
    const { session, named } = it.open(POLLS)
    await it.pass(100)
    const { fetch } = globalThis
    let uploads = 0
    globalThis.fetch = async (url, how) => (/send/.test(url) ? (uploads++, answer(200, 'a0:')) : fetch(url, how))
    session.send('into the void')
    await it.pass(60000)
    const soFar = uploads
    await it.pass(60000)
    assert.ok(soFar < 100 && uploads - soFar < 20, `${soFar} uploads, then ${uploads - soFar}`)
    assert.ok(named('connect_error').length)
    globalThis.fetch = fetch
    await it.pass(20000)
    assert.deepEqual(it.half.messages, ['into the void'])
  })

  story('turns that end at once with nothing are not made again without a pause', async (it) => {
    const { session } = it.open(POLLS)
    await it.pass(100)
    const { fetch } = globalThis
    let turns = 0
    globalThis.fetch = async (url, how) => (/xhr-poll/.test(url) ? (turns++, answer(200, 'sfull,0,ping:')) : fetch(url, how))
    it.half.send('waits')
    await it.pass(10000)
    assert.equal(session.state, 'open')
    assert.ok(turns < 10, `${turns} turns`)
  })

  story('a start frame in the answer of an upload is a failure of that upload', async (it) => {
    const { session, named } = it.open(POLLS)
    await it.pass(100)
    const { fetch } = globalThis
    globalThis.fetch = async (url, how) => (/send/.test(url) ? answer(200, 'sfull,0:') : fetch(url, how))
    session.send('x')
    await it.pass(100)
    session.abort()
    assert.equal(named('closed').length, 1)
  })
})
