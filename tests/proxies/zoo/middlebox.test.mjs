import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import zlib from 'node:zlib'
import { Middlebox } from './middlebox.mjs'

const TIMEOUT = { timeout: 10_000 }
let server, box, answers, asked

beforeEach(async () => {
  answers = []
  asked = []
  server = http.createServer((request, response) => {
    asked.push(request.headers)
    response.setHeader('X-Extra', 'yes')
    response.setHeader('Content-Type', 'text/plain')
    answers.push(response)
  })
  server.on('upgrade', (request, socket) => {
    asked.push(request.headers)
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  await box.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function until(condition, what) {
  const end = performance.now() + 5000
  while (!condition()) {
    assert.ok(performance.now() < end, `never: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Sends a request through a new middlebox; `page` has the pieces of the answer that have come. */
async function ask(shape, mode, sizes) {
  box = await Middlebox.listen({ target: server.address().port, ...shape })
  if (mode) box.relay.become(mode, sizes)
  const headers = { 'Accept-Encoding': 'gzip', 'X-Private': 'yes' }
  const request = http.request({ host: '127.0.0.1', port: box.port, path: '/live/xhr-stream', method: 'POST', agent: false, headers })
  const page = { request, pieces: [], ended: false, error: null, text: () => Buffer.concat(page.pieces).toString() }
  request.on('error', (error) => (page.error = error.code))
  request.on('response', (response) => {
    page.response = response
    response.on('data', (piece) => page.pieces.push(piece))
    response.on('end', () => (page.ended = true))
    response.on('error', (error) => (page.error = error.code))
  })
  request.end('x')
  await until(() => answers.length > 0, 'the request')
  return page
}

test('passes pieces as they come, and begins to hold back those of a running answer', TIMEOUT, async () => {
  const page = await ask()
  answers[0].write('one')
  await until(() => page.text() === 'one', 'the first piece')
  box.relay.become('hold')
  answers[0].write('two')
  await until(() => box.relay.held === 3, 'a held piece')
  assert.equal(page.text(), 'one')
  answers[0].end()
  await until(() => page.ended, 'the end')
  assert.equal(page.text(), 'onetwo')
  assert.equal(box.relay.held, 0)
})

test('pieces that are held back pass when the mode changes back', TIMEOUT, async () => {
  const page = await ask({}, 'hold')
  answers[0].write('one')
  await until(() => box.relay.held === 3, 'a held piece')
  assert.equal(page.text(), '')
  box.relay.become('pass')
  await until(() => page.text() === 'one', 'the piece')
})

test('one piece behind', TIMEOUT, async () => {
  const page = await ask({}, 'behind')
  answers[0].write('one')
  await until(() => box.relay.held === 3, 'a held piece')
  answers[0].write('second')
  await until(() => page.text() === 'one', 'the piece before')
  await until(() => box.relay.held === 6, 'the last piece held')
  answers[0].end()
  await until(() => page.ended && page.text() === 'onesecond', 'the end')
})

test('buffers up to a threshold', TIMEOUT, async () => {
  const page = await ask({}, 'threshold', { bytes: 8 })
  answers[0].write('1234567')
  await until(() => box.relay.held === 7, 'seven bytes held')
  assert.equal(page.text(), '')
  answers[0].write('8')
  await until(() => page.text() === '12345678', 'all eight')
})

test('compresses answers', TIMEOUT, async () => {
  const page = await ask({ gzip: true })
  answers[0].end('packed')
  await until(() => page.ended, 'the end')
  assert.equal(page.response.headers['content-encoding'], 'gzip')
  assert.equal(String(zlib.gunzipSync(Buffer.concat(page.pieces))), 'packed')
})

test('passes on an answer that is compressed already', TIMEOUT, async () => {
  const page = await ask({ gzip: true })
  answers[0].setHeader('Content-Encoding', 'br')
  answers[0].end(zlib.brotliCompressSync('packed'))
  await until(() => page.ended, 'the end')
  assert.equal(page.response.headers['content-encoding'], 'br')
  assert.equal(String(zlib.brotliDecompressSync(Buffer.concat(page.pieces))), 'packed')
})

test('strips headers both ways', TIMEOUT, async () => {
  const page = await ask({ strip: true })
  answers[0].end('bare')
  await until(() => page.ended, 'the end')
  assert.equal(asked[0]['x-private'], undefined)
  assert.equal(page.response.headers['x-extra'], undefined)
  assert.equal(page.response.headers['content-type'], 'text/plain')
})

test('passes headers unless it strips them', TIMEOUT, async () => {
  const page = await ask()
  answers[0].end('dressed')
  await until(() => page.ended, 'the end')
  assert.equal(asked[0]['x-private'], 'yes')
  assert.equal(page.response.headers['x-extra'], 'yes')
})

test('cuts an answer when its time is over', TIMEOUT, async () => {
  const page = await ask({ life: 50 })
  answers[0].write('one')
  await until(() => page.error, 'the cut')
  assert.equal(page.text(), 'one')
  assert.equal(page.ended, false)
  assert.equal(box.relay.cuts, 1)
})

test('the server notices that the client goes', TIMEOUT, async () => {
  const page = await ask()
  answers[0].write('one')
  await until(() => page.text() === 'one', 'the first piece')
  let gone = false
  answers[0].on('close', () => (gone = true))
  page.request.destroy()
  await until(() => gone, 'the end of the answer')
})

test('a WebSocket passes and is cut when idle', TIMEOUT, async () => {
  box = await Middlebox.listen({ target: server.address().port, idle: 50 })
  const socket = net.connect(box.port, '127.0.0.1')
  let text = ''
  let closed = false
  socket.on('data', (bytes) => (text += bytes.toString('latin1')))
  socket.on('error', () => {})
  socket.on('close', () => (closed = true))
  socket.write('GET /live/websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  await until(() => text.endsWith('\r\n\r\n'), 'the answer')
  socket.write(Buffer.from([0x81, 0x02, 0x68, 0x69]))
  await until(() => text.endsWith('hi'), 'the echo')
  await until(() => closed, 'the cut')
  assert.equal(box.relay.cuts, 1)
})

test('an outage answers 502 so many times', TIMEOUT, async () => {
  box = await Middlebox.listen({ target: server.address().port })
  box.outage(2)
  const status = async () => {
    const request = http.get({ host: '127.0.0.1', port: box.port, path: '/', agent: false })
    const [response] = await once(request, 'response')
    response.resume()
    return response.statusCode
  }
  assert.equal(await status(), 502)
  assert.equal(await status(), 502)
  const third = status()
  await until(() => answers.length === 1, 'a request that passes')
  answers[0].end()
  assert.equal(await third, 200)
})
