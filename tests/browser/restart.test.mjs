// The server is killed and comes back on the same port without its sessions: the page learns it, and the fate
// of each message.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { startLab } from './lab.mjs'
import { endAll, openPage, openSession, proxyFor } from './support.mjs'

const TIMEOUT = { timeout: 60_000 }
let browser

before(async () => (browser = await launch()))
after(() => endAll(browser))

for (const [bundle, transport] of [['es3', 'websocket'], ['es3', 'xhr-poll'], ['module', 'fetch-stream']]) {
  test(`a server restart over ${transport}: new, the right unknown list, and the unsent is sent`, TIMEOUT, async (t) => {
    let lab = await startLab()
    const proxy = await proxyFor(lab)
    const page = await openPage(browser, proxy.origin, bundle)
    t.after(async () => endAll(page.context(), proxy, lab))
    const session = await openSession(page, { transports: [transport] }, ['known'])
    await session.received('known')
    assert.equal(await session.flushed(), true)

    // These messages are sent but never reach the server: their fate is unknown.
    for (const connection of proxy.live()) connection.stall(3_600_000)
    proxy.on('connection', (connection) => connection.stall(3_600_000))
    const onTheWay = once(proxy, 'received')
    await session.send('unknown 1', 'unknown 2', 'unknown 3')
    await onTheWay

    // Nothing carries the session now, so these cannot have arrived.
    await lab.stop()
    proxy.removeAllListeners('connection')
    const refuse = proxy.rule('*', 'reset')
    for (const connection of proxy.live()) connection.cut('rst')
    await session.call((watched) => self.lab.until(() => watched.session.state === 'interrupted'))
    await session.send('unsent 1', 'unsent 2')

    lab = await startLab({ port: lab.port })
    refuse()
    await session.received('unsent 2')
    const report = await session.report()
    assert.deepEqual(report.resumed, { full: 0, gap: 0, new: 1 })
    assert.deepEqual(report.unknown, ['unknown 1', 'unknown 2', 'unknown 3'])
    assert.deepEqual(await session.texts(), ['known', 'unsent 1', 'unsent 2'])
    await session.send('!count')
    const counts = await session.call((watched) => self.lab.until(() => watched.messages[3]?.data))
    assert.equal(counts, '3', 'the new server received the two unsent messages and the question, nothing else')
  })
}
