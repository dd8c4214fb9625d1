/** The life of the object that the application has: it may be closed early, and connected again. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

describe('connect() after the end', () => {
  story('opens a new session on the same object, with the same listeners', async (it) => {
    const { session, events, named } = it.open()
    await it.pass(100)
    session.send('one')
    session.close()
    await it.pass(100)
    assert.equal(session.state, 'closed')
    session.connect()
    assert.deepEqual([session.state, session.id, session.transport, session.unacknowledged], ['connecting', '', '', 0])
    session.send('two')
    await it.pass(100)
    assert.deepEqual([session.state, session.id], ['open', 'id2'])
    assert.deepEqual(it.server.sessions.map(({ messages }) => messages), [['one'], ['two']])
    it.half.send('back')
    await it.pass(100)
    assert.deepEqual(named('message'), [['message', 'back']])
    assert.deepEqual(events.map(([event]) => event), ['open', 'closed', 'open', 'message'])
  })

  story('does nothing before the end, and may be called by a listener of `closed`', async (it) => {
    const { session, named } = it.open()
    session.connect()
    await it.pass(100)
    session.connect()
    await it.pass(100)
    assert.equal(it.sockets.length, 1)
    session.on('closed', () => session.connect())
    session.abort()
    assert.equal(session.state, 'connecting')
    await it.pass(100)
    assert.deepEqual([session.state, it.server.sessions.length, named('closed').length, named('open').length], ['open', 2, 1, 2])
  })
})

describe('an early end', () => {
  story('close() in the turn of connect() opens nothing, and reports what was sent', async (it) => {
    let asked = 0
    const { session, events } = it.open({ auth: () => String(asked++) })
    session.send('never')
    const flushed = session.flush()
    session.close(3000, 'mistake')
    assert.equal(session.state, 'closed')
    await it.pass(60000)
    assert.deepEqual(events, [['closed', { code: 3000, reason: 'mistake', unacknowledged: 1 }]])
    assert.deepEqual([it.sockets.length, it.fetched.length, asked, await flushed], [0, 0, 0, false])
    assert.equal(it.clock.timers(), 0)
  })

  story('close() while nothing can be reached ends at once', async (it) => {
    it.mode.websocket = it.mode.http = 'refused'
    const { session, named } = it.open()
    session.send('never')
    await it.pass(5000)
    while (it.clock.timers() > 1) await it.pass(1)
    session.close()
    assert.deepEqual(named('closed'), [['closed', { code: 1000, reason: '', unacknowledged: 1 }]])
    assert.equal(it.clock.timers(), 0)
  })

  story('close() during an attempt waits for that one only', async (it) => {
    it.mode.websocket = 'silent'
    it.mode.http = 'silent'
    const { session, named } = it.open()
    session.send('maybe')
    await it.pass(500)
    session.close()
    assert.equal(session.state, 'connecting')
    it.sockets[0].cut()
    await it.pass(9000)
    assert.deepEqual(named('closed'), [])
    await it.pass(1500)
    assert.deepEqual(named('closed'), [['closed', { code: 1000, reason: '', unacknowledged: 1 }]])
  })

  story('close() while a connection is being made still delivers', async (it) => {
    const { session, named } = it.open()
    session.send('last')
    await it.pass(2)
    session.close(3001, 'done')
    await it.pass(200)
    assert.deepEqual([it.half.messages, it.half.closed, named('closed').length], [['last'], [3001, 'done'], 1])
  })

  story('the end comes without `interrupted`', async (it) => {
    for (const end of [4311, 4301, 4400]) {
      const { named, events } = it.open()
      await it.pass(100)
      it.sockets.at(-1).cut(end, 'over')
      await it.pass(100)
      assert.deepEqual(events.map(([event]) => event), ['open', 'closed'])
      assert.equal(named('closed')[0][1].code, end)
    }
  })
})

describe('what the object shows', () => {
  story('the transport is empty while nothing carries', async (it) => {
    const { session, named } = it.open({ transports: ['websocket'] })
    assert.equal(session.transport, '')
    await it.pass(100)
    assert.equal(session.transport, 'websocket')
    it.mode.websocket = 'refused'
    it.sockets[0].cut()
    assert.deepEqual([session.state, session.transport], ['interrupted', ''])
    it.mode.websocket = 'ok'
    await it.pass(5000)
    assert.equal(session.transport, 'websocket')
    session.close()
    await it.pass(100)
    assert.deepEqual([session.transport, named('transport')], ['', []])
  })

  story('it is never one that is not allowed', async (it) => {
    const { session } = it.open({ transports: ['fetch-stream'] })
    const seen = []
    session.on('open', () => seen.push(session.transport))
    await it.pass(500)
    it.streams.at(-1).cut()
    for (let i = 0; i < 50; i++) {
      seen.push(session.transport)
      await it.pass(10)
    }
    assert.deepEqual([...new Set(seen)].filter(Boolean), ['fetch-stream'])
    assert.deepEqual([...new Set(session.trace().map(({ transport }) => transport))], ['fetch-stream'])
  })

  story('no timer is left after the end, however it comes', async (it) => {
    for (const options of [{}, { transports: ['xhr-poll'] }, { transports: ['fetch-stream'] }]) {
      for (const end of ['close', 'abort', 'server', 'refused']) {
        const { session } = it.open(options)
        await it.pass(300)
        if (end === 'close') session.close()
        else if (end === 'abort') session.abort()
        else if (end === 'server') it.half.close(3000, 'bye')
        else {
          it.mode.http = it.mode.websocket = 'refused'
          for (const one of [...it.sockets, ...it.streams]) one.cut()
          await it.pass(50)
          session.abort()
          it.mode.http = it.mode.websocket = 'ok'
        }
        await it.pass(100)
        assert.equal(session.state, 'closed')
        assert.equal(it.clock.timers(), 0, `${JSON.stringify(options)} ${end}`)
      }
    }
  })
})
