// How connections end, from either side and in between, and what comes after.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { turn } from '../support.mjs'

/** Somebody who hears of the end of others. */
export async function watcher(connect, server) {
  const eve = connect({}, server)
  eve.heard('left')
  await eve.ask('watch')
  return eve
}

/** Resolves when the server has said that the one of this name is gone. */
export async function left(watcher, name) {
  while ((await watcher.next('left'))[0] !== name);
}

/** The clients' names for a cut connection; which of the two depends on what they were doing. */
const CUT = ['transport close', 'transport error']

/** Resolves behind the upgrade: amid it a client does not poll, and notices a cut by the lack of pings alone. */
const upgraded = (way, peer) => way === 'upgrade' && peer.carriedBy('websocket')

/** Cuts all connections until the client notices: between two requests it has none. Returns its reason. */
async function cut(proxy, peer, how) {
  const reason = peer.reason()
  let noticed = false
  const waiting = reason.finally(() => (noticed = true))
  while (!noticed) {
    for (const connection of proxy.live()) connection.cut(how)
    await turn()
  }
  return waiting
}

export default {
  async 'the client disconnects'({ connect }) {
    const eve = await watcher(connect)
    const name = randomUUID()
    const ann = connect({ name })
    await ann.next('connect')
    ann.socket.disconnect()
    assert.equal(await ann.reason(), 'io client disconnect')
    await left(eve, name)
    assert.equal(ann.socket.connected, false)
  },

  async 'the client closes the connection without a word'({ connect }) {
    const eve = await watcher(connect)
    const name = randomUUID()
    const ann = connect({ name })
    await ann.next('connect')
    ann.socket.io.reconnection(false)
    ann.socket.io.engine.close()
    assert.equal(await ann.reason(), 'forced close')
    await left(eve, name)
  },

  async 'the server disconnects a namespace behind what it has sent'({ connect }) {
    const ann = connect()
    const admin = ann.space('/admin', { token: 'sesame' })
    await admin.next('connect')
    admin.heard('echo')
    for (let n = 1; n <= 20; n++) admin.emit('echo', n)
    admin.emit('kick')
    assert.equal(await admin.reason(), 'io server disconnect')
    assert.deepEqual((await admin.heard('echo').several(20)).flat(), Array.from({ length: 20 }, (_, at) => at + 1))
    assert.deepEqual(await ann.ask('where'), ['/'])
    admin.socket.connect()
    await admin.next('connect')
    assert.deepEqual(await admin.ask('where'), ['/admin'])
  },

  async 'the server disconnects all namespaces'({ connect }) {
    const eve = await watcher(connect)
    const name = randomUUID()
    const ann = connect({ name })
    const admin = ann.space('/admin', { token: 'sesame' })
    await Promise.all([ann.next('connect'), admin.next('connect')])
    admin.emit('kick-all')
    assert.deepEqual([await ann.reason(), await admin.reason()], ['io server disconnect', 'io server disconnect'])
    await left(eve, name)
    // A client does not come back by itself when it was sent away.
    await eve.settled()
    assert.deepEqual([ann.socket.connected, admin.socket.connected], [false, false])
    ann.socket.connect()
    await ann.next('connect')
    assert.deepEqual(await ann.ask('where'), ['/'])
  },

  async 'the server cuts the connection, and the client comes back'({ client, way, connect }) {
    const ann = connect({ name: 'ann' })
    const admin = ann.space('/admin', { token: 'sesame' })
    await Promise.all([ann.next('connect'), admin.next('connect'), ann.next('auth'), admin.next('auth')])
    await upgraded(way, ann)
    const { id } = ann.socket
    ann.emit('cut')
    assert.ok(CUT.includes(await ann.reason()))
    assert.ok(CUT.includes(await admin.reason()))
    await Promise.all([ann.next('connect'), admin.next('connect')])
    assert.notEqual(ann.socket.id, id)
    assert.deepEqual(await ann.next('auth'), [client.seen({ name: 'ann' })])
    assert.deepEqual(await admin.next('auth'), [{ token: 'sesame' }])
    assert.deepEqual([await ann.ask('where'), await admin.ask('where')], [['/'], ['/admin']])
  },

  async 'the network cuts the connection; what is said meanwhile comes after'({ short, way, connect, proxied }) {
    // If no request is open when it is cut, then the heartbeats alone tell the server.
    const [eve, proxy] = [await watcher(connect, short), await proxied(short)]
    const name = randomUUID()
    const ann = connect({ name }, { origin: proxy.origin })
    await ann.next('connect')
    ann.heard('echo')
    for (const how of ['rst', 'fin']) {
      await upgraded(way, ann)
      ann.socket.once('disconnect', () => [1, 2, 3].forEach((n) => ann.emit('echo', n)))
      assert.ok(CUT.includes(await cut(proxy, ann, how)))
      await ann.next('connect')
      assert.deepEqual(await ann.heard('echo').several(3), [[1], [2], [3]])
      await left(eve, name)
    }
  },

  async 'a silent network is noticed on both sides'({ short, connect, proxied }) {
    const [eve, proxy] = [await watcher(connect, short), await proxied(short)]
    const name = randomUUID()
    const ann = connect({ name }, { origin: proxy.origin })
    await ann.next('connect')
    const loud = proxy.rule('*', 'silence')
    for (const connection of proxy.live()) connection.stall(600_000)
    assert.equal(await ann.reason(), 'ping timeout')
    await left(eve, name)
    loud()
    for (const connection of proxy.live()) connection.cut('rst')
    await ann.next('connect')
    assert.deepEqual(await ann.ask('where'), ['/'])
  },

  async 'who sends too much is cut off, and may come back'({ connect }) {
    const ann = connect()
    await ann.next('connect')
    assert.deepEqual(await ann.ask('message-with-ack', 'x'.repeat(900_000)), ['x'.repeat(900_000)])
    ann.emit('echo', 'x'.repeat(1_100_000))
    assert.ok(CUT.includes(await ann.reason()))
    await ann.next('connect')
    assert.deepEqual(await ann.ask('where'), ['/'])
    assert.deepEqual(ann.heard('echo').take(), [])
  }
}
