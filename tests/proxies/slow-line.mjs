// A proxy on loopback that forwards what the server sends at a given rate, as a slow line does. What it has
// not forwarded it does not read, but the kernel's buffers on the way still fill up.

import net from 'node:net'
import { once } from 'node:events'

const TICK = 20

export class SlowLine {
  #server
  #sockets = new Set()

  /** `target` is the server's port; `rate` is in bytes a second for all connections together. */
  static async listen({ target, rate = Infinity }) {
    const line = new SlowLine(target, rate)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    line.port = line.#server.address().port
    line.origin = `http://127.0.0.1:${line.port}`
    return line
  }

  constructor(target, rate) {
    this.rate = rate
    /** How many bytes went to clients. */
    this.forwarded = 0
    this.#server = net.createServer((client) => this.#join(client, net.connect(target, '127.0.0.1')))
    this.credit = 0
    this.timer = setInterval(() => this.#forward(), TICK)
  }

  #join(client, server) {
    this.#sockets.add(server)
    for (const socket of [client, server]) socket.setNoDelay(true)
    client.pipe(server)
    server.pause()
    server.partner = client
    const cut = () => {
      client.destroy()
      server.destroy()
    }
    client.on('error', cut).on('close', cut)
    server.on('error', cut).on('close', () => {
      this.#sockets.delete(server)
      client.end()
    })
  }

  #forward() {
    const most = this.rate === Infinity ? Infinity : (this.rate * TICK) / 1000
    this.credit = Math.min(this.credit + most, Math.max(most, 1))
    for (const socket of this.#sockets) {
      while (this.credit >= 1 && socket.readableLength > 0) {
        const bytes = socket.read(Math.min(socket.readableLength, Math.floor(this.credit)))
        if (!bytes) break
        this.credit -= bytes.length
        this.forwarded += bytes.length
        socket.partner.write(bytes)
      }
      // Asks the stream for more, which it does not hand out by itself.
      if (socket.readableLength === 0) socket.read(0)
    }
  }

  async close() {
    clearInterval(this.timer)
    for (const socket of this.#sockets) {
      socket.partner.destroy()
      socket.destroy()
    }
    this.#server.close()
    await once(this.#server, 'close')
  }
}
