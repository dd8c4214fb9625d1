// A network that blocks WebSockets in five ways, with a delay of 100 ms each way: the number of round trips
// until the first message of the application has come back.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BLOCKED } from '../proxies/fault-proxy.mjs'
import { launch } from './browser.mjs'
import { startLab } from './lab.mjs'
import { endAll, openPage, openSession, proxyFor } from './support.mjs'

const DELAY = 100
const TIMEOUT = { timeout: 60_000 }
let browser, lab

before(async () => {
  browser = await launch()
  lab = await startLab()
})
after(() => endAll(browser, lab))

/** Opens a session behind a proxy and sends `hello`; returns how the echo came. */
async function firstMessage(t, mode, bundle) {
  const proxy = await proxyFor(lab)
  t.after(() => proxy.close())
  const page = await openPage(browser, proxy.origin, bundle)
  t.after(() => page.context().close())
  // Only connections that are made from now on count.
  for (const idle of proxy.live()) idle.cut('fin')
  proxy.delay = DELAY
  if (mode) proxy.rule('websocket', mode)
  const requests = []
  proxy.on('request', ({ kind }) => requests.push(kind))
  const arrived = proxy.watch('hello')
  const session = await openSession(page, {}, ['hello'])
  let before
  arrived.then(() => (before = requests.filter((each) => each !== 'websocket')))
  await session.received('hello')
  const { kind, flights } = await arrived
  const [message] = await session.call((watched) => watched.messages)
  t.diagnostic(
    `${mode ?? 'open'} (${bundle}): echo by ${kind}, ${flights} flight(s) on its connection, HTTP requests until then: ` +
      `${before.join(' ') || 'none'}; ${Math.round(message.at)} ms on the page`
  )
  return { kind, flights, before, session, at: message.at }
}

for (const mode of BLOCKED) {
  for (const bundle of ['es3', 'module']) {
    test(`WebSocket blocked (${mode}), ${bundle}: one round trip after the connection is made`, TIMEOUT, async (t) => {
      const { kind, flights, before, session } = await firstMessage(t, mode, bundle)
      assert.equal(kind, 'open')
      assert.equal(flights, 1)
      assert.deepEqual(before, ['open'])
      await session.call((watched) => self.lab.until(() => watched.session.state === 'open'))
      const report = await session.report()
      assert.deepEqual(report.resumed, { full: 0, gap: 0, new: 0 })
      assert.notEqual(report.transport, 'websocket')
    })
  }
}

test('WebSocket not blocked: one round trip after the handshake', TIMEOUT, async (t) => {
  const { kind, flights, at } = await firstMessage(t, null, 'es3')
  assert.ok(at >= 2 * DELAY)
  if (kind === 'websocket') assert.equal(flights, 2)
  else assert.equal(flights, 1)
})
