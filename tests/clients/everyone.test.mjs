// The example `everyone`: clients of Socket.IO of every generation and the native one hear each other in one room.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from '../../client-js/dist/anywire.mjs'
import { start } from '../browser/lab.mjs'
import { CLIENTS, Peer } from './socketio-clients.mjs'
import { Queue, closing } from './support.mjs'

let server

before(async () => {
  server = await start('everyone', ['0'])
})
after(() => server?.stop())

/** A socket of Socket.IO's client. */
function socketIo(client, later) {
  const peer = Peer.connect(client, `http://127.0.0.1:${server.port}`, ['websocket'])
  later(() => peer.close())
  const lines = peer.heard('said')
  const kind = client.hasAuth ? 'Socket.IO 3 or 4' : 'Socket.IO 1 or 2'
  return { kind, lines, say: (text) => peer.socket.send(text), ready: () => peer.heard('connect').next() }
}

/** A session of the native client. */
function native(later) {
  const session = connect(`http://127.0.0.1:${server.port}/live`, { transports: ['fetch-stream'] })
  later(() => session.abort())
  const [lines, opened] = [new Queue('said'), new Queue('open')]
  session.on('said', (...values) => lines.push(values))
  session.on('open', () => opened.push(true))
  return { kind: 'Anywire', transport: 'fetch-stream', lines, say: (text) => session.send(text), ready: () => opened.next() }
}

test('everyone hears everyone', { timeout: 60_000 }, () =>
  closing(async (later) => {
    const voices = [...CLIENTS.map((client) => socketIo(client, later)), native(later)]
    for (const voice of voices) await voice.ready()
    for (const [nth, speaker] of voices.entries()) {
      speaker.say(`line ${nth}`)
      for (const voice of voices) {
        assert.deepEqual(await voice.lines.next(), [speaker.kind, speaker.transport ?? 'websocket', `line ${nth}`])
      }
    }
  })
)
