/**
 * The machine's stories: closing, heartbeats, and the session that is lost. How messages go is in
 * `session.test.mjs`.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { half, startFull, startNew, HOLD, INTERVAL, TIMEOUT } from './half.mjs'
import { LINK_DEAD, LINK_UNKNOWN } from '../src/session.js'

const opened = (base = 0) => {
  const one = half(1e6, base)
  const link = one.opens(2)
  one.receives(link, startNew(base))
  assert.equal(one.sends(link), 'v')
  return { ...one, link }
}

const SPAN = INTERVAL + TIMEOUT

describe('closing', () => {
  test('is numbered behind the last message, asks for its acknowledgement and ends with it', () => {
    const one = opened()
    one.send('1')
    one.machine.close_(3001, 'enough')
    assert.equal(one.sends(one.link), 'n1 1 c2,3001,enough w')
    assert.equal(one.machine.unacknowledged_, 1, 'a close is no message')
    one.receives(one.link, ['a', 1])
    assert.deepEqual(one.events(), [])
    one.receives(one.link, ['a', 2])
    assert.deepEqual(one.events(), [['closed', { code: 3001, reason: 'enough', unacknowledged: 0 }]])
    assert.equal(one.sends(one.link), '')
  })

  test('is replayed after a cut', () => {
    const one = opened()
    one.send('1')
    one.machine.close_(1000, '')
    one.sends(one.link)
    one.machine.detach_(one.link)
    const next = one.resumes(34)
    one.receives(next, startFull(1))
    assert.equal(one.sends(next), 'v n2 c2,1000, w')
  })

  test('goes with an upload, after a pause with the messages before it', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    one.send('1')
    one.machine.close_(1000, '')
    one.receives(link, ['h', 0, 1])
    assert.equal(one.uploads(link), '')
    one.receives(link, ['g', 0, 1])
    assert.equal(one.uploads(link), 'n1 1 c2,1000, w')
    assert.ok(one.machine.pending_(link))
  })

  test('whoever has closed goes on taking until it is acknowledged', () => {
    const one = opened()
    one.machine.close_(1000, '')
    one.sends(one.link)
    one.receives(one.link, ['n', 1], ['m', 'a'])
    assert.deepEqual(one.messages(), ['a'])
    one.receives(one.link, ['a', 1], ['m', 'b'])
    assert.deepEqual(one.events().map(([name]) => name), ['closed'])
  })

  test('by the other half is accepted behind its messages, and acknowledged', () => {
    const one = opened()
    one.send('never heard')
    one.receives(one.link, ['n', 1], ['m', 'a'], ['c', 2, 3000, 'bye'])
    assert.deepEqual(one.events(), [['message', 'a'], ['closed', { code: 3000, reason: 'bye', unacknowledged: 1 }]])
    assert.equal(one.sends(one.link), 'a2')
  })

  test('over HTTP it is acknowledged by one more request', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew(), ['c', 1, 1000, ''])
    assert.ok(one.machine.pending_(link))
    assert.equal(one.machine.ackNumber_(), 1)
    assert.ok(!one.machine.pending_(link))
  })

  test('behind a hole it is not accepted, and no acknowledgement reaches it', () => {
    const one = opened()
    one.receives(one.link, ['c', 2, 1000, ''])
    assert.deepEqual(one.events(), [])
    assert.equal(one.machine.received_, 0)
    assert.equal(one.sends(one.link), 'a0')
    one.receives(one.link, ['n', 1], ['m', 'a'], ['c', 2, 1000, ''])
    assert.deepEqual(one.events().map(([name]) => name), ['message', 'closed'])
  })

  test('from both sides at once it ends once', () => {
    const one = opened()
    one.machine.close_(3001, 'ours')
    assert.equal(one.sends(one.link), 'n1 c1,3001,ours w')
    one.receives(one.link, ['c', 1, 3002, 'theirs'], ['a', 1])
    assert.deepEqual(one.events(), [['closed', { code: 3002, reason: 'theirs', unacknowledged: 0 }]])
    assert.equal(one.sends(one.link), 'a1')
  })

  test('an abort is the last frame of the link, and ends the session at once', () => {
    const one = opened()
    one.send('1')
    one.receives(one.link, ['n', 1])
    one.machine.abort_(4310, 'stop')
    one.receives(one.link, ['m', 'late'])
    assert.deepEqual(one.events(), [['closed', { code: 4310, reason: 'stop', unacknowledged: 1 }]])
    assert.equal(one.sends(one.link), 'x4310,stop')
  })

  test('an abort with nothing that carries ends too', () => {
    const one = opened()
    one.machine.detach_(one.link)
    one.machine.abort_(4310, '')
    assert.equal(one.events()[0][0], 'closed')
  })

  test('an end from outside ends once', () => {
    const one = opened()
    one.machine.finish_(4301, 'no')
    one.machine.finish_(1000, 'again')
    assert.deepEqual(one.events(), [['closed', { code: 4301, reason: 'no', unacknowledged: 0 }]])
  })
})

describe('heartbeats', () => {
  test('a ping is answered with the number of the last message', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'], ['p', 42])
    assert.equal(one.sends(one.link), 'q42,1')
  })

  test('over HTTP the answer goes up with an upload, from a poll only when it must', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    link.poll_ = false
    one.receives(link, ['p', 42])
    assert.ok(one.machine.pending_(link))
    assert.equal(one.uploads(link), 'q42,0')
  })

  test('a link on which nothing came for interval + timeout is dead; anything that comes is a sign of life', () => {
    const one = opened()
    assert.equal(one.machine.pollTimeout_(), SPAN)
    assert.ok(!one.machine.handleTimeout_(SPAN - 1))
    assert.equal(one.machine.handleTimeout_(SPAN), LINK_DEAD)
    one.machine.handleFrame_(700, one.link, ['a', 0])
    assert.equal(one.machine.pollTimeout_(), 700 + SPAN)
    assert.ok(!one.machine.handleTimeout_(SPAN))
  })

  test('a poll waits as long as the server may hold it', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    assert.equal(one.machine.pollTimeout_(), HOLD + TIMEOUT)
    link.poll_ = false
    assert.equal(one.machine.pollTimeout_(), SPAN)
  })

  test('nothing is watched while nothing carries', () => {
    const one = opened()
    one.machine.detach_(one.link)
    assert.equal(one.machine.pollTimeout_(), Infinity)
    assert.ok(!one.machine.handleTimeout_(1e9))
  })

  test('whoever wakes late was asleep: the link is asked, has the timeout to answer, and then is dead', () => {
    const one = opened()
    const late = SPAN + TIMEOUT + 1
    assert.equal(one.machine.handleTimeout_(late - 1), LINK_DEAD, 'a little late is no sleep')
    assert.equal(one.machine.handleTimeout_(late), LINK_UNKNOWN)
    one.machine.probe_(late, one.link)
    assert.equal(one.sends(one.link), 'w')
    assert.equal(one.machine.pollTimeout_(), late + TIMEOUT)
    assert.ok(!one.machine.handleTimeout_(late + TIMEOUT - 1))
    assert.equal(one.machine.handleTimeout_(late + TIMEOUT), LINK_DEAD)
    one.machine.handleFrame_(late + 1, one.link, ['a', 0])
    assert.equal(one.machine.pollTimeout_(), late + 1 + SPAN)
  })

  test('a link over HTTP is asked too, by its next turn', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    one.machine.probe_(9000, link)
    assert.equal(one.sends(link), 'w')
    assert.equal(one.machine.pollTimeout_(), 9000 + TIMEOUT)
  })
})

describe('a lost session', () => {
  test('messages that were put on a link are unknown; the rest goes into the new session, behind what is sent there first', () => {
    const one = opened()
    one.send('taken', 'unknown', new Uint8Array([7]))
    one.sends(one.link)
    one.receives(one.link, ['a', 1])
    one.send('unsent')
    one.machine.lose_()
    assert.deepEqual(one.events(), [['lost', ['unknown', new Uint8Array([7])]]])
    assert.equal(one.machine.unacknowledged_, 1)
    one.machine.detach_(one.link)
    const next = one.opens(34)
    assert.equal(one.sends(next), '', 'the opening carries no messages')
    one.receives(next, startNew(0, 'another'))
    assert.equal(one.sends(next), 'v')
    one.machine.waits_ = 0
    one.send('greeting')
    assert.equal(one.sends(next), 'n1 greeting')
    one.machine.release_()
    assert.equal(one.sends(next), 'unsent')
    one.receives(next, ['a', 2], ['n', 1], ['m', 'a'])
    assert.equal(one.machine.unacknowledged_, 0)
    assert.deepEqual(one.messages(), ['a'])
  })

  test('messages that were put on any link are unknown, not only on the last', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.send('1')
    one.sends(socket)
    one.receives(http, startNew())
    one.machine.lose_()
    assert.deepEqual(one.events(), [['lost', ['1']]])
  })

  test('numbers of a new session are not compared with those of the old one', () => {
    const one = opened(100)
    one.send('1')
    one.sends(one.link)
    one.receives(one.link, ['h', 100, 9], ['n', 101], ['m', 'a'])
    one.events()
    one.machine.lose_()
    one.events()
    one.machine.detach_(one.link)
    const next = one.opens(34)
    one.receives(next, startNew(0, 'another'))
    one.send('2')
    one.machine.release_()
    assert.equal(one.sends(next), 'v n1 2', 'the hold has gone with its session')
    one.receives(next, ['n', 1], ['m', 'b'], ['h', 0, 1])
    assert.deepEqual(one.messages(), ['b'])
    one.send('3')
    assert.equal(one.sends(next), '')
  })

  test('an empty one has nothing unknown, and its buffer is empty', () => {
    const one = opened()
    one.send('1')
    one.sends(one.link)
    one.receives(one.link, ['a', 1])
    one.machine.lose_()
    assert.deepEqual(one.events(), [['lost', []]])
    assert.equal(one.machine.bytes_, 0)
  })

  test('one that was closing is over', () => {
    const one = opened()
    one.send('1')
    one.machine.close_(3001, 'done')
    one.sends(one.link)
    one.machine.lose_()
    assert.deepEqual(one.events(), [['closed', { code: 3001, reason: 'done', unacknowledged: 1 }]])
  })

  test('one that was closing and has not sent all sends the rest in the new session, and the close last', () => {
    const one = opened()
    one.send('1')
    one.sends(one.link)
    one.send('2')
    one.machine.close_(3001, 'done')
    one.machine.lose_()
    assert.deepEqual(one.events(), [['lost', ['1']]])
    one.machine.detach_(one.link)
    const next = one.opens(34)
    one.receives(next, startNew(0, 'another'))
    one.machine.release_()
    assert.equal(one.sends(next), 'v n1 2 c2,3001,done w')
    one.receives(next, ['a', 2])
    assert.deepEqual(one.events(), [['closed', { code: 3001, reason: 'done', unacknowledged: 0 }]])
  })

  test('what waits can be dropped, and a close behind it stays', () => {
    const one = opened()
    one.machine.lose_()
    one.events()
    one.send('a', 'b')
    assert.equal(one.machine.flush_(), Infinity, 'what comes before it is not known')
    one.machine.close_(1000, '')
    assert.deepEqual(one.machine.drop_((frame) => frame[1] === 'c'), [])
    assert.deepEqual(one.machine.drop_(() => true), ['a', 'b'])
    assert.deepEqual([one.machine.unacknowledged_, one.machine.bytes_], [0, 0])
    one.machine.detach_(one.link)
    const next = one.opens(34)
    one.receives(next, startNew(0, 'another'))
    one.machine.release_()
    assert.equal(one.sends(next), 'v n1 c1,1000, w')
  })
})

describe('messages that cannot be sent', () => {
  test('over the limit that is learnt with the session: it is given back, and its number becomes a gap', () => {
    const one = half()
    const link = one.opens(2)
    one.send('before', 'x'.repeat(70000), 'behind')
    one.sends(link)
    one.receives(link, startNew(1))
    const [[name, error]] = one.events()
    assert.deepEqual([name, error.message, error.data.length, one.machine.unacknowledged_], ['error', 'too large', 70000, 1])
    assert.equal(one.sends(link), 'v d2,2 behind')
    one.receives(link, ['a', 3])
    assert.deepEqual([one.machine.unacknowledged_, one.machine.bytes_], [0, 0])
  })

  test('of those that were on a link the largest is given up, once', () => {
    const one = opened()
    one.send('small', 'the largest', 'large', 'the largest of all, but not sent yet')
    one.machine.giveUp_(4)
    assert.equal(one.events()[0][1].data, 'the largest')
    one.machine.giveUp_(4)
    assert.equal(one.events()[0][1].data, 'small')
    one.machine.giveUp_(4)
    one.machine.giveUp_(4)
    assert.equal(one.events().length, 1)
    assert.equal(one.sends(one.link), 'n1 d1,1 d2,2 d3,3 the largest of all, but not sent yet')
  })

  test('a gap of a lost session is no message', () => {
    const one = opened()
    one.send('1', '2')
    one.sends(one.link)
    one.machine.giveUp_(2)
    one.events()
    one.machine.lose_()
    assert.deepEqual(one.events(), [['lost', ['2']]])
    assert.deepEqual([one.machine.unacknowledged_, one.machine.bytes_], [0, 0])
  })
})
