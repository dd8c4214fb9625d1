/**
 * The machine's stories: how messages go. How sessions end, and what time does to them, is in
 * `session-life.test.mjs`.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { half, messagesUpTo, startFull, startNew, ENTRY, FIRST_FLIGHT, INTERVAL } from './half.mjs'

const opened = (capacity, base) => {
  const one = half(capacity, base)
  const link = one.opens(2)
  one.receives(link, startNew(base))
  assert.equal(one.sends(link), 'v')
  return { ...one, link }
}

describe('opening', () => {
  test('the first flight goes behind the opening, before any answer', () => {
    const one = half()
    const link = one.opens(2)
    one.send('one', 'two')
    assert.equal(one.sends(link), 'n1 one two')
    assert.equal(one.sends(link), '')
    one.receives(link, startNew(2))
    one.send('three')
    assert.equal(one.sends(link), 'v three')
    assert.equal(one.machine.unacknowledged_, 1)
  })

  test('the first flight has the size that the protocol allows, and the rest follows when the link is attached', () => {
    const one = half()
    const link = one.opens(2)
    const size = 4000
    one.send(...Array(6).fill('x'.repeat(size)))
    const fit = Math.floor(FIRST_FLIGHT / (size + ENTRY))
    assert.equal(one.sends(link).match(/x+/g).length, fit)
    one.receives(link, startNew(fit))
    assert.equal(one.sends(link).match(/x+/g).length, 6 - fit)
  })

  test('a message too large for the first flight waits until the link is attached', () => {
    const one = half()
    const link = one.opens(2)
    one.send('x'.repeat(FIRST_FLIGHT + 1))
    assert.equal(one.sends(link), '')
    one.receives(link, startNew())
    assert.match(one.sends(link), /^v n1 x+$/)
  })

  test('two openings that race both carry the first flight', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.send('one')
    assert.equal(one.sends(socket), 'n1 one')
    assert.equal(one.sends(http), 'n1 one')
  })

  test('a link that still opens sends nothing more once another carries', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.receives(http, startNew())
    one.send('one')
    assert.equal(one.sends(socket), '')
    assert.equal(one.uploads(http), 'n1 one')
  })

  test('a link that resumes sends nothing before it is attached', () => {
    const one = opened()
    one.machine.detach_(one.link)
    const link = one.resumes(34)
    one.send('one')
    assert.equal(one.sends(link), '')
  })

  test('the names in the answer to a resume are no parameters of a new session', () => {
    const one = opened()
    const next = one.resumes(34)
    one.receives(next, [...startFull(0), 'ping'])
    assert.equal(one.machine.carrier_, next)
    assert.equal(one.machine.params_[3], 'id')
  })

  test('a new secret takes the place of the one before, and an opening that is answered twice changes nothing', () => {
    const one = opened()
    one.receives(one.resumes(34), [...startFull(0), 'ping.rotate', 'newer'])
    assert.deepEqual(one.machine.params_.slice(3, 6), ['id', 'newer', INTERVAL])
    one.receives(one.resumes(35), startNew())
    one.receives(one.resumes(36), startFull(0))
    assert.equal(one.machine.params_[4], 'newer')
  })

  test('an attach to another session is a violation', () => {
    const one = opened()
    const other = one.resumes(34)
    assert.throws(() => one.receives(other, startNew(0, 'other')))
    assert.equal(one.machine.carrier_, one.link)
  })
})

describe('replay', () => {
  test('after a cut, from the first that is not acknowledged', () => {
    const one = opened()
    one.send('1', '2', '3', '4', '5')
    assert.equal(one.sends(one.link), 'n1 1 2 3 4 5')
    one.receives(one.link, ['a', 2])
    one.machine.detach_(one.link)
    assert.equal(one.machine.carrier_, 0)
    const next = one.resumes(34)
    one.receives(next, startFull(3))
    assert.equal(one.sends(next), 'v n4 4 5')
    assert.equal(one.machine.unacknowledged_, 2)
  })

  test('messages that were sent while no link carried follow', () => {
    const one = opened()
    one.machine.detach_(one.link)
    one.send('1', '2')
    const next = one.resumes(34)
    one.receives(next, startFull(0))
    assert.equal(one.sends(next), 'v n1 1 2')
    one.send('3')
    assert.equal(one.sends(next), '3', 'counted on')
  })

  test('an upload starts at the first that is not acknowledged, each time', () => {
    const one = half()
    const link = one.http(17, true)
    one.send('1', '2')
    assert.equal(one.sends(link), 'n1 1 2')
    one.receives(link, startNew(1))
    assert.equal(one.uploads(link), 'n2 2')
    one.send('3')
    assert.equal(one.uploads(link), 'n2 2 3')
    one.receives(link, ['a', 3])
    assert.equal(one.uploads(link), '')
  })

  test('an upload has the messages that fit, and one message whatever its size', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    one.send('a'.repeat(100), 'b'.repeat(100), 'c'.repeat(1000))
    const two = 2 * (100 + ENTRY)
    assert.match(one.uploads(link, two), /^n1 a+ b+$/)
    assert.match(one.uploads(link, two - 1), /^n1 a+$/)
    one.receives(link, ['a', 2])
    assert.match(one.uploads(link, two), /^n3 c+$/)
  })

  test('an upload is needed while something waits that no poll carries', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    assert.ok(!one.machine.pending_(link))
    one.send('1')
    assert.ok(one.machine.pending_(link))
    one.receives(link, ['a', 0])
    one.uploads(link)
    assert.ok(one.machine.pending_(link), 'until it is acknowledged')
    one.receives(link, ['a', 1])
    assert.ok(!one.machine.pending_(link))
    one.receives(link, ['w'])
    assert.ok(!one.machine.pending_(link), 'the next poll says how far we are')
    link.poll_ = false
    assert.ok(one.machine.pending_(link), 'a stream does not')
    one.machine.ackNumber_()
    assert.ok(!one.machine.pending_(link))
  })
})

describe('racing', () => {
  test('the higher ordinal takes over when it is confirmed', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.send('1', '2')
    assert.equal(one.sends(socket), one.sends(http))
    one.receives(http, startNew(1))
    assert.equal(one.machine.carrier_, http)
    one.receives(socket, startNew(1))
    assert.equal(one.machine.carrier_, socket)
    one.send('3')
    assert.equal(one.sends(socket), 'v 3', 'its first flight is on it already')
    assert.equal(one.uploads(http), '', 'the other serves no more')
  })

  test('an upgrade starts at the first that is not acknowledged', () => {
    const one = half()
    const http = one.http(17, true)
    one.receives(http, startNew())
    one.send('1', '2')
    assert.equal(one.uploads(http), 'n1 1 2')
    const socket = one.resumes(34)
    one.receives(socket, startFull(1))
    assert.equal(one.sends(socket), 'v n2 2')
  })

  test('a lower ordinal that comes later does not take over', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.receives(socket, startNew())
    one.receives(http, startNew())
    assert.equal(one.machine.carrier_, socket)
  })

  test('make before break: the old link serves until the new one is confirmed, and its late messages are accepted', () => {
    const one = opened()
    const next = one.resumes(34)
    one.send('1')
    assert.equal(one.sends(one.link), 'n1 1')
    one.receives(one.link, ['n', 1], ['m', 'a'])
    one.receives(next, startFull(1), ['n', 2], ['m', 'b'])
    one.receives(one.link, ['m', 'b'], ['m', 'c'], ['p', 7])
    assert.deepEqual(one.messages(), ['a', 'b', 'c'])
    assert.equal(one.sends(one.link), 'q7,3')
  })

  test('a confirmation is the first frame on a WebSocket when it is attached, once; HTTP has none', () => {
    const one = half()
    const socket = one.opens(18)
    one.send('1')
    one.receives(socket, startNew(0))
    one.receives(socket, ['p', 1])
    assert.equal(one.sends(socket), 'v q1,0 n1 1')
    one.receives(socket, startFull(0))
    assert.equal(one.sends(socket), '')
    const http = half()
    const link = http.http(17, true)
    http.receives(link, startNew())
    assert.equal(http.sends(link), '')
  })

  test('each turn over HTTP states its own first number', () => {
    const one = half()
    const link = one.http(17, true)
    one.receives(link, startNew(), ['n', 1], ['m', 'a'], startFull(0))
    assert.throws(() => one.receives(link, ['m', 'b']))
    one.receives(link, ['n', 2], ['m', 'b'])
    assert.deepEqual(one.messages(), ['a', 'b'])
  })
})

describe('acknowledging', () => {
  test('after 128 messages', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ...messagesUpTo(127))
    assert.equal(one.sends(one.link), '')
    one.receives(one.link, ['m', ''])
    assert.equal(one.sends(one.link), 'a128')
    one.receives(one.link, ...messagesUpTo(127))
    assert.equal(one.sends(one.link), '', 'counted from the last')
    one.receives(one.link, ['m', ''])
    assert.equal(one.sends(one.link), 'a256')
  })

  test('after 32,768 bytes', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'x'.repeat(16000)])
    assert.equal(one.sends(one.link), '')
    one.receives(one.link, ['b', new ArrayBuffer(16768)])
    assert.equal(one.sends(one.link), 'a2')
  })

  test('when asked to', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'])
    assert.equal(one.sends(one.link), '')
    one.receives(one.link, ['w'])
    assert.equal(one.sends(one.link), 'a1')
    assert.equal(one.sends(one.link), '')
  })

  test('in a pong, which leaves nothing owed', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ...messagesUpTo(127), ['p', 5], ['m', ''])
    assert.equal(one.sends(one.link), 'q5,127')
  })

  test('in the head of a request, which leaves nothing owed', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'], ['w'])
    assert.equal(one.machine.ackNumber_(), 1)
    assert.equal(one.sends(one.link), '')
  })

  test('is absolute; a late one is ignored; one of a number that was never sent is a violation', () => {
    const one = opened()
    one.send('1', '2', '3')
    one.sends(one.link)
    one.receives(one.link, ['a', 2])
    assert.equal(one.machine.unacknowledged_, 1)
    one.receives(one.link, ['a', 1])
    assert.equal(one.machine.unacknowledged_, 1)
    assert.equal(one.machine.acked_, 2)
    assert.throws(() => one.receives(one.link, ['a', 4]))
    assert.throws(() => one.receives(one.link, ['h', 4, 1]))
    assert.throws(() => one.receives(one.resumes(34), startFull(4)))
    assert.equal(one.machine.acked_, 2)
  })

  test('a message that is not yet on a link cannot be acknowledged', () => {
    const one = opened()
    one.send('1')
    assert.throws(() => one.receives(one.link, ['a', 1]))
    one.sends(one.link)
    one.receives(one.link, ['a', 1])
    assert.equal(one.machine.unacknowledged_, 0)
  })

  test('whoever flushes asks for it, behind the last message, once for each link', () => {
    const one = opened()
    one.send('1', '2')
    assert.equal(one.machine.flush_(), 2)
    assert.equal(one.sends(one.link), 'n1 1 2 w')
    assert.equal(one.sends(one.link), '')
    one.machine.flush_()
    assert.equal(one.sends(one.link), '', 'it has been asked')
    const next = one.resumes(34)
    one.receives(next, startFull(1))
    assert.equal(one.sends(next), 'v n2 2 w')
    one.receives(next, ['a', 2])
    one.machine.flush_()
    assert.equal(one.sends(next), '', 'nothing is open')
  })
})

describe('taking', () => {
  test('a message that came before is dropped, whichever link brings it, and is acknowledged once more', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'], ['m', 'b'])
    const next = one.resumes(34)
    one.receives(next, startFull(0), ['n', 1], ['m', 'a'], ['m', 'b'], ['m', 'c'])
    assert.deepEqual(one.messages(), ['a', 'b', 'c'])
    assert.equal(one.sends(next), 'v a3')
  })

  test('a message behind a hole is not accepted', () => {
    const one = opened()
    one.receives(one.link, ['n', 2], ['m', 'b'], ['m', 'c'])
    assert.deepEqual(one.messages(), [])
    assert.equal(one.machine.received_, 0)
    one.receives(one.link, ['n', 1], ['m', 'a'], ['m', 'b'])
    assert.deepEqual(one.messages(), ['a', 'b'])
  })

  test('a message without a number is a violation, and so is the number 0; padding is ignored', () => {
    const one = opened()
    assert.throws(() => one.receives(one.link, ['m', 'a']))
    assert.throws(() => one.receives(one.link, ['n', 0]))
    assert.throws(() => one.receives(one.link, ['d', 0, 1]))
    one.receives(one.link, ['i', '   '])
    assert.deepEqual(one.messages(), [])
  })

  test('a dropped run stands for its messages', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'], ['d', 2, 4], ['m', 'e'])
    assert.deepEqual(one.events(), [['message', 'a'], ['gap', { from: 2, to: 4 }], ['message', 'e']])
    assert.equal(one.machine.received_, 5)
  })

  test('a gap of which a part has come counts for the rest', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'], ['m', 'b'], ['d', 1, 3])
    assert.deepEqual(one.events().at(-1), ['gap', { from: 3, to: 3 }])
  })

  test('a gap that is old or beyond a hole is ignored', () => {
    const one = opened()
    one.receives(one.link, ['n', 1], ['m', 'a'])
    one.events()
    one.receives(one.link, ['d', 1, 1], ['d', 3, 4])
    assert.deepEqual(one.events(), [])
    assert.equal(one.machine.received_, 1)
  })
})

describe('holding', () => {
  test('no message is sent during a pause; after the resume the next one follows the last that was accepted', () => {
    const one = opened()
    one.send('1', '2', '3')
    one.sends(one.link)
    one.receives(one.link, ['h', 1, 1])
    one.send('4')
    assert.equal(one.sends(one.link), '')
    one.receives(one.link, ['g', 1, 1])
    assert.equal(one.sends(one.link), 'n2 2 3 4')
  })

  test('a resume ends the pauses before it; late ones are ignored', () => {
    const one = opened()
    one.receives(one.link, ['h', 0, 1], ['h', 0, 2], ['g', 0, 2])
    one.send('1')
    assert.equal(one.sends(one.link), 'n1 1')
    one.receives(one.link, ['h', 0, 1], ['h', 0, 2])
    one.send('2')
    assert.equal(one.sends(one.link), '2', 'nothing begins anew')
    one.receives(one.link, ['h', 0, 3], ['g', 0, 2])
    one.send('3')
    assert.equal(one.sends(one.link), '')
    one.receives(one.link, ['g', 2, 3])
    assert.equal(one.sends(one.link), '3')
  })

  test('a resume may overtake its pause on another link', () => {
    const one = opened()
    one.receives(one.link, ['g', 0, 1], ['h', 0, 1])
    one.send('1')
    assert.equal(one.sends(one.link), 'n1 1')
  })

  test('a pause acknowledges, and holds for the next link too; control frames are still sent', () => {
    const one = opened()
    one.send('1', '2')
    one.sends(one.link)
    one.receives(one.link, ['h', 1, 1])
    assert.equal(one.machine.acked_, 1)
    const next = one.resumes(34)
    one.receives(next, startFull(1), ['p', 3])
    assert.equal(one.sends(next), 'v q3,0')
    one.receives(next, ['g', 1, 1])
    assert.equal(one.sends(next), 'n2 2')
  })

  test('over HTTP nothing is uploaded during a pause', () => {
    const one = half()
    const link = one.http(17)
    one.receives(link, startNew())
    one.send('1')
    one.receives(link, ['h', 0, 1])
    assert.ok(!one.machine.pending_(link))
    assert.equal(one.uploads(link), '')
    one.receives(link, ['g', 0, 1])
    assert.ok(one.machine.pending_(link))
    assert.equal(one.uploads(link), 'n1 1')
  })
})

describe('the buffer', () => {
  test('is bounded; an acknowledgement makes room', () => {
    const one = opened(3 * (10 + ENTRY))
    const ten = '0123456789'
    assert.deepEqual(one.send(ten, ten, ten, ten), [true, true, true, false])
    assert.equal(one.machine.unacknowledged_, 3)
    assert.equal(one.machine.bytes_, 3 * (10 + ENTRY))
    one.sends(one.link)
    one.receives(one.link, ['a', 1])
    assert.deepEqual(one.send(ten, ten), [true, false])
    one.receives(one.link, ['a', 3])
    one.sends(one.link)
    one.receives(one.link, ['a', 4])
    assert.equal(one.machine.bytes_, 0)
  })

  test('accepts one message whatever its size', () => {
    const one = opened(100)
    assert.deepEqual(one.send('x'.repeat(1000), ''), [true, false])
  })

  test('a buffer that is more than half full, or has no room, asks for an acknowledgement', () => {
    const one = opened(4 * ENTRY)
    one.send('', '')
    assert.equal(one.sends(one.link).includes('w'), false)
    one.send('')
    assert.match(one.sends(one.link), / w$/)
    one.send('', '')
    assert.match(one.sends(one.link), / w$/)
  })
})

describe('numbers', () => {
  for (const base of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 53 - 5]) {
    test(`go on as they are past ${base}`, () => {
      const one = opened(1e6, base)
      assert.deepEqual(one.send('a', 'b', 'c'), [true, true, true])
      assert.equal(one.sends(one.link), `n${base + 1} a b c`)
      one.receives(one.link, ['a', base + 2])
      one.receives(one.link, ['n', base + 1], ['m', 'x'], ['m', 'y'], ['m', 'z'], ['w'])
      assert.deepEqual(one.messages(), ['x', 'y', 'z'])
      assert.equal(one.sends(one.link), `a${base + 3}`)
      const next = one.resumes(34)
      one.receives(next, startFull(base + 2))
      assert.equal(one.sends(next), `v n${base + 3} c`)
      assert.throws(() => one.receives(next, ['a', base + 4]))
    })
  }

  test('end before 2^53; the last is the close', () => {
    const MAX = 2 ** 53 - 1
    const one = opened(1e6, MAX - 3)
    assert.deepEqual(one.send('a', 'b', 'c'), [true, true, false])
    one.machine.close_(1000, '')
    assert.equal(one.sends(one.link), `n${MAX - 2} a b c${MAX},1000, w`)
    one.receives(one.link, ['a', MAX])
    assert.equal(one.events()[0][0], 'closed')
  })
})
