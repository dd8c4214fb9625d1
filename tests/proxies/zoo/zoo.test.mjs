// Each proxy between the real server and both browsers: those that the guide sets up, and nginx. ANYWIRE_ZOO=all
// selects every engine; ANYWIRE_ZOO_ROWS names a file for the rows. nginx must be available; other engines that
// are not are skipped, with a note in the rows.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { CLIENTS, WHOLE, counted, endAll, faultsOf, launch, startLab, visitBehind } from './browse.mjs'
import { CASES } from './cases.mjs'
import { ENGINES, locate, startEngine } from './engines.mjs'
import { Middlebox } from './middlebox.mjs'

const TIMEOUT = { timeout: 90_000 }
const ALL = process.env.ANYWIRE_ZOO === 'all'
const NAMES = Object.keys(ENGINES).filter((name) => ALL || needed(name) || /of the guide/.test(name))
const rows = []
const lacks = {}
let browser, lab

function needed(name) {
  return ENGINES[name].binary === 'nginx'
}

before(async () => {
  browser = await launch()
  lab = await startLab()
  for (const name of NAMES) await locate(name).catch((error) => (lacks[name] = error.message))
})
after(async () => {
  await endAll(browser, lab)
  if (process.env.ANYWIRE_ZOO_ROWS) await writeFile(process.env.ANYWIRE_ZOO_ROWS, JSON.stringify(rows))
})

function note(t, proxy, client, visit) {
  const { transport, first, requests, report } = visit
  const { received, lost, repeated, disordered, wrong } = faultsOf(visit)
  rows.push({ proxy, client, transport, first, requests, lost })
  t.diagnostic(
    `${proxy}, ${client}: ${transport} by way of ${report.transports.join(', ')}; first message after ${first} ms and ${requests.join(' ')}; ` +
      `resumed ${JSON.stringify(report.resumed)}`
  )
  assert.deepEqual({ received, lost, repeated, disordered, wrong }, WHOLE)
  assert.equal(report.resumed.new + report.resumed.gap, 0, 'the same session')
}

/** Sends nothing until the middlebox has cut; then a message must come back. */
async function linger(session, box) {
  const end = performance.now() + 10_000
  const cuts = box.relay.cuts
  while (box.relay.cuts === cuts && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
  await session.send('after the cut')
  await session.received('after the cut')
}

async function behindMiddlebox(t, name, client) {
  const { shape, arm, expect, polls, lingers, fell } = CASES[name]
  const box = await Middlebox.listen({ target: lab.port, ...shape })
  t.after(() => box.close())
  const visit = await visitBehind(browser, client, { front: box.faults, arm: () => arm?.(box), expect: expect[client] })
  t.after(() => visit.page.context().close())
  note(t, `own: ${name}`, client, visit)
  if (polls) assert.deepEqual(visit.requests.filter((kind) => kind !== 'websocket'), ['open'], 'requests until the first message')
  if (lingers) await linger(visit.session, box)
  if (fell) assert.ok(fell(box), "the middlebox's fault happened")
}

for (const [name, { expect }] of Object.entries(CASES)) {
  for (const client of Object.keys(expect)) test(`own middlebox, ${name}: ${client}`, TIMEOUT, (t) => behindMiddlebox(t, name, client))
}

async function behindEngine(t, name, client) {
  if (lacks[name] && !needed(name)) {
    rows.push({ proxy: name, client, lacks: lacks[name] })
    return t.skip(lacks[name])
  }
  assert.ok(!lacks[name], lacks[name])
  const engine = await startEngine(name, lab.port)
  let place, visit
  // The engine is ended last, since it waits for the end of its connections.
  t.after(() => endAll(visit?.page.context(), place?.front, engine))
  place = await counted(engine)
  visit = await visitBehind(browser, client, { ...place, server: lab.port, expect: ENGINES[name].expect[client] })
  note(t, name, client, visit)
}

for (const name of NAMES) {
  for (const client of Object.keys(CLIENTS)) test(`${name}: ${client}`, TIMEOUT, (t) => behindEngine(t, name, client))
}
