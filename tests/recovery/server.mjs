// The lab as a process, which can be drained and killed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const EXAMPLES = process.env.ANYWIRE_EXAMPLES ?? 'target/debug/examples'

export class Server {
  #child

  static async start({ port = 0, window = 1000 } = {}) {
    const server = new Server()
    const flags = ['--port', port, '--window-ms', window, '--origins', 'any']
    server.#child = spawn(`${EXAMPLES}/lab`, flags.map(String), { stdio: ['ignore', 'pipe', 'inherit'] })
    server.gone = once(server.#child, 'exit')
    const [line] = await once(createInterface(server.#child.stdout), 'line')
    server.port = Number(/:(\d+)$/.exec(line)[1])
    return server
  }

  /** Asks it to shut down; it stops listening at once. */
  async drain() {
    await fetch(`http://127.0.0.1:${this.port}/drain`, { method: 'POST', headers: { connection: 'close' } })
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.gone
  }
}
