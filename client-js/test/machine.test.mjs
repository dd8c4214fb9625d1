import { test } from 'node:test'
import assert from 'node:assert/strict'
import { machine, link as machineLink } from '../dist/machine.mjs'

const MAX = 9007199254740991
const START = ['s', 'new', 0, 'id', 'secret', 1000, 500, 5000, 65536, 4096, 3000]

/** A client half with what a story needs. */
const half = ({ base = 0, capacity = 100000 } = {}) => {
  const it = machine(capacity, base)
  let ordinal = 0
  const transmit = (link, now = 0) => {
    const frames = []
    for (let frame; (frame = it.pollTransmit(link, now)); ) frames.push(frame.slice())
    return frames
  }
  return {
    it,
    transmit,
    link: (options = {}) => {
      const link = machineLink({ ordinal: ++ordinal, duplex: 1, opening: 1, room: 16384, ...options })
      it.attach(0, link)
      return link
    },
    send: (text) => it.send(['m', text], text.length),
    receive: (link, ...frames) => {
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
  self.receive(link, START.with(2, options?.base ?? 0))
  assert.deepEqual(self.transmit(link), [['v']])
  return { ...self, first: link }
}

const texts = (events) => events.filter(([name]) => name === 'message').map(([, text]) => text)

test('the first flight is sent before the answer comes, with its numbers once', () => {
  const { link, send, transmit, receive, it } = half()
  send('a')
  send('b')
  const one = link()
  assert.deepEqual(transmit(one), [['n', 1], ['m', 'a'], ['m', 'b']])
  receive(one, START.with(2, 2))
  assert.deepEqual(transmit(one), [['v']])
  assert.equal(it.unacknowledged(), 0)
  send('c')
  assert.deepEqual(transmit(one), [['m', 'c']])
})

test('the confirmation is sent before anything that waits', () => {
  const { link, send, transmit, receive } = half()
  const one = link()
  send('a')
  receive(one, START, ['w'])
  assert.deepEqual(transmit(one), [['v'], ['a', 0], ['n', 1], ['m', 'a']])
})

test('both links of a race carry the first flight', () => {
  const { link, send, transmit } = half()
  send('a')
  assert.deepEqual(transmit(link()), [['n', 1], ['m', 'a']])
  assert.deepEqual(transmit(link({ duplex: 0 })), [['n', 1], ['m', 'a']])
})

test('the first flight is bounded; a link that resumes sends nothing before it is attached', () => {
  const { link, send, transmit } = half()
  send('x'.repeat(10000))
  send('y'.repeat(10000))
  assert.equal(transmit(link()).length, 2)
  assert.deepEqual(transmit(link({ room: 100 })), [])
  assert.deepEqual(transmit(link({ opening: 0 })), [])
})

test('a new carrier starts at the first number that is not acknowledged', () => {
  const { link, send, transmit, receive, first } = open()
  for (const text of ['a', 'b', 'c']) send(text)
  assert.equal(transmit(first).length, 4)
  const two = link({ opening: 0 })
  send('d')
  assert.deepEqual(transmit(two), [], 'not before it is proven')
  receive(two, ['s', 'full', 1])
  assert.deepEqual(transmit(two), [['v'], ['n', 2], ['m', 'b'], ['m', 'c'], ['m', 'd']])
  assert.deepEqual(transmit(first), [], 'the old one carries nothing any more')
})

test('the link of the higher ordinal carries, whichever is confirmed last', () => {
  const { link, send, transmit, receive, it } = open()
  const low = link({ opening: 0 })
  const high = link({ opening: 0 })
  receive(high, ['s', 'full', 0])
  receive(low, ['s', 'full', 0])
  assert.equal(it.carrier(), high)
  send('a')
  assert.deepEqual(transmit(low), [['v']])
  assert.deepEqual(transmit(high), [['v'], ['n', 1], ['m', 'a']])
})

test('it accepts only the next number, whichever link brings it', () => {
  const { link, receive, first, events, it } = open()
  const two = link({ opening: 0 })
  receive(first, ['n', 1], ['m', 'one'], ['m', 'two'])
  receive(two, ['s', 'full', 0], ['n', 2], ['m', 'two'], ['m', 'three'])
  receive(first, ['m', 'three'])
  receive(two, ['n', 9], ['m', 'nine'], ['n', 4], ['b', new ArrayBuffer(2)])
  assert.deepEqual(texts(events()).slice(0, 3), ['one', 'two', 'three'])
  assert.equal(it.received(), 4)
})

test('a repeat is dropped and answered', () => {
  const { receive, transmit, first, events } = open()
  receive(first, ['n', 1], ['m', 'one'])
  assert.deepEqual(transmit(first), [])
  receive(first, ['n', 1], ['m', 'one'])
  assert.deepEqual(texts(events()), ['one'])
  assert.deepEqual(transmit(first), [['a', 1]])
})

test('a message without a number is a violation', () => {
  const { receive, first } = open()
  assert.throws(() => receive(first, ['m', 'x']))
  assert.throws(() => receive(first, ['n', 0]))
})

test('each turn counts from its own first number', () => {
  const { link, receive } = half()
  const one = link({ duplex: 0 })
  receive(one, START, ['n', 1], ['m', 'x'], ['s', 'full', 0])
  assert.throws(() => receive(one, ['m', 'x']))
})

test('an acknowledgement of a number that was never sent is a violation; a late one is not', () => {
  const { receive, send, transmit, first, it } = open()
  send('a')
  send('b')
  assert.throws(() => receive(first, ['a', 1]), 'not said yet')
  transmit(first)
  receive(first, ['a', 2], ['a', 1])
  assert.equal(it.acked(), 2)
  assert.throws(() => receive(first, ['a', 3]))
})

test('acknowledgements: after 128 messages, after 32 KiB, when wanted, with a pong', () => {
  const { receive, transmit, first } = open()
  receive(first, ['n', 1])
  for (let i = 1; i < 128; i++) receive(first, ['m', ''])
  assert.deepEqual(transmit(first), [])
  receive(first, ['m', ''])
  assert.deepEqual(transmit(first), [['a', 128]])
  receive(first, ['m', 'x'.repeat(32768)])
  assert.deepEqual(transmit(first), [['a', 129]])
  receive(first, ['w'])
  assert.deepEqual(transmit(first), [['a', 129]])
  receive(first, ['m', ''], ['p', 7])
  assert.deepEqual(transmit(first), [['q', 7, 130]])
})

test('a pause stops messages, a resume starts behind the last accepted one, late ones are known by their epoch', () => {
  const { receive, send, transmit, first } = open()
  for (const text of ['a', 'b', 'c']) send(text)
  transmit(first)
  receive(first, ['h', 1, 1])
  send('d')
  assert.deepEqual(transmit(first), [])
  receive(first, ['g', 1, 1])
  assert.deepEqual(transmit(first), [['n', 2], ['m', 'b'], ['m', 'c'], ['m', 'd']])
  receive(first, ['h', 1, 1])
  send('e')
  assert.deepEqual(transmit(first), [['m', 'e']], 'an old hold holds nothing')
  receive(first, ['h', 2, 2], ['g', 2, 1])
  send('f')
  assert.deepEqual(transmit(first), [], 'an old go ends nothing')
  receive(first, ['g', 2, 3])
  assert.deepEqual(transmit(first).slice(0, 2), [['n', 3], ['m', 'c']])
})

test('an upload starts at the first number that is not acknowledged and is bounded, but one message always fits', () => {
  const { link, send, transmit, receive, it } = half()
  const one = link({ duplex: 0 })
  receive(one, START)
  for (const text of ['a', 'b', 'x'.repeat(5000), 'c']) send(text)
  const upload = (room) => {
    it.rewind(one, room)
    return transmit(one)
  }
  assert.deepEqual(upload(200), [['n', 1], ['m', 'a'], ['m', 'b']])
  assert.deepEqual(upload(200), [['n', 1], ['m', 'a'], ['m', 'b']], 'said again')
  receive(one, ['a', 2])
  assert.deepEqual(upload(200).map(([letter]) => letter), ['n', 'm'])
  receive(one, ['a', 3])
  assert.deepEqual(upload(200), [['n', 4], ['m', 'c']])
  receive(one, ['a', 4])
  assert.ok(!it.pending(one))
})

test('an upload is needed for messages, and on a stream for acknowledgements and pongs, which a poll carries by itself', () => {
  const { link, send, receive, it } = half()
  const one = link({ duplex: 0 })
  receive(one, START)
  assert.ok(!it.pending(one))
  receive(one, ['w'])
  assert.ok(it.pending(one))
  machineLink.poll(one, 1)
  assert.ok(!it.pending(one))
  send('a')
  assert.ok(it.pending(one))
  receive(one, ['h', 0, 1])
  assert.ok(!it.pending(one))
})

test('the buffer is bounded; if it is full, the other half is asked to acknowledge', () => {
  const { send, transmit, receive, first, it } = open({ capacity: 300 })
  assert.ok(send('x'.repeat(100)))
  assert.ok(send(''))
  assert.ok(!send('x'.repeat(10)))
  assert.equal(it.unacknowledged(), 2)
  assert.ok(it.bytes() <= 300)
  assert.deepEqual(transmit(first).at(-1), ['w'])
  receive(first, ['a', 2])
  assert.equal(it.bytes(), 0)
  assert.ok(send('x'.repeat(1000)), 'an empty buffer takes any')
})

test('a flush asks for an acknowledgement once on each link, behind its messages', () => {
  const { link, send, transmit, receive, first, it } = open()
  send('a')
  assert.equal(it.flush(), 1)
  send('b')
  assert.deepEqual(transmit(first), [['n', 1], ['m', 'a'], ['w'], ['m', 'b']])
  const two = link({ opening: 0 })
  receive(two, ['s', 'full', 0])
  assert.deepEqual(transmit(two), [['v'], ['n', 1], ['m', 'a'], ['w'], ['m', 'b']])
})

test('a close is numbered, comes last, and ends the session when it is acknowledged', () => {
  const { send, transmit, receive, first, it, events } = open()
  send('a')
  it.close(3001, 'bye')
  assert.deepEqual(transmit(first), [['n', 1], ['m', 'a'], ['c', 2, 3001, 'bye'], ['w']])
  receive(first, ['n', 1], ['m', 'still taken'], ['a', 1])
  assert.deepEqual(events(), [['message', 'still taken']])
  receive(first, ['a', 2])
  assert.deepEqual(events(), [['closed', { code: 3001, reason: 'bye', unacknowledged: 0 }]])
})

test('a close is sent again on a new link', () => {
  const { link, transmit, receive, first, it } = open()
  it.close(1000, '')
  transmit(first)
  const two = link({ opening: 0 })
  receive(two, ['s', 'full', 0])
  assert.deepEqual(transmit(two).filter(([letter]) => letter === 'c'), [['c', 1, 1000, '']])
})

test('the other half closes: all before it arrives first, it is acknowledged, nothing follows', () => {
  const { receive, send, transmit, first, events } = open()
  send('never acknowledged')
  transmit(first)
  receive(first, ['n', 1], ['m', 'last'], ['c', 3, 3002, 'early'])
  assert.deepEqual(texts(events()), ['last'])
  receive(first, ['c', 2, 3002, 'done'])
  assert.deepEqual(events(), [['closed', { code: 3002, reason: 'done', unacknowledged: 1 }]])
  receive(first, ['n', 3], ['m', 'too late'])
  assert.deepEqual(events(), [])
  assert.deepEqual(transmit(first), [['a', 2]])
})

test('both may close at once', () => {
  const { receive, transmit, first, it, events } = open()
  it.close(1000, 'mine')
  transmit(first)
  receive(first, ['c', 1, 1000, 'yours'], ['a', 1])
  assert.deepEqual(events(), [['closed', { code: 1000, reason: 'yours', unacknowledged: 0 }]])
})

test('an abort is sent, and ends the session at once', () => {
  const { send, transmit, first, it, events } = open()
  send('a')
  it.abort(4310, 'enough')
  assert.deepEqual(transmit(first), [['x', 4310, 'enough']])
  assert.deepEqual(events(), [['closed', { code: 4310, reason: 'enough', unacknowledged: 1 }]])
})

test('a gap is reported, and the numbers go on behind it', () => {
  const { receive, first, events, it } = open()
  receive(first, ['n', 1], ['m', 'one'], ['d', 1, 4], ['m', 'five'], ['d', 9, 9])
  assert.deepEqual(events(), [['message', 'one'], ['gap', { from: 2, to: 4 }], ['message', 'five']])
  assert.equal(it.received(), 5)
})

test('a lost session: messages that were on a link are unknown, the rest is sent in the new one', () => {
  const { link, send, transmit, receive, first, it, events } = open()
  for (const text of ['known', 'maybe']) send(text)
  transmit(first)
  receive(first, ['a', 1])
  send('never said')
  it.detach(0, first)
  it.lose()
  assert.deepEqual(events(), [['lost', ['maybe']]])
  assert.equal(it.carrier(), 0)
  const two = link()
  assert.deepEqual(transmit(two), [['n', 1], ['m', 'never said']])
  receive(two, START.with(2, 1).with(3, 'other'))
  assert.equal(it.unacknowledged(), 0)
})

test('a closing session that is lost is closed', () => {
  const { send, transmit, first, it, events } = open()
  send('a')
  it.close(3000, 'bye')
  transmit(first)
  it.lose()
  assert.deepEqual(events(), [['closed', { code: 3000, reason: 'bye', unacknowledged: 1 }]])
})

test('an attach to another session ends that link and changes nothing', () => {
  const { link, receive, it } = open()
  assert.throws(() => receive(link(), START.with(3, 'other')))
  assert.equal(it.params()[3], 'id')
})

test('silence: a link is dead after interval and timeout, a poll after its longest wait and timeout', () => {
  const { it, first } = open()
  assert.equal(it.pollTimeout(), 1500)
  assert.equal(Number(it.handleTimeout(1499)), 0)
  assert.equal(Number(it.handleTimeout(1500)), 1)
  machineLink.poll(first, 1)
  assert.equal(it.pollTimeout(), 3500)
  it.handleFrame(1000, first, ['a', 0])
  assert.equal(it.pollTimeout(), 4500)
})

test('after sleep the link is not dropped but probed', () => {
  const { it, first, transmit } = open()
  assert.equal(it.handleTimeout(2001), 2)
  it.probe(2001, first)
  assert.deepEqual(transmit(first), [['w']])
  assert.equal(it.pollTimeout(), 2501)
  assert.equal(Number(it.handleTimeout(2501)), 1)
})

test('a link that is not confirmed has no deadline here', () => {
  const { link, it } = half()
  link()
  assert.equal(it.pollTimeout(), Infinity)
})

for (const base of [2 ** 31 - 2, 2 ** 32 - 2]) {
  test(`numbers go on beyond ${base}`, () => {
    const { send, transmit, receive, first, it, events } = open({ base })
    for (const text of ['a', 'b', 'c', 'd']) send(text)
    assert.deepEqual(transmit(first)[0], ['n', base + 1])
    receive(first, ['a', base + 4], ['n', base + 1], ['m', '1'], ['m', '2'], ['m', '3'])
    assert.equal(it.unacknowledged(), 0)
    assert.equal(it.received(), base + 3)
    assert.deepEqual(texts(events()), ['1', '2', '3'])
  })
}

test('numbers end: the last one is kept for the close', () => {
  const { send, transmit, receive, first, it } = open({ base: MAX - 2 })
  assert.ok(send('a'))
  assert.ok(!send('b'))
  it.close(1000, '')
  assert.deepEqual(transmit(first).slice(0, 3), [['n', MAX - 1], ['m', 'a'], ['c', MAX, 1000, '']])
  receive(first, ['a', MAX])
  assert.equal(it.acked(), MAX)
})

test('a large message that is announced is waited for as long as a slow line takes', () => {
  const { it, first } = open()
  const silence = it.pollTimeout()
  it.handleFrame(100, first, ['n', 1, 1000000])
  assert.equal(it.pollTimeout(), 100 + silence + 100000)
  it.handleFrame(90100, first, ['i', ''])
  assert.equal(it.pollTimeout(), 90100 + silence, 'whatever comes ends that')
  it.handleFrame(90200, first, ['n', 2])
  assert.equal(it.pollTimeout(), 90200 + silence, 'an older server announces nothing')
})
