// The clients of Socket.IO, as people have them, against our server: one scenario, in which the differences
// of their generations are data. ANYWIRE_REFERENCE=FOLDER runs it against Socket.IO's server instead.

import { after, before, describe, test } from 'node:test'
import { FaultProxy } from '../proxies/fault-proxy.mjs'
import { CLIENTS, PACKED, Peer } from './socketio-clients.mjs'
import { RECOVERING, REFERENCE, SHORT, WAYS, closing, serve } from './support.mjs'
import ending from './steps/ending.mjs'
import events from './steps/events.mjs'
import lasting from './steps/lasting.mjs'
import opening from './steps/opening.mjs'
import recovery from './steps/recovery.mjs'
import rooms from './steps/rooms.mjs'

const STEPS = { ...opening, ...events, ...rooms, ...ending, ...lasting }
const LIMIT = 60_000
let server, short, recovering

before(async () => {
  ;[server, short, recovering] = await Promise.all([serve(), serve(SHORT), serve(RECOVERING)])
})
after(() => Promise.all([server, short, recovering].map((each) => each?.stop())))

// The reference has one parser for all.
for (const client of REFERENCE ? CLIENTS : [...CLIENTS, PACKED]) {
  for (const [way, transports] of Object.entries(WAYS)) {
    describe(`socket.io-client ${client.version}, ${way}`, () => {
      const steps = client.recovers ? { ...STEPS, ...recovery } : STEPS
      for (const [name, step] of Object.entries(steps)) test(name, { timeout: LIMIT }, () => closing((later) => step(kit(client, way, transports, later))))
    })
  }
}

/** The kit of a step: the client, and the way to connect it. */
function kit(client, way, transports, later) {
  return {
    client,
    way,
    short,
    recovering,
    /** Connects to the server, or to the `origin`, and shows it this data. */
    connect(data = {}, { origin = server.origin } = {}) {
      const peer = Peer.connect(client, origin, transports, data)
      later(() => peer.close())
      return peer
    },
    /** A proxy with faults before the server. */
    async proxied({ port } = server) {
      const proxy = await FaultProxy.listen({ target: port })
      later(() => proxy.close())
      return proxy
    }
  }
}
