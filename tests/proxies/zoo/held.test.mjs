// A proxy starts to hold back a running stream, or holds back the beginning of a stream until more is sent
// behind it. The session goes on without a loss and without an interruption: the stream itself finds it out,
// and not the heartbeat. The time that it took is printed; the tests of the session machine check in virtual
// time that it is at most a second and two round trips.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CLIENTS, endAll, launch, openBehind, startLab } from './browse.mjs'
import { openSession } from '../../browser/support.mjs'
import { Middlebox } from './middlebox.mjs'

const STREAMS = { current: 'fetch-stream', 'xhr-only': 'xhr-stream' }
let browser, lab

before(async () => {
  browser = await launch()
  lab = await startLab()
})
after(() => endAll(browser, lab))

for (const client of Object.keys(CLIENTS)) {
  test(`a running stream that a proxy starts to hold back: ${client}`, { timeout: 120_000 }, async (t) => {
    const box = await Middlebox.listen({ target: lab.port })
    t.after(() => box.close())
    const page = await openBehind(browser, client, { front: box.faults })
    t.after(() => page.context().close())
    const session = await openSession(page, { transports: [STREAMS[client], 'xhr-poll'] }, ['hello'])
    await session.received('hello')
    await session.call((watched, name) => self.lab.until(() => watched.session.transport === name), STREAMS[client])
    await session.send('on the stream')
    await session.received('on the stream')
    const id = await session.call((watched) => watched.session.id)
    box.relay.become('hold')
    const took = await session.call((watched) => {
      const began = performance.now()
      watched.send('into the held stream')
      return self.lab.until(() => watched.messages[2], 90_000).then(() => performance.now() - began)
    })
    const report = await session.report()
    const trace = await session.call((watched) => watched.session.trace())
    t.diagnostic(`${client}: back after ${Math.round(took)} ms, rtt ${report.rtt}, transports ${report.transports}, ${JSON.stringify(trace)}`)
    assert.deepEqual(await session.texts(), ['hello', 'on the stream', 'into the held stream'])
    assert.equal(await session.call((watched) => watched.session.id), id)
    assert.equal(report.resumed.new + report.resumed.gap, 0)
    assert.deepEqual([trace.length, report.events.filter(({ name }) => name === 'interrupted')], [1, []])
  })
}

const BUSY = { total: 30, ms: 800 }
for (const [name, mode, sizes] of [['one chunk behind', 'behind'], ['buffered up to 1 KiB', 'threshold', { bytes: 1024 }]]) {
  for (const client of Object.keys(CLIENTS)) {
    test(`a stream that is busy from the beginning, ${name}: ${client}`, { timeout: 120_000 }, async (t) => {
      const box = await Middlebox.listen({ target: lab.port })
      t.after(() => box.close())
      box.relay.become(mode, sizes)
      const page = await openBehind(browser, client, { front: box.faults })
      t.after(() => page.context().close())
      const session = await openSession(page, { transports: [STREAMS[client], 'xhr-poll'] }, [`!burst ${BUSY.total} over ${BUSY.ms}`])
      const took = await session.call((watched, total) => {
        const began = performance.now()
        return self.lab.until(() => watched.tally.received === total, 90_000).then(() => performance.now() - began)
      }, BUSY.total)
      const report = await session.report()
      t.diagnostic(`${client}: all ${BUSY.total} after ${Math.round(took)} ms, transports ${report.transports}`)
      assert.deepEqual(report.tally, { received: BUSY.total, lost: 0, repeated: 0, disordered: 0, wrong: 0 })
      assert.deepEqual(report.events.filter(({ name }) => name === 'interrupted'), [])
    })
  }
}
