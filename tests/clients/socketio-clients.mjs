// The clients of Socket.IO by their generations, and the differences between these as data.

import { createRequire } from 'node:module'
import { FILLER, bytes } from './numbered.mjs'
import { Queue, REFERENCE, turn, within } from './support.mjs'

const require = createRequire(import.meta.url)

/** Generations 1 and 2 speak revision 3 of Engine.IO. They have no auth data: a query stands in its place. */
const OLD = {
  hasAuth: false,
  /** The auth data that a handler sees: our server takes the query for them. */
  seen: (data) => (REFERENCE ? {} : data),
  shows: (data) => (Object.keys(data).length > 0 ? { query: new URLSearchParams(data).toString() } : {}),
  refused: 'error',
  /** A refusal is its data, or its text where it has none. */
  refusal: (message, data) => data ?? message,
  hasVolatile: false,
  hasCatchAll: false,
  hasTimeLimits: false
}
const NEW = {
  hasAuth: true,
  seen: (data) => data,
  shows: (data) => ({ auth: data }),
  refused: 'connect_error',
  /** A refusal is an error. */
  refusal: (message, data) => (data === undefined ? { message } : { message, data }),
  hasVolatile: true,
  hasCatchAll: true
}

export const CLIENTS = [
  // In what generation 1 says and hears by polling each byte of UTF-8 is a character. Nothing in its requests
  // tells it from generation 2, so that no server can mend this: other texts than ASCII are for it alone.
  { ...OLD, version: '1.7.4', module: 'socket.io-client-1', filler: (way) => (way === 'websocket' ? FILLER : 'word') },
  { ...OLD, version: '2.5.0', module: 'socket.io-client-2', filler: () => FILLER },
  { ...NEW, version: '3.1.3', module: 'socket.io-client-3', filler: () => FILLER, hasTimeLimits: false },
  { ...NEW, version: '4.8.4', module: 'socket.io-client-4', filler: () => FILLER, hasTimeLimits: true, recovers: true }
]

/** The last of them with the parser of MessagePack, which has a path of its own. */
export const PACKED = {
  ...CLIENTS.at(-1),
  version: '4.8.4 in MessagePack',
  options: { path: '/msgpack/', parser: require('socket.io-msgpack-parser') },
  // It writes whole numbers of more than 64 bits as others.
  largest: 2 ** 53
}

/** Values as they are compared: bytes of any kind as Buffers, however deep. */
export function plain(value) {
  const found = bytes(value)
  if (Buffer.isBuffer(found) || found === null || typeof found !== 'object') return found
  if (Array.isArray(found)) return found.map(plain)
  return Object.fromEntries(Object.entries(found).map(([key, each]) => [key, plain(each)]))
}

/** A socket of a client, with queues of what it hears. */
export class Peer {
  #client
  #queues = new Map()
  socket

  /** A socket of a connection of its own, which reconnects quickly. `data` is what it shows to the server. */
  static connect(client, url, transports, data = {}) {
    const pauses = { reconnectionDelay: 20, reconnectionDelayMax: 100 }
    const options = { transports, forceNew: true, ...pauses, ...client.options, ...client.shows(data) }
    const exported = require(client.module)
    const io = exported.io ?? exported
    return new Peer(client, io(url, options))
  }

  constructor(client, socket) {
    this.#client = client
    this.socket = socket
    for (const name of ['auth', 'connect', 'disconnect', client.refused]) this.heard(name)
  }

  /** A socket of another namespace on the same connection. */
  space(name, data = {}) {
    const socket = this.socket.io.socket(name, this.#client.shows(data))
    return new Peer(this.#client, socket)
  }

  /** The queue of the events of this name; it has what comes from the first call on. */
  heard(name) {
    let queue = this.#queues.get(name)
    if (!queue) {
      this.#queues.set(name, (queue = new Queue(name)))
      this.socket.on(name, (...values) => queue.push(values.map(this.#plain)))
    }
    return queue
  }

  #plain = (value) => (value instanceof Error ? value : plain(value))

  async next(name) {
    return this.heard(name).next()
  }

  /** The reason for which the client says that it is disconnected. */
  async reason() {
    return (await this.next('disconnect'))[0]
  }

  /** The refusal of a connection in the form that this generation hands out. */
  async refusal() {
    const [error] = await this.next(this.#client.refused)
    return error instanceof Error ? this.#client.refusal(error.message, error.data) : error
  }

  emit(name, ...values) {
    this.socket.emit(name, ...values)
  }

  /** The values with which the server answers. */
  ask(name, ...values) {
    return within(`the answer to ${name}`, new Promise((resolve) => this.socket.emit(name, ...values, (...answer) => resolve(plain(answer)))))
  }

  get transport() {
    return this.socket.io.engine.transport.name
  }

  /** Resolves when the connection has this transport; what happens meanwhile is not held up. */
  async carriedBy(name) {
    const { engine } = this.socket.io
    if (engine.transport.name !== name) await within(`the upgrade to ${name}`, new Promise((resolve) => engine.once('upgrade', resolve)))
  }

  /** Resolves when all that the server sent before has come. */
  async settled() {
    await this.ask('nothing')
    await turn()
  }

  /** The heartbeats from now on: pings and pongs of either side are told by this event. */
  beats() {
    const queue = new Queue('a heartbeat')
    this.socket.io.engine.on('pong', () => queue.push(true))
    return queue
  }

  /** Ends the connection with all of its namespaces. */
  close() {
    const manager = this.socket.io
    manager.reconnection(false)
    this.socket.disconnect()
    manager.engine.close()
  }
}
