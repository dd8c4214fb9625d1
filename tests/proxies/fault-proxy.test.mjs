import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { after, before, beforeEach, afterEach, test } from 'node:test'
import { BLOCKED, Chaos, FaultProxy } from './fault-proxy.mjs'

let server, proxy, seen

/**
 * Answers a POST with its body, a stream with two chunks, and an upgrade with an echo of all bytes behind it.
 */
function handle(request, response) {
  const body = []
  request.on('data', (piece) => body.push(piece))
  request.on('error', () => seen.push(`broken ${request.url}`))
  request.on('end', () => {
    const text = Buffer.concat(body).toString()
    seen.push(`${request.url} ${text}`)
    if (!request.url.includes('stream')) return response.end(`received ${text}`)
    response.write('first chunk')
    setTimeout(() => response.end('second chunk'), 20)
  })
}

before(async () => {
  server = http.createServer(handle)
  server.on('upgrade', (request, socket) => {
    seen.push('upgrade')
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => seen.push('upgrade closed'))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.on('data', (bytes) => socket.write(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(async () => {
  seen = []
  proxy = await FaultProxy.listen({ target: server.address().port, seed: 3 })
})
afterEach(async () => {
  await proxy.close()
  server.closeIdleConnections()
  let open = 1
  const ask = () => server.getConnections((_, n) => (open = n))
  await until(() => ask() && open === 0, 'the server alone again')
})

async function post(path, body = 'hello', agent = false) {
  const request = http.request({ host: '127.0.0.1', port: proxy.port, path, method: 'POST', agent })
  request.end(body)
  const [response] = await once(request, 'response')
  let text = ''
  for await (const piece of response) text += piece
  return { status: response.statusCode, text }
}

async function upgrade() {
  const socket = net.connect(proxy.port, '127.0.0.1')
  socket.write('GET /live/websocket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  const received = []
  socket.on('data', (bytes) => received.push(bytes))
  const state = { socket, text: () => Buffer.concat(received).toString('latin1'), closed: false, error: null }
  socket.on('error', (error) => (state.error = error.code))
  socket.on('close', () => (state.closed = true))
  return state
}

async function until(condition, what) {
  const end = performance.now() + 5000
  while (!condition()) {
    assert.ok(performance.now() < end, `never: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('without rules everything passes, keep-alive included', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  assert.deepEqual(await post('/live/open', 'one', agent), { status: 200, text: 'received one' })
  assert.deepEqual(await post('/live/send?session=1', 'two', agent), { status: 200, text: 'received two' })
  assert.deepEqual(await post('/live/xhr-stream', '', agent), { status: 200, text: 'first chunksecond chunk' })
  agent.destroy()
  assert.equal(proxy.counts.connections, 1)
  assert.deepEqual(proxy.counts.requests, { open: 1, send: 1, stream: 1 })
})

test('bytes pass a tunnel both ways', async () => {
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  page.socket.write(Buffer.from([0x81, 0x02, 0x68, 0x69]))
  await until(() => page.text().endsWith('hi'), 'the echo')
  assert.equal(proxy.live('websocket').length, 1)
})

test('a duplicated request arrives twice and is answered once', async () => {
  proxy.rule('send', 'duplicate', { times: 1, lateness: 5 })
  assert.equal((await post('/live/send', 'x')).text, 'received x')
  await until(() => seen.length === 2, 'the second copy')
  assert.deepEqual(seen, ['/live/send x', '/live/send x'])
  await post('/live/send', 'y')
  assert.deepEqual(seen.slice(2), ['/live/send y'])
})

test('a lost answer: the request arrives, the page sees a dead connection', async () => {
  proxy.rule('send', 'lose-answer', { times: 1 })
  await assert.rejects(post('/live/send', 'x'), { code: 'ECONNRESET' })
  assert.deepEqual(seen, ['/live/send x'])
  assert.equal((await post('/live/send', 'x')).status, 200)
})

test('a reset request never arrives', async () => {
  proxy.rule('send', 'reset', { times: 1 })
  await assert.rejects(post('/live/send', 'x'), { code: 'ECONNRESET' })
  assert.deepEqual(seen, [])
})

test('a request cut in the middle does not arrive whole', async () => {
  proxy.rule('send', 'cut-request', { times: 1 })
  await assert.rejects(post('/live/send', 'abcdefgh'), { code: 'ECONNRESET' })
  await until(() => seen.length === 1, 'the broken request')
  assert.deepEqual(seen, ['broken /live/send'])
})

test('an answer cut in the middle gives a part of it', async () => {
  proxy.rule('stream', 'cut-answer', { times: 1, how: 'rst' })
  const request = http.request({ host: '127.0.0.1', port: proxy.port, path: '/live/xhr-stream', method: 'POST', agent: false })
  request.end()
  const [response] = await once(request, 'response')
  let text = ''
  response.on('data', (piece) => (text += piece))
  const [error] = await once(response, 'error')
  assert.equal(error.code, 'ECONNRESET')
  assert.ok('first chunksecond chunk'.startsWith(text) && text.length < 23, text)
})

test('a gateway that is down answers 502 on the same connection', async () => {
  const stop = proxy.rule('*', 'bad-gateway')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  assert.equal((await post('/live/open', 'x', agent)).status, 502)
  stop()
  assert.equal((await post('/live/open', 'x', agent)).status, 200)
  agent.destroy()
  assert.deepEqual(proxy.counts.faults, { 'bad-gateway': 1 })
  assert.equal(proxy.counts.connections, 1)
})

test('delay is paid each way', async () => {
  proxy.delay = 60
  const began = performance.now()
  await post('/live/open', 'x')
  const took = performance.now() - began
  assert.ok(took >= 119, `${took} ms for a round trip of 120`)
})

test('a stalled line holds bytes back until the stall is over', async () => {
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  const before = page.text().length
  const [connection] = proxy.live('websocket')
  connection.stall(80, 'down')
  const began = performance.now()
  page.socket.write(Buffer.from([0x81, 0x01, 0x61]))
  await until(() => page.text().length > before, 'the echo')
  assert.ok(performance.now() - began >= 79)
})

for (const how of ['rst', 'fin']) {
  test(`${how} kills both ends`, async () => {
    const page = await upgrade()
    await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
    proxy.live('websocket')[0].cut(how)
    await until(() => page.closed && seen.includes('upgrade closed'), 'both ends closed')
    assert.equal(page.error, how === 'rst' ? 'ECONNRESET' : null)
    assert.deepEqual(proxy.live(), [])
    assert.deepEqual(proxy.counts.cuts, { websocket: 1 })
  })
}

test('half dead: the page notices first, the server later', async () => {
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  proxy.live('websocket')[0].cut('rst', { lag: 60 })
  await until(() => page.closed, 'the page closed')
  assert.ok(!seen.includes('upgrade closed'))
  await until(() => seen.includes('upgrade closed'), 'the server closed')
})

test('vanished: neither end notices, and the server does not notice that the page goes away', async () => {
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  proxy.live('websocket')[0].stall(3_600_000)
  const gone = proxy.gone(1)
  page.socket.destroy()
  await gone
  assert.deepEqual(proxy.live(), [])
  await post('/live/open', 'later')
  assert.ok(!seen.includes('upgrade closed'))
})

for (const way of ['down', 'up']) {
  test(`a cut in the middle of a frame, ${way}`, async () => {
    const page = await upgrade()
    await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
    const before = page.text().length
    let fired = 0
    proxy.live('websocket')[0].arm(way, 'fin', () => (fired += 1))
    page.socket.write(Buffer.from([0x81, 0x04, 1, 2, 3, 4]))
    await until(() => page.closed, 'the cut')
    const received = page.text().length - before
    assert.equal(fired, 1)
    assert.ok(received < 6 && (way === 'up' || received > 0), `${received} bytes of 6 came`)
  })
}

test('an armed cut does not affect other kinds', async () => {
  let fired = 0
  proxy.on('connection', (connection) => connection.arm('down', 'rst', () => (fired += 1), ['stream']))
  assert.equal((await post('/live/send', 'x')).status, 200)
  await assert.rejects(post('/live/xhr-stream', ''), { code: 'ECONNRESET' })
  assert.equal(fired, 1)
})

test('every way to block a WebSocket does so, and HTTP still passes', async () => {
  const looks = {
    refused: (page) => page.error === 'ECONNRESET' && page.text() === '',
    'silent-101': (page) => /^HTTP\/1.1 101 [^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n\r\n$/.test(page.text()),
    silence: (page) => page.text() === '' && !page.closed,
    'bad-request': (page) => page.text().startsWith('HTTP/1.1 400'),
    html: (page) => /^HTTP\/1.1 200 OK\r\nContent-Type: text\/html/.test(page.text())
  }
  for (const mode of BLOCKED) {
    const stop = proxy.rule('websocket', mode)
    const page = await upgrade()
    await until(() => proxy.counts.faults[mode] === 1, `${mode} happened`)
    await until(() => looks[mode](page), `${mode} looks right`)
    assert.equal((await post('/live/open', 'x')).status, 200)
    page.socket.destroy()
    stop()
  }
  assert.ok(!seen.includes('upgrade'), 'no upgrade reached the server')
})

test('flights are counted up to a text that is watched for, split or not', async () => {
  const page = await upgrade()
  const watched = proxy.watch('needle')
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  page.socket.write('nee')
  await until(() => page.text().endsWith('nee'), 'a part')
  page.socket.write('dle')
  const { kind, flights, requests } = await watched
  assert.deepEqual({ kind, flights, requests }, { kind: 'websocket', flights: 3, requests: ['websocket'] })
})

test('a flight that leaves while an answer is on its way is not one of those before the answer', async () => {
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  const watched = proxy.watch('needle')
  const [connection] = proxy.live('websocket')
  connection.stall(60_000, 'down')
  page.socket.write('needle')
  await until(() => connection.down.waiting === 1, 'an echo on its way')
  page.socket.write('more')
  await until(() => connection.down.waiting === 2, 'another one')
  connection.down.resume()
  assert.equal((await watched).flights, 2)
})

test('all that leaves before an answer has come is one flight', async () => {
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  const watched = proxy.watch('needle')
  const [connection] = proxy.live('websocket')
  connection.stall(60_000, 'down')
  page.socket.write('more')
  await until(() => connection.down.waiting === 1, 'an echo on its way')
  page.socket.write('needle')
  await until(() => connection.down.waiting === 2, 'another one')
  connection.down.resume()
  assert.equal((await watched).flights, 2)
})

test('a server that is gone resets its pages; a new one at another port serves them', async () => {
  const target = server.address().port
  const dead = net.createServer()
  dead.listen(0, '127.0.0.1')
  await once(dead, 'listening')
  proxy.retarget(dead.address().port)
  await new Promise((resolve) => dead.close(resolve))
  await assert.rejects(post('/live/open'), { code: 'ECONNRESET' })
  proxy.retarget(target)
  assert.equal((await post('/live/open')).status, 200)
})

test('chaos strikes what is open, or waits for it', async () => {
  const chaos = new Chaos(proxy)
  const struck = chaos.strike('middle-down')
  const page = await upgrade()
  await until(() => page.text().endsWith('\r\n\r\n'), 'an answer')
  page.socket.write(Buffer.from([0x81, 0x04, 1, 2, 3, 4]))
  assert.equal((await struck).kind, 'websocket')
  const waiting = chaos.strike('reset')
  const second = await upgrade()
  assert.deepEqual(Object.keys(await waiting), ['blow', 'kind', 'id'])
  await until(() => second.closed, 'the second is cut')
})

test('an unknown fault is refused', () => {
  assert.throws(() => proxy.rule('send', 'no-such'), /no such fault/)
})
