// The clients of STOMP against our server, in each version, over each carrier.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect as connectNative } from '../../client-js/dist/anywire.mjs'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { CARRIERS, CLIENTS } from './stomp-clients.mjs'
import { Queue, REFERENCE, closing, serve, within } from './support.mjs'

const LIMIT = { timeout: 60_000 }
const MESSAGES = 200
const TEXTS = ['hello', '', 'é€😀 \u2028\u2029 \ufff0', '\n', '{"a":[1]}', 'x'.repeat(5_000)]
let server, short
let names = 0

before(async () => {
  if (!REFERENCE) [server, short] = await Promise.all([serve(), serve({ 'heartbeat-ms': 250, 'timeout-ms': 10_000 })])
})
after(() => Promise.all([server, short].map((each) => each?.stop())))

/** A name that no other step has. */
const fresh = (kind) => `/${kind}/${++names}`

const bodies = (messages) => messages.map(({ body }) => body)

/** Whether the message was delivered before. */
const redelivered = ({ body, headers }) => [body, headers.redelivered === 'true']

const STEPS = {
  async 'connects with its version, and the handler knows its login'({ connect, version }) {
    const ann = connect({ login: { login: 'ann', passcode: 'secret', host: 'lab', extra: 'more' } })
    const headers = await ann.open()
    // CONNECTED of 1.0 has a session and no version.
    assert.equal(headers.version ?? '1.0', version)
    assert.ok(headers.session || version !== '1.0')
    const logins = await ann.hear('/user/queue/login')
    ann.send('/app/who', '')
    const { body, headers: told } = await logins.next()
    const { login, passcode, host, extra } = JSON.parse(body)
    assert.deepEqual([login, passcode, host, extra], ['ann', 'secret', 'lab', 'more'])
    assert.deepEqual([told.event, told['content-type'], told.destination], ['login', 'application/json', '/user/queue/login'])
  },

  async 'a wrong login is refused'({ connect }) {
    const eve = connect({ login: { login: 'eve', passcode: 'wrong' } })
    await assert.rejects(eve.open(), /wrong passcode/)
    const { headers, body } = await eve.errors.next()
    assert.deepEqual([headers.message, JSON.parse(body).code], ['wrong passcode', 'login'])
    await eve.ends.next()
  },

  async 'a topic brings all to each subscriber once and in order, with the headers of the sender'({ connect, version }) {
    const [ann, bob] = [connect(), connect()]
    await Promise.all([ann.open(), bob.open()])
    const topic = fresh('topic')
    const heard = await Promise.all([ann.hear(topic), bob.hear(topic), bob.hear(topic)])
    // These clients escape no names, and values only in 1.2.
    const odd = version === '1.2' ? { colon: 'a:b', slash: 'a\\b', lines: '\r\n \n', umlaut: 'é€😀', empty: '' } : { umlaut: 'é€', plain: 'a b' }
    for (const text of TEXTS) await ann.publish(topic, text, odd)
    for (const each of heard) {
      const messages = await each.several(TEXTS.length)
      assert.deepEqual(bodies(messages), TEXTS)
      for (const { headers } of messages) {
        for (const [name, value] of Object.entries(odd)) assert.equal(headers[name], value, name)
        assert.equal(headers.destination, topic)
      }
    }
    const sent = Array.from({ length: MESSAGES }, (_, at) => `${at} ${'é😀'.repeat(at % 13)}`)
    for (const text of sent) bob.send(topic, text)
    for (const each of heard) assert.deepEqual(bodies(await each.several(MESSAGES)), sent)
    // Without the subscription nothing comes.
    heard[1].leave()
    await bob.publish(topic, 'after')
    assert.deepEqual([bodies(await heard[0].several(1)), bodies(await heard[2].several(1)), heard[1].take()], [['after'], ['after'], []])
  },

  async 'bytes'({ connect }) {
    const ann = connect()
    await ann.open()
    const topic = fresh('topic')
    const heard = await ann.hear(topic)
    const all = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
    for (const bytes of [all, Buffer.alloc(3), Buffer.from('text'), Buffer.alloc(0)]) {
      ann.send(topic, bytes, { 'content-type': 'application/octet-stream' })
      const message = await heard.next()
      assert.deepEqual(message.bytes, bytes)
      assert.equal(message.headers['content-type'], 'application/octet-stream')
    }
    // A handler gets them as bytes, and sends them as such.
    const echoed = await ann.hear('/user/queue/echoed')
    ann.send('/app/echo', all, { 'content-type': 'image/png' })
    const message = await echoed.next()
    assert.deepEqual([message.bytes, message.headers['content-type']], [all, 'application/octet-stream'])
  },

  async 'large frames, whole and in pieces'({ connect }) {
    for (const pieces of [false, true]) {
      const ann = connect({ pieces })
      await ann.open()
      const topic = fresh('topic')
      const heard = await ann.hear(topic)
      const large = 'é0123456789'.repeat(30_000)
      ann.send(topic, large)
      ann.send(topic, 'small')
      const messages = await heard.several(2)
      assert.ok(messages[0].body === large)
      assert.equal(messages[1].body, 'small')
    }
  },

  async 'heart-beats keep a silent connection'({ connect, version, carrier }) {
    const ann = connect({ beats: 250, origin: short.origin })
    const headers = await ann.open()
    const expected = version === '1.0' ? undefined : carrier.isOurs ? '0,0' : '250,250'
    assert.equal(headers['heart-beat'], expected)
    if (version === '1.0' || carrier.isOurs) return
    await ann.beats.several(8)
    assert.deepEqual([ann.errors.take(), ann.ends.take()], [[], []])
    const topic = fresh('topic')
    const heard = await ann.hear(topic)
    ann.send(topic, 'still here')
    assert.equal((await heard.next()).body, 'still here')
  },

  async 'each message of a queue goes to one consumer'({ connect }) {
    const [ann, bob, joe] = [connect(), connect(), connect()]
    await Promise.all([ann.open(), bob.open(), joe.open()])
    const queue = fresh('queue')
    for (const text of ['a', 'b']) await joe.publish(queue, text, { kept: text })
    const [one, two] = [await ann.hear(queue), await bob.hear(queue)]
    const waited = await one.several(2)
    assert.deepEqual(waited.map(({ body, headers }) => [body, headers.kept]), [['a', 'a'], ['b', 'b']])
    for (let n = 0; n < 20; n++) joe.send(queue, `${n}`)
    await joe.publish(queue, '20')
    await joe.publish(queue, '21')
    const all = [...(await one.several(11)), ...(await two.several(11))]
    assert.deepEqual(bodies(all).map(Number).sort((a, b) => a - b), Array.from({ length: 22 }, (_, at) => at))
  },

  async 'what a consumer has not acknowledged goes to another'({ connect, version, settled }) {
    for (const [ack, rest] of [['client', version === '1.0' ? ['a', 'c', 'd'] : ['c', 'd']], ...(version === '1.0' ? [] : [['client-individual', ['a', 'c', 'd']]])]) {
      const [ann, bob] = [connect(), connect()]
      await Promise.all([ann.open(), bob.open()])
      const queue = fresh('queue')
      const taken = await ann.hear(queue, { ack })
      for (const text of ['a', 'b', 'c', 'd']) await bob.publish(queue, text)
      const messages = await taken.several(4)
      assert.deepEqual(messages.map(redelivered), [['a', false], ['b', false], ['c', false], ['d', false]])
      messages[1].ack()
      await settled(ann)
      await ann.disconnect()
      const others = await bob.hear(queue)
      assert.deepEqual((await others.several(rest.length)).map(redelivered), rest.map((body) => [body, true]))
      await bob.publish(queue, 'last')
      assert.deepEqual(redelivered(await others.next()), ['last', false])
    }
  },

  async 'what a consumer refuses comes again'({ connect }) {
    const ann = connect()
    await ann.open()
    const queue = fresh('queue')
    const taken = await ann.hear(queue, { ack: 'client-individual' })
    await ann.publish(queue, 'work')
    const first = await taken.next()
    first.nack()
    const second = await taken.next()
    assert.deepEqual([redelivered(first), redelivered(second)], [['work', false], ['work', true]])
    assert.notEqual(first.headers['message-id'], second.headers['message-id'])
    second.ack()
    await ann.publish(queue, 'next')
    assert.deepEqual(redelivered(await taken.next()), ['next', false])
  },

  async 'a transaction is all or nothing'({ connect }) {
    const ann = connect()
    await ann.open()
    const topic = fresh('topic')
    const heard = await ann.hear(topic)
    const [kept, dropped] = [ann.begin(), ann.begin()]
    await ann.publish(topic, 'first', { transaction: kept.id })
    await ann.publish(topic, 'never', { transaction: dropped.id })
    await ann.publish(topic, 'second', { transaction: kept.id })
    await ann.publish(topic, 'outside')
    dropped.abort()
    kept.commit()
    await ann.publish(topic, 'behind')
    assert.deepEqual(bodies(await heard.several(4)), ['outside', 'first', 'second', 'behind'])
    assert.deepEqual(heard.take(), [])
  },

  async 'an ACK in a transaction counts when it is committed'({ connect, settled }) {
    const [ann, bob] = [connect(), connect()]
    await Promise.all([ann.open(), bob.open()])
    const queue = fresh('queue')
    const taken = await ann.hear(queue, { ack: 'client' })
    for (const text of ['a', 'b']) await ann.publish(queue, text)
    const [a, b] = await taken.several(2)
    const [kept, dropped] = [ann.begin(), ann.begin()]
    a.ack({ transaction: kept.id })
    b.ack({ transaction: dropped.id })
    dropped.abort()
    kept.commit()
    await settled(ann)
    await ann.disconnect()
    const others = await bob.hear(queue)
    assert.deepEqual(redelivered(await others.next()), ['b', true])
    await bob.publish(queue, 'c')
    assert.equal((await others.next()).body, 'c')
  },

  async 'the receipt of an event comes when the handler has answered, and a fault instead of it'({ connect }) {
    const ann = connect()
    await ann.open()
    const faults = await ann.hear('/user/queue/errors')
    await ann.publish('/app/double', '21', { 'content-type': 'application/json' })
    for (const [event, body, code, message] of [['double', '0', 'zero', 'it is nothing'], ['nobody', '', 'unknown', /./]]) {
      const id = `fault ${event}`
      let receipts = 0
      ann.watch(id, () => receipts++)
      ann.send(`/app/${event}`, body, { receipt: id, 'content-type': 'application/json' })
      const fault = await faults.next()
      assert.equal(fault.headers['receipt-id'], id)
      const { code: found, message: text } = JSON.parse(fault.body)
      assert.equal(found, code)
      assert.match(text, new RegExp(message))
      assert.equal(fault.headers.code, code)
      await ann.publish('/app/double', '1', { 'content-type': 'application/json' })
      assert.equal(receipts, 0)
    }
    assert.deepEqual(ann.ends.take(), [])
  },

  async 'a queue that is full refuses, and the connection goes on'({ connect, version }) {
    const ann = connect()
    await ann.open()
    const queue = fresh('queue')
    // An ERROR ends the connection in all versions but the first.
    const faults = await ann.hear('/user/queue/errors')
    for (let n = 0; n < 100; n++) ann.send(queue, `${n}`)
    ann.send(queue, 'too much', { receipt: 'none' })
    const fault = await (version === '1.0' ? ann.errors : faults).next()
    assert.equal(fault.headers['receipt-id'], 'none')
    assert.equal(JSON.parse(fault.body).code, 'full')
    const taken = await ann.hear(queue)
    assert.deepEqual(bodies(await taken.several(100)), Array.from({ length: 100 }, (_, at) => `${at}`))
    await ann.publish(queue, 'room again')
    assert.equal((await taken.next()).body, 'room again')
  },

  async 'an ERROR says what was wrong, and is the end'({ connect, version }) {
    for (const [what, act] of [
      ['Unknown destination', (ann, headers) => ann.send('/nowhere/x', 'text', headers)],
      ['Not allowed', (ann, headers) => ann.send('/topic/lobby', 'text', headers)],
      ['transaction', (ann, headers) => ann.send(fresh('topic'), 'text', { ...headers, transaction: 'none' })]
    ]) {
      const ann = connect()
      await ann.open()
      act(ann, { receipt: 'id 1' })
      const { headers, body } = await ann.errors.next()
      assert.match(headers.message, new RegExp(what, 'i'))
      assert.ok(body.length > 10, body)
      assert.equal(headers['receipt-id'], 'id 1', `${what} in ${version}`)
      await ann.ends.next()
    }
  },

  async 'a room has native clients and those of STOMP'({ connect, native, carrier, hasBytes }) {
    const [ann, bob] = [connect(), native()]
    const said = new Queue('an event in the room')
    bob.on('said', (text) => said.push(text))
    await ann.open()
    const [room] = await Promise.all([ann.hear('/topic/lobby'), bob.request('join')])
    await ann.publish('/app/say', '"from ann"', { 'content-type': 'application/json' })
    const mine = await room.next()
    assert.deepEqual([await said.next(), mine.body, mine.headers.event, mine.headers['content-type']], ['from ann', '"from ann"', 'said', 'application/json'])
    assert.equal(mine.headers.destination, '/topic/lobby')
    bob.emit('say', 'from bob €')
    assert.equal((await room.next()).body, '"from bob €"')
    if (hasBytes && !carrier.isText) {
      bob.emit('show', new Uint8Array([0, 255, 10]))
      const shown = await room.next()
      assert.deepEqual([shown.bytes, shown.headers['content-type'], shown.headers.event], [Buffer.from([0, 255, 10]), 'application/octet-stream', 'shown'])
    }
    // A client that leaves the topic has left the room.
    room.leave()
    await ann.publish('/app/say', 'after')
    bob.emit('say', 'last')
    assert.deepEqual([await said.next(), await said.next(), await said.next()], ['from bob €', 'after', 'last'])
    assert.deepEqual(room.take(), [])
  },

  async 'receipts of all that a client may ask'({ connect, version }) {
    const ann = connect()
    await ann.open()
    const topic = fresh('topic')
    const heard = await ann.hear(topic)
    for (let n = 0; n < 20; n++) await ann.publish(topic, `${n}`)
    assert.equal((await heard.several(20)).length, 20)
    assert.equal(version.length, 3)
    await ann.disconnect()
  },

  async 'the handler closes the session'({ connect, carrier }) {
    const ann = connect()
    await ann.open()
    ann.send('/app/kick', '')
    const { code, reason } = await ann.ends.next()
    if (code !== undefined) assert.deepEqual([code, reason], [3005, 'kicked'], carrier.name)
  },

  async 'our session goes on when its connections are cut'({ connect, proxied }) {
    const proxy = await proxied()
    const [ann, bob] = [connect({ origin: proxy.origin }), connect()]
    await Promise.all([ann.open(), bob.open()])
    const [there, back] = [fresh('topic'), fresh('queue')]
    const [toAnn, toBob] = [await ann.hear(there), await bob.hear(back)]
    const sent = Array.from({ length: 50 }, (_, at) => `${at}`)
    for (let at = 0; at < sent.length; at++) {
      if (at % 10 === 5) proxy.live().forEach((connection) => connection.cut('rst'))
      ann.send(back, sent[at])
      await bob.publish(there, sent[at])
    }
    assert.deepEqual([bodies(await toAnn.several(50)), bodies(await toBob.several(50))], [sent, sent])
    assert.deepEqual(ann.ends.take(), [])
  }
}

/** The steps that not all clients, versions and carriers can take. */
const ONLY_FOR = {
  bytes: ({ hasBytes, carrier }) => hasBytes && !carrier.isText,
  'what a consumer refuses comes again': ({ version }) => version !== '1.0',
  'our session goes on when its connections are cut': ({ carrier }) => carrier.isOurs
}

const ALL = () => true

for (const client of CLIENTS) {
  for (const carrier of CARRIERS) {
    for (const version of client.versions) {
      const row = { ...client, carrier, version }
      describe(`${client.name}, STOMP ${version}, ${carrier.name}`, { skip: REFERENCE && 'that server has no STOMP' }, () => {
        const steps = Object.entries(STEPS).filter(([name]) => (ONLY_FOR[name] ?? ALL)(row))
        for (const [name, step] of steps) test(name, LIMIT, () => closing((later) => step(kit(row, later))))
      })
    }
  }
}

/** The kit of a step. */
function kit(row, later) {
  const { Peer, carrier, version } = row
  return {
    ...row,
    connect({ origin = server.origin, login = {}, beats = 0, pieces = false } = {}) {
      const peer = new Peer(() => carrier.open(origin, version), { version, login, beats, pieces })
      later(() => peer.stop())
      return peer
    },
    /** SockJS over HTTP drops what it has not sent when its user closes it, as the older client does at once. */
    settled: (peer) => carrier.isText && peer.publish(fresh('topic'), 'behind'),
    /** A session of our own client, in the same application. */
    native() {
      const session = connectNative(`${server.origin}/room`)
      later(() => session.abort())
      return session
    },
    async proxied() {
      const proxy = await FaultProxy.listen({ target: server.port })
      later(() => proxy.close())
      return { origin: `http://127.0.0.1:${proxy.port}`, live: () => proxy.live() }
    }
  }
}
