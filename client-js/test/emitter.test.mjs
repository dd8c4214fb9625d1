import { test } from 'node:test'
import assert from 'node:assert/strict'

// The sources are for a build that sets this.
globalThis.LEGACY = false
const { emitter } = await import('../src/emitter.js')
const { address, memory, nonce, socketAddress } = await import('../src/env.js')

test('listeners are called in order, with the arguments of the event', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  target.on('a', (...said) => heard.push(['first', ...said]))
  target.on('a', (...said) => heard.push(['second', ...said]))
  target.on('b', () => heard.push('b'))
  emit('a', 1, 2)
  emit('nothing')
  assert.deepEqual(heard, [['first', 1, 2], ['second', 1, 2]])
})

test('a listener that was removed is not called; one that was added twice is called once', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  const one = () => heard.push('one')
  const two = () => heard.push('two')
  target.on('a', one)
  target.on('a', one)
  target.on('a', two)
  emit('a')
  target.off('a', one)
  target.off('never', one)
  emit('a')
  assert.deepEqual(heard, ['one', 'two', 'two'])
})

test('a listener that is added or removed during an event does not disturb the others', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  const once = () => {
    target.off('a', once)
    target.on('a', () => heard.push('new'))
    heard.push('once')
  }
  target.on('a', once)
  target.on('a', () => heard.push('stays'))
  emit('a')
  assert.deepEqual(heard, ['once', 'stays'])
  emit('a')
  assert.deepEqual(heard.slice(2), ['stays', 'new'])
})

test('the error of a listener goes to the page, and the others are called', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  target.on('a', () => {
    throw Error('mine')
  })
  target.on('a', () => heard.push('next'))
  const later = []
  const { queueMicrotask } = globalThis
  globalThis.queueMicrotask = (task) => later.push(task)
  emit('a')
  globalThis.queueMicrotask = queueMicrotask
  assert.deepEqual(heard, ['next'])
  assert.equal(later.length, 1)
  assert.throws(later[0], /mine/)
})

test('addresses: below the path, a query kept, WebSockets whole', () => {
  globalThis.location = { href: 'https://example.org/app/page?x#y', toString: () => 'https://example.org/app/page?x#y' }
  try {
    assert.equal(address('/live', 'open', ''), '/live/open?session=&')
    assert.equal(address('/live/', 'send', 'id'), '/live/send?session=id&')
    assert.equal(address('http://h:1/live?room=a', 'open', 'i'), 'http://h:1/live/open?session=i&room=a&')
    assert.equal(address('wss://h/live', 'xhr-poll', 'i'), 'https://h/live/xhr-poll?session=i&')
    assert.equal(socketAddress(address('/live', 'websocket', '')), 'wss://example.org/live/websocket?session=&')
    assert.equal(socketAddress(address('live', 'websocket', 'i')), 'wss://example.org/app/live/websocket?session=i&')
    assert.equal(socketAddress(address('ws://h:1/live', 'websocket', 'i')), 'ws://h:1/live/websocket?session=i&')
  } finally {
    delete globalThis.location
  }
})

test('a nonce has enough bits, in field characters, and never comes twice', () => {
  const all = new Set(Array.from({ length: 1000 }, nonce))
  assert.equal(all.size, 1000)
  for (const one of all) assert.match(one, /^[\w.-]{1,128}$/)
  assert.equal([...all][0].split('.').length, 4)
})

test('the memory keeps a kind for a day and each address for itself; no storage is no harm', () => {
  assert.equal(memory('/a')(), 0)
  assert.equal(memory('/a')(2), 0)
  let touched = 0
  Object.defineProperty(globalThis, 'localStorage', { get: () => touched++, configurable: true })
  assert.equal(memory('/a')(2), 0)
  assert.equal(touched, 0, 'Node warns about its storage')
  delete globalThis.localStorage
  // Only pages are asked for their storage.
  globalThis.document = {}
  globalThis.localStorage = {}
  const { now } = Date
  const RealDate = Date
  let ahead = 0
  globalThis.Date = class extends RealDate {
    constructor() {
      super(now() + ahead)
    }
  }
  try {
    memory('/a')(1)
    memory('/b')(2)
    assert.equal(memory('/a')(), 1)
    assert.equal(memory('/b')(), 2)
    ahead = 23 * 3600e3
    assert.equal(memory('/a')(), 1)
    ahead = 25 * 3600e3
    assert.equal(memory('/a')(), 0)
    globalThis.localStorage = new Proxy({}, { get: () => assert.fail('forbidden'), set: () => assert.fail('forbidden') })
    assert.equal(memory('/a')(1), 0)
  } finally {
    globalThis.Date = RealDate
    delete globalThis.localStorage
    delete globalThis.document
  }
})
