// A reverse proxy on loopback that changes bodies as middleboxes do. The mode may change while an answer
// passes.

import http from 'node:http'
import net from 'node:net'
import zlib from 'node:zlib'

const HOST = '127.0.0.1'
/** The headers that pass with `strip`; all others are removed in both directions. */
const KEPT = new Set(['host', 'origin', 'accept', 'content-type', 'content-length', 'transfer-encoding', 'connection'])

/**
 * The number of waiting pieces that may pass now; pieces that still wait at the end of the answer pass then.
 */
const MODES = {
  pass: (waiting) => waiting.length,
  hold: () => 0,
  behind: (waiting) => waiting.length - 1,
  threshold: (waiting, { bytes }) => (waiting.reduce((sum, piece) => sum + piece.length, 0) >= bytes ? waiting.length : 0)
}

export class Relay {
  #server
  #target
  #agent = new http.Agent({ keepAlive: true })
  #tunnels = new Set()
  #answers = new Set()
  #mode = 'pass'
  #sizes = { bytes: 16384 }

  /**
   * `gzip` and `strip` are always on; an answer is cut after `life` ms, a WebSocket after `idle` ms without
   * bytes.
   */
  static async listen({ target, gzip = false, strip = false, life = 0, idle = 0 }) {
    const relay = new Relay(target)
    Object.assign(relay, { gzip, strip, life, idle })
    await new Promise((resolve) => relay.#server.listen(0, HOST, resolve))
    relay.port = relay.#server.address().port
    return relay
  }

  constructor(target) {
    this.#target = target
    this.cuts = 0
    /** The number of bytes that are held back now. */
    this.held = 0
    this.#server = http.createServer((request, response) => this.#exchange(request, response))
    this.#server.on('upgrade', (request, client, head) => this.#tunnel(request, client, head))
  }

  /**
   * Sets the mode, also for answers under way: `pass`, `hold` until the end, one piece `behind`, or up to a
   * `threshold` of `bytes`.
   */
  become(mode, sizes = {}) {
    if (!MODES[mode]) throw new Error(`no such mode: ${mode}`)
    this.#mode = mode
    Object.assign(this.#sizes, sizes)
    for (const release of this.#answers) release()
  }

  #headers(headers) {
    if (!this.strip) return { ...headers }
    return Object.fromEntries(Object.entries(headers).filter(([name]) => KEPT.has(name)))
  }

  #exchange(request, response) {
    const { method, url } = request
    const headers = this.#headers(request.headers)
    const up = http.request({ host: HOST, port: this.#target, agent: this.#agent, method, path: url, headers })
    up.on('response', (answer) => this.#answer(request, answer, response))
    up.on('error', () => response.destroy())
    // The client is gone, so the server must notice it.
    response.on('close', () => up.destroy())
    request.pipe(up)
  }

  #answer(request, answer, response) {
    const headers = this.#headers(answer.headers)
    delete headers['transfer-encoding']
    delete headers.connection
    // An answer that is encoded already passes as it is, as at every proxy that compresses.
    const packs = this.gzip && !headers['content-encoding'] && /gzip/.test(request.headers['accept-encoding'] ?? '')
    if (packs) {
      delete headers['content-length']
      headers['content-encoding'] = 'gzip'
    }
    response.writeHead(answer.statusCode, headers)
    const body = packs ? answer.pipe(zlib.createGzip()) : answer
    this.#pass(body, response)
    answer.on('error', () => response.destroy())
    if (this.life > 0) this.#cutLater(response)
  }

  #pass(body, response) {
    const waiting = []
    const write = (n) => {
      for (const piece of waiting.splice(0, n)) {
        this.held -= piece.length
        response.write(piece)
      }
    }
    const release = () => write(MODES[this.#mode](waiting, this.#sizes))
    this.#answers.add(release)
    response.on('close', () => {
      this.#answers.delete(release)
      for (const piece of waiting.splice(0)) this.held -= piece.length
      body.destroy()
    })
    body.on('data', (piece) => {
      waiting.push(piece)
      this.held += piece.length
      release()
    })
    body.on('end', () => {
      write(waiting.length)
      response.end()
    })
  }

  #cutLater(response) {
    const timer = setTimeout(() => {
      this.cuts += 1
      response.destroy()
    }, this.life)
    response.on('close', () => clearTimeout(timer))
  }

  #tunnel(request, client, head) {
    const server = net.connect(this.#target, HOST)
    const end = () => {
      client.destroy()
      server.destroy()
    }
    const { method, url, headers, rawHeaders } = request
    const lines = [`${method} ${url} HTTP/1.1`]
    for (let i = 0; i < rawHeaders.length; i += 2) {
      if (this.#headers(headers)[rawHeaders[i].toLowerCase()] !== undefined) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`)
    }
    server.write(`${lines.join('\r\n')}\r\n\r\n`)
    server.write(head)
    client.pipe(server).pipe(client)
    for (const socket of [client, server]) {
      this.#tunnels.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        this.#tunnels.delete(socket)
        end()
      })
    }
    if (this.idle > 0) {
      client.setTimeout(this.idle, () => {
        this.cuts += 1
        end()
      })
    }
  }

  async close() {
    for (const socket of this.#tunnels) socket.destroy()
    this.#agent.destroy()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
