import { test } from 'node:test'
import assert from 'node:assert/strict'

// The sources are for a build that sets this.
globalThis.LEGACY = false
const { emitter } = await import('../src/emitter.js')
const { address, memory, nonce, socketAddress } = await import('../src/env.js')

test('listeners are called in order, with the detail of the event', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  target.on('message', (...said) => heard.push(['first', ...said]))
  target.on('message', (...said) => heard.push(['second', ...said]))
  target.on('open', () => heard.push('b'))
  emit('message', 1)
  emit('closed')
  assert.deepEqual(heard, [['first', 1], ['second', 1]])
})

test('a listener that was removed is not called; one that was added twice is called once', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  const one = () => heard.push('one')
  const two = () => heard.push('two')
  target.on('message', one)
  target.on('message', one)
  target.on('message', two)
  emit('message')
  target.off('message', one)
  target.off('error', one)
  emit('message')
  assert.deepEqual(heard, ['one', 'two', 'two'])
})

test('a listener that is added or removed during an event does not disturb the others', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  const once = () => {
    target.off('message', once)
    target.on('message', () => heard.push('new'))
    heard.push('once')
  }
  target.on('message', once)
  target.on('message', () => heard.push('stays'))
  emit('message')
  assert.deepEqual(heard, ['once', 'stays'])
  emit('message')
  assert.deepEqual(heard.slice(2), ['stays', 'new'])
})

test('the error of a listener goes to the page, and the others are called', () => {
  const target = {}
  const emit = emitter(target)
  const heard = []
  target.on('message', () => {
    throw Error('mine')
  })
  target.on('message', () => heard.push('next'))
  const later = []
  const { queueMicrotask } = globalThis
  globalThis.queueMicrotask = (task) => later.push(task)
  emit('message')
  globalThis.queueMicrotask = queueMicrotask
  assert.deepEqual(heard, ['next'])
  assert.equal(later.length, 1)
  assert.throws(later[0], /mine/)
})

test('what `on` returns takes the listener off, and `off` without one takes off all', () => {
  const target = {}
  const emit = emitter(target)
  const called = []
  const take = target.on('message', () => called.push('one'))
  target.on('message', () => called.push('two'))
  target.on('open', () => called.push('open'))
  take()
  take()
  emit('message')
  assert.deepEqual(called, ['two'])
  target.off('message')
  emit('message')
  emit('open')
  assert.deepEqual(called, ['two', 'open'])
})

test('what listeners return comes back, and what they throw goes where the caller wants it', () => {
  const target = {}
  const emit = emitter(target)
  const failures = []
  target.on('open', () => 1)
  target.on('open', () => {
    throw Error('mine')
  })
  target.on('open', (detail) => detail)
  assert.deepEqual(emit('open', 3, (error) => failures.push(error.message)), [1, 3])
  assert.deepEqual(failures, ['mine'])
})

test('addresses: below the path, a query kept', () => {
  globalThis.location = { href: 'https://example.org/app/page?x#y', toString: () => 'https://example.org/app/page?x#y' }
  try {
    assert.equal(address('/live', 'open', ''), '/live/open?session=&')
    assert.equal(address('/live/', 'send', 'id'), '/live/send?session=id&')
    assert.equal(address('http://h:1/live?room=a', 'open', 'i'), 'http://h:1/live/open?session=i&room=a&')
    assert.equal(socketAddress('https://h/live/websocket?session=&'), 'wss://h/live/websocket?session=&')
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
