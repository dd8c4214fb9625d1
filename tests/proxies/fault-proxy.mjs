#!/usr/bin/env node
// A proxy on loopback between a page and the server, with the faults of real networks. Faults are scripted by
// rules for each kind of request (websocket, open, send, poll, stream, other), or by hand on live
// connections. Seeded.
//
//   const proxy = await FaultProxy.listen({ target: 3000, seed: 7, delay: 100 })
//   proxy.rule('websocket', 'silence')                       every WebSocket from now on
//   proxy.rule('send', 'duplicate', { chance: 0.2 })         every fifth upload
//   proxy.rule('poll', 'lose-answer', { times: 3 })          the next three polls
//   proxy.live('stream')[0].cut('rst')                       one connection, now
//
// From the command line: fault-proxy.mjs --target PORT [--port N] [--seed N] [--delay MS] [--websocket MODE]
// [--cuts PER-MINUTE]

import { EventEmitter, once } from 'node:events'
import net from 'node:net'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Connection, dial } from './connection.mjs'
import { Chaos } from './chaos.mjs'
import { BLOCKED, faults } from './faults.mjs'
import { seeded } from './random.mjs'

export { BLOCKED } from './faults.mjs'
export { Chaos } from './chaos.mjs'

const HOST = '127.0.0.1'

export class FaultProxy extends EventEmitter {
  #server
  #target
  #live = new Set()
  #dialled = new Set()
  #rules = []
  #watches = []
  #connected = 0

  /**
   * `target` is the server's port, which `retarget` changes; `delay` is in ms each way, for bytes that come
   * from now on.
   */
  static async listen({ target, port = 0, seed = 1, delay = 0 }) {
    const proxy = new FaultProxy(target, seed, delay)
    await proxy.#listen(port)
    return proxy
  }

  constructor(target, seed, delay) {
    super()
    this.#target = target
    this.delay = delay
    this.random = seeded(seed)
    this.timers = new Set()
    this.counts = { connections: 0, requests: {}, faults: {}, cuts: {} }
    this.on('request', ({ kind, fault }) => {
      count(this.counts.requests, kind)
      if (fault) count(this.counts.faults, fault)
    })
    this.on('cut', ({ kind }) => count(this.counts.cuts, kind))
  }

  async #listen(port) {
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => {
      this.#connected += 1
      this.counts.connections += 1
      const connection = new Connection(this, client, this.#connected)
      this.#live.add(connection)
      this.emit('connection', connection)
    })
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, HOST, resolve)
    })
    this.port = this.#server.address().port
  }

  get origin() {
    return `http://${HOST}:${this.port}`
  }

  /** A new connection to the server. */
  dial() {
    const socket = dial(this.#target, HOST)
    this.#dialled.add(socket)
    socket.on('close', () => this.#dialled.delete(socket))
    return socket
  }

  retarget(port) {
    this.#target = port
  }

  /** The connections that are open now, of these kinds or of all; an `idle` one is between two requests. */
  live(...kinds) {
    return [...this.#live].filter((c) => c.open && (kinds.length === 0 || kinds.includes(c.kind)))
  }

  /**
   * From now on a request of this kind gets the fault, `times` times or always, with the given `chance`. The
   * first rule that fits counts. Returns a function that removes the rule.
   */
  rule(kind, name, { times = Infinity, chance = 1, ...options } = {}) {
    if (!faults[name]) throw new Error(`no such fault: ${name}`)
    const rule = { kind, name, times, chance, options }
    this.#rules.push(rule)
    return () => {
      this.#rules = this.#rules.filter((other) => other !== rule)
    }
  }

  faultFor(kind) {
    for (const rule of this.#rules) {
      const fits = (rule.kind === kind || rule.kind === '*') && rule.times > 0 && (rule.chance >= 1 || this.random.chance(rule.chance))
      if (fits) {
        rule.times -= 1
        return { name: rule.name, ...rule.options }
      }
    }
    return null
  }

  /**
   * Resolves when `text` has been sent to the client, with the connection and the number of flights that had reached
   * the server when it sent the text.
   */
  watch(text) {
    const needle = Buffer.from(text)
    return new Promise((resolve) => this.#watches.push({ needle, resolve }))
  }

  look(connection, bytes, flights) {
    if (this.#watches.length === 0) return
    const longest = Math.max(...this.#watches.map((watch) => watch.needle.length))
    const seen = connection.tail(bytes, longest - 1)
    this.#watches = this.#watches.filter(({ needle, resolve }) => {
      if (!seen.includes(needle)) return true
      const { id, kind, requests } = connection
      resolve({ id, kind, flights, requests: [...requests], at: performance.now() })
      return false
    })
  }

  forget(connection) {
    this.#live.delete(connection)
    this.emit('gone', connection)
  }

  /** Resolves when the page has given the connection up, or when it is cut. */
  async gone(id) {
    while ([...this.#live].some((connection) => connection.id === id)) await once(this, 'gone')
  }

  async close() {
    for (const timer of this.timers) clearTimeout(timer)
    for (const connection of this.#live) connection.cut('rst')
    for (const socket of this.#dialled) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function count(table, name) {
  table[name] = (table[name] ?? 0) + 1
}

async function main() {
  const option = { type: 'string' }
  const { values } = parseArgs({
    options: { target: option, port: option, seed: option, delay: option, websocket: option, cuts: option }
  })
  if (!values.target) throw new Error('--target PORT is missing')
  if (values.websocket && !BLOCKED.includes(values.websocket)) throw new Error(`--websocket is one of ${BLOCKED.join(', ')}`)
  const number = (name, otherwise) => Number(values[name] ?? otherwise)
  const proxy = await FaultProxy.listen({
    target: number('target'), port: number('port', 0), seed: number('seed', Date.now() % 100000), delay: number('delay', 0)
  })
  if (values.websocket) proxy.rule('websocket', values.websocket)
  if (values.cuts) {
    const chaos = new Chaos(proxy)
    setInterval(() => chaos.strike().then((what) => console.log(what)), 60000 / number('cuts'))
  }
  console.log(`listening on ${HOST}:${proxy.port}`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(error.message)
    process.exit(2)
  })
}
