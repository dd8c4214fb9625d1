// The network of one client: a TCP relay on a port of its own, whose connections can be cut or can go silent,
// and which can be without a network for a while.

import { once } from 'node:events'
import net from 'node:net'

const HOST = '127.0.0.1'

export class Gate {
  #server
  #pairs = new Set()
  #targets
  #down = false

  /** `targets()` lists the ports of servers; a connection goes to the first one that accepts it. */
  static async open(targets) {
    const gate = new Gate(targets)
    gate.#server.listen(0, HOST)
    await once(gate.#server, 'listening')
    return gate
  }

  constructor(targets) {
    this.#targets = targets
    this.#server = net.createServer({ noDelay: true }, (client) => this.#accept(client))
  }

  get url() {
    return `http://${HOST}:${this.#server.address().port}`
  }

  #accept(client) {
    client.on('error', () => {})
    if (this.#down) return client.resetAndDestroy()
    const pair = { client, server: null, silent: false }
    this.#pairs.add(pair)
    client.on('data', (bytes) => pair.silent || pair.server?.write(bytes))
    client.on('close', () => {
      this.#pairs.delete(pair)
      pair.server?.destroy()
    })
    client.pause()
    this.#dial(pair, this.#targets())
  }

  #dial(pair, [port, ...others]) {
    const server = net.connect({ port, host: HOST, noDelay: true })
    let connected = false
    server.on('connect', () => {
      connected = true
      pair.server = server
      if (pair.client.destroyed) server.destroy()
      else pair.client.resume()
    })
    server.on('data', (bytes) => pair.silent || pair.client.write(bytes))
    server.on('error', () => {})
    server.on('close', () => {
      if (!connected && others.length > 0) this.#dial(pair, others)
      // A dead path does not tell that the other end has gone.
      else if (!pair.silent) pair.client.destroy()
    })
  }

  /** Ends all connections. */
  cut() {
    for (const { client } of this.#pairs) client.resetAndDestroy()
  }

  /** From now on all connections that are open carry nothing, and no end learns of it. */
  silence() {
    for (const pair of this.#pairs) pair.silent = true
  }

  /** Cuts all, and refuses each connection until `up`. */
  down() {
    this.#down = true
    this.cut()
  }

  up() {
    this.#down = false
  }

  close() {
    this.cut()
    this.#server.close()
  }
}
