// Socket.IO's client with its default settings, behind the same gate.

import { randomUUID } from 'node:crypto'
import { io } from 'socket.io-client'
import { Client, next } from './client.mjs'
import { Gate } from './gate.mjs'

export class SocketIoClient extends Client {
  #socket

  /** The transport is `websocket` or `polling`. */
  static async open(transport, targets) {
    const client = new SocketIoClient(await Gate.open(targets))
    // The server counts by this name what comes up, over all sessions of the client.
    const auth = { name: randomUUID() }
    const socket = (client.#socket = io(client.gate.url, { transports: [transport], auth, forceNew: true }))
    socket.on('message', (data) => client.take(data))
    socket.on('disconnect', () => client.interrupted++)
    await next(socket, 'connect')
    socket.on('connect', () => client.resumed[socket.recovered ? 'full' : 'new']++)
    return client
  }

  send(data) {
    this.#socket.send(data)
  }

  /** `connect` comes after the missed messages. */
  next(event) {
    return next(this.#socket, event === 'resumed' ? 'connect' : event)
  }

  check() {
    return this.#socket.timeout(10_000).emitWithAck('check')
  }

  end() {
    this.#socket.disconnect()
  }
}
