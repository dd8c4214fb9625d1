/** `io()`, the shape of socket.io-client on our sessions. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'
import { connect } from '../src/index.js'
import { createIo } from '../src/facade.js'

const SCRIPT = 'http://host/live/io.mjs'
const LIFE = ['connect', 'connect_error', 'disconnect']
const texts = (half) => half.packets.map(([text]) => text)
const bytes = (...list) => new Uint8Array(list)

/** A story with `io` of a page that has loaded its script from the server. */
const ioStory = (name, run, terms) =>
  story(name, async (it) => {
    const sessions = []
    const io = createIo((address, options) => {
      const session = connect(address, { WebSocket: it.Socket, ...options })
      sessions.push([address, options, session])
      return session
    }, SCRIPT)
    /** The events that a socket reports of its life. */
    const life = (socket) => {
      const events = []
      for (const event of LIFE) socket.on(event, (...values) => events.push([event, ...values.map((value) => (value instanceof Error ? value.message : value))].filter((value) => value !== undefined)))
      return events
    }
    const open = async (...given) => {
      const socket = io(...given)
      await it.pass(100)
      return socket
    }
    const { server } = it
    const halves = { get half() { return server.sessions.at(-1) } }
    await run(Object.assign(halves, { io, sessions, life, open, pass: it.pass, sockets: it.sockets, mode: it.mode, server, clock: it.clock }))
  }, { terms, transports: ['websocket'] })

describe('a socket', () => {
  ioStory('connects, and disconnects', async (it) => {
    const socket = it.io()
    const events = it.life(socket)
    assert.deepEqual([socket.connected, socket.disconnected, socket.active, socket.id, socket.nsp], [false, true, true, undefined, '/'])
    await it.pass(100)
    assert.deepEqual([socket.connected, socket.disconnected, socket.active, socket.id, socket.recovered], [true, false, true, 'id1', false])
    assert.equal(socket.io.session, it.sessions[0][2])
    socket.emit('last')
    assert.equal(socket.disconnect(), socket)
    assert.deepEqual([socket.connected, socket.active, socket.id], [false, false, undefined])
    socket.close()
    await it.pass(100)
    assert.deepEqual(events, [['connect'], ['disconnect', 'io client disconnect']])
    assert.deepEqual([texts(it.half), it.half.closed], [['2["last"]'], [1000, '']])
    assert.equal(socket.connect(), socket)
    socket.open()
    await it.pass(100)
    assert.deepEqual([events.length, socket.id, it.server.sessions.length], [3, 'id2', 2])
    socket.disconnect()
    await it.pass(100)
    assert.equal(it.clock.timers(), 0)
  })

  ioStory('emits and listens, with bytes, chained', async (it) => {
    const heard = []
    const socket = it.io()
    assert.equal(socket.emit('early', 1).on('a', (...values) => heard.push(values)).once('a', () => heard.push('once')).compress(false).emit('b', [bytes(1)], null), socket)
    assert.equal(socket.volatile.emit('cursor'), socket)
    await it.pass(100)
    socket.volatile.emit('cursor', 1)
    it.half.packet('2["a",1,[2]]')
    it.half.packet('2["a"]')
    await it.pass(100)
    assert.deepEqual(heard, [[1, [2]], 'once', []])
    assert.deepEqual(texts(it.half), ['2["early",1]', '51-["b",[{"_placeholder":true,"num":0}],null]', '2["cursor",1]'], 'a volatile one is skipped before there is a session')
  })

  ioStory('has listeners that come and go', async (it) => {
    const socket = await it.open()
    const heard = []
    const a = () => heard.push('a')
    const b = function () {
      heard.push(this === socket)
    }
    socket.on('x', a).on('x', a).on('x', b).once('x', a)
    assert.deepEqual([socket.listeners('x').length, socket.hasListeners('x'), socket.hasListeners('y')], [4, true, false])
    socket.off('x', a)
    it.half.packet('2["x"]')
    await it.pass(100)
    assert.deepEqual(heard.splice(0), [true])
    socket.onAny((...values) => heard.push(['any', ...values])).prependAny((name) => heard.push(['first', name]))
    it.half.packet('2["x",1]')
    await it.pass(100)
    assert.deepEqual(heard.splice(0), [['first', 'x'], ['any', 'x', 1], true])
    socket.removeListener('x')
    socket.offAny()
    it.half.packet('2["x"]')
    await it.pass(100)
    socket.on('x', a).on('y', a).removeAllListeners()
    it.half.packet('2["x"]')
    it.half.packet('2["y"]')
    await it.pass(100)
    assert.deepEqual(heard, [])
  })

  ioStory('what a listener throws harms nobody', async (it) => {
    const socket = await it.open()
    const heard = []
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
      socket.on('x', () => {
        throw Error('mine')
      })
      socket.on('x', () => heard.push('x'))
      it.half.packet('2["x"]')
      await it.pass(100)
    } finally {
      globalThis.queueMicrotask = own
    }
    assert.deepEqual([heard, thrown, socket.connected], [['x'], ['mine'], true])
  })

  ioStory('asks by a function, and by a promise', async (it) => {
    const socket = await it.open()
    const calls = []
    const note = (...values) => calls.push(values.map((value) => (value instanceof Error ? value.code : value)))
    socket.emit('a', 1, note)
    socket.timeout(500).emit('b', note)
    socket.timeout(500).emit('c', note)
    socket.emit('d', note)
    socket.emitWithAck('e').then((value) => note('e', value))
    socket.emitWithAck('f').catch(note)
    socket.timeout(500).emitWithAck('g').catch(note)
    await it.pass(100)
    assert.deepEqual(texts(it.half).map((text) => text.replace(/,.*|\]/, '')), ['21["a"', '22["b"', '23["c"', '24["d"', '25["e"', '26["f"', '27["g"'])
    it.half.packet('31["x","y"]')
    it.half.packet('32["z"]')
    it.half.packet('74{"code":"no","message":"m"}')
    it.half.packet('35[5]')
    it.half.packet('76{"code":"not"}')
    await it.pass(1000)
    assert.deepEqual(calls, [['x', 'y'], [null, 'z'], [{ error: { code: 'no', message: 'm' } }], ['e', 5], ['not'], ['timeout'], ['timeout']])
  })

  ioStory('waits as long as it takes without a time, or as `ackTimeout` says', async (it) => {
    const socket = await it.open()
    const calls = []
    socket.emit('a', (value) => calls.push(value))
    it.io('/other', { ackTimeout: 200 }).emit('b', (error) => calls.push(error.code))
    await it.pass(60000)
    assert.deepEqual(calls, ['timeout'])
    it.half.packet('31["late"]')
    await it.pass(100)
    assert.deepEqual(calls, ['timeout', 'late'])
  })

  ioStory('answers the server', async (it) => {
    const socket = await it.open()
    socket.on('sure?', (text, answer) => answer(text === 'x', 2))
    it.half.packet('27["sure?","x"]')
    it.half.packet('28["nobody"]')
    await it.pass(100)
    assert.deepEqual(texts(it.half), ['37[true,2]', '78{"code":"unknown","message":"nobody"}'])
  })

  ioStory('sends and receives plain messages', async (it) => {
    const socket = await it.open()
    const heard = []
    socket.on('message', (message) => heard.push(message))
    socket.send('one')
    socket.emit('message', bytes(1))
    it.half.send('two')
    await it.pass(100)
    assert.deepEqual([it.half.messages.map(String), heard], [['one', '\u0001'], ['two']])
    assert.throws(() => socket.send({}), /a message is text/)
    assert.throws(() => it.io('/admin').send('x'), /reserved/)
  })

  ioStory('reserved names throw, also before it is connected', async (it) => {
    const socket = it.io({ autoConnect: false })
    for (const name of ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener', 'open', 'closed', '', 5]) {
      assert.throws(() => socket.emit(name), String(name))
      assert.throws(() => socket.volatile.emit(name), String(name))
    }
    await it.pass(100)
    assert.equal(it.sessions.length, 0)
  })

  ioStory('keeps what is emitted until it is connected', async (it) => {
    const socket = it.io({ autoConnect: false })
    socket.emit('a').emit('b', () => {})
    socket.send('plain')
    socket.volatile.emit('skipped')
    assert.deepEqual([socket.active, it.sessions.length], [false, 0])
    socket.connect()
    await it.pass(100)
    assert.deepEqual([texts(it.half), it.half.messages], [['2["a"]', '21["b"]'], ['plain']])
    socket.disconnect().emit('c')
    await it.pass(100)
    socket.connect()
    await it.pass(100)
    assert.deepEqual(texts(it.half), ['2["c"]'])
  })
})

describe('the life of a socket', () => {
  ioStory('an interruption without loss is not reported', async (it) => {
    const socket = await it.open()
    const events = it.life(socket)
    it.sockets[0].cut()
    socket.emit('a')
    assert.equal(socket.connected, true)
    await it.pass(5000)
    assert.deepEqual([events, texts(it.half), socket.id], [[], ['2["a"]'], 'id1'])
  })

  ioStory('a session that is lost is a disconnect and a connect', async (it) => {
    const [socket, admin] = [await it.open(), await it.open('/admin')]
    it.half.packet('0/admin,{}')
    await it.pass(100)
    const [events, others] = [it.life(socket), it.life(admin)]
    const order = []
    socket.on('disconnect', () => order.push('disconnect', socket.connected, socket.active))
    socket.on('connect', () => socket.emit('greets'))
    it.half.forgotten = true
    it.sockets.at(-1).cut()
    socket.emit('waits')
    await it.pass(5000)
    assert.deepEqual(events, [['disconnect', 'transport close'], ['connect']])
    assert.deepEqual(others, [['disconnect', 'transport close']])
    assert.deepEqual(order, ['disconnect', false, true])
    assert.deepEqual(texts(it.half), ['0/admin,', '2["greets"]', '2["waits"]'])
    it.half.packet('0/admin,{}')
    await it.pass(100)
    assert.deepEqual([others.length, socket.id, admin.id, socket.recovered], [2, 'id2', 'id2', false])
  })

  ioStory('a connection that falls silent is a ping timeout if its session is lost', async (it) => {
    const socket = await it.open()
    const events = it.life(socket)
    it.sockets.at(-1).stall()
    it.half.forgotten = true
    await it.pass(120000)
    assert.deepEqual(events, [['disconnect', 'ping timeout'], ['connect']])
    assert.equal(socket.connected, true)
  })

  ioStory('the server ends it', async (it) => {
    const socket = await it.open()
    const events = it.life(socket)
    it.half.close(3001, 'kicked')
    await it.pass(100)
    assert.deepEqual(events, [['disconnect', 'io server disconnect', { code: 3001, reason: 'kicked', unacknowledged: 0 }]])
    assert.deepEqual([socket.connected, socket.active], [false, false])
    await it.pass(60000)
    assert.equal(it.server.sessions.length, 1, 'and it does not come back by itself')
    socket.connect()
    await it.pass(100)
    assert.deepEqual([events.length, it.server.sessions.length], [2, 2])
  })

  ioStory('the library ends it', async (it) => {
    const socket = await it.open()
    const events = it.life(socket)
    it.sockets[0].hear('x4312,1:!')
    await it.pass(100)
    assert.deepEqual(events.map(([name, reason]) => [name, reason]), [['disconnect', 'transport close']])
  })

  ioStory('a refusal at the opening has the fault, and is not tried again', async (it) => {
    const socket = it.io()
    const errors = []
    socket.on('connect_error', ({ message, code, data }) => errors.push([message, code, data]))
    await it.pass(1)
    const fault = JSON.stringify({ code: 'login', message: 'unknown token', data: { at: 1 } })
    it.sockets[0].send = () => it.sockets[0].hear(`x4301,${fault.length}:${fault}`)
    await it.pass(60000)
    assert.deepEqual(errors, [['unknown token', 'login', { at: 1 }]])
    assert.deepEqual([socket.active, socket.connected, it.server.sessions.length], [false, false, 0])
    const other = it.io()
    other.on('connect_error', ({ message, code }) => errors.push([message, code]))
    await it.pass(1)
    it.sockets.at(-1).send = () => it.sockets.at(-1).hear('x4300,4:null')
    await it.pass(1000)
    assert.deepEqual(errors[1], ['null', 4300])
  })

  ioStory('a server that is not reached is tried again', async (it) => {
    it.mode.websocket = it.mode.http = 'refused'
    const [socket, admin] = [it.io(), it.io('/admin')]
    const [events, others] = [it.life(socket), it.life(admin)]
    await it.pass(1000)
    assert.ok(events.length > 0 && events.every(([name]) => name === 'connect_error'), `${events}`)
    assert.equal(others.length, events.length)
    assert.equal(socket.active, true)
    it.mode.websocket = it.mode.http = 'ok'
    await it.pass(30000)
    assert.equal(socket.connected, true)
    assert.deepEqual(events.at(-1), ['connect'])
  })
})

describe('the sockets of one address', () => {
  ioStory('share a session, and each has its namespace', async (it) => {
    const [main, admin] = [it.io(), it.io('/admin', { auth: { token: 'a' } })]
    const heard = []
    const events = it.life(admin)
    main.on('a', (value) => heard.push(['main', value]))
    admin.on('a', (value) => heard.push(['admin', value]))
    admin.emit('b')
    await it.pass(100)
    assert.deepEqual([main.connected, admin.connected, it.server.sessions.length], [true, false, 1])
    assert.deepEqual(texts(it.half), ['0/admin,{"token":"a"}', '2/admin,["b"]'])
    it.half.packet('0/admin,{"sid":"id1"}')
    it.half.packet('2/admin,["a",1]')
    it.half.packet('2["a",2]')
    await it.pass(100)
    assert.deepEqual([heard, admin.connected, admin.id], [[['admin', 1], ['main', 2]], true, 'id1'])
    admin.disconnect()
    admin.disconnect()
    await it.pass(100)
    assert.deepEqual([texts(it.half).at(-1), it.half.closed, main.connected], ['1/admin,', undefined, true])
    assert.deepEqual(events, [['connect'], ['disconnect', 'io client disconnect']])
    main.disconnect()
    await it.pass(100)
    assert.deepEqual(it.half.closed, [1000, ''])
  })

  ioStory('end one by one: the first namespace may go before the others', async (it) => {
    const [main, admin] = [await it.open(), await it.open('/admin')]
    const events = it.life(main)
    main.on('a', () => events.push('a'))
    main.disconnect()
    it.half.packet('2["a"]')
    it.half.packet('0/admin,{}')
    await it.pass(100)
    assert.deepEqual([events, admin.connected, it.half.closed], [[['disconnect', 'io client disconnect']], true, undefined])
    main.connect()
    await it.pass(100)
    it.half.packet('2["a"]')
    await it.pass(100)
    assert.deepEqual(events.slice(1), [['connect'], 'a'], 'once, and not by what listened before')
    admin.disconnect()
    main.disconnect()
    await it.pass(100)
    assert.deepEqual([it.half.closed, it.server.sessions.length], [[1000, ''], 1])
  })

  ioStory('a namespace is refused or closed alone', async (it) => {
    const [main, admin, other] = [await it.open(), await it.open('/admin'), await it.open('/other')]
    const [events, others] = [it.life(admin), it.life(other)]
    const errors = []
    admin.on('connect_error', (error) => errors.push([error.code, error.data]))
    const calls = []
    admin.emit('a', (answer) => calls.push(answer))
    it.half.packet('4/admin,{"code":"login","message":"unknown token","data":{"at":1}}')
    it.half.packet('0/other,{}')
    it.half.packet('1/other,{"code":3001,"message":"kicked"}')
    await it.pass(100)
    assert.deepEqual([events, errors, calls], [[['connect_error', 'unknown token']], [['login', { at: 1 }]], [{ error: { code: 'login', message: 'unknown token', data: { at: 1 } } }]])
    assert.deepEqual(others, [['connect'], ['disconnect', 'io server disconnect', { code: 3001, reason: 'kicked' }]])
    assert.deepEqual([main.connected, admin.active, other.active, it.half.closed], [true, false, false, undefined])
    admin.connect()
    await it.pass(100)
    assert.equal(texts(it.half).at(-1), '0/admin,')
    main.disconnect()
    it.half.close(1000, '')
    await it.pass(100)
    assert.deepEqual(events.at(-1), ['connect_error', '1000'])
  })

  ioStory('a session of their own is made where it is asked for, and for a namespace that is taken', async (it) => {
    const all = [it.io(), it.io(), it.io({ forceNew: true }), it.io('/admin', { multiplex: false }), it.io('/other')]
    await it.pass(100)
    assert.deepEqual([all.every(({ active }) => active), it.server.sessions.length], [true, 4])
    assert.equal(it.io.connect, it.io)
  })
})

describe('auth', () => {
  ioStory('of the session is that of its own socket, also if another one came first', async (it) => {
    const admin = it.io('/admin', { auth: { admin: 1 } })
    const main = it.io({ auth: { main: 1 } })
    await it.pass(100)
    assert.deepEqual([it.half.auth, texts(it.half)], ['{"main":1}', ['0/admin,{"admin":1}']])
    for (const socket of [main, admin]) socket.disconnect()
    main.auth = { main: 2 }
    main.connect()
    await it.pass(100)
    assert.equal(it.half.auth, '{"main":2}')
  })

  ioStory('may be a function that passes it on, later too, and is called at each opening', async (it) => {
    let calls = 0
    const main = it.io({ auth: (pass) => it.clock.setTimeout(() => pass({ main: ++calls }), 50) })
    const admin = it.io('/admin', { auth: (pass) => pass({ admin: ++calls }) })
    const late = it.io('/late', { auth: (pass) => it.clock.setTimeout(() => pass('late'), 500) })
    late.emit('waits')
    await it.pass(1000)
    assert.deepEqual([it.half.auth, texts(it.half)], ['{"main":2}', ['0/admin,{"admin":1}', '0/late,"late"', '2/late,["waits"]']])
    it.half.forgotten = true
    it.sockets.at(-1).cut()
    await it.pass(5000)
    assert.deepEqual([it.half.auth, texts(it.half).sort()], ['{"main":3}', ['0/admin,{"admin":4}', '0/late,"late"']])
    assert.equal(main.connected, true)
    admin.disconnect()
    const gone = it.io('/gone', { auth: (pass) => it.clock.setTimeout(() => pass('gone'), 500) })
    gone.disconnect()
    await it.pass(1000)
    assert.deepEqual(texts(it.half).filter((text) => /gone/.test(text)), [])
  })
})
