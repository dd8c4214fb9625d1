// Rooms: whom an event reaches, and whom not.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

/** Three who are connected, and what a room of theirs is called, apart from all other tests. */
async function three(connect) {
  const room = randomUUID()
  const peers = [connect(), connect(), connect()]
  for (const peer of peers) {
    await peer.next('connect')
    peer.heard('told')
  }
  return { room, peers }
}

/** The events of this text that each has heard, once all have come. */
async function heard(peers, text) {
  const all = []
  for (const peer of peers) {
    await peer.settled()
    all.push(peer.heard('told').take().filter(([, said]) => said.startsWith(text)).map(([, said]) => said.slice(text.length)))
  }
  return all
}

export default {
  async 'members hear what is said in a room, others do not'({ connect }) {
    const { room, peers } = await three(connect)
    const [ann, bob, eve] = peers
    assert.deepEqual(await ann.ask('join', room), [[room]])
    assert.deepEqual(await bob.ask('join', room), [[room]])
    for (const [speaker, event, text] of [[ann, 'to', 'ann'], [eve, 'to', 'eve'], [bob, 'within', 'bob'], [eve, 'within', 'all']]) {
      speaker.emit(event, room, text)
      await speaker.settled()
    }
    assert.deepEqual(await heard(peers, ''), [['eve', 'bob', 'all'], ['ann', 'eve', 'bob', 'all'], []])
    assert.deepEqual(await bob.ask('leave', room), [[]])
    ann.emit('within', room, 'left')
    await ann.settled()
    assert.deepEqual(await heard(peers, ''), [['left'], [], []])
  },

  async 'the members of another room are left out'({ connect }) {
    const { room, peers } = await three(connect)
    const [ann, bob, eve] = peers
    for (const peer of peers) await peer.ask('join', room)
    await bob.ask('join', `${room} quiet`)
    ann.emit('except', room, `${room} quiet`, 'psst')
    await ann.settled()
    assert.deepEqual(await heard([ann, bob, eve], ''), [['psst'], [], ['psst']])
  },

  async 'everybody hears, or everybody but the speaker'({ connect }) {
    const { room, peers } = await three(connect)
    const [ann, bob] = peers
    // All the other tests hear these too: each looks for its own.
    ann.emit('all', `${room} all`)
    bob.emit('others', `${room} others`)
    for (const peer of [ann, bob]) await peer.settled()
    const [first, second, third] = await heard(peers, room)
    assert.deepEqual([first.sort(), second, third.sort()], [[' all', ' others'], [' all'], [' all', ' others']])
  },

  async 'a room is asked, and each member answers'({ connect }) {
    const { room, peers } = await three(connect)
    for (const [at, peer] of peers.entries()) {
      peer.socket.on('question', (value, reply) => reply([value, at, Buffer.from([at])]))
      if (at > 0) await peer.ask('join', room)
    }
    const [answers] = await peers[0].ask('ask-room', room, 'vote')
    assert.deepEqual(answers.sort(([, a], [, b]) => a - b), [1, 2].map((at) => ['vote', at, Buffer.from([at])]))
  },

  async 'an event with bytes is heard by all members as it was'({ connect }) {
    const { room, peers } = await three(connect)
    for (const peer of peers) {
      await peer.ask('join', room)
      peer.socket.on('question', (value, reply) => reply(value))
    }
    const value = { bytes: Buffer.from([0, 255, 128]), text: '€😀', more: [Buffer.alloc(3000, 7)] }
    assert.deepEqual(await peers[0].ask('ask-room', room, value), [[value, value, value]])
  }
}
