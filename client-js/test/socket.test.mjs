/** `Socket`, the face of a WebSocket on our sessions. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'
import { createSocket } from '../src/face.js'
import { connect } from '../src/index.js'

const bytes = (...list) => new Uint8Array(list)

/** The events that listeners of a socket hear: the type, and the fields that tell something. */
const lifeOf = (socket) => {
  const heard = []
  for (const type of ['open', 'message', 'error', 'close']) {
    socket.addEventListener(type, function (event) {
      assert.deepEqual([this, event.target, event.type], [socket, socket, type])
      const { code, reason, wasClean, data } = event
      heard.push(type === 'close' ? [type, code, reason, wasClean, socket.readyState] : type === 'message' ? [type, data] : [type])
    })
  }
  return heard
}

/** A story with `Socket`, whose sessions are at the address that the network knows. */
const socketStory = (name, run, { terms, ...more } = {}) =>
  story(name, async (it) => {
    const asked = []
    const Socket = createSocket((address, options) => {
      asked.push([address, options])
      return connect('ws://host/live', { WebSocket: it.Socket, transports: ['websocket'], ...more, ...options })
    })
    const socketOf = async (...given) => {
      const socket = new Socket(...(given.length ? given : ['ws://host/stomp']))
      await it.pass(100)
      return socket
    }
    const { server } = it
    await run({ ...it, Socket, asked, open: socketOf, get half() {
      return server.sessions.at(-1)
    } })
    await it.pass(60000)
    assert.equal(it.clock.timers(), 0, 'a timer is left')
  }, { terms })

describe('a socket', () => {
  socketStory('has the properties of a WebSocket, opens and closes', async (it) => {
    const socket = new it.Socket('ws://host/stomp?a=b#c', ['v12.stomp'], { timeout: 5000 })
    assert.deepEqual(it.asked, [['ws://host/stomp/anywire?a=b', { buffer: 1e9, timeout: 5000 }]])
    const { url, protocol, extensions, readyState, binaryType, bufferedAmount } = socket
    assert.deepEqual([url, protocol, extensions, readyState, binaryType, bufferedAmount], ['ws://host/stomp?a=b', '', '', 0, 'arraybuffer', 0])
    assert.ok(socket instanceof it.Socket)
    for (const one of [it.Socket, socket]) assert.deepEqual([one.CONNECTING, one.OPEN, one.CLOSING, one.CLOSED], [0, 1, 2, 3])
    const heard = lifeOf(socket)
    await it.pass(100)
    assert.deepEqual([heard.splice(0), socket.readyState, socket.session.transport], [[['open']], 1, 'websocket'])
    socket.close()
    assert.equal(socket.readyState, 2)
    assert.deepEqual(heard, [])
    await it.pass(100)
    assert.deepEqual(heard, [['close', 1000, '', true, 3]])
    assert.deepEqual(it.half.closed, [1000, ''])
  })

  socketStory('carries texts and bytes both ways, in order', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    const buffer = bytes(1, 2, 3)
    socket.send('hello\u0000\u20ac')
    socket.send('')
    socket.send(buffer.subarray(1))
    socket.send(buffer.buffer)
    buffer.fill(9)
    assert.ok(socket.bufferedAmount > 12, `${socket.bufferedAmount} bytes`)
    it.half.send('text')
    it.half.send(Buffer.from([7, 8]))
    await it.pass(100)
    assert.deepEqual(it.half.messages, ['hello\u0000\u20ac', '', Buffer.from([2, 3]), Buffer.from([1, 2, 3])])
    assert.deepEqual(heard, [['message', 'text'], ['message', bytes(7, 8).buffer]])
    it.half.put(`a${it.half.received}`)
    await it.pass(100)
    assert.equal(socket.bufferedAmount, 0)
    socket.close()
  })

  socketStory('hands bytes over as a Blob if the page wants that, and texts as texts', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    socket.binaryType = 'blob'
    it.half.send('text')
    it.half.send(Buffer.from([7, 8]))
    await it.pass(100)
    const [[, text], [, blob]] = heard
    assert.deepEqual([text, blob instanceof Blob, await blob.arrayBuffer()], ['text', true, bytes(7, 8).buffer])
    socket.close()
  })

  socketStory('stays open while the session has no transport, and nothing is lost', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    it.mode.websocket = 'refused'
    it.sockets.at(-1).cut()
    socket.send('meanwhile')
    it.half.send('from the server')
    await it.pass(20000)
    assert.deepEqual([socket.session.state, socket.readyState, heard], ['interrupted', 1, []])
    it.mode.websocket = 'ok'
    await it.pass(20000)
    assert.deepEqual([heard, it.half.messages], [[['message', 'from the server']], ['meanwhile']])
    assert.equal(it.server.sessions.length, 1)
    socket.close()
  })

  socketStory('ends when the server has forgotten the session, and nothing goes to another one', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    it.half.forgotten = true
    it.sockets.at(-1).cut()
    socket.send('late')
    await it.pass(20000)
    assert.deepEqual(heard, [['error'], ['close', 1006, 'lost', false, 3]])
    assert.deepEqual(it.server.sessions.map(({ messages }) => messages), [[], []])
    assert.equal(it.half.aborted[0], 4310)
  }, { terms: { closes: true } })

  socketStory('ends as a WebSocket does when nothing can be reached', async (it) => {
    it.mode.websocket = 'refused'
    const socket = new it.Socket('ws://host/stomp')
    const heard = lifeOf(socket)
    await it.pass(20000)
    assert.equal(heard.length, 2)
    const [[error], [close, code, reason, wasClean]] = heard
    assert.deepEqual([error, close, code, wasClean, reason.length > 0], ['error', 'close', 1006, false, true])
    assert.equal(it.sockets.length, 1, 'it tries once')
  })

  socketStory('tells how the server closes it', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    it.half.send('last')
    it.half.close(3005, 'bye')
    await it.pass(100)
    assert.deepEqual(heard, [['message', 'last'], ['close', 3005, 'bye', true, 3]])
    socket.send('late')
    socket.close()
    await it.pass(100)
    assert.equal(heard.length, 2)
    assert.deepEqual(it.half.messages, [])
  })

  socketStory('an end by the library is not clean', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    it.half.put('x4302', 'too many')
    await it.pass(100)
    assert.deepEqual(heard, [['error'], ['close', 4302, 'too many', false, 3]])
  })

  socketStory('what has no room ends it', async (it) => {
    const socket = await it.open('ws://host/stomp', undefined, { buffer: 100 })
    const heard = lifeOf(socket)
    socket.send('x'.repeat(1000))
    assert.equal(socket.readyState, 1, 'one message always fits')
    socket.send('more')
    assert.deepEqual([socket.readyState, heard], [3, []])
    await it.pass(100)
    assert.deepEqual(heard, [['error'], ['close', 1006, 'full', false, 3]])
  })

  socketStory('a message that had to be given up ends it', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    socket.send('x'.repeat(50000))
    await it.pass(100)
    it.sockets.at(-1).cut(1009)
    await it.pass(1000)
    assert.deepEqual(heard, [['error'], ['close', 1006, 'too large', false, 3]])
  })
})

describe('its arguments', () => {
  socketStory('send', async (it) => {
    const socket = new it.Socket('ws://host/stomp')
    assert.throws(() => socket.send('early'), { name: 'InvalidStateError', message: 'connecting' })
    await it.pass(100)
    assert.throws(() => socket.send('x'.repeat(100001)), /too large: 100001 of 100000 bytes/)
    assert.throws(() => socket.send(new Blob(['a'])), /read a Blob first/)
    for (const wrong of [undefined, null, 5, {}]) assert.throws(() => socket.send(wrong), /a message is text/)
    assert.equal(socket.readyState, 1)
    socket.close()
    for (const late of ['late', {}]) socket.send(late)
    await it.pass(100)
    assert.deepEqual(it.half.messages, [])
  })

  socketStory('close', async (it) => {
    const socket = await it.open()
    for (const code of [999, 1001, 1005, 2999, 4000, 5000, 3000.5, '1000', NaN]) {
      assert.throws(() => socket.close(code), { name: 'InvalidAccessError', message: 'code must be 1000 or from 3000 to 3999' })
    }
    assert.throws(() => socket.close(1000, '\u20ac'.repeat(42)), { name: 'InvalidAccessError', message: /^reason too large: 126 of 123 bytes/ })
    assert.equal(socket.readyState, 1)
    socket.send('before')
    socket.close(3999, '\u20ac'.repeat(41))
    await it.pass(100)
    assert.deepEqual([it.half.messages, it.half.closed], [['before'], [3999, '\u20ac'.repeat(41)]])
    assert.throws(() => socket.close(999), { name: 'InvalidAccessError' })
  })

  socketStory('close() while it is connecting', async (it) => {
    const socket = new it.Socket('ws://host/stomp')
    const heard = lifeOf(socket)
    socket.close()
    assert.ok(socket.readyState >= 2)
    assert.deepEqual(heard, [], 'listeners hear of it later')
    await it.pass(20000)
    assert.deepEqual(heard.map(([type]) => type), ['close'])
    assert.equal(socket.readyState, 3)
  })

  test('an address that can never work, and an option that is none', () => {
    const Socket = createSocket(connect)
    for (const url of ['', 'ftp://host/', undefined, 5, '/stomp']) assert.throws(() => new Socket(url), /is no path and no http or ws address/)
    assert.throws(() => new Socket('ws://host/', [], { transport: [] }), /option/)
    assert.throws(() => new Socket('ws://host/', [], { resume: true }), /anywire\.js/)
  })

  for (const [given, url, address] of [
    ['https://host/stomp/', 'wss://host/stomp/', 'wss://host/stomp/anywire'],
    ['http://user:word@host:81', 'ws://host:81/', 'ws://host:81/anywire'],
    ['wss://host/a/b?c=/d/?e', 'wss://host/a/b?c=/d/?e', 'wss://host/a/b/anywire?c=/d/?e'],
    [new URL('ws://host/stomp'), 'ws://host/stomp', 'ws://host/stomp/anywire']
  ]) {
    test(`the session of ${given} is at ${address}`, () => {
      const asked = []
      const Socket = createSocket((...all) => {
        asked.push(all)
        return { on() {} }
      })
      const options = Object.freeze({ buffer: 5 })
      assert.equal(new Socket(given, undefined, options).url, url)
      assert.deepEqual(asked, [[address, { buffer: 5 }]])
      new Socket(given, 'v12.stomp', null)
      assert.deepEqual(asked[1][1], { buffer: 1e9 })
    })
  }
})

describe('its listeners', () => {
  socketStory('the property is called first, and the others in their order, each once', async (it) => {
    const socket = await it.open()
    const heard = []
    const [one, two] = ['one', 'two'].map((name) => () => heard.push(name))
    socket.addEventListener('message', one)
    socket.addEventListener('message', two)
    socket.addEventListener('message', one)
    socket.addEventListener('message', null)
    socket.onmessage = function ({ data }) {
      heard.push(this === socket && data)
    }
    it.half.send('a')
    await it.pass(100)
    assert.deepEqual([heard[0], ...heard.slice(1).sort()], ['a', 'one', 'two'])
    socket.onmessage = null
    socket.removeEventListener('message', two)
    socket.removeEventListener('open', one)
    heard.length = 0
    it.half.send('b')
    await it.pass(100)
    assert.deepEqual(heard, ['one'])
    socket.close()
  })

  socketStory('one that is wanted once is called once, and may be taken off before', async (it) => {
    const socket = await it.open()
    const heard = []
    const [one, two] = ['one', 'two'].map((name) => ({ data }) => heard.push(name + data))
    socket.addEventListener('message', one, { once: true })
    socket.addEventListener('message', two, { once: true })
    socket.addEventListener('close', one, false)
    socket.removeEventListener('message', two)
    for (const text of ['a', 'b']) it.half.send(text)
    await it.pass(100)
    assert.deepEqual(heard, ['onea'])
    socket.removeEventListener('close', one)
    socket.close()
    await it.pass(100)
    assert.deepEqual(heard, ['onea'])
  })

  socketStory('what one throws harms neither the others nor the session', async (it) => {
    const thrown = []
    const own = globalThis.queueMicrotask
    globalThis.queueMicrotask = (task) => own(() => {
      try {
        task()
      } catch (error) {
        thrown.push(error.message)
      }
    })
    try {
      const socket = new it.Socket('ws://host/stomp')
      const heard = lifeOf(socket)
      for (const type of ['open', 'message', 'error', 'close']) {
        socket['on' + type] = () => {
          throw Error(type)
        }
      }
      await it.pass(100)
      it.half.send('a')
      await it.pass(100)
      it.half.put('x4302', '')
      await it.pass(100)
      assert.deepEqual(heard.map(([type]) => type), ['open', 'message', 'error', 'close'])
      assert.deepEqual(thrown, ['open', 'message', 'error', 'close'])
    } finally {
      globalThis.queueMicrotask = own
    }
  })

  socketStory('what comes after close() is not heard', async (it) => {
    const socket = await it.open()
    const heard = lifeOf(socket)
    socket.close()
    it.half.send('late')
    await it.pass(100)
    assert.deepEqual(heard.map(([type]) => type), ['close'])
  })
})
