// A server as a process, which can be drained and killed: the lab, or Socket.IO.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const EXAMPLES = process.env.ANYWIRE_EXAMPLES ?? 'target/debug/examples'
const SOCKET_IO = fileURLToPath(new URL('socketio-server.mjs', import.meta.url))

export class Server {
  #child

  static lab({ port = 0, window = 1000 } = {}) {
    return Server.#start(`${EXAMPLES}/lab`, ['--port', port, '--window-ms', window, '--origins', 'any'])
  }

  static socketIo({ port = 0 } = {}) {
    return Server.#start(process.execPath, [SOCKET_IO, port])
  }

  static async #start(program, flags) {
    const server = new Server()
    server.#child = spawn(program, flags.map(String), { stdio: ['ignore', 'pipe', 'inherit'] })
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
