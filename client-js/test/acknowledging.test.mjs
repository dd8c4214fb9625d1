/** The knowledge that the two halves have of each other: in quiet, and when the server goes away. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { half, startFull, startNew, TIMEOUT } from './half.mjs'
import { story } from './support/network.mjs'

const QUIET = 1250

/** The list of the unknown in each `resumed`. */
const unknownIn = (events) => events.filter(([name]) => name === 'resumed').map(([, { unknown }]) => unknown)

describe('the machine', () => {
  /** A half with a WebSocket that carries. The heartbeat is far away. */
  const opened = () => {
    const one = half()
    const link = one.opens(1)
    one.receives(link, startNew())
    one.sends(link)
    one.machine.params_[5] = 1e6
    const at = (now) => {
      one.machine.handleTimeout_(now)
      return one.sends(link)
    }
    const arrives = (now, ...frames) => {
      for (const frame of frames) one.machine.handleFrame_(now, link, frame)
    }
    return { ...one, link, at, arrives }
  }

  test('acknowledges when nothing more comes', () => {
    const one = opened()
    one.arrives(0, ['n', 1], ['m', 'a'])
    one.arrives(1000, ['m', 'b'])
    assert.equal(one.machine.pollTimeout_(), 1000 + QUIET)
    assert.deepEqual([one.at(QUIET), one.at(1000 + QUIET - 1), one.at(1000 + QUIET), one.at(5000)], ['', '', 'a2', ''])
    assert.equal(one.machine.pollTimeout_(), 1000 + 1e6 + TIMEOUT, 'the heartbeat is left')
  })

  test('a pong acknowledges, so nothing more is due', () => {
    const one = opened()
    one.arrives(0, ['n', 1], ['m', 'a'], ['p', 7])
    assert.equal(one.sends(one.link), 'q7,1')
    assert.equal(one.at(QUIET), '')
  })

  test('without a link nothing is due', () => {
    const one = opened()
    one.arrives(0, ['n', 1], ['m', 'a'])
    one.machine.detach_(one.link)
    assert.equal(one.machine.pollTimeout_(), Infinity)
  })

  test('what is due and cannot be sent is not due again', () => {
    const one = half()
    const link = one.http(1, true)
    one.receives(link, startNew(), ['n', 1], ['m', 'a'])
    assert.equal(one.machine.pollTimeout_(), QUIET)
    one.machine.handleTimeout_(QUIET)
    assert.ok(one.machine.pollTimeout_() > QUIET, 'the next poll carries it')
    assert.ok(!one.machine.pending_(link))
    assert.equal(one.machine.ackNumber_(), 1)
  })

  test('a ping may acknowledge', () => {
    const one = opened()
    one.send('a', 'b')
    one.sends(one.link)
    one.arrives(1, ['p', 1])
    assert.equal(one.machine.unacknowledged_, 2, 'an older server does not')
    one.arrives(2, ['p', 2, 1])
    assert.equal(one.machine.unacknowledged_, 1)
    assert.throws(() => one.arrives(3, ['p', 3, 3]), 'beyond what was sent')
  })

  test('when the server goes away both halves acknowledge', () => {
    const one = opened()
    one.arrives(0, ['n', 1], ['m', 'a'])
    one.send('x')
    one.arrives(1, ['z', 100])
    assert.equal(one.sends(one.link), 'a1 n1 x w')
  })

  test('an answer that lists names is no new session', () => {
    const one = opened()
    const next = one.resumes(2)
    one.receives(next, [...startFull(0), 'ping'])
    assert.equal(one.machine.carrier_, next)
    assert.equal(one.machine.params_[3], 'id')
  })

  test('a half that settles sends nothing new until another link is attached', () => {
    const one = opened()
    one.send('a', 'b')
    one.sends(one.link)
    assert.equal(one.machine.settle_(), true)
    one.send('c')
    assert.equal(one.sends(one.link), 'w')
    one.arrives(1, ['a', 1])
    assert.equal(one.machine.settle_(), true)
    assert.equal(one.sends(one.link), '', 'it was asked once')
    one.arrives(2, ['a', 2])
    assert.equal(one.machine.settle_(), false)
    assert.equal(one.sends(one.link), 'c')
    one.machine.settle_()
    const next = one.resumes(2)
    one.receives(next, startFull(2))
    one.send('d')
    assert.equal(one.sends(next), 'v n3 c w d')
  })
})

describe('an idle WebSocket', () => {
  story('what the server has acknowledged shows without another event', async (it) => {
    const { session, events } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    session.send('one')
    session.send('two')
    await it.pass(100)
    assert.equal(session.unacknowledged, 2)
    events.length = 0
    it.half.put('p5,1')
    await it.pass(100)
    assert.equal(session.unacknowledged, 1, 'what the new session was sent')
    it.half.put('a2')
    await it.pass(100)
    assert.deepEqual([session.unacknowledged, session.bufferedAmount], [0, 0])
    assert.deepEqual(events, [], 'no event but the property')
    it.half.forgotten = true
    it.sockets[0].cut()
    await it.pass(5000)
    assert.deepEqual(unknownIn(events), [[]], 'nothing that was acknowledged is listed')
  })

  story('the client acknowledges in quiet', async (it) => {
    it.open({ transports: ['websocket'] })
    await it.pass(100)
    it.half.send('hello')
    await it.pass(1000)
    assert.equal(it.half.acked, 0)
    await it.pass(400)
    assert.equal(it.half.acked, 1)
  })

  story('and not while it keeps receiving', async (it) => {
    it.open({ transports: ['websocket'] })
    await it.pass(100)
    for (let second = 0; second < 20; second++) {
      it.half.send('tick')
      await it.pass(1000)
      assert.equal(it.half.acked, 0)
    }
    await it.pass(400)
    assert.equal(it.half.acked, 20)
  })
})

describe('a server that goes away', () => {
  const sentTo = (session) => session.messages.map(String)

  story('what has arrived there is known', async (it) => {
    const { session, named } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    const former = it.half
    session.send('before')
    await it.pass(100)
    former.put('z100')
    former.forgotten = true
    await it.pass(100)
    assert.equal(session.unacknowledged, 0, 'it was asked at once')
    session.send('in between')
    // The next link is told that there is no such session.
    await it.pass(12)
    session.send('while it is told')
    await it.pass(10)
    session.send('afterwards')
    await it.pass(100)
    assert.deepEqual(unknownIn(named('resumed')), [[]])
    assert.equal(it.server.sessions.length, 2)
    assert.deepEqual([sentTo(former), sentTo(it.half)], [['before', 'in between', 'while it is told'], ['afterwards']])
    assert.equal(session.unacknowledged, 1, 'what the new session was sent')
  })

  story('what it does not acknowledge in time is unknown', async (it) => {
    const { session, named } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    const former = it.half
    former.put('z100')
    former.forgotten = true
    await it.pass(100)
    it.sockets[0].broken = true
    session.send('lost')
    await it.pass(900)
    assert.deepEqual(named('resumed'), [])
    session.send('kept')
    await it.pass(1000)
    assert.deepEqual(unknownIn(named('resumed')), [['lost']])
    assert.deepEqual(sentTo(it.half), ['kept'])
  })

  story('and what ends with it does not wait', async (it) => {
    const { session, named } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    const former = it.half
    former.put('z100')
    former.forgotten = true
    await it.pass(100)
    it.sockets[0].broken = true
    session.send('lost')
    await it.pass(50)
    it.sockets[0].cut()
    await it.pass(1000)
    assert.deepEqual(unknownIn(named('resumed')), [['lost']])
  })
})
