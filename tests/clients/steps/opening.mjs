// How a client gets in: what it shows, how it is refused, its namespaces.

import assert from 'node:assert/strict'

export default {
  async 'opens, shows who it is, and has the transport that it wants'({ client, way, connect }) {
    const ann = connect({ name: 'ann', key: 'right' })
    await ann.next('connect')
    assert.equal(typeof ann.socket.id, 'string')
    assert.deepEqual(await ann.next('auth'), [client.seen({ name: 'ann', key: 'right' })])
    if (way === 'upgrade') await ann.carriedBy('websocket')
    assert.equal(ann.transport, way === 'polling' ? 'polling' : 'websocket')
    assert.deepEqual(await ann.ask('where'), ['/'])
  },

  async 'is refused with data'({ client, connect }) {
    const ann = connect({ key: 'wrong' })
    assert.deepEqual(await ann.refusal(), client.refusal('not you', { code: 7 }))
    assert.equal(ann.socket.connected, false)
    assert.deepEqual(ann.heard('connect').take(), [])
  },

  async 'is refused with a text alone'({ client, connect }) {
    const ann = connect({ key: 'plain' })
    assert.deepEqual(await ann.refusal(), client.refusal('not you'))
  },

  async 'may try again with other data on the same connection'({ client, connect }) {
    // The older generations ask for the namespace of a connection once, by opening it.
    if (!client.hasAuth) return
    const ann = connect({ key: 'wrong' })
    await ann.refusal()
    ann.socket.auth = { key: 'right' }
    ann.socket.connect()
    await ann.next('connect')
    assert.deepEqual(await ann.next('auth'), [{ key: 'right' }])
  },

  async 'has namespaces on one connection: known, by pattern, unknown, refused'({ client, connect }) {
    const ann = connect()
    const admin = ann.space('/admin', { token: 'sesame' })
    const page = ann.space('/doc-1')
    for (const peer of [ann, admin, page]) await peer.next('connect')
    assert.deepEqual(await admin.next('auth'), [{ token: 'sesame' }])
    assert.deepEqual(await Promise.all([ann, admin, page].map((peer) => peer.ask('where'))), [['/'], ['/admin'], ['/doc-1']])
    const nobody = ann.space('/nobody')
    assert.deepEqual(await nobody.refusal(), { message: 'Invalid namespace' })
    const other = connect()
    const refused = other.space('/admin', { token: 'guess' })
    assert.deepEqual(await refused.refusal(), client.refusal('not you', { code: 7 }))
    // The refusals have harmed nobody.
    for (const peer of [ann, admin, page, other]) assert.deepEqual(await peer.ask('nothing'), [])
  },

  async 'leaves a namespace and joins it again, and the others go on'({ connect }) {
    const ann = connect()
    const admin = ann.space('/admin', { token: 'sesame' })
    await admin.next('connect')
    assert.deepEqual(await admin.ask('join', 'desk'), [['desk']])
    admin.socket.disconnect()
    assert.equal(await admin.reason(), 'io client disconnect')
    assert.deepEqual(await ann.ask('where'), ['/'])
    admin.socket.connect()
    await admin.next('connect')
    assert.deepEqual(await admin.ask('leave', 'none'), [[]])
    assert.deepEqual(ann.heard('disconnect').take(), [])
  },

  async 'keeps the rooms of namespaces apart'({ connect }) {
    const ann = connect()
    const page = ann.space('/doc-2')
    const bob = connect()
    const other = bob.space('/doc-2')
    for (const peer of [ann, page, other, bob]) await peer.ask('join', 'same')
    for (const peer of [ann, page, other, bob]) peer.heard('told')
    page.emit('within', 'same', 'in the document')
    assert.deepEqual(await page.next('told'), ['same', 'in the document'])
    assert.deepEqual(await other.next('told'), ['same', 'in the document'])
    for (const peer of [ann, bob]) {
      await peer.settled()
      assert.deepEqual(peer.heard('told').take(), [])
    }
  }
}
