/** What the client learns of its path, and what it makes of it; in virtual time. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

const HTTP_ONLY = { transports: ['fetch-stream', 'xhr-poll'] }

const tail = (list, from) => list.slice(from).join(' ')

describe('a stream', () => {
  const running = async (it) => {
    const opened = it.open(HTTP_ONLY)
    await it.pass(100)
    assert.equal(opened.session.transport, 'fetch-stream')
    it.half.send('one')
    await it.pass(2000)
    return opened
  }

  const giveUp = async (it) => {
    it.half.put('x4008', 'held back')
    it.half.line.end()
    await it.pass(50)
  }

  story('whose data and end come together was held: it polls, at once and in the same session', async (it) => {
    const { session, named } = await running(it)
    it.half.send('two')
    it.half.put('w')
    await giveUp(it)
    assert.equal(session.transport, 'xhr-poll')
    assert.deepEqual(named('message').map(([, text]) => text), ['one', 'two'])
    assert.deepEqual([named('interrupted'), named('resumed'), session.trace().length], [[], [], 1])
    await it.pass(4900)
    it.half.send('meanwhile')
    await it.pass(50)
    assert.equal(session.transport, 'xhr-poll')
    await it.pass(100)
    it.half.send('three')
    await it.pass(100)
    assert.equal(session.transport, 'fetch-stream', 'it climbs back')
  })

  story('that is given up though we had answered goes on as a stream', async (it) => {
    const { session, named } = await running(it)
    it.half.send('two')
    it.half.put('w')
    await it.pass(600)
    assert.equal(it.half.acked, 2)
    await giveUp(it)
    assert.equal(session.transport, 'fetch-stream')
    assert.deepEqual(named('interrupted'), [])
    assert.equal(tail(it.server.requests, -1), 'fetch-stream')
  })

  story('answers at once when it is asked', async (it) => {
    await running(it)
    it.half.send('two')
    it.half.put('w')
    await it.pass(20)
    assert.equal(tail(it.server.requests, -1), 'send')
    assert.equal(it.half.acked, 2)
  })

  story('takes padding for what it is', async (it) => {
    const { named } = await running(it)
    it.half.put('i', ' '.repeat(100))
    it.half.send('two')
    await it.pass(20)
    assert.deepEqual(named('message').map(([, text]) => text), ['one', 'two'])
  })
})

describe('polls', () => {
  story('the server may tell a page with many sisters to rest between its polls', async (it) => {
    const { session, named } = it.open({ transports: ['xhr-poll'] })
    await it.pass(100)
    const before = it.server.requests.length
    it.half.put('y2000')
    it.half.send('one')
    await it.pass(1900)
    assert.equal(it.server.requests.length, before)
    await it.pass(200)
    assert.equal(tail(it.server.requests, before), 'xhr-poll')
    it.half.send('two')
    await it.pass(50)
    assert.equal(tail(it.server.requests, before), 'xhr-poll xhr-poll', 'told nothing, it does not rest')
    assert.equal(named('message').length, 2)
    assert.equal(session.state, 'open')
  })

  story('where only short polls are allowed they come every two seconds, and after what was sent at once', async (it) => {
    const { session, named } = it.open({ transports: ['poll'] })
    await it.pass(100)
    assert.deepEqual([session.state, session.transport], ['open', 'poll'])
    await it.pass(6000)
    assert.equal(it.server.requests.join(' '), 'open poll poll poll poll')
    it.half.send('down')
    session.send('up')
    await it.pass(30)
    assert.equal(tail(it.server.requests, -2), 'send poll')
    assert.deepEqual(named('message'), [['message', 'down']])
    assert.deepEqual(it.half.messages, ['up'])
    await it.pass(120000)
    assert.deepEqual([session.state, named('interrupted')], ['open', []])
  })

  story('that are cut again and again after the same time are renewed before', async (it) => {
    const { session, named } = it.open({ transports: ['xhr-poll'] })
    await it.pass(100)
    for (let i = 0; i < 2; i++) {
      await it.pass(3000 - 100 * i)
      it.streams.at(-1).cut()
      await it.pass(500)
    }
    assert.equal(named('interrupted').length, 2)
    const first = it.streams.length
    await it.pass(12000)
    const waits = it.streams.slice(first).map(({ at }, i, list) => at - (list[i - 1] || { at: NaN }).at).slice(1)
    assert.ok(waits.length > 5 && waits.every((wait) => wait < 1700), `${waits}`)
    assert.deepEqual([session.state, session.transport, named('interrupted').length], ['open', 'xhr-poll', 2])
  })

  story('that can never wait become short ones', async (it) => {
    const { session, named } = it.open({ transports: ['xhr-poll', 'poll'] })
    await it.pass(100)
    for (let i = 0; i < 2; i++) {
      await it.pass(800)
      it.streams.at(-1).cut()
      await it.pass(10)
      while (session.state !== 'open') await it.pass(5)
    }
    await it.pass(10)
    assert.equal(session.transport, 'poll')
    await it.pass(20000)
    assert.deepEqual([session.state, named('interrupted').length], ['open', 2])
  })
})

story('a WebSocket that is cut whenever it is silent is kept talking', async (it) => {
  const { session, named } = it.open({ transports: ['websocket'] })
  await it.pass(100)
  for (let i = 0; i < 2; i++) {
    await it.pass(8000)
    it.sockets.at(-1).cut()
    await it.pass(500)
  }
  const socket = it.sockets.at(-1)
  const from = it.clock.now()
  await it.pass(20000)
  const asked = socket.sent.filter(([at, data]) => at >= from && data === 'w:').map(([at]) => at)
  assert.ok(asked.length >= 4, `${asked.length} in 20 s`)
  assert.deepEqual([session.state, named('interrupted').length], ['open', 2])
})

story('a WebSocket that the server closes is no silent path', async (it) => {
  it.open({ transports: ['websocket'] })
  await it.pass(100)
  for (let i = 0; i < 3; i++) {
    await it.pass(8000)
    it.sockets.at(-1).cut(4005)
    await it.pass(500)
  }
  const socket = it.sockets.at(-1)
  const before = socket.sent.length
  await it.pass(20000)
  assert.equal(socket.sent.length, before)
})

describe('an upload', () => {
  const blocked = async (it, cuts) => {
    const { session, named } = it.open(HTTP_ONLY)
    await it.pass(100)
    it.mode.http = 'refused'
    session.send('one')
    await it.pass(cuts * 5 - 1)
    it.mode.http = 'ok'
    await it.pass(500)
    assert.deepEqual(it.half.messages, ['one'])
    return named('interrupted').length
  }

  story('that fails is said again on its link', async (it) => {
    assert.equal(await blocked(it, 1), 0)
  })

  story('that fails twice ends the link', async (it) => {
    assert.equal(await blocked(it, 2), 1)
  })
})

describe('the page', () => {
  /** The page's own events and its last words. */
  const page = (run) => async (it) => {
    const listeners = {}
    const beacons = []
    const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
    globalThis.addEventListener = (name, listener) => (listeners[name] = listener)
    globalThis.removeEventListener = (name) => delete listeners[name]
    Object.defineProperty(globalThis, 'navigator', {
      configurable: true,
      value: { sendBeacon: (url, body) => beacons.push([url, Buffer.from(body).toString()]) }
    })
    try {
      await run({ ...it, listeners, beacons, half: () => it.half })
    } finally {
      delete globalThis.addEventListener
      delete globalThis.removeEventListener
      delete globalThis.navigator
      if (before) Object.defineProperty(globalThis, 'navigator', before)
    }
  }

  story('that goes says so behind what it has sent: over WebSocket', page(async (it) => {
    const { session } = it.open()
    await it.pass(100)
    session.send('last')
    it.listeners.pagehide({ persisted: false })
    await it.pass(10)
    assert.deepEqual([it.half().messages, it.half().closed, it.beacons], [['last'], [1001, ''], []])
  }))

  story('that goes says so behind what it has sent: by a beacon', page(async (it) => {
    const { session } = it.open(HTTP_ONLY)
    await it.pass(100)
    session.send('last')
    it.listeners.pagehide({ persisted: false })
    const [[url, body]] = it.beacons
    assert.equal(url, 'http://host/live/send?session=id1&bytes=1')
    assert.equal(body, 'u1,id1,secret,0:n1:m4:lastc2,1001,0:w:')
  }))

  story('that only rests keeps its session', page(async (it) => {
    const { session } = it.open()
    await it.pass(100)
    it.listeners.pagehide({ persisted: true })
    await it.pass(100)
    assert.deepEqual([session.state, it.half().closed], ['open', undefined])
  }))

  story('a session that is closed listens no more', page(async (it) => {
    const { session } = it.open()
    await it.pass(100)
    session.abort()
    assert.deepEqual(it.listeners, {})
  }))
})

describe('what is remembered', { concurrency: false }, () => {
  const kept = {}
  const browsing = (run) => async (it) => {
    globalThis.localStorage = kept
    try {
      await run(it)
    } finally {
      delete globalThis.localStorage
    }
  }

  story('a page whose streams were held', browsing(async (it) => {
    const { session } = it.open(HTTP_ONLY)
    await it.pass(100)
    it.half.put('w')
    it.half.put('x4008', '')
    it.half.line.end()
    await it.pass(10)
    assert.equal(session.transport, 'xhr-poll')
    assert.match(kept.anywire, /^\d+(\.\d+){3}$/, 'the browser has a name')
  }))

  story('lets the next one poll for its first seconds, under the same name', browsing(async (it) => {
    const name = kept.anywire
    const { session } = it.open(HTTP_ONLY)
    await it.pass(100)
    assert.equal(session.transport, 'xhr-poll')
    await it.pass(5000)
    it.half.send('something')
    await it.pass(100)
    assert.equal(session.transport, 'fetch-stream')
    assert.equal(kept.anywire, name)
  }))
})
