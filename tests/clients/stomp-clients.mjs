// Clients of STOMP in the same words, and the ways in which they reach the server.

import { createRequire } from 'node:module'
import { Client, Versions } from '@stomp/stompjs'
import { Socket } from '../../client-js/dist/socket.mjs'
import { Queue, within } from './support.mjs'

const require = createRequire(import.meta.url)
const SockJS = require('sockjs-client')
const Old = require('stompjs')
// The WebSocket that the older client depends on in Node.
const { w3cwebsocket: WebSocket } = require('websocket')

const PROTOCOLS = { '1.0': 'v10.stomp', '1.1': 'v11.stomp', '1.2': 'v12.stomp' }

const sockjs = (transport) => ({
  name: `sockjs-client, ${transport}`,
  isText: true,
  open: (origin) => new SockJS(`${origin}/stomp`, undefined, { transports: [transport] })
})

const ours = (transport) => ({
  name: `our Socket, ${transport}`,
  isOurs: true,
  open: (origin) => new Socket(`${origin}/stomp`, undefined, { transports: [transport], WebSocket })
})

/**
 * The carriers of STOMP. Over SockJS there are texts only (`isText`), and our session watches itself and outlives its
 * connections (`isOurs`).
 */
export const CARRIERS = [
  {
    name: 'a WebSocket',
    open: (origin, version) => new WebSocket(`${origin.replace('http', 'ws')}/stomp`, PROTOCOLS[version])
  },
  ...['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'].map(sockjs),
  ...['websocket', 'fetch-stream', 'xhr-poll'].map(ours)
]

/** The fields that both kinds of peers have. */
class Peer {
  errors = new Queue('an ERROR')
  ends = new Queue('the end')
  #receipts = 0

  /** Runs `act` with the header that asks for a receipt, and returns the receipt. */
  asking(act) {
    const id = `receipt-${++this.#receipts}`
    const receipt = new Promise((resolve) => this.watch(id, resolve))
    act({ receipt: id })
    return within('the receipt', receipt)
  }

  /** Sends, and waits until the server has taken it. */
  publish(destination, body, headers = {}) {
    return this.asking((receipt) => this.send(destination, body, { ...headers, ...receipt }))
  }

  /** Subscribes, and waits until the server has. Returns the queue of the messages. */
  async hear(destination, headers = {}) {
    const messages = new Queue(`a message of ${destination}`)
    await this.asking((receipt) => (messages.leave = this.listen(destination, (message) => messages.push(message), { ...headers, ...receipt })))
    return messages
  }
}

/** @stomp/stompjs. */
class Current extends Peer {
  constructor(open, { version, beats, login, pieces }) {
    super()
    this.beats = new Queue('a heart-beat')
    this.client = new Client({
      webSocketFactory: open,
      stompVersions: new Versions([version]),
      connectHeaders: login,
      reconnectDelay: 0,
      heartbeatOutgoing: beats,
      heartbeatIncoming: beats,
      splitLargeFrames: pieces,
      onStompError: ({ headers, body }) => this.errors.push({ headers, body }),
      onWebSocketClose: ({ code, reason }) => this.ends.push({ code, reason }),
      debug: (line) => line.endsWith('PONG') && this.beats.push(true)
    })
  }

  open() {
    const connected = new Promise((resolve, reject) => {
      this.client.onConnect = ({ headers }) => resolve(headers)
      this.client.onStompError = ({ headers, body }) => {
        this.errors.push({ headers, body })
        reject(new Error(headers.message))
      }
    })
    this.client.activate()
    return within('CONNECTED', connected)
  }

  /** A body is a text or bytes. */
  send(destination, body, headers = {}) {
    this.client.publish({ destination, headers, ...(typeof body === 'string' ? { body } : { binaryBody: body }) })
  }

  listen(destination, take, headers) {
    const one = this.client.subscribe(destination, (message) => take(shown(message, message.binaryBody)), headers)
    return (headers) => one.unsubscribe(headers)
  }

  watch(id, done) {
    this.client.watchForReceipt(id, ({ headers }) => done(headers['receipt-id']))
  }

  begin() {
    return this.client.begin()
  }

  disconnect() {
    return within('the goodbye', this.client.deactivate())
  }

  stop() {
    return this.client.deactivate({ force: true })
  }
}

/** stompjs, which has texts only. */
class Older extends Peer {
  constructor(open, { beats, login }) {
    super()
    this.beats = new Queue('a heart-beat')
    this.login = login
    this.waiting = new Map()
    this.client = Old.over(open())
    this.client.heartbeat = { outgoing: beats, incoming: beats }
    this.client.debug = (line) => line.endsWith('PONG') && this.beats.push(true)
    this.client.onreceipt = ({ headers }) => {
      this.waiting.get(headers['receipt-id'])?.(headers['receipt-id'])
      this.waiting.delete(headers['receipt-id'])
    }
  }

  open() {
    const connected = new Promise((resolve, reject) => {
      this.client.connect(
        this.login,
        ({ headers }) => resolve(headers),
        (error) => {
          // It tells both by one function.
          if (typeof error === 'string') this.ends.push({})
          else this.errors.push({ headers: error.headers, body: error.body })
          reject(new Error(error.headers?.message ?? error))
        }
      )
    })
    return within('CONNECTED', connected)
  }

  send(destination, body, headers = {}) {
    this.client.send(destination, { ...headers }, body)
  }

  listen(destination, take, headers) {
    const one = this.client.subscribe(destination, (message) => take(shown(message)), { ...headers })
    return () => one.unsubscribe()
  }

  watch(id, done) {
    this.waiting.set(id, done)
  }

  begin() {
    return this.client.begin()
  }

  disconnect() {
    return within('the goodbye', new Promise((resolve) => this.client.disconnect(resolve)))
  }

  stop() {
    this.client.ws.onclose = null
    this.client.ws.close()
    this.client._cleanUp()
  }
}

/** The parts of a message that a test looks at. Its settings are functions that take further headers. */
const shown = (message, bytes) => ({
  body: message.body,
  bytes: bytes && Buffer.from(bytes),
  headers: message.headers,
  ack: (headers) => message.ack(headers),
  nack: (headers) => message.nack(headers)
})

/** The clients, with the versions that each can be asked for. */
export const CLIENTS = [
  { name: '@stomp/stompjs 7.5.0', versions: ['1.0', '1.1', '1.2'], Peer: Current, hasBytes: true },
  { name: 'stompjs 2.3.3', versions: ['1.1'], Peer: Older, hasBytes: false }
]
