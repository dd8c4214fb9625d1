#!/usr/bin/env node
// Measures how fast sessions come back, over WebSocket, streams and polls, on loopback. Fails where a message
// was lost, repeated or out of order, or where a client got more new sessions than servers went; the times are
// printed and judged by nobody, since they depend on the machine.
//
//   node --experimental-websocket tests/recovery/run.mjs [--clients N] [--rounds N] [--only NAME]

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Client, TRANSPORTS } from './client.mjs'
import { Server } from './server.mjs'

const option = (value) => ({ type: 'string', default: value })
const { values } = parseArgs({ options: { clients: option('200'), rounds: option('3'), only: option('') } })
const CLIENTS = Number(values.clients)
const ROUNDS = Number(values.rounds)
/** The time between two cuts of one client. */
const PERIOD = 15_000

const problems = []
const rows = []

const quantile = (times, part) => [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))]

const ms = (time) => (time === undefined ? '-' : time < 100 ? time.toFixed(1) : time.toFixed(0))

function row(what, transport, times, target, more = '') {
  const line = [what, transport, String(times.length), ms(quantile(times, 0.5)), ms(quantile(times, 0.99)), ms(quantile(times, 1)), target, more]
  rows.push(line)
  console.log(line.join(' | '))
}

/** Waits for a condition, at most half a minute. */
async function until(condition) {
  for (const end = performance.now() + 30_000; !condition() && performance.now() < end; ) await sleep(20)
}

async function withClients(count, transport, targets, run) {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.open(transport, targets)))
  try {
    return await run(clients)
  } finally {
    for (const client of clients) client.close()
  }
}

async function checkAll(what, clients, each = (client) => client.tally()) {
  const sum = { lost: 0, repeated: 0, disordered: 0 }
  for (const up of await Promise.all(clients.map(each))) for (const name in sum) sum[name] += up[name]
  for (const { faults } of clients) for (const name in sum) sum[name] += faults[name]
  const lost = clients.reduce((all, { resumed }) => all + resumed.new + resumed.gap, 0)
  if (sum.lost + sum.repeated + sum.disordered + lost) problems.push(`${what}: ${JSON.stringify(sum)}, ${lost} sessions lost`)
}

/** Each client is cut every 15 s, at its own moment, and has no network for `away`. */
async function cuts(transport, away, target) {
  const what = away ? `cut every 15 s, ${away / 1000} s without a network: back after` : 'cut every 15 s, network there: back after'
  const server = await Server.start()
  await withClients(CLIENTS, transport, () => [server.port], async (clients) => {
    const time = PERIOD * ROUNDS
    const times = []
    await Promise.all(
      clients.map(async (client, index) => {
        client.count(250)
        client.burst(time / 250, time)
        await sleep((PERIOD * index) / clients.length)
        for (let round = 0; round < ROUNDS; round++) {
          const resumed = client.next('resumed')
          const began = performance.now()
          if (away) client.gate.down()
          else client.gate.cut()
          await sleep(away)
          client.gate.up()
          const back = performance.now()
          // A poll may have been between two requests, so that nothing was cut.
          const at = await Promise.race([resumed, sleep(PERIOD - away - 2000)])
          if (at) times.push(Math.max(0, at - back))
          await sleep(Math.max(0, PERIOD - (performance.now() - began)))
        }
      })
    )
    await checkAll(`${what} ${transport}`, clients)
    row(what, transport, times, target)
  })
  await server.kill()
}

/** The path goes silent while each client sends twice a second; new connections work. */
async function silentCuts(transport) {
  const server = await Server.start()
  await withClients(Math.min(CLIENTS, 100), transport, () => [server.port], async (clients) => {
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
    row('silent cut while sending: answer after', transport, times, '6,000', `${interrupted} of ${clients.length} interrupted`)
  })
  await server.kill()
}

/** A second server is started, and the first one is drained behind a balancer. */
async function deploy(transport, target) {
  const old = await Server.start()
  const targets = [old.port]
  const count = Math.min(CLIENTS, 50)
  await withClients(count, transport, () => targets, async (clients) => {
    for (const client of clients) client.echo(50)
    await sleep(2000)
    const successor = await Server.start()
    targets.push(successor.port)
    for (const client of clients) client.watchGaps()
    await old.drain()
    await old.gone
    await until(() => clients.every(({ resumed }) => resumed.new > 0))
    // A second new session would come soon after the first.
    await sleep(1000)
    const gaps = clients.map((client) => client.gap)
    const fresh = clients.filter(({ resumed }) => resumed.new === 1).length
    if (fresh < clients.length) problems.push(`deploy, ${transport}: ${clients.length - fresh} clients had not one new session`)
    const unknown = clients.reduce((sum, client) => sum + client.unknown, 0)
    row('deploy: longest gap', transport, gaps, target, `new once: ${fresh} of ${clients.length}, unknown: ${unknown}`)
    await successor.kill()
  })
}

/** The server is killed, and a new process takes its port at once. */
async function crash(transport) {
  let server = await Server.start()
  const { port } = server
  await withClients(20, transport, () => [port], async (clients) => {
    for (const client of clients) client.echo(100)
    await sleep(1000)
    const resumed = clients.map((client) => client.next('resumed'))
    await server.kill()
    server = await Server.start({ port })
    const began = performance.now()
    const times = (await Promise.all(resumed)).map((at) => Math.max(0, at - began))
    if (clients.some((client) => client.resumed.new !== 1)) problems.push(`crash, ${transport}: not one new session each`)
    row('kill -9, new process at once: back after', transport, times, 'all 300')
  })
  await server.kill()
}

const scenarios = {
  away: (transport) => cuts(transport, 2000, '600'),
  cut: (transport) => cuts(transport, 0, '50'),
  silent: silentCuts,
  deploy: (transport) => deploy(transport, transport === 'websocket' ? '100' : '300'),
  crash
}

console.log('what | transport | times | p50 ms | p99 ms | most ms | p99 wanted | ')
for (const [name, scenario] of Object.entries(scenarios)) {
  if (!name.startsWith(values.only)) continue
  for (const transport of Object.keys(TRANSPORTS)) await scenario(transport)
}
const widths = rows[0].map((_, column) => Math.max(...rows.map((line) => line[column].length)))
console.log(`\n${rows.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ')).join('\n')}`)
for (const problem of problems) console.error(`FAILED ${problem}`)
process.exit(problems.length ? 1 : 0)
