// One connection of a page through the fault proxy: its kind, the traffic that has passed, and the faults
// that it can be given.

import net from 'node:net'
import { FrameBorders, RequestReader, ResponseTracker, inside } from './framing.mjs'
import { faults } from './faults.mjs'
import { Line } from './line.mjs'

const KINDS = { open: 'open' }
for (const name of ['send', 'form-post', 'jsonp-send']) KINDS[name] = 'send'
for (const name of ['xhr-poll', 'jsonp-poll', 'poll']) KINDS[name] = 'poll'
for (const name of ['xhr-stream', 'fetch-stream', 'eventsource', 'iframe', 'htmlfile', 'multipart']) KINDS[name] = 'stream'

/** The kind of connection that a transport's downlink is to the proxy, by the transport's name. */
export const kindOf = (transport) => KINDS[transport] ?? transport

/** The kind of a request: websocket, open, send, poll, stream or other. */
export function classify(request) {
  if (request.upgrade) return 'websocket'
  const path = request.url.split('?')[0]
  return KINDS[path.slice(path.lastIndexOf('/') + 1)] ?? 'other'
}

export class Connection {
  #proxy
  #client
  #server = null
  #reader = new RequestReader()
  #answers = new ResponseTracker()
  #upFrames = null
  #sent = { flights: 0, answered: true }
  #losing = false
  #swallowing = false
  #armed = { up: null, down: null }
  #found = null

  constructor(proxy, client, id) {
    this.#proxy = proxy
    this.#client = client
    this.id = id
    this.kind = 'idle'
    this.open = true
    this.flights = 0
    this.requests = []
    this.up = new Line(() => proxy.delay, ({ bytes, flights }) => this.#fromClient(bytes, flights))
    this.down = new Line(() => proxy.delay, (answer) => this.#toClient(answer))
    client.setNoDelay(true)
    client.on('data', (bytes) => {
      proxy.emit('received', { connection: this, bytes })
      this.up.push({ bytes, flights: this.#countFlight() })
    })
    // A page never closes one half only.
    client.on('end', () => client.destroy())
    client.on('error', () => {})
    client.on('close', () => this.#clientGone())
  }

  // ---- the tools of the faults ----

  /** Sends bytes to the server. */
  forward(bytes) {
    this.#connect().write(bytes)
  }

  /** Answers the client in the server's place. */
  reply(text) {
    this.#answer(Buffer.from(text, 'latin1'))
  }

  /** From now on nothing that the client sends is forwarded. */
  swallow() {
    this.#swallowing = true
  }

  /** The next answer reaches the proxy but not the client; then the connection is cut. */
  loseAnswer() {
    this.#losing = true
  }

  /**
   * Sends one request a second time, `lateness` ms later, on a connection of its own; that answer is dropped.
   */
  repeat(bytes, lateness) {
    const timer = setTimeout(() => {
      const copy = this.#proxy.dial()
      const tracker = new ResponseTracker()
      copy.on('error', () => {})
      copy.on('end', () => copy.destroy())
      copy.on('data', (answer) => {
        if (tracker.push(answer).completed > 0) copy.destroy()
      })
      copy.write(bytes)
    }, lateness)
    this.#proxy.timers.add(timer)
  }

  /**
   * Cuts the connection by `rst` or `fin`. With `lag` the server notices that many ms later. Bytes in `last`
   * still reach the client.
   */
  cut(how, { lag = 0, last = null } = {}) {
    if (!this.open) return
    this.open = false
    this.up.close()
    this.down.close()
    const hurt = (socket) => (how === 'rst' ? reset(socket) : socket.destroy())
    if (last) this.#client.write(last, () => hurt(this.#client))
    else hurt(this.#client)
    const server = this.#server
    if (server) {
      server.removeAllListeners('data')
      server.resume()
      if (lag > 0) this.#proxy.timers.add(setTimeout(() => hurt(server), lag))
      else hurt(server)
    }
    this.#proxy.emit('cut', { connection: this, kind: this.kind, how })
  }

  /** Nothing passes for `ms` in the named direction: `up`, `down` or `both`. */
  stall(ms, way = 'both') {
    if (way !== 'down') this.up.stall(ms)
    if (way !== 'up') this.down.stall(ms)
  }

  get stalled() {
    return this.up.stalled || this.down.stalled
  }

  /**
   * Cuts the connection in the middle of its next frame, chunk or body in direction `way`, if it is of these
   * kinds by then. Returns a function that disarms it.
   */
  arm(way, how, done = () => {}, kinds = null) {
    const armed = { how, done, fits: () => !kinds || kinds.includes(this.kind) }
    this.#armed[way] = armed
    return () => {
      if (this.#armed[way] === armed) this.#armed[way] = null
    }
  }

  // ---- client to server ----

  /** Returns the number of flights so far: all that the client sends between two answers is one. */
  #countFlight() {
    const sent = this.#sent
    if (sent.answered) sent.flights += 1
    sent.answered = false
    return sent.flights
  }

  /** `flights` count when they reach the server: only what was there by then can have caused its next answer. */
  #fromClient(item, flights) {
    this.flights = flights
    if (this.#swallowing) return
    if (this.#upFrames) {
      this.#forwardFrames(item)
      return
    }
    for (const request of this.#reader.push(item)) this.#exchange(request)
  }

  #exchange(request) {
    this.kind = classify(request)
    this.requests.push(this.kind)
    const fault = this.#proxy.faultFor(this.kind)
    this.#proxy.emit('request', { connection: this, kind: this.kind, fault: fault?.name ?? null, url: request.url })
    if (!this.open) return
    if (fault) faults[fault.name](this, request, fault, this.#proxy.random)
    else if (this.#armed.up?.fits() && !request.upgrade) this.#cutRequest(request)
    else this.forward(request.raw)
    if (request.upgrade && !this.#swallowing && this.open) this.#becomeTunnel()
  }

  #becomeTunnel() {
    this.#upFrames = new FrameBorders()
    const rest = this.#reader.rest()
    if (rest.length > 0) this.#forwardFrames(rest)
  }

  #cutRequest(request) {
    const { how, done } = this.#armed.up
    this.#armed.up = null
    faults['cut-request'](this, request, { how }, this.#proxy.random)
    done()
  }

  #forwardFrames(bytes) {
    const borders = new Set()
    this.#upFrames.take(bytes, 0, (offset) => borders.add(offset))
    const at = this.#armed.up?.fits() ? inside(bytes, borders, 0, this.#proxy.random) : undefined
    if (at === undefined) {
      this.forward(bytes)
      return
    }
    const { how, done } = this.#armed.up
    this.#armed.up = null
    this.#connect().write(bytes.subarray(0, at), () => {
      this.cut(how)
      done()
    })
  }

  // ---- server to client ----

  #answer(bytes) {
    this.down.push({ bytes, flights: this.flights })
  }

  #connect() {
    if (this.#server) return this.#server
    const server = this.#proxy.dial()
    this.#server = server
    server.on('data', (bytes) => this.#answer(bytes))
    server.on('end', () => this.down.push(null))
    server.on('error', () => {
      if (this.open) this.cut('rst')
    })
    return server
  }

  #toClient(answer) {
    if (answer === null) {
      if (this.#losing) this.cut('rst')
      else this.#client.end()
      return
    }
    const { bytes: item, flights } = answer
    const seen = this.#answers.push(item)
    if (this.#losing) {
      if (seen.completed > 0 || (this.kind === 'stream' && seen.bodyBytes > 0)) this.cut('rst')
      return
    }
    const armed = seen.bodyBytes > 0 && this.#armed.down?.fits()
    const at = armed ? inside(item, seen.borders, seen.bodyFrom, this.#proxy.random) : undefined
    if (at !== undefined) {
      const { how, done } = this.#armed.down
      this.#armed.down = null
      this.cut(how, { last: item.subarray(0, at) })
      done()
      return
    }
    this.#client.write(item)
    this.#sent.answered = true
    this.#proxy.look(this, item, flights)
    if (seen.completed > 0) this.kind = 'idle'
  }

  #clientGone() {
    if (this.open) {
      this.open = false
      this.down.close()
      this.#endServer()
    }
    this.#proxy.forget(this)
  }

  /**
   * Bytes that the client sent before it went are still under way. On a stalled line the server never
   * notices.
   */
  #endServer() {
    const server = this.#server
    if (!this.up.stalled && server) {
      const end = () => {
        this.up.close()
        server.destroy()
      }
      this.#proxy.timers.add(setTimeout(end, this.#proxy.delay + 50))
    } else {
      this.up.close()
      if (server) server.removeAllListeners('data').resume()
    }
  }

  /**
   * For the proxy's watch: `bytes` behind the last bytes before them, so that a text split over two pieces is
   * found.
   */
  tail(bytes, keep) {
    const seen = this.#found ? Buffer.concat([this.#found, bytes]) : bytes
    this.#found = seen.subarray(Math.max(0, seen.length - keep))
    return seen
  }
}

/**
 * Resets a socket. One that is already shutting down is destroyed: libuv refuses the reset and never closes
 * it.
 */
function reset(socket) {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

export function dial(port, host) {
  const socket = net.connect(port, host)
  socket.setNoDelay(true)
  return socket
}
