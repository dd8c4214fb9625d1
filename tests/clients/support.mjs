// Shared by the tests of other people's clients: the server that they talk to, and what is awaited of a
// client.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { start } from '../browser/lab.mjs'

export const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** How long anything may take before its test fails. */
export const PATIENCE = 20_000

/** The folder with the servers that the clients were written for, to test these instead of ours. */
export const REFERENCE = process.env.ANYWIRE_REFERENCE

/** The ways in which a client may connect. */
export const WAYS = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] }

/** The server's flags under which a session's heartbeats can be awaited. */
export const SHORT = { 'heartbeat-ms': 250, 'timeout-ms': 1000 }

/**
 * The server's flags under which clients recover. Heartbeats are frequent, since a client whose WebSocket breaks right
 * after it has paused its polling for it has no connection any more, and notices that by their absence alone.
 */
export const RECOVERING = { 'recovery-ms': 60_000, 'heartbeat-ms': 2000, 'timeout-ms': 5000 }

/** Starts the application. `options` are its flags; the result has its `port` and `origin`, and `stop()`. */
export async function serve(options = {}) {
  const flags = Object.entries({ port: 0, ...options }).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = REFERENCE ? await reference(flags) : await start('clients_lab', flags)
  return { ...server, origin: `http://127.0.0.1:${server.port}` }
}

async function reference(flags) {
  const child = spawn(process.execPath, [here('reference.mjs'), REFERENCE, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const port = await Promise.race([
    ended.then(([code]) => Promise.reject(new Error(`the reference ended with ${code} before it listened`))),
    once(createInterface({ input: child.stdout }), 'line').then(([line]) => Number(line.split(':').at(-1)))
  ])
  return { port, stop: () => (child.kill(), ended) }
}

/** Items that came and were not awaited yet, and those who await items that have not come. */
export class Queue {
  #name
  #items = []
  #waiting = []

  constructor(name) {
    this.#name = name
  }

  push(item) {
    const first = this.#waiting.shift()
    if (first) first(item)
    else this.#items.push(item)
  }

  /** All that came and was not awaited. */
  take() {
    return this.#items.splice(0)
  }

  /** The next item; rejects if none comes. */
  next() {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift())
    return within(this.#name, new Promise((resolve) => this.#waiting.push(resolve)))
  }

  /** The next `count` items. */
  async several(count) {
    const items = []
    while (items.length < count) items.push(await this.next())
    return items
  }
}

/** The promise, which rejects with this name if nothing comes of it. */
export async function within(name, promise) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not come`)), PATIENCE)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves in the next turn of the event loop, after what has arrived was read. */
export const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Runs a step; what it opened is closed also if it fails. `closers` is what the step gets to note that. */
export async function closing(step) {
  const closers = []
  try {
    return await step((close) => closers.push(close))
  } finally {
    for (const close of closers.reverse()) await close()
  }
}
