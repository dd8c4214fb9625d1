// Two pages exchange thousands of messages each way while the fault proxy breaks their connections at random.
// ANYWIRE_SOAK=1 selects the long form. Nothing may be lost, repeated or out of order; every resume must be
// full.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BLOCKED, Chaos } from '../proxies/fault-proxy.mjs'
import { kindOf } from '../proxies/connection.mjs'
import { seeded } from '../proxies/random.mjs'
import { launch } from './browser.mjs'
import { startLab } from './lab.mjs'
import { endAll, openPage, openSession, proxyFor } from './support.mjs'

const LONG = process.env.ANYWIRE_SOAK === '1'
const SIZE = LONG ? { total: 10_000, ms: 300_000, cuts: 50 } : { total: 1_500, ms: 20_000, cuts: 10 }
const SEED = Number(process.env.ANYWIRE_FIRST_SEED ?? 1)
const TIMEOUT = { timeout: SIZE.ms * 3 + 60_000 }
const PAGES = 2
/**
 * The share of blows that must interrupt a session: Chromium itself repeats a POST whose kept-alive
 * connection is reset before any answer.
 */
const FELT = LONG ? 0.8 : 0.5
/** One blow in five is in the middle of a frame on its way to the page; nine in ten end a carrying link. */
const PLAN = ['middle-down', 'reset', 'vanish', 'end', 'half-dead', 'middle-down', 'reset', 'vanish', 'middle-up', 'half-dead']

const VARIANTS = {
  'transports that report a cut': { bundle: 'es3', transports: ['websocket', 'xhr-stream', 'xhr-poll'], switching: true },
  // For some transports a browser does not distinguish a cut from an end, so that nothing is interrupted.
  'all transports': { bundle: 'es3', transports: undefined, switching: true, felt: 0 },
  'WebSocket alone': { bundle: 'module', transports: ['websocket'] },
  'long polling alone': {
    bundle: 'es3', transports: ['xhr-poll'],
    rules: [['send', 'duplicate', 0.1], ['send', 'lose-answer', 0.05], ['poll', 'duplicate', 0.05], ['poll', 'lose-answer', 0.03]]
  },
  'streaming alone': { bundle: 'module', transports: ['fetch-stream'], rules: [['send', 'duplicate', 0.1], ['send', 'lose-answer', 0.05]] }
}

let browser
before(async () => (browser = await launch()))
after(() => endAll(browser))

function plan(random) {
  const blows = Array.from({ length: SIZE.cuts }, (_, i) => PLAN[i % PLAN.length])
  for (let i = blows.length - 1; i > 0; i--) {
    const j = random.between(0, i)
    ;[blows[i], blows[j]] = [blows[j], blows[i]]
  }
  return blows
}

const elapsed = (since, ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, since + ms - performance.now())))

/** Strikes one page's blows, spread over the run; returns what was unacknowledged on the page at each. */
async function strikeAll(proxy, session, random, variant) {
  const chaos = new Chaos(proxy)
  const began = performance.now()
  const struck = []
  for (const [i, blow] of plan(random).entries()) {
    await elapsed(began, ((i + random.next()) * SIZE.ms) / SIZE.cuts)
    await session.opened()
    if (variant.switching && i % 3 === 1) proxy.rule('websocket', random.pick(BLOCKED), { times: random.between(1, 2) })
    const { transport } = await session.report()
    const fell = await chaos.strike(blow, kindOf(transport))
    const report = await session.report()
    struck.push({ ...fell, unacknowledged: report.unacknowledged })
    // The next blow must not hit the same dead link; a browser keeps a WebSocket that it has given up for a
    // while.
    const back = session.call((watched, full) => self.lab.until(() => watched.resumed.full > full, 600_000), report.resumed.full)
    await Promise.race([proxy.gone(fell.id), back.catch(() => {})])
  }
  return struck
}

async function converse(t, lab, variant, seed) {
  const proxy = await proxyFor(lab, { seed })
  const page = await openPage(browser, proxy.origin, variant.bundle)
  t.after(() => endAll(page.context(), proxy))
  for (const [kind, fault, chance] of variant.rules ?? []) proxy.rule(kind, fault, { chance })
  const session = await openSession(page, { transports: variant.transports })
  await session.opened()
  await session.call((watched, { total, ms }) => {
    watched.send(`!burst ${total} over ${ms}`)
    watched.sendNumbered(total, ms)
  }, SIZE)
  const struck = await strikeAll(proxy, session, seeded(seed), variant)
  await session.call((watched, total) => self.lab.until(() => watched.sent === total), SIZE.total)
  await session.call((watched, total) => self.lab.until(() => watched.tally.last === total), SIZE.total)
  assert.equal(await session.flushed(), true)
  await session.send('!check')
  const server = JSON.parse(await session.received('{'))
  return { server, page: await session.report(), struck, proxy: proxy.counts }
}

function tally(names) {
  const counts = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return JSON.stringify(counts)
}

function spread(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return `least ${sorted[0]}, median ${sorted[sorted.length >> 1]}, most ${sorted.at(-1)}`
}

function diagnose(t, i, { server, page, struck, proxy }) {
  const blows = struck.map((s) => `${s.blow}/${s.kind}:${s.unacknowledged}`).join(' ')
  const middle = struck.filter((s) => s.blow.startsWith('middle')).length
  t.diagnostic(`page ${i}: server received ${JSON.stringify(server)}, page received ${JSON.stringify(page.tally)}, sends refused ${page.refused}`)
  t.diagnostic(`page ${i}: resumed ${JSON.stringify(page.resumed)}, ${struck.length} blows of which ${middle} in the middle of a frame`)
  t.diagnostic(`page ${i}: blow/carrier:unacknowledged ${blows}`)
  t.diagnostic(`page ${i}: unacknowledged at a blow: ${spread(struck.map((s) => s.unacknowledged))}; transports ${tally(page.transports)}`)
  t.diagnostic(`page ${i}: proxy ${JSON.stringify(proxy)}`)
}

function verify({ server, page, struck, proxy }, variant) {
  const whole = { received: SIZE.total, lost: 0, repeated: 0, disordered: 0 }
  assert.deepEqual(server, { ...whole, wrong: 0 }, 'received by the server')
  assert.deepEqual(page.tally, { ...whole, wrong: 0 }, 'received by the page')
  assert.equal(struck.length, SIZE.cuts)
  assert.ok(struck.filter((s) => s.blow.startsWith('middle')).length >= SIZE.cuts / 5)
  assert.equal(page.resumed.new, 0)
  assert.equal(page.resumed.gap, 0)
  assert.ok(page.resumed.full >= SIZE.cuts * (variant.felt ?? FELT), `${page.resumed.full} resumes`)
  assert.ok(struck.some((s) => s.unacknowledged > 0), 'some blow fell while messages were under way')
  if (variant.switching) assert.ok(new Set(page.transports).size >= 2, 'transports switched')
  for (const [, fault] of variant.rules ?? []) assert.ok(proxy.faults[fault] > 0, `${fault} happened`)
}

for (const [name, variant] of Object.entries(VARIANTS)) {
  test(`soak, ${name}: ${SIZE.total} messages each way under ${SIZE.cuts} blows, on ${PAGES} pages`, TIMEOUT, async (t) => {
    const lab = await startLab({ 'heartbeat-ms': 1000, 'timeout-ms': 1000, 'grace-ms': 30_000, 'hold-ms': 5000 })
    t.after(() => lab.stop())
    t.diagnostic(`seed ${SEED}`)
    const results = await Promise.all(Array.from({ length: PAGES }, (_, i) => converse(t, lab, variant, SEED * 100 + i)))
    results.forEach((result, i) => diagnose(t, i, result))
    for (const result of results) verify(result, variant)
    assert.equal(lab.child.exitCode, null, lab.output.join('\n'))
  })
}
