// Two browsers behind a proxy: a current one with the module, and one with the ES3 client that has neither
// WebSocket nor fetch.

import { launch } from '../../browser/browser.mjs'
import { startLab as start } from '../../browser/lab.mjs'
import { endAll, openPage, openSession } from '../../browser/support.mjs'
import { FaultProxy } from '../fault-proxy.mjs'

export { endAll, launch }

// A signal becomes an exit, so that everything that was started is ended.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1))

export async function startLab() {
  const lab = await start({})
  process.once('exit', () => lab.child.kill('SIGKILL'))
  return lab
}

export const CLIENTS = { current: 'module', 'xhr-only': 'es3' }
const TOTAL = 200
const SPREAD = 800

const epoch = () => performance.timeOrigin + performance.now()

/**
 * The contexts for `openPage`: with a forward proxy if there is one, and without the objects that an old
 * browser lacks.
 */
const contexts = (browser, client, proxy) => ({
  async newContext() {
    const context = await browser.newContext(proxy ? { proxy: { server: `http://127.0.0.1:${proxy}`, bypass: '<-loopback>' } } : {})
    if (client === 'xhr-only') {
      await context.addInitScript(() => {
        delete self.WebSocket
        delete self.fetch
      })
    }
    return context
  }
})

/**
 * A page whose every request passes the fault proxy `front`. With `forward` the browser is configured to use
 * the proxy and connects to the server's address.
 */
export async function openBehind(browser, client, { front, forward, server }) {
  const origin = forward ? `http://127.0.0.1:${server}` : front.origin
  return openPage(contexts(browser, client, forward && front.port), origin, CLIENTS[client])
}

/** An engine behind a fault proxy without rules, which counts the requests. */
export async function counted(engine) {
  const front = await FaultProxy.listen({ target: engine.port })
  return { front, forward: engine.forward }
}

/**
 * Opens a session with all transports, sends `hello`, then exchanges 200 numbered messages each way. `arm()`
 * is called when the page has loaded. `expect` is the transport that must carry after the exchange; a poll
 * must carry before it, since messages would push the beginning of a stream through a path that holds it
 * back.
 */
export async function visitBehind(browser, client, { arm, expect, ...place }) {
  const page = await openBehind(browser, client, place)
  try {
    arm?.()
    const requests = []
    const note = ({ kind }) => requests.push({ kind, at: epoch() })
    place.front.on('request', note)
    const session = await openSession(page, {}, ['hello'])
    await session.received('hello')
    const first = await session.call((watched) => ({
      ms: watched.messages[0].at,
      at: performance.timeOrigin + watched.born + watched.messages[0].at
    }))
    if (expect === 'xhr-poll') await until(() => fellBack(requests), 'a poll behind a stream')
    await exchange(session)
    const transport = await session.call((watched) => watched.session.transport)
    if (expect && transport !== expect) {
      await session.call((watched, wanted) => self.lab.until(() => watched.session.transport === wanted, 10_000), expect)
    }
    await session.send('!check')
    const server = JSON.parse(await session.received('{'))
    const report = await session.report()
    place.front.off('request', note)
    const before = requests.filter(({ at }) => at <= first.at).map(({ kind }) => kind)
    return { transport: report.transport, first: Math.round(first.ms), requests: before, server, report, session, page }
  } catch (error) {
    await page.context().close()
    throw error
  }
}

function fellBack(requests) {
  const kinds = requests.map(({ kind }) => kind)
  return kinds.includes('stream') && kinds.lastIndexOf('poll') > kinds.indexOf('stream')
}

async function until(condition, what) {
  const end = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function exchange(session) {
  await session.call(
    (watched, { total, ms }) => {
      watched.send(`!burst ${total} over ${ms}`)
      watched.sendNumbered(total, ms)
    },
    { total: TOTAL, ms: SPREAD }
  )
  await session.call((watched, total) => self.lab.until(() => watched.tally.received >= total && watched.sent === total), TOTAL)
  await session.flushed()
}

/** The faults of an exchange, both directions together; of a good one it equals `WHOLE`. */
export function faultsOf({ server, report }) {
  const sum = { received: server.received + report.tally.received - 2 * TOTAL }
  for (const name of ['lost', 'repeated', 'disordered', 'wrong']) sum[name] = server[name] + report.tally[name]
  return sum
}

export const WHOLE = { received: 0, lost: 0, repeated: 0, disordered: 0, wrong: 0 }
