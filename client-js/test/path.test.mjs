/** How the client adapts to its path, in virtual time. */
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

  story('that is ended although we had answered goes on as a stream', async (it) => {
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

  story('ignores padding', async (it) => {
    const { named } = await running(it)
    it.half.put('i', ' '.repeat(100))
    it.half.send('two')
    await it.pass(20)
    assert.deepEqual(named('message').map(([, text]) => text), ['one', 'two'])
  })
})

describe('polls', () => {
  story('the server may ask for a delay between the polls of a browser with many pages', async (it) => {
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

  story('with a delay are made at once after an upload', async (it) => {
    const { session, named } = it.open({ transports: ['xhr-poll'] })
    await it.pass(100)
    it.half.put('y2000')
    it.half.line.end()
    await it.pass(500)
    it.half.send('down')
    session.send('up')
    await it.pass(30)
    assert.equal(tail(it.server.requests, -3), 'send xhr-poll xhr-poll')
    assert.deepEqual(named('message'), [['message', 'down']])
    assert.deepEqual(it.half.messages, ['up'])
    assert.deepEqual([session.state, named('interrupted')], ['open', []])
  })
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

  story('that fails is repeated on its link', async (it) => {
    assert.equal(await blocked(it, 1), 0)
  })

  story('that fails twice ends the link', async (it) => {
    assert.equal(await blocked(it, 2), 1)
  })
})

describe('the page', () => {
  /** The page's own events. */
  const page = (run) => async (it) => {
    const listeners = {}
    globalThis.addEventListener = (name, listener) => (listeners[name] = listener)
    globalThis.removeEventListener = (name) => delete listeners[name]
    try {
      await run({ ...it, listeners, half: () => it.half })
    } finally {
      delete globalThis.addEventListener
      delete globalThis.removeEventListener
    }
  }

  story('that goes closes behind its messages: over WebSocket, and by a request, since the browser may have cut that', page(async (it) => {
    const { session } = it.open()
    await it.pass(100)
    session.send('last')
    it.listeners.pagehide({ persisted: false })
    await it.pass(10)
    const said = { path: 'send', body: 'u1,id1,secret,0:n1:m4:lastc2,1001,0:w:', keepalive: 1 }
    assert.deepEqual([it.half().messages, it.half().closed, it.fetched], [['last'], [1001, ''], [said]])
  }))

  story('that goes closes behind its messages: by a request that outlives it', page(async (it) => {
    const { session } = it.open(HTTP_ONLY)
    await it.pass(100)
    session.send('last')
    it.listeners.pagehide({ persisted: false })
    assert.deepEqual(it.fetched.at(-1), { path: 'send', body: 'u1,id1,secret,0:n1:m4:lastc2,1001,0:w:', keepalive: 1 })
    assert.ok(it.fetched.slice(0, -1).every(({ keepalive }) => !keepalive))
  }))

  story('that the browser keeps in memory keeps its session', page(async (it) => {
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

describe('the memory of what worked', { concurrency: false }, () => {
  const kept = {}
  const browsing = (run) => async (it) => {
    globalThis.document = {}
    globalThis.localStorage = kept
    try {
      await run(it)
    } finally {
      delete globalThis.localStorage
      delete globalThis.document
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
