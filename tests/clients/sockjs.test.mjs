// The client of SockJS against our server, on each transport that it has in Node.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { numbered } from './numbered.mjs'
import { Queue, REFERENCE, SHORT, closing, serve, within } from './support.mjs'

const SockJS = createRequire(import.meta.url)('sockjs-client')
const LIMIT = { timeout: 60_000 }
const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']
const MESSAGES = 200
let server, short

before(async () => {
  if (!REFERENCE) [server, short] = await Promise.all([serve(), serve(SHORT)])
})
after(() => Promise.all([server, short].map((each) => each?.stop())))

/** A socket of the client, with queues of what it hears. */
class Peer {
  messages = new Queue('a message')
  ends = new Queue('the end')
  beats = new Queue('a heartbeat')

  constructor(url, transports) {
    this.socket = new SockJS(url, undefined, { transports })
    this.socket.onmessage = ({ data }) => this.messages.push(data)
    this.socket.onclose = ({ code, reason, wasClean }) => this.ends.push({ code, reason, wasClean })
    this.socket.onheartbeat = () => this.beats.push(true)
    this.opened = new Promise((resolve, reject) => {
      this.socket.onopen = resolve
      this.socket.addEventListener('close', ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`)))
    })
    this.opened.catch(() => {})
  }

  open() {
    return within('the opening', this.opened)
  }

  async ask(text) {
    this.socket.send(text)
    return this.messages.next()
  }
}

const STEPS = {
  async 'opens by the transport that it wants, and echoes'({ transport, connect }) {
    const ann = connect()
    await ann.open()
    assert.equal(ann.socket.transport, transport)
    const all = ['hello', '', 'é€😀 \u2028\u2029\0\\n\n"\u200d\ufff0\uffff', '100% %41 %zz %u0041', '[]', '["event"]', 'x'.repeat(100_000)]
    for (const each of all) assert.equal(await ann.ask(each), each)
    for (const each of all) ann.socket.send(each)
    assert.deepEqual(await ann.messages.several(all.length), all)
  },

  async 'half of a surrogate pair becomes the replacement character'({ connect }) {
    const ann = connect()
    await ann.open()
    assert.equal(await ann.ask('a\ud800b'), 'a\ufffdb')
    assert.equal(await ann.ask('still here'), 'still here')
  },

  async '200 messages from each side come once and in order'({ connect }) {
    const ann = connect()
    await ann.open()
    const sent = Array.from({ length: MESSAGES }, (_, at) => `${at} ${'é😀'.repeat(at % 13)}`)
    for (const each of sent) ann.socket.send(each)
    assert.deepEqual(await ann.messages.several(MESSAGES), sent)
    ann.socket.send(`!burst ${MESSAGES}`)
    const texts = Array.from({ length: MESSAGES }, (_, at) => numbered(at + 1))
    // The application has asked for base64 where a message is binary.
    const expected = texts.map((text) => (Buffer.isBuffer(text) ? text.toString('base64') : text))
    assert.deepEqual(await ann.messages.several(MESSAGES), expected)
  },

  async 'more goes on behind the limit of an answer'({ connect }) {
    const ann = connect()
    await ann.open()
    const large = Array.from({ length: 20 }, (_, at) => String(at).repeat(10_000))
    for (const each of large) assert.equal(await ann.ask(each), each)
  },

  async 'heartbeats keep a silent connection'({ transport, connect }) {
    const ann = connect(short)
    await ann.open()
    // Those of a WebSocket are pings, which the client does not see: another one tells the time.
    const clock = transport === 'websocket' ? connect(short, 'xhr-streaming') : ann
    await clock.beats.several(7)
    assert.equal(await ann.ask('still here'), 'still here')
    assert.deepEqual(ann.ends.take(), [])
  },

  async 'the client closes'({ connect }) {
    const ann = connect()
    await ann.open()
    assert.equal(await ann.ask('before'), 'before')
    ann.socket.close(3005, 'done')
    assert.deepEqual(await ann.ends.next(), { code: 3005, reason: 'done', wasClean: true })
  },

  async 'the server closes behind what it has sent, or at once'({ connect }) {
    const ann = connect()
    await ann.open()
    for (let n = 1; n <= 20; n++) ann.socket.send(`message ${n}`)
    ann.socket.send('!close')
    assert.deepEqual(await ann.ends.next(), { code: 1000, reason: '', wasClean: true })
    assert.deepEqual(ann.messages.take(), Array.from({ length: 20 }, (_, at) => `message ${at + 1}`))
    const bob = connect()
    await bob.open()
    bob.socket.send('!abort')
    assert.deepEqual(await bob.ends.next(), { code: 4310, reason: 'aborted', wasClean: true })
  },

  async 'a connection that is cut ends the session'({ connect, proxied }) {
    const proxy = await proxied(server)
    const ann = connect(proxy)
    await ann.open()
    assert.equal(await ann.ask('before'), 'before')
    // Between two polls there is no connection to cut, and a client that comes back needs a moment to hear of it.
    const cut = () => proxy.live().forEach((connection) => connection.cut('rst'))
    cut()
    const again = setInterval(cut, 500)
    const { code } = await ann.ends.next().finally(() => clearInterval(again))
    // A client that polls comes back, and is told.
    assert.ok([1002, 1006].includes(code), String(code))
  },

  async 'who sends too much is cut off'({ transport, connect }) {
    const ann = connect()
    await ann.open()
    const most = 'x'.repeat(900_000)
    assert.equal(await ann.ask(most), most)
    ann.socket.send('x'.repeat(1_100_000))
    const { code } = await ann.ends.next()
    assert.equal(code, transport === 'websocket' ? 4006 : 1006)
    assert.deepEqual(ann.messages.take(), [])
  }
}

for (const transport of TRANSPORTS) {
  describe(`sockjs-client 1.6.1, ${transport}`, { skip: REFERENCE && 'that server has no SockJS' }, () => {
    for (const [name, step] of Object.entries(STEPS)) test(name, LIMIT, () => closing((later) => step(kit(transport, later))))
  })
}

/** The kit of a step. */
function kit(transport, later) {
  return {
    transport,
    connect({ origin } = server, by = transport) {
      const peer = new Peer(`${origin}/sockjs`, [by])
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
