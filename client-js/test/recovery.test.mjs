/** How a session comes back: when it tries again, how it finds a dead path, and what a lost session costs. */
import assert from 'node:assert/strict'
import { acknowledging, story } from './support/network.mjs'

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
  // While an attempt is under way, none is planned.
  for (let step = 0; step < 100 && !session.nextAttempt; step++) await it.pass(10)
  assert.ok(session.nextAttempt > 0)
  session.abort()
  assert.deepEqual([named('closed').length, session.nextAttempt], [1, 0])
})

story('a dead path is found 3 s after a message that nothing answers, and the page is not interrupted', async (it) => {
  const { session, named } = it.open(SOCKETS)
  await it.pass(100)
  it.sockets[0].stall()
  await it.pass(20000)
  assert.equal(it.sockets.length, 1, 'nothing was sent that could be answered')
  session.send('into the void')
  await it.pass(2900)
  assert.equal(it.sockets.length, 1)
  await it.pass(200)
  assert.deepEqual([it.sockets.length, it.half.messages, session.state], [2, ['into the void'], 'open'])
  it.half.send('back')
  await it.pass(100)
  assert.deepEqual([named('interrupted').length, named('message').map(([, text]) => text)], [0, ['back']])
})

story('while the path lives, no other link is made, however much is sent', async (it) => {
  const { session } = it.open(SOCKETS)
  await it.pass(100)
  await acknowledging(it, 60, () => session.send('tick'))
  assert.deepEqual([it.sockets.length, it.half.messages.length], [1, 60])
  assert.ok(it.sockets[0].sent.every(([, frame]) => frame !== 'w:'), 'nothing is asked for that comes by itself')
})

story('silence while the server pauses us is no dead path, nor silence with nothing sent', async (it) => {
  const { session } = it.open(SOCKETS)
  await it.pass(100)
  it.half.put('h0,1')
  await it.pass(10)
  session.send('waits')
  await it.pass(20000)
  assert.equal(it.sockets.length, 1)
  it.half.put('g0,1')
  await it.pass(3300)
  assert.deepEqual([it.half.messages, it.sockets.length], [['waits'], 2], 'the server of this test acknowledges nothing by itself')
})

story('a slow line gets the time that a large message takes', async (it) => {
  const { session } = it.open({ ...SOCKETS, buffer: 1e6 })
  await it.pass(100)
  it.sockets[0].stall()
  session.send('x'.repeat(90000))
  await it.pass(12000)
  assert.equal(it.sockets.length, 1)
  await it.pass(200)
  assert.equal(it.sockets.length, 2)
})

story('a guess that was wrong is not repeated soon: a server that never acknowledges gets fewer and fewer links', async (it) => {
  const { session } = it.open(SOCKETS)
  await it.pass(100)
  for (let i = 0; i < 300; i++) {
    session.send('tick')
    await it.pass(1000)
  }
  assert.ok(it.sockets.length > 3 && it.sockets.length < 9, `${it.sockets.length} links in five minutes`)
  assert.equal(it.half.messages.length, 300)
}, { terms: { interval: 1e6 } })

story('what comes late on a doubted link ends the doubt, and attempts that fail beside it harm nothing', async (it) => {
  const { session, named } = it.open(SOCKETS)
  await it.pass(100)
  it.sockets[0].stall()
  it.mode.websocket = 'refused'
  session.send('one')
  await it.pass(3500)
  const guesses = it.sockets.length
  assert.ok(guesses > 1)
  it.sockets[0].stall(false)
  it.mode.websocket = 'ok'
  it.half.put('a0')
  await it.pass(10)
  const made = it.sockets.length
  await it.pass(2500)
  assert.deepEqual([it.sockets.length, session.state, named('interrupted').length], [made, 'open', 0])
})

story('an upload that succeeds after one that broke turns the poll that waits, which may be as dead', async (it) => {
  const { session, named } = it.open({ transports: ['xhr-poll'] })
  await it.pass(100)
  const polls = () => it.fetched.filter(({ path }) => path === 'xhr-poll').length
  const before = polls()
  it.mode.http = 'silent'
  session.send('one')
  await it.pass(2900)
  it.mode.http = 'ok'
  assert.equal(polls(), before)
  await it.pass(300)
  const after = polls()
  assert.deepEqual([it.half.messages, after > before, named('interrupted').length], [['one'], true, 0])
  session.send('two')
  await it.pass(100)
  assert.deepEqual([it.half.messages, polls()], [['one', 'two'], after], 'once')
})

for (const repeat of ['succeeds before', 'waits until']) {
  story(`a stream is cut with an upload, whose repeat ${repeat} the next link carries: that takes two turns`, async (it) => {
    const { session, named } = it.open({ transports: ['fetch-stream', 'xhr-poll'] })
    await it.pass(15000)
    const real = globalThis.fetch
    let uploads = 0
    globalThis.fetch = (url, how) => {
      if (/send/.test(url)) uploads++
      if (/send/.test(url) && uploads === 1) return Promise.reject(Error('cut'))
      const waits = /send/.test(url) && uploads === 2 && repeat === 'waits until'
      return waits ? new Promise((_, reject) => how.signal.addEventListener('abort', () => reject(Error('aborted')))) : real(url, how)
    }
    session.send('one')
    await it.pass(1)
    const cutAt = it.fetched.length
    it.streams.findLast(({ path }) => path === 'fetch-stream').cut()
    await it.pass(5000)
    it.half.send('back')
    await it.pass(100)
    const turns = it.fetched.slice(cutAt).filter(({ path }) => path !== 'send')
    const ofLink = turns.map(({ path, body }) => [path, ...body.split(',', 3).slice(1).map(Number)])
    const [[, ordinal]] = ofLink
    assert.ok(ordinal > 17, 'of another link')
    assert.deepEqual(ofLink, [['xhr-poll', ordinal, 0], ['fetch-stream', ordinal, 1]])
    assert.deepEqual([it.half.messages, named('resumed').length, named('message').map(([, text]) => text)], [['one'], 1, ['back']])
  })
}

story('over HTTP several connections that wait may be dead, and it takes no longer', async (it) => {
  const { session, named } = it.open({ transports: ['fetch-stream', 'xhr-poll'] })
  await it.pass(100)
  const real = globalThis.fetch
  let dead = 2
  globalThis.fetch = (url, how) =>
    /send/.test(url) && dead-- > 0 ? new Promise((_, reject) => how.signal.addEventListener('abort', () => reject(Error('aborted')))) : real(url, how)
  session.send('one')
  await it.pass(3300)
  assert.deepEqual([it.half.messages, named('interrupted').length, session.state], [['one'], 0, 'open'])
  it.half.send('two')
  await it.pass(100)
  assert.deepEqual(named('message').map(([, text]) => text), ['two'])
})

story('a link that carried for some seconds is made again at once, though its uploads failed', async (it) => {
  const { session, named } = it.open({ transports: ['xhr-poll'] })
  await it.pass(8000)
  it.mode.http = 'refused'
  session.send('one')
  await it.pass(50)
  assert.equal(named('interrupted').length, 1)
  it.mode.http = 'ok'
  await it.pass(450)
  assert.deepEqual([it.half.messages, session.state], [['one'], 'open'])
})

for (const closes of [false, true]) {
  story(`a lost session costs ${closes ? 'a WebSocket more, if the server closes it' : 'no further WebSocket'}`, async (it) => {
    const { session, events, named } = it.open({ ...SOCKETS, auth: () => 'token' })
    await it.pass(100)
    session.send('taken')
    await it.pass(100)
    it.half.forgotten = true
    it.sockets.at(-1).cut()
    session.send('waits')
    await it.pass(2000)
    assert.deepEqual([it.sockets.length, it.server.sessions.length], [closes ? 3 : 2, 2])
    assert.deepEqual([it.half.messages, it.half.auth, session.state], [['waits'], 'token', 'open'])
    assert.deepEqual(events.filter(([name]) => /interrupted|resumed/.test(name)).map(([name, detail]) => detail?.outcome ?? name), ['interrupted', 'new'])
    it.half.send('welcome')
    session.send('more')
    await it.pass(100)
    assert.deepEqual([named('message').map(([, text]) => text), it.half.messages], [['welcome'], ['waits', 'more']])
  }, { terms: { closes } })
}

story('a WebSocket that waits for an opening is closed with the session, and is not used once it has ended', async (it) => {
  let tell
  let asked = 0
  const { session } = it.open({ ...SOCKETS, auth: () => (asked++ ? new Promise((resolve) => (tell = resolve)) : 'first') })
  const lose = async () => {
    it.half.forgotten = true
    it.sockets.at(-1).cut()
    await it.pass(1000)
  }
  await it.pass(100)
  await lose()
  assert.deepEqual([it.sockets.length, it.sockets[1].readyState], [2, 1])
  it.sockets[1].cut(4100)
  tell('second')
  await it.pass(100)
  assert.deepEqual([it.sockets.length, session.state, it.half.auth], [3, 'open', 'second'])
  await lose()
  assert.equal(it.sockets[3].readyState, 1)
  session.abort()
  assert.equal(it.sockets[3].readyState, 3)
})
