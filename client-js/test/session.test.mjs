/**
 * The machine's stories: how messages go. How sessions end, and what time does to them, is in
 * `session-life.test.mjs`.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { half, messagesUpTo, startFull, startNew, ENTRY, FIRST_FLIGHT } from './half.mjs'

const opened = (capacity, base) => {
  const one = half(capacity, base)
  const link = one.opens(2)
  one.hears(link, startNew(base))
  assert.equal(one.says(link), 'v')
  return { ...one, link }
}

describe('opening', () => {
  test('the first flight goes behind the opening, before any answer', () => {
    const one = half()
    const link = one.opens(2)
    one.send('one', 'two')
    assert.equal(one.says(link), 'n1 one two')
    assert.equal(one.says(link), '')
    one.hears(link, startNew(2))
    one.send('three')
    assert.equal(one.says(link), 'v three')
    assert.equal(one.machine.unacknowledged_, 1)
  })

  test('the first flight holds what the protocol allows, and the rest follows the start', () => {
    const one = half()
    const link = one.opens(2)
    const size = 4000
    one.send(...Array(6).fill('x'.repeat(size)))
    const fit = Math.floor(FIRST_FLIGHT / (size + ENTRY))
    assert.equal(one.says(link).match(/x+/g).length, fit)
    one.hears(link, startNew(fit))
    assert.equal(one.says(link).match(/x+/g).length, 6 - fit)
  })

  test('a message too large for the first flight waits for the start', () => {
    const one = half()
    const link = one.opens(2)
    one.send('x'.repeat(FIRST_FLIGHT + 1))
    assert.equal(one.says(link), '')
    one.hears(link, startNew())
    assert.match(one.says(link), /^v n1 x+$/)
  })

  test('two openings that race both carry the first flight', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.send('one')
    assert.equal(one.says(socket), 'n1 one')
    assert.equal(one.says(http), 'n1 one')
  })

  test('a loser that still opens says nothing more once another carries', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.hears(http, startNew())
    one.send('one')
    assert.equal(one.says(socket), '')
    assert.equal(one.uploads(http), 'n1 one')
  })

  test('a link that resumes says nothing before its start', () => {
    const one = opened()
    one.machine.detach_(one.link)
    const link = one.resumes(34)
    one.send('one')
    assert.equal(one.says(link), '')
  })

  test('a start of another session is a violation', () => {
    const one = opened()
    const other = one.resumes(34)
    assert.throws(() => one.hears(other, startNew(0, 'other')))
    assert.equal(one.machine.carrier_, one.link)
  })
})

describe('replay', () => {
  test('after a cut, from the first that is not acknowledged', () => {
    const one = opened()
    one.send('1', '2', '3', '4', '5')
    assert.equal(one.says(one.link), 'n1 1 2 3 4 5')
    one.hears(one.link, ['a', 2])
    one.machine.detach_(one.link)
    assert.equal(one.machine.carrier_, 0)
    const next = one.resumes(34)
    one.hears(next, startFull(3))
    assert.equal(one.says(next), 'v n4 4 5')
    assert.equal(one.machine.unacknowledged_, 2)
  })

  test('what was sent while nothing carried follows', () => {
    const one = opened()
    one.machine.detach_(one.link)
    one.send('1', '2')
    const next = one.resumes(34)
    one.hears(next, startFull(0))
    assert.equal(one.says(next), 'v n1 1 2')
    one.send('3')
    assert.equal(one.says(next), '3', 'counted on')
  })

  test('an upload starts at the first that is not acknowledged, each time', () => {
    const one = half()
    const link = one.http(17, true)
    one.send('1', '2')
    assert.equal(one.says(link), 'n1 1 2')
    one.hears(link, startNew(1))
    assert.equal(one.uploads(link), 'n2 2')
    one.send('3')
    assert.equal(one.uploads(link), 'n2 2 3')
    one.hears(link, ['a', 3])
    assert.equal(one.uploads(link), '')
  })

  test('an upload takes what fits, and one message whatever its size', () => {
    const one = half()
    const link = one.http(17)
    one.hears(link, startNew())
    one.send('a'.repeat(100), 'b'.repeat(100), 'c'.repeat(1000))
    const two = 2 * (100 + ENTRY)
    assert.match(one.uploads(link, two), /^n1 a+ b+$/)
    assert.match(one.uploads(link, two - 1), /^n1 a+$/)
    one.hears(link, ['a', 2])
    assert.match(one.uploads(link, two), /^n3 c+$/)
  })

  test('an upload is wanted while there is something to say that no poll says', () => {
    const one = half()
    const link = one.http(17)
    one.hears(link, startNew())
    assert.ok(!one.machine.pending_(link))
    one.send('1')
    assert.ok(one.machine.pending_(link))
    one.hears(link, ['a', 0])
    one.uploads(link)
    assert.ok(one.machine.pending_(link), 'until it is acknowledged')
    one.hears(link, ['a', 1])
    assert.ok(!one.machine.pending_(link))
    one.hears(link, ['w'])
    assert.ok(!one.machine.pending_(link), 'the next poll says how far we are')
    link.poll_ = false
    assert.ok(one.machine.pending_(link), 'a stream does not')
    one.machine.ackNumber_()
    assert.ok(!one.machine.pending_(link))
  })
})

describe('racing', () => {
  test('the higher ordinal takes over when it is proven', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.send('1', '2')
    assert.equal(one.says(socket), one.says(http))
    one.hears(http, startNew(1))
    assert.equal(one.machine.carrier_, http)
    one.hears(socket, startNew(1))
    assert.equal(one.machine.carrier_, socket)
    one.send('3')
    assert.equal(one.says(socket), 'v 3', 'its first flight is on it already')
    assert.equal(one.uploads(http), '', 'the other serves no more')
  })

  test('an upgrade starts at the first that is not acknowledged', () => {
    const one = half()
    const http = one.http(17, true)
    one.hears(http, startNew())
    one.send('1', '2')
    assert.equal(one.uploads(http), 'n1 1 2')
    const socket = one.resumes(34)
    one.hears(socket, startFull(1))
    assert.equal(one.says(socket), 'v n2 2')
  })

  test('a lower ordinal that comes later does not take over', () => {
    const one = half()
    const socket = one.opens(18)
    const http = one.http(17, true)
    one.hears(socket, startNew())
    one.hears(http, startNew())
    assert.equal(one.machine.carrier_, socket)
  })

  test('make before break: the old link serves until the new one is proven, and what it brings late is taken', () => {
    const one = opened()
    const next = one.resumes(34)
    one.send('1')
    assert.equal(one.says(one.link), 'n1 1')
    one.hears(one.link, ['n', 1], ['m', 'a'])
    one.hears(next, startFull(1), ['n', 2], ['m', 'b'])
    one.hears(one.link, ['m', 'b'], ['m', 'c'], ['p', 7])
    assert.deepEqual(one.messages(), ['a', 'b', 'c'])
    assert.equal(one.says(one.link), 'q7,3')
  })

  test('a proof is the first word on a WebSocket after its start, once; HTTP has none', () => {
    const one = half()
    const socket = one.opens(18)
    one.send('1')
    one.hears(socket, startNew(0))
    one.hears(socket, ['p', 1])
    assert.equal(one.says(socket), 'v q1,0 n1 1')
    one.hears(socket, startFull(0))
    assert.equal(one.says(socket), '')
    const http = half()
    const link = http.http(17, true)
    http.hears(link, startNew())
    assert.equal(http.says(link), '')
  })

  test('each turn over HTTP begins its numbers anew', () => {
    const one = half()
    const link = one.http(17, true)
    one.hears(link, startNew(), ['n', 1], ['m', 'a'], startFull(0))
    assert.throws(() => one.hears(link, ['m', 'b']))
    one.hears(link, ['n', 2], ['m', 'b'])
    assert.deepEqual(one.messages(), ['a', 'b'])
  })
})

describe('acknowledging', () => {
  test('after 128 messages', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ...messagesUpTo(127))
    assert.equal(one.says(one.link), '')
    one.hears(one.link, ['m', ''])
    assert.equal(one.says(one.link), 'a128')
    one.hears(one.link, ...messagesUpTo(127))
    assert.equal(one.says(one.link), '', 'counted from the last')
    one.hears(one.link, ['m', ''])
    assert.equal(one.says(one.link), 'a256')
  })

  test('after 32,768 bytes', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'x'.repeat(16000)])
    assert.equal(one.says(one.link), '')
    one.hears(one.link, ['b', new ArrayBuffer(16768)])
    assert.equal(one.says(one.link), 'a2')
  })

  test('when asked to', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'a'])
    assert.equal(one.says(one.link), '')
    one.hears(one.link, ['w'])
    assert.equal(one.says(one.link), 'a1')
    assert.equal(one.says(one.link), '')
  })

  test('in a pong, which leaves nothing owed', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ...messagesUpTo(127), ['p', 5], ['m', ''])
    assert.equal(one.says(one.link), 'q5,127')
  })

  test('in the head of a request, which leaves nothing owed', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'a'], ['w'])
    assert.equal(one.machine.ackNumber_(), 1)
    assert.equal(one.says(one.link), '')
  })

  test('is absolute; what is late is ignored; what was never said is a violation', () => {
    const one = opened()
    one.send('1', '2', '3')
    one.says(one.link)
    one.hears(one.link, ['a', 2])
    assert.equal(one.machine.unacknowledged_, 1)
    one.hears(one.link, ['a', 1])
    assert.equal(one.machine.unacknowledged_, 1)
    assert.equal(one.machine.acked_, 2)
    assert.throws(() => one.hears(one.link, ['a', 4]))
    assert.throws(() => one.hears(one.link, ['h', 4, 1]))
    assert.throws(() => one.hears(one.resumes(34), startFull(4)))
    assert.equal(one.machine.acked_, 2)
  })

  test('what is not yet on a link cannot be acknowledged', () => {
    const one = opened()
    one.send('1')
    assert.throws(() => one.hears(one.link, ['a', 1]))
    one.says(one.link)
    one.hears(one.link, ['a', 1])
    assert.equal(one.machine.unacknowledged_, 0)
  })

  test('whoever flushes asks for it, behind the last message, once for each link', () => {
    const one = opened()
    one.send('1', '2')
    assert.equal(one.machine.flush_(), 2)
    assert.equal(one.says(one.link), 'n1 1 2 w')
    assert.equal(one.says(one.link), '')
    one.machine.flush_()
    assert.equal(one.says(one.link), '', 'it has been asked')
    const next = one.resumes(34)
    one.hears(next, startFull(1))
    assert.equal(one.says(next), 'v n2 2 w')
    one.hears(next, ['a', 2])
    one.machine.flush_()
    assert.equal(one.says(next), '', 'nothing is open')
  })
})

describe('taking', () => {
  test('what was taken already is dropped, whichever link brings it, and is acknowledged once more', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'a'], ['m', 'b'])
    const next = one.resumes(34)
    one.hears(next, startFull(0), ['n', 1], ['m', 'a'], ['m', 'b'], ['m', 'c'])
    assert.deepEqual(one.messages(), ['a', 'b', 'c'])
    assert.equal(one.says(next), 'v a3')
  })

  test('what comes behind a hole is not taken', () => {
    const one = opened()
    one.hears(one.link, ['n', 2], ['m', 'b'], ['m', 'c'])
    assert.deepEqual(one.messages(), [])
    assert.equal(one.machine.received_, 0)
    one.hears(one.link, ['n', 1], ['m', 'a'], ['m', 'b'])
    assert.deepEqual(one.messages(), ['a', 'b'])
  })

  test('a message without a number is a violation, and so is the number 0; padding is ignored', () => {
    const one = opened()
    assert.throws(() => one.hears(one.link, ['m', 'a']))
    assert.throws(() => one.hears(one.link, ['n', 0]))
    assert.throws(() => one.hears(one.link, ['d', 0, 1]))
    one.hears(one.link, ['i', '   '])
    assert.deepEqual(one.messages(), [])
  })

  test('a dropped run stands for its messages', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'a'], ['d', 2, 4], ['m', 'e'])
    assert.deepEqual(one.events(), [['message', 'a'], ['resumed', 'gap', { from: 2, to: 4 }], ['message', 'e']])
    assert.equal(one.machine.received_, 5)
  })

  test('a dropped run of which a part has come counts for the rest', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'a'], ['m', 'b'], ['d', 1, 3])
    assert.deepEqual(one.events().at(-1), ['resumed', 'gap', { from: 3, to: 3 }])
  })

  test('a dropped run that is old or beyond a hole tells nothing', () => {
    const one = opened()
    one.hears(one.link, ['n', 1], ['m', 'a'])
    one.events()
    one.hears(one.link, ['d', 1, 1], ['d', 3, 4])
    assert.deepEqual(one.events(), [])
    assert.equal(one.machine.received_, 1)
  })
})

describe('holding', () => {
  test('no message goes under a hold; go starts behind what was taken', () => {
    const one = opened()
    one.send('1', '2', '3')
    one.says(one.link)
    one.hears(one.link, ['h', 1, 1])
    one.send('4')
    assert.equal(one.says(one.link), '')
    one.hears(one.link, ['g', 1, 1])
    assert.equal(one.says(one.link), 'n2 2 3 4')
  })

  test('go ends the holds before it; those that come late are ignored, and so is a go', () => {
    const one = opened()
    one.hears(one.link, ['h', 0, 1], ['h', 0, 2], ['g', 0, 2])
    one.send('1')
    assert.equal(one.says(one.link), 'n1 1')
    one.hears(one.link, ['h', 0, 1], ['h', 0, 2])
    one.send('2')
    assert.equal(one.says(one.link), '2', 'nothing begins anew')
    one.hears(one.link, ['h', 0, 3], ['g', 0, 2])
    one.send('3')
    assert.equal(one.says(one.link), '')
    one.hears(one.link, ['g', 2, 3])
    assert.equal(one.says(one.link), '3')
  })

  test('a go may overtake its hold on another link', () => {
    const one = opened()
    one.hears(one.link, ['g', 0, 1], ['h', 0, 1])
    one.send('1')
    assert.equal(one.says(one.link), 'n1 1')
  })

  test('a hold acknowledges, and binds the next link too; control goes on', () => {
    const one = opened()
    one.send('1', '2')
    one.says(one.link)
    one.hears(one.link, ['h', 1, 1])
    assert.equal(one.machine.acked_, 1)
    const next = one.resumes(34)
    one.hears(next, startFull(1), ['p', 3])
    assert.equal(one.says(next), 'v q3,0')
    one.hears(next, ['g', 1, 1])
    assert.equal(one.says(next), 'n2 2')
  })

  test('over HTTP nothing is uploaded under a hold', () => {
    const one = half()
    const link = one.http(17)
    one.hears(link, startNew())
    one.send('1')
    one.hears(link, ['h', 0, 1])
    assert.ok(!one.machine.pending_(link))
    assert.equal(one.uploads(link), '')
    one.hears(link, ['g', 0, 1])
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
    one.says(one.link)
    one.hears(one.link, ['a', 1])
    assert.deepEqual(one.send(ten, ten), [true, false])
    one.hears(one.link, ['a', 3])
    one.says(one.link)
    one.hears(one.link, ['a', 4])
    assert.equal(one.machine.bytes_, 0)
  })

  test('takes one message whatever its size', () => {
    const one = opened(100)
    assert.deepEqual(one.send('x'.repeat(1000), ''), [true, false])
  })

  test('more than half full it asks for acknowledgement, and so does who found no room', () => {
    const one = opened(4 * ENTRY)
    one.send('', '')
    assert.equal(one.says(one.link).includes('w'), false)
    one.send('')
    assert.match(one.says(one.link), / w$/)
    one.send('', '')
    assert.match(one.says(one.link), / w$/)
  })
})

describe('numbers', () => {
  for (const base of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 53 - 5]) {
    test(`go on as they are past ${base}`, () => {
      const one = opened(1e6, base)
      assert.deepEqual(one.send('a', 'b', 'c'), [true, true, true])
      assert.equal(one.says(one.link), `n${base + 1} a b c`)
      one.hears(one.link, ['a', base + 2])
      one.hears(one.link, ['n', base + 1], ['m', 'x'], ['m', 'y'], ['m', 'z'], ['w'])
      assert.deepEqual(one.messages(), ['x', 'y', 'z'])
      assert.equal(one.says(one.link), `a${base + 3}`)
      const next = one.resumes(34)
      one.hears(next, startFull(base + 2))
      assert.equal(one.says(next), `v n${base + 3} c`)
      assert.throws(() => one.hears(next, ['a', base + 4]))
    })
  }

  test('end before 2^53; the last is the close', () => {
    const MAX = 2 ** 53 - 1
    const one = opened(1e6, MAX - 3)
    assert.deepEqual(one.send('a', 'b', 'c'), [true, true, false])
    one.machine.close_(1000, '')
    assert.equal(one.says(one.link), `n${MAX - 2} a b c${MAX},1000, w`)
    one.hears(one.link, ['a', MAX])
    assert.equal(one.events()[0][0], 'closed')
  })
})
