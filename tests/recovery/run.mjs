#!/usr/bin/env node
// Measures how fast sessions come back, over WebSocket, streams and polls, on loopback, and the same of Socket.IO
// with its connection state recovery and its default settings. Fails where a message of ours was lost, repeated or
// out of order, or where a client of ours got more new sessions than servers went; the times are printed and judged
// by nobody, since they depend on the machine, and so is everything of Socket.IO.
//
//   node --experimental-websocket tests/recovery/run.mjs [--clients N] [--rounds N] [--only NAME] [--peers NAME,NAME]
//
// `--only` names what happens: away, cut, silent, deploy or crash. `--peers` names the libraries: anywire, socket.io.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { AnywireClient, TRANSPORTS } from './client.mjs'
import { Server } from './server.mjs'
import { SocketIoClient } from './socketio-client.mjs'

const option = (value) => ({ type: 'string', default: value })
const { values } = parseArgs({
  options: { clients: option('200'), rounds: option('3'), only: option(''), peers: option('anywire,socket.io') }
})
const CLIENTS = Number(values.clients)
const ROUNDS = Number(values.rounds)
/** The time between two cuts of one client. */
const PERIOD = 15_000
/**
 * Each client sends, and is sent, one message in so many milliseconds while it is cut. Over HTTP each is a request:
 * more of them keep this process, which is 200 clients and their gates, too busy to see when a session is back.
 */
const EVERY = 1000

const ours = (transport) => ({
  name: transport,
  ours: true,
  open: (targets) => AnywireClient.open(transport, targets),
  start: Server.lab
})

const socketIo = (transport) => ({
  name: `socket.io ${transport}`,
  ours: false,
  open: (targets) => SocketIoClient.open(transport, targets),
  start: Server.socketIo
})

const LIBRARIES = {
  anywire: Object.keys(TRANSPORTS).map(ours),
  'socket.io': ['websocket', 'polling'].map(socketIo)
}

// The client tells the console of rounds that fail; here the network is taken away.
console.warn = () => {}

const problems = []
/** How late this process's own timers are: on a busy machine they tell more of it than of the libraries. */
const delay = monitorEventLoopDelay({ resolution: 2 })
const rows = []

const quantile = (times, part) => [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))]

const ms = (time) => (time === undefined ? '-' : time < 100 ? time.toFixed(1) : time.toFixed(0))

function row(what, peer, times, target, more = '') {
  const figures = [0.5, 0.99, 1].map((part) => ms(quantile(times, part)))
  const line = [what, peer.name, String(times.length), ...figures, peer.ours ? target : '', ms(delay.percentile(99) / 1e6), more]
  rows.push(line)
  console.log(line.join(' | '))
}

/** Waits for a condition, at most so long. */
async function until(condition, time = 30_000) {
  for (const end = performance.now() + time; !condition() && performance.now() < end; ) await sleep(20)
}

async function withClients(count, peer, targets, run) {
  const clients = await Promise.all(Array.from({ length: count }, () => peer.open(targets)))
  delay.reset()
  try {
    return await run(clients)
  } finally {
    for (const client of clients) client.close()
  }
}

/** Counts what was lost, repeated or out of order, both ways, and the sessions that were not resumed. */
async function checkAll(what, peer, clients) {
  const sum = { lost: 0, repeated: 0, disordered: 0 }
  const up = await Promise.all(clients.map((client) => client.tally()))
  for (const faults of [...up, ...clients.map((client) => client.faults)]) for (const name in sum) sum[name] += faults[name]
  const sessions = clients.reduce((all, { resumed }) => all + resumed.new + resumed.gap, 0)
  const text = `lost ${sum.lost}, repeated ${sum.repeated}, out of order ${sum.disordered}, new sessions ${sessions}`
  if (peer.ours && sum.lost + sum.repeated + sum.disordered + sessions) problems.push(`${what}, ${peer.name}: ${text}`)
  return text
}

/** The messages that the server never sent back. */
async function unanswered(clients) {
  for (const client of clients) client.stop()
  await until(() => clients.every(({ sent, answered }) => answered >= sent), 2000)
  return clients.reduce((sum, { sent, answered }) => sum + sent - answered, 0)
}

/** Each client is cut every 15 s, at its own moment, and has no network for `away`. */
async function cuts(peer, away, target) {
  const what = `cut every 15 s, ${away ? `${away / 1000} s without a network` : 'network there'}: back after`
  const server = await peer.start()
  await withClients(CLIENTS, peer, () => [server.port], async (clients) => {
    const time = PERIOD * ROUNDS
    const times = []
    await Promise.all(
      clients.map(async (client, index) => {
        client.count(EVERY)
        client.burst(time / EVERY, time)
        await sleep((PERIOD * index) / clients.length)
        for (let round = 0; round < ROUNDS; round++) {
          const resumed = client.next('resumed')
          const began = performance.now()
          if (away) client.gate.down()
          else client.gate.cut()
          await sleep(away)
          client.gate.up()
          const back = performance.now()
          const fresh = client.resumed.new
          // What a new session missed never comes, and is counted as lost.
          const complete = resumed.then(async (at) => {
            return Math.max(back, at, client.resumed.new > fresh ? 0 : await client.caughtUp(back))
          })
          // A poll may have been between two requests, so that nothing was cut.
          const at = await Promise.race([complete, sleep(PERIOD - away - 2000)])
          if (at) times.push(at - back)
          await sleep(Math.max(0, PERIOD - (performance.now() - began)))
        }
      })
    )
    row(what, peer, times, target, await checkAll(what, peer, clients))
  })
  await server.kill()
}

/** The path goes silent while each client sends twice a second; new connections work. */
async function silentCuts(peer) {
  const server = await peer.start()
  await withClients(Math.min(CLIENTS, 100), peer, () => [server.port], async (clients) => {
    const times = []
    await Promise.all(
      clients.map(async (client, index) => {
        client.echo(500)
        await sleep(1000 + index * 10)
        client.gate.silence()
        const began = performance.now()
        times.push((await client.next('message')) - began)
      })
    )
    const interrupted = clients.filter((client) => client.interrupted).length
    const fresh = clients.reduce((sum, { resumed }) => sum + resumed.new, 0)
    const more = `interrupted ${interrupted} of ${clients.length}, new sessions ${fresh}, unanswered ${await unanswered(clients)}`
    row('silent cut while sending: answer after', peer, times, '6,000', more)
  })
  await server.kill()
}

/**
 * A second server is started, and the first one is drained behind a balancer. There are few clients: over HTTP each
 * of their messages is a request, and many would keep this process too busy to see the gap.
 */
async function deploy(peer) {
  const old = await peer.start()
  const targets = [old.port]
  const count = Math.min(CLIENTS, 15)
  await withClients(count, peer, () => targets, async (clients) => {
    for (const client of clients) client.echo(50)
    await sleep(2000)
    const successor = await peer.start()
    targets.push(successor.port)
    for (const client of clients) client.watchGaps()
    await old.drain()
    await old.gone
    await until(() => clients.every(({ resumed }) => resumed.new > 0))
    // A second new session would come soon after the first.
    await sleep(1000)
    const gaps = clients.map((client) => client.gap)
    row('deploy: longest gap', peer, gaps, peer.name === 'websocket' ? '100' : '300', await newSessions('deploy', peer, clients))
    await successor.kill()
  })
}

/** The server is killed, and a new process takes its port at once. */
async function crash(peer) {
  let server = await peer.start()
  const { port } = server
  await withClients(20, peer, () => [port], async (clients) => {
    for (const client of clients) client.echo(100)
    await sleep(1000)
    const resumed = clients.map((client) => client.next('resumed'))
    await server.kill()
    server = await peer.start({ port })
    const began = performance.now()
    const times = (await Promise.all(resumed)).map((at) => Math.max(0, at - began))
    row('kill -9, new process at once: back after', peer, times, 'all 300', await newSessions('crash', peer, clients))
  })
  await server.kill()
}

/** Each client must have one new session: the process with the former one is gone. */
async function newSessions(what, peer, clients) {
  const fresh = clients.filter(({ resumed }) => resumed.new === 1).length
  const others = clients.length - fresh
  if (peer.ours && others) problems.push(`${what}, ${peer.name}: ${others} clients had not one new session`)
  const unknown = peer.ours ? clients.reduce((sum, client) => sum + client.unknown, 0) : 'not told'
  return `new once: ${fresh} of ${clients.length}, unanswered ${await unanswered(clients)}, unknown: ${unknown}`
}

const scenarios = {
  away: (peer) => cuts(peer, 2000, '600'),
  cut: (peer) => cuts(peer, 0, '50'),
  silent: silentCuts,
  deploy,
  crash
}

const peers = values.peers.split(',').flatMap((name) => LIBRARIES[name] ?? [])
if (peers.length === 0) throw new Error(`no such library: ${values.peers}`)
console.log('what | transport | times | p50 ms | p99 ms | most ms | p99 wanted | loop p99 ms | ')
delay.enable()
for (const [name, scenario] of Object.entries(scenarios)) {
  if (!name.startsWith(values.only)) continue
  for (const peer of peers) await scenario(peer)
}
rows.unshift(['what', 'transport', 'times', 'p50', 'p99', 'most', 'wanted', 'loop', ''])
const widths = rows[0].map((_, column) => Math.max(...rows.map((line) => line[column].length)))
console.log(`\n${rows.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ')).join('\n')}`)
for (const problem of problems) console.error(`FAILED ${problem}`)
process.exit(problems.length ? 1 : 0)
