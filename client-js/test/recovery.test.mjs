/** How a session comes back: when it tries again, how it finds a dead path, and what a lost session costs. */
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

const SOCKETS = { transports: ['websocket'] }

story('while nothing carries, the application sees when the next attempt begins, and may begin it now', async (it) => {
  const { session, events } = it.open(SOCKETS)
  assert.equal(session.nextAttempt, 0)
  await it.pass(100)
  it.half.send('of use')
  await it.pass(100)
  it.mode.websocket = 'refused'
  it.sockets.at(-1).cut()
  assert.deepEqual([events.at(-1), session.nextAttempt >= it.clock.now(), session.nextAttempt <= it.clock.now() + 100], [['interrupted'], true, true])
  await it.pass(60000)
  const waits = session.nextAttempt - it.clock.now()
  assert.ok(waits > 0 && waits <= 10000, `${waits}`)
  const before = it.sockets.length
  it.mode.websocket = 'ok'
  session.retry()
  assert.deepEqual([it.sockets.length, session.nextAttempt], [before + 1, 0])
  session.retry()
  await it.pass(20)
  session.retry()
  await it.pass(1000)
  assert.deepEqual([session.state, session.nextAttempt, it.sockets.length], ['open', 0, before + 1])
})

story('after the end nothing is tried again', async (it) => {
  const { session } = it.open(SOCKETS)
  await it.pass(100)
  it.mode.websocket = 'refused'
  it.sockets.at(-1).cut()
  session.abort()
  const before = it.sockets.length
  session.retry()
  await it.pass(1000)
  assert.deepEqual([it.sockets.length, session.nextAttempt], [before, 0])
})

story('waits that the page sets', async (it) => {
  for (const backoff of [{ first: 0 }, { first: -1 }, { first: NaN }, { first: 500, max: 400 }, { max: 100 }, { max: 'x' }]) {
    assert.throws(() => it.open({ ...SOCKETS, backoff }), /backoff/)
  }
  it.mode.websocket = 'refused'
  const { session } = it.open({ ...SOCKETS, backoff: { first: 3000, max: 3000 } })
  await it.pass(6)
  const wait = session.nextAttempt - it.clock.now()
  assert.ok(wait >= 1490 && wait <= 3000, `${wait}`)
})

story('after the end of a session nextAttempt is 0, also where an attempt was planned', async (it) => {
  it.mode.websocket = 'refused'
  const { session, named } = it.open(SOCKETS)
  await it.pass(1000)
  assert.ok(session.nextAttempt > 0)
  session.abort()
  assert.deepEqual([named('closed').length, session.nextAttempt], [1, 0])
})
