// The recovery of connections, which clients of generation 4 know.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { left, watcher } from './ending.mjs'

const ROUNDS = 20
/** How many events one who is in the room says each time while the other is away. */
const MISSED = 5

/** The ways to break a connection: the network's, and the one that Socket.IO's docs recommend for trying it. */
const BREAKS = {
  rst: (proxy) => proxy.live().forEach((connection) => connection.cut('rst')),
  fin: (proxy) => proxy.live().forEach((connection) => connection.cut('fin')),
  close(proxy, peer) {
    const { engine } = peer.socket.io
    // It would close at the end of its upgrade. Then a client keeps the events that its last poll brings, and asks for
    // them again: its application has them twice, from any server.
    if (!engine.upgrading && engine.writeBuffer.length === 0) engine.close()
  }
}

/** Breaks the connection, until the client has noticed it. */
async function broken(how, proxy, peer) {
  const noticed = peer.next('disconnect')
  let done = false
  noticed.finally(() => (done = true))
  while (!done) {
    // By polling a client may be between two requests, and have no connection that could break.
    BREAKS[how](proxy, peer)
    await Promise.race([noticed, new Promise((resolve) => setImmediate(resolve))])
  }
}

export default {
  async 'a client that was cut has the same session, and misses nothing'({ way, recovering, connect, proxied }) {
    const proxy = await proxied(recovering)
    const [ann, bob, room] = [connect({}, { origin: proxy.origin }), connect({}, recovering), randomUUID()]
    await Promise.all([ann.next('connect'), bob.next('connect')])
    const { id } = ann.socket
    assert.equal(ann.socket.recovered, false)
    assert.deepEqual(await ann.ask('join', room), [[room]])
    ann.heard('told')
    let said = 0
    const say = async () => {
      for (let n = 0; n < MISSED; n++) bob.emit('within', room, String(said++))
      await bob.settled()
    }
    await say()
    for (let round = 0; round < ROUNDS; round++) {
      if (way === 'upgrade' && round % 2) await ann.carriedBy('websocket')
      const how = Object.keys(BREAKS)[round % 3]
      // The events right before may be on their way.
      const before = say()
      await broken(how, proxy, ann)
      await before
      await say()
      await ann.next('connect')
      assert.deepEqual([ann.socket.recovered, ann.socket.id], [true, id], `round ${round}, ${how}`)
    }
    assert.deepEqual(await ann.ask('join', `${room} more`), [[room, `${room} more`]])
    await say()
    await ann.settled()
    // The offset is one more value.
    const heard = ann.heard('told').take().map(([, text]) => Number(text))
    assert.deepEqual(heard, Array.from({ length: said }, (_, n) => n))
  },

  async 'a client that leaves is a new one when it is back'({ recovering, connect }) {
    const eve = await watcher(connect, recovering)
    const name = randomUUID()
    const ann = connect({ name }, recovering)
    await ann.next('connect')
    const { id } = ann.socket
    ann.socket.disconnect()
    // On another connection it might be back before the server reads that it leaves.
    await left(eve, name)
    ann.socket.connect()
    await ann.next('connect')
    assert.equal(ann.socket.recovered, false)
    assert.notEqual(ann.socket.id, id)
  },

  async 'each namespace recovers'({ recovering, connect, proxied }) {
    const proxy = await proxied(recovering)
    const ann = connect({}, { origin: proxy.origin })
    const custom = ann.space('/custom')
    await Promise.all([ann.next('connect'), custom.next('connect')])
    for (const how of ['rst', 'close']) {
      await broken(how, proxy, ann)
      await Promise.all([ann.next('connect'), custom.next('connect')])
      assert.deepEqual([ann.socket.recovered, custom.socket.recovered], [true, true], how)
    }
    assert.deepEqual(await custom.ask('where'), ['/custom'])
    assert.deepEqual(await ann.ask('where'), ['/'])
  }
}
