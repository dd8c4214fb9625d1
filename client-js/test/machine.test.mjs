import { test } from 'node:test'
import assert from 'node:assert/strict'
import { machine, link as machineLink } from '../dist/machine.mjs'

const MAX = 9007199254740991
const START = ['s', 'new', 0, 'id', 'secret', 1000, 500, 5000, 65536, 4096, 3000]

/** A client half with what a story needs. */
const half = ({ base = 0, capacity = 100000 } = {}) => {
  const it = machine(capacity, base)
  let ordinal = 0
  const say = (link, now = 0) => {
    const frames = []
    for (let frame; (frame = it.pollTransmit(link, now)); ) frames.push(frame.slice())
    return frames
  }
  return {
    it,
    say,
    link: (options = {}) => {
      const link = machineLink({ ordinal: ++ordinal, duplex: 1, opening: 1, room: 16384, ...options })
      it.attach(0, link)
      return link
    },
    send: (text) => it.send(['m', text], text.length),
    hear: (link, ...frames) => {
      for (const frame of frames) it.handleFrame(0, link, frame)
    },
    events: () => {
      const all = []
      for (let event; (event = it.pollEvent()); ) all.push(event)
      return all
    }
  }
}

/** One with an open session on a WebSocket. */
const open = (options) => {
  const self = half(options)
  const link = self.link()
  self.hear(link, START.with(2, options?.base ?? 0))
  assert.deepEqual(self.say(link), [['v']])
  return { ...self, first: link }
}

const texts = (events) => events.filter(([name]) => name === 'message').map(([, text]) => text)

test('the first flight goes out before the start is heard, and its numbers once', () => {
  const { link, send, say, hear, it } = half()
  send('a')
  send('b')
  const one = link()
  assert.deepEqual(say(one), [['n', 1], ['m', 'a'], ['m', 'b']])
  hear(one, START.with(2, 2))
  assert.deepEqual(say(one), [['v']])
  assert.equal(it.unacknowledged(), 0)
  send('c')
  assert.deepEqual(say(one), [['m', 'c']])
})

test('the proof comes first, whatever waits', () => {
  const { link, send, say, hear } = half()
  const one = link()
  send('a')
  hear(one, START, ['w'])
  assert.deepEqual(say(one), [['v'], ['a', 0], ['n', 1], ['m', 'a']])
})

test('both links of a race carry the first flight', () => {
  const { link, send, say } = half()
  send('a')
  assert.deepEqual(say(link()), [['n', 1], ['m', 'a']])
  assert.deepEqual(say(link({ duplex: 0 })), [['n', 1], ['m', 'a']])
})

test('the first flight is bounded; a link that resumes says nothing before its start', () => {
  const { link, send, say } = half()
  send('x'.repeat(10000))
  send('y'.repeat(10000))
  assert.equal(say(link()).length, 2)
  assert.deepEqual(say(link({ room: 100 })), [])
  assert.deepEqual(say(link({ opening: 0 })), [])
})

test('a new carrier starts at the first number that is not acknowledged', () => {
  const { link, send, say, hear, first } = open()
  for (const text of ['a', 'b', 'c']) send(text)
  assert.equal(say(first).length, 4)
  const two = link({ opening: 0 })
  send('d')
  assert.deepEqual(say(two), [], 'not before it is proven')
  hear(two, ['s', 'full', 1])
  assert.deepEqual(say(two), [['v'], ['n', 2], ['m', 'b'], ['m', 'c'], ['m', 'd']])
  assert.deepEqual(say(first), [], 'the old one carries nothing any more')
})

test('the link of the higher ordinal carries, whichever is proven last', () => {
  const { link, send, say, hear, it } = open()
  const low = link({ opening: 0 })
  const high = link({ opening: 0 })
  hear(high, ['s', 'full', 0])
  hear(low, ['s', 'full', 0])
  assert.equal(it.carrier(), high)
  send('a')
  assert.deepEqual(say(low), [['v']])
  assert.deepEqual(say(high), [['v'], ['n', 1], ['m', 'a']])
})

test('it takes only the next number, whichever link brings it', () => {
  const { link, hear, first, events, it } = open()
  const two = link({ opening: 0 })
  hear(first, ['n', 1], ['m', 'one'], ['m', 'two'])
  hear(two, ['s', 'full', 0], ['n', 2], ['m', 'two'], ['m', 'three'])
  hear(first, ['m', 'three'])
  hear(two, ['n', 9], ['m', 'nine'], ['n', 4], ['b', new ArrayBuffer(2)])
  assert.deepEqual(texts(events()).slice(0, 3), ['one', 'two', 'three'])
  assert.equal(it.received(), 4)
})

test('a repeat is dropped and answered', () => {
  const { hear, say, first, events } = open()
  hear(first, ['n', 1], ['m', 'one'])
  assert.deepEqual(say(first), [])
  hear(first, ['n', 1], ['m', 'one'])
  assert.deepEqual(texts(events()), ['one'])
  assert.deepEqual(say(first), [['a', 1]])
})

test('a message without a number is a violation', () => {
  const { hear, first } = open()
  assert.throws(() => hear(first, ['m', 'x']))
  assert.throws(() => hear(first, ['n', 0]))
})

test('each turn counts anew', () => {
  const { link, hear } = half()
  const one = link({ duplex: 0 })
  hear(one, START, ['n', 1], ['m', 'x'], ['s', 'full', 0])
  assert.throws(() => hear(one, ['m', 'x']))
})

test('an acknowledgement of what was never said is a violation; a late one is not', () => {
  const { hear, send, say, first, it } = open()
  send('a')
  send('b')
  assert.throws(() => hear(first, ['a', 1]), 'not said yet')
  say(first)
  hear(first, ['a', 2], ['a', 1])
  assert.equal(it.acked(), 2)
  assert.throws(() => hear(first, ['a', 3]))
})

test('acknowledgements: after 128 messages, after 32 KiB, when wanted, with a pong', () => {
  const { hear, say, first } = open()
  hear(first, ['n', 1])
  for (let i = 1; i < 128; i++) hear(first, ['m', ''])
  assert.deepEqual(say(first), [])
  hear(first, ['m', ''])
  assert.deepEqual(say(first), [['a', 128]])
  hear(first, ['m', 'x'.repeat(32768)])
  assert.deepEqual(say(first), [['a', 129]])
  hear(first, ['w'])
  assert.deepEqual(say(first), [['a', 129]])
  hear(first, ['m', ''], ['p', 7])
  assert.deepEqual(say(first), [['q', 7, 130]])
})

test('a hold stops messages, a go starts where the other half stands, late ones are known by their epoch', () => {
  const { hear, send, say, first } = open()
  for (const text of ['a', 'b', 'c']) send(text)
  say(first)
  hear(first, ['h', 1, 1])
  send('d')
  assert.deepEqual(say(first), [])
  hear(first, ['g', 1, 1])
  assert.deepEqual(say(first), [['n', 2], ['m', 'b'], ['m', 'c'], ['m', 'd']])
  hear(first, ['h', 1, 1])
  send('e')
  assert.deepEqual(say(first), [['m', 'e']], 'an old hold holds nothing')
  hear(first, ['h', 2, 2], ['g', 2, 1])
  send('f')
  assert.deepEqual(say(first), [], 'an old go ends nothing')
  hear(first, ['g', 2, 3])
  assert.deepEqual(say(first).slice(0, 2), [['n', 3], ['m', 'c']])
})

test('an upload starts at the first number that is not acknowledged and is bounded, but one message always fits', () => {
  const { link, send, say, hear, it } = half()
  const one = link({ duplex: 0 })
  hear(one, START)
  for (const text of ['a', 'b', 'x'.repeat(5000), 'c']) send(text)
  const upload = (room) => {
    it.rewind(one, room)
    return say(one)
  }
  assert.deepEqual(upload(200), [['n', 1], ['m', 'a'], ['m', 'b']])
  assert.deepEqual(upload(200), [['n', 1], ['m', 'a'], ['m', 'b']], 'said again')
  hear(one, ['a', 2])
  assert.deepEqual(upload(200).map(([letter]) => letter), ['n', 'm'])
  hear(one, ['a', 3])
  assert.deepEqual(upload(200), [['n', 4], ['m', 'c']])
  hear(one, ['a', 4])
  assert.ok(!it.pending(one))
})

test('what waits for an upload: messages, and on a stream acknowledgements and pongs; a poll says those by itself', () => {
  const { link, send, hear, it } = half()
  const one = link({ duplex: 0 })
  hear(one, START)
  assert.ok(!it.pending(one))
  hear(one, ['w'])
  assert.ok(it.pending(one))
  machineLink.poll(one, 1)
  assert.ok(!it.pending(one))
  send('a')
  assert.ok(it.pending(one))
  hear(one, ['h', 0, 1])
  assert.ok(!it.pending(one))
})

test('the buffer is bounded; who finds no room hears when there is some', () => {
  const { send, say, hear, first, it } = open({ capacity: 300 })
  assert.ok(send('x'.repeat(100)))
  assert.ok(send(''))
  assert.ok(!send('x'.repeat(10)))
  assert.equal(it.unacknowledged(), 2)
  assert.ok(it.bytes() <= 300)
  assert.deepEqual(say(first).at(-1), ['w'])
  hear(first, ['a', 2])
  assert.equal(it.bytes(), 0)
  assert.ok(send('x'.repeat(1000)), 'an empty buffer takes any')
})

test('a flush asks once a link, behind what it waits for', () => {
  const { link, send, say, hear, first, it } = open()
  send('a')
  assert.equal(it.flush(), 1)
  send('b')
  assert.deepEqual(say(first), [['n', 1], ['m', 'a'], ['w'], ['m', 'b']])
  const two = link({ opening: 0 })
  hear(two, ['s', 'full', 0])
  assert.deepEqual(say(two), [['v'], ['n', 1], ['m', 'a'], ['w'], ['m', 'b']])
})

test('a close is numbered, comes last, and ends the session when it is acknowledged', () => {
  const { send, say, hear, first, it, events } = open()
  send('a')
  it.close(3001, 'bye')
  assert.deepEqual(say(first), [['n', 1], ['m', 'a'], ['c', 2, 3001, 'bye'], ['w']])
  hear(first, ['n', 1], ['m', 'still taken'], ['a', 1])
  assert.deepEqual(events(), [['message', 'still taken']])
  hear(first, ['a', 2])
  assert.deepEqual(events(), [['closed', { code: 3001, reason: 'bye', unacknowledged: 0 }]])
})

test('a close is said again on a new link', () => {
  const { link, say, hear, first, it } = open()
  it.close(1000, '')
  say(first)
  const two = link({ opening: 0 })
  hear(two, ['s', 'full', 0])
  assert.deepEqual(say(two).filter(([letter]) => letter === 'c'), [['c', 1, 1000, '']])
})

test('the other half closes: all before it arrives first, it is acknowledged, nothing follows', () => {
  const { hear, send, say, first, events } = open()
  send('never acknowledged')
  say(first)
  hear(first, ['n', 1], ['m', 'last'], ['c', 3, 3002, 'early'])
  assert.deepEqual(texts(events()), ['last'])
  hear(first, ['c', 2, 3002, 'done'])
  assert.deepEqual(events(), [['closed', { code: 3002, reason: 'done', unacknowledged: 1 }]])
  hear(first, ['n', 3], ['m', 'too late'])
  assert.deepEqual(events(), [])
  assert.deepEqual(say(first), [['a', 2]])
})

test('both may close at once', () => {
  const { hear, say, first, it, events } = open()
  it.close(1000, 'mine')
  say(first)
  hear(first, ['c', 1, 1000, 'yours'], ['a', 1])
  assert.deepEqual(events(), [['closed', { code: 1000, reason: 'yours', unacknowledged: 0 }]])
})

test('an abort says so and ends at once', () => {
  const { send, say, first, it, events } = open()
  send('a')
  it.abort(4310, 'enough')
  assert.deepEqual(say(first), [['x', 4310, 'enough']])
  assert.deepEqual(events(), [['closed', { code: 4310, reason: 'enough', unacknowledged: 1 }]])
})

test('a gap is told, and what follows counts behind it', () => {
  const { hear, first, events, it } = open()
  hear(first, ['n', 1], ['m', 'one'], ['d', 1, 4], ['m', 'five'], ['d', 9, 9])
  assert.deepEqual(events(), [['message', 'one'], ['resumed', 'gap', { from: 2, to: 4 }], ['message', 'five']])
  assert.equal(it.received(), 5)
})

test('a lost session: what was on a link is unknown, the rest is said in the new one', () => {
  const { link, send, say, hear, first, it, events } = open()
  for (const text of ['known', 'maybe']) send(text)
  say(first)
  hear(first, ['a', 1])
  send('never said')
  it.detach(0, first)
  it.lose()
  assert.deepEqual(events(), [['lost', ['maybe']]])
  assert.equal(it.carrier(), 0)
  const two = link()
  assert.deepEqual(say(two), [['n', 1], ['m', 'never said']])
  hear(two, START.with(2, 1).with(3, 'other'))
  assert.equal(it.unacknowledged(), 0)
})

test('a closing session that is lost is closed', () => {
  const { send, say, first, it, events } = open()
  send('a')
  it.close(3000, 'bye')
  say(first)
  it.lose()
  assert.deepEqual(events(), [['closed', { code: 3000, reason: 'bye', unacknowledged: 1 }]])
})

test('a start of another session ends that link and changes nothing', () => {
  const { link, hear, it } = open()
  assert.throws(() => hear(link(), START.with(3, 'other')))
  assert.equal(it.params()[3], 'id')
})

test('silence: a link is dead after interval and timeout, a poll after hold and timeout', () => {
  const { it, first } = open()
  assert.equal(it.pollTimeout(), 1500)
  assert.equal(Number(it.handleTimeout(1499)), 0)
  assert.equal(Number(it.handleTimeout(1500)), 1)
  machineLink.poll(first, 1)
  assert.equal(it.pollTimeout(), 3500)
  it.handleFrame(1000, first, ['a', 0])
  assert.equal(it.pollTimeout(), 4500)
})

test('who slept does not blame the link, but asks it', () => {
  const { it, first, say } = open()
  assert.equal(it.handleTimeout(2001), 2)
  it.probe(2001, first)
  assert.deepEqual(say(first), [['w']])
  assert.equal(it.pollTimeout(), 2501)
  assert.equal(Number(it.handleTimeout(2501)), 1)
})

test('a link that is not proven is not watched here', () => {
  const { link, it } = half()
  link()
  assert.equal(it.pollTimeout(), Infinity)
})

for (const base of [2 ** 31 - 2, 2 ** 32 - 2]) {
  test(`numbers go on beyond ${base}`, () => {
    const { send, say, hear, first, it, events } = open({ base })
    for (const text of ['a', 'b', 'c', 'd']) send(text)
    assert.deepEqual(say(first)[0], ['n', base + 1])
    hear(first, ['a', base + 4], ['n', base + 1], ['m', '1'], ['m', '2'], ['m', '3'])
    assert.equal(it.unacknowledged(), 0)
    assert.equal(it.received(), base + 3)
    assert.deepEqual(texts(events()), ['1', '2', '3'])
  })
}

test('numbers end: the last one is kept for the close', () => {
  const { send, say, hear, first, it } = open({ base: MAX - 2 })
  assert.ok(send('a'))
  assert.ok(!send('b'))
  it.close(1000, '')
  assert.deepEqual(say(first).slice(0, 3), [['n', MAX - 1], ['m', 'a'], ['c', MAX, 1000, '']])
  hear(first, ['a', MAX])
  assert.equal(it.acked(), MAX)
})
