// The clients of Engine.IO alone against our server: messages without events.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { Tally, bytes, numbered } from './numbered.mjs'
import { Queue, SHORT, WAYS, closing, serve, turn, within } from './support.mjs'

const require = createRequire(import.meta.url)
const LIMIT = { timeout: 60_000 }
const CLIENTS = [
  { version: '3.5.6', module: 'engine.io-client-3' },
  { version: '6.6.8', module: 'engine.io-client-6' }
]
const MESSAGES = 200
let server, short

before(async () => {
  ;[server, short] = await Promise.all([serve(), serve(SHORT)])
})
after(() => Promise.all([server, short].map((each) => each?.stop())))

/** A socket of the client, with queues of what it hears. */
class Peer {
  messages = new Queue('a message')
  ends = new Queue('the end')

  constructor(client, origin, transports) {
    const exported = require(client.module)
    this.socket = exported.Socket ? new exported.Socket(origin, { transports, path: '/engine.io' }) : exported(origin, { transports, path: '/engine.io' })
    // The clients hand out an empty text as nothing at all.
    this.socket.on('message', (data = '') => this.messages.push(bytes(data)))
    this.socket.on('close', (reason) => this.ends.push(reason))
    this.opened = new Promise((resolve) => this.socket.once('open', resolve))
  }

  open() {
    return within('the opening', this.opened)
  }

  /** Resolves when the connection has this transport. */
  async carriedBy(name) {
    if (this.socket.transport.name !== name) await within(`the upgrade to ${name}`, new Promise((resolve) => this.socket.once('upgrade', resolve)))
  }

  async ask(text) {
    this.socket.send(text)
    return this.messages.next()
  }
}

const STEPS = {
  async 'opens with the transport that it wants, and echoes text and bytes'({ way, connect }) {
    const ann = connect()
    await ann.open()
    assert.equal(typeof ann.socket.id, 'string')
    if (way === 'upgrade') await ann.carriedBy('websocket')
    assert.equal(ann.socket.transport.name, way === 'polling' ? 'polling' : 'websocket')
    const all = ['hello', '', 'é€😀 \u2028\0\\n\n\uffff', Buffer.from([0, 1, 128, 255]), Buffer.alloc(0), 'x'.repeat(100_000), Buffer.alloc(100_000, 'ab')]
    for (const each of all) assert.deepEqual(await ann.ask(each), each)
    for (const each of all) ann.socket.send(each)
    assert.deepEqual(await ann.messages.several(all.length), all)
  },

  async '200 messages from each side come once and in order, also through an upgrade'({ way, connect }) {
    const ann = connect()
    const tally = new Tally()
    if (way !== 'upgrade') await ann.open()
    ann.socket.send(`!burst ${MESSAGES}`)
    for (let n = 1; n <= MESSAGES; n++) {
      if (n === MESSAGES - 20 && way === 'upgrade') await ann.carriedBy('websocket')
      ann.socket.send(numbered(n))
      if (n % 10 === 0) await turn()
    }
    for (let n = 1; n <= MESSAGES; n++) tally.take(n, await ann.messages.next())
    assert.deepEqual(tally.json(), { received: MESSAGES, wrong: [] })
    assert.deepEqual(JSON.parse(await ann.ask('!check')), { received: MESSAGES, wrong: [] })
  },

  async 'heartbeats keep a silent connection'({ connect }) {
    const ann = connect(short.origin)
    await ann.open()
    const beats = new Queue('a heartbeat')
    ann.socket.on('pong', () => beats.push(true))
    await beats.several(7)
    assert.equal(await ann.ask('still here'), 'still here')
    assert.deepEqual(ann.ends.take(), [])
  },

  async 'a silent network is noticed'({ connect, proxied }) {
    const proxy = await proxied(short)
    const ann = connect(proxy.origin)
    await ann.open()
    proxy.rule('*', 'silence')
    for (const connection of proxy.live()) connection.stall(600_000)
    assert.equal(await ann.ends.next(), 'ping timeout')
  },

  async 'the client closes'({ connect }) {
    const ann = connect()
    await ann.open()
    assert.equal(await ann.ask('before'), 'before')
    ann.socket.close()
    assert.equal(await ann.ends.next(), 'forced close')
  },

  async 'the server closes behind what it has sent, or at once'({ way, connect }) {
    const ann = connect()
    await ann.open()
    for (let n = 1; n <= 20; n++) ann.socket.send(`message ${n}`)
    ann.socket.send('!close')
    assert.equal(await ann.ends.next(), 'transport close')
    assert.deepEqual(ann.messages.take(), Array.from({ length: 20 }, (_, at) => `message ${at + 1}`))
    const bob = connect()
    await bob.open()
    // Amid its upgrade a client has paused its polls, and notices a cut by the lack of pings alone.
    if (way === 'upgrade') await bob.carriedBy('websocket')
    bob.socket.send('!abort')
    assert.ok(['transport close', 'transport error'].includes(await bob.ends.next()))
  },

  async 'who sends too much is cut off'({ connect }) {
    const ann = connect()
    await ann.open()
    const most = 'x'.repeat(900_000)
    assert.equal(await ann.ask(most), most)
    ann.socket.send('x'.repeat(1_100_000))
    assert.ok(['transport close', 'transport error'].includes(await ann.ends.next()))
    assert.deepEqual(ann.messages.take(), [])
  }
}

for (const client of CLIENTS) {
  for (const [way, transports] of Object.entries(WAYS)) {
    describe(`engine.io-client ${client.version}, ${way}`, () => {
      for (const [name, step] of Object.entries(STEPS)) test(name, LIMIT, () => closing((later) => step(kit(client, way, transports, later))))
    })
  }
}

/** The kit of a step. */
function kit(client, way, transports, later) {
  return {
    way,
    connect(origin = server.origin) {
      const peer = new Peer(client, origin, transports)
      later(() => peer.socket.close())
      return peer
    },
    async proxied({ port }) {
      const proxy = await FaultProxy.listen({ target: port })
      later(() => proxy.close())
      return proxy
    }
  }
}
