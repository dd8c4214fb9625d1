/** Slow lines, and servers that a WebSocket does not convince. */
import assert from 'node:assert/strict'
import { ReadableStream } from 'node:stream/web'
import { story } from './support/network.mjs'

story('an answer that comes slowly is life, and its message arrives', async (it) => {
  const plain = globalThis.fetch
  const polls = []
  globalThis.fetch = (url, init) => {
    if (!/xhr-poll/.test(url) || polls.length) return plain(url, init)
    let line
    const body = new ReadableStream({ start: (controller) => (line = controller) })
    polls.push(line)
    return Promise.resolve({ ok: true, status: 200, headers: { get: () => null }, body })
  }
  const { session, named } = it.open({ transports: ['xhr-poll'] })
  await it.pass(1000)
  const [poll] = polls
  const send = (text) => poll.enqueue(new TextEncoder().encode(text))
  send('sfull,0:n1:m1000000:')
  for (let second = 0; second < 100; second++) {
    send('x'.repeat(10000))
    await it.pass(1000)
    assert.equal(session.state, 'open', `after ${second} s`)
  }
  assert.deepEqual(named('message').map(([, text]) => text.length), [1000000])
  assert.equal(named('interrupted').length, 0)
})

story('an answer that stops is given up', async (it) => {
  const plain = globalThis.fetch
  let poll
  globalThis.fetch = (url, init) => {
    if (!/xhr-poll/.test(url) || poll) return plain(url, init)
    const body = new ReadableStream({ start: (controller) => (poll = controller) })
    return Promise.resolve({ ok: true, status: 200, headers: { get: () => null }, body })
  }
  const { named } = it.open({ transports: ['xhr-poll'] })
  await it.pass(1000)
  poll.enqueue(new TextEncoder().encode('sfull,0:n1:m1000000:xxx'))
  await it.pass(100000)
  assert.ok(named('interrupted').length)
})

/** Uploads pass at so many bytes per millisecond. */
const slowUploads = (it, rate) => {
  const plain = globalThis.fetch
  globalThis.fetch = (url, init) => {
    if (!/send/.test(url)) return plain(url, init)
    return new Promise((resolve, reject) => {
      init.signal.addEventListener('abort', () => reject(Error('aborted')))
      it.clock.setTimeout(() => init.signal.aborted || plain(url, init).then(resolve, reject), init.body.length / rate)
    })
  }
}

for (const rate of [20, 5, 3]) {
  story(`many messages arrive over a line of ${rate} kB a second`, async (it) => {
    slowUploads(it, rate)
    const { session, named } = it.open({ transports: ['xhr-poll'] })
    await it.pass(1000)
    const texts = Array.from({ length: 150 }, (_, i) => `${i} ${'x'.repeat(1000)}`)
    for (const text of texts) session.send(text)
    // The first uploads are tried in vain, and later ones grow only as long as the line carries them easily.
    await it.pass((1.7 * 150000) / rate)
    assert.deepEqual(it.server.sessions.map(({ messages }) => messages), [texts])
    assert.equal(named('closed').length, 0)
  })
}

/** A server that does not open for a WebSocket. */
const doubting = (server) => {
  const { receive } = server
  server.receive = (data, line) => (line.socket && /^o/.test(data) ? line.end(4009, 'open by HTTP first') : receive(data, line))
}

story('a WebSocket that may not open follows when a request has opened', async (it) => {
  doubting(it.server)
  const { session, named } = it.open()
  await it.pass(1000)
  assert.deepEqual([session.state, session.transport], ['open', 'websocket'])
  assert.deepEqual(it.sockets.map(({ sent }) => sent[0][1][0]), ['o', 'r'])
  assert.equal(named('closed').length, 0)
})

story('where nothing but a WebSocket is allowed, the session ends as refused', async (it) => {
  doubting(it.server)
  const { named } = it.open({ transports: ['websocket'] })
  await it.pass(1000)
  assert.deepEqual(named('closed').map(([, { code }]) => code), [4300])
  await it.pass(100000)
  assert.equal(it.sockets.length, 1)
})
