/** Openings whose halves bring different cookies: the server gives the session of one to no other. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { ReadableStream } from 'node:stream/web'
import { story } from './support/network.mjs'

const attemptOf = (text) => /^o1,\d+,([^,]+),/.exec(text)[1]
const openings = (it) => it.fetched.filter(({ path }) => path === 'open').map(({ body }) => body)

/** The openings of the sockets of the story. */
const heads = (it) => it.sockets.flatMap((socket) => socket.sent.map(([, data]) => data)).filter((data) => data[0] === 'o')

describe('an opening with other cookies than the one before it', () => {
  story('over HTTP, when the WebSocket is swallowed, opens in the second round', async (it) => {
    // The server takes what the WebSocket brings, and nothing comes back.
    it.Socket.prototype.hear = () => {}
    it.Socket.prototype.send = function (data) {
      this.sent.push([it.clock.now(), data])
    }
    const through = globalThis.fetch
    globalThis.fetch = async (url, how) => {
      const text = Buffer.from(how.body).toString()
      const taken = /\/open\?/.test(url) && heads(it).some((head) => attemptOf(head) === attemptOf(text))
      if (!taken) return through(url, how)
      it.fetched.push({ path: 'open', body: text })
      return { ok: false, status: 410, headers: { get: () => null }, body: new ReadableStream({ start: (body) => (body.enqueue(Buffer.from('x4102,5:other')), body.close()) }) }
    }
    const { session, named } = it.open()
    session.send('first')
    await it.pass(30000)
    assert.equal(session.state, 'open')
    assert.equal(named('connect_error').length, 1, 'one round failed')
    const [first, second, ...more] = openings(it)
    assert.deepEqual(more, [])
    assert.notEqual(attemptOf(first), attemptOf(second))
    assert.ok(/:n1:m5:first$/.test(first) && !/first/.test(second), 'the second carries no messages')
    assert.ok(heads(it).length, 'a WebSocket had opened')
    assert.ok(heads(it).every((head) => attemptOf(head) !== attemptOf(second)), 'it was alone')
    assert.deepEqual(it.half.messages, ['first'])
  })

  story('over the WebSocket, when HTTP is swallowed, opens in the second round', async (it) => {
    it.mode.http = 'silent'
    const through = it.Socket.prototype.send
    it.Socket.prototype.send = function (data) {
      const taken = data[0] === 'o' && openings(it).some((body) => attemptOf(body) === attemptOf(data))
      if (!taken) return through.call(this, data)
      this.sent.push([it.clock.now(), data])
      it.clock.setTimeout(() => this.cut(4102, 'other'), 5)
    }
    // The WebSocket comes behind HTTP.
    const late = it.Socket.prototype.open
    it.Socket.prototype.open = function () {
      it.clock.setTimeout(() => late.call(this), 500)
    }
    const { session, named } = it.open()
    await it.pass(60000)
    assert.equal(session.state, 'open')
    assert.equal(named('connect_error').length, 1, 'one round failed')
    const attempts = [...openings(it), ...heads(it)].map(attemptOf)
    assert.equal(new Set(attempts).size, attempts.length - 1, 'only those of the race were the same')
  })
})
