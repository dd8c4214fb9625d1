import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameBorders, RequestReader, ResponseTracker, inside } from './framing.mjs'
import { seeded } from './random.mjs'

const POST = 'POST /live/send?session=x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
const CHUNKED = 'POST /live/open HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
const UPGRADE = 'GET /live/websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n'

/** Calls `run` with `text` cut into pieces of each size from 1 to 7. */
function eachCut(text, run) {
  for (let size = 1; size <= 7; size++) {
    const bytes = Buffer.from(text, 'latin1')
    const pieces = []
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
    run(pieces)
  }
}

test('requests are found in a stream that comes in pieces of any size', () => {
  eachCut(POST + CHUNKED + POST, (pieces) => {
    const reader = new RequestReader()
    const whole = pieces.flatMap((piece) => reader.push(piece))
    assert.deepEqual(whole.map((request) => request.raw.toString()), [POST, CHUNKED, POST])
    assert.equal(whole[0].method, 'POST')
    assert.equal(whole[0].url, '/live/send?session=x')
    assert.equal(whole[0].raw.subarray(whole[0].headLength).toString(), 'hello')
  })
})

test('a request is not whole before its last byte', () => {
  const reader = new RequestReader()
  assert.equal(reader.push(Buffer.from(POST.slice(0, -1))).length, 0)
  assert.equal(reader.push(Buffer.from(POST.slice(-1))).length, 1)
})

test('what follows an upgrade is left as it is', () => {
  const reader = new RequestReader()
  const [request] = reader.push(Buffer.from(UPGRADE + 'frames'))
  assert.equal(request.upgrade, true)
  assert.equal(reader.rest().toString(), 'frames')
})

function follow(text) {
  const results = []
  eachCut(text, (pieces) => {
    const tracker = new ResponseTracker()
    let offset = 0
    const borders = []
    let completed = 0
    let bodyBytes = 0
    for (const piece of pieces) {
      const seen = tracker.push(piece)
      for (const border of seen.borders) borders.push(offset + border)
      completed += seen.completed
      bodyBytes += seen.bodyBytes
      offset += piece.length
    }
    results.push({ borders: borders.sort((a, b) => a - b), completed, bodyBytes })
  })
  for (const result of results) assert.deepEqual(result, results[0])
  return results[0]
}

test('chunk borders and the end of an answer are found', () => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const body = '4\r\nwire\r\n3\r\nany\r\n0\r\n\r\n'
  const seen = follow(head + body)
  assert.equal(seen.completed, 1)
  assert.deepEqual(seen.borders, [head.length, head.length + 9, head.length + 17, head.length + 22])
})

test('answers with a length, without a body and without an end', () => {
  assert.equal(follow('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No\r\n\r\n').completed, 2)
  const endless = follow('HTTP/1.1 200 OK\r\n\r\nall the rest')
  assert.equal(endless.completed, 0)
  assert.equal(endless.bodyBytes, 12)
})

test('frames behind a 101 have borders', () => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\n\r\n'
  const seen = follow(`${head}\x81\x02hi\x82\x00\x81\x7e\x00\x80${'x'.repeat(128)}`)
  assert.deepEqual(seen.borders, [head.length, head.length + 4, head.length + 6, head.length + 138])
})

test('masked and very long frames are measured', () => {
  const ends = []
  const borders = new FrameBorders()
  const masked = Buffer.from([0x81, 0x83, 1, 2, 3, 4, 9, 9, 9])
  const long = Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]), Buffer.alloc(65536)])
  borders.take(Buffer.concat([masked, long]), 0, (offset) => ends.push(offset))
  assert.deepEqual(ends, [masked.length, masked.length + long.length])
})

test('a cut inside never falls on a border', () => {
  const random = seeded(1)
  const bytes = Buffer.alloc(10)
  const borders = new Set([1, 2, 3, 5, 6, 7, 8, 9])
  for (let i = 0; i < 50; i++) assert.equal(inside(bytes, borders, 0, random), 4)
  assert.equal(inside(bytes, borders, 4, random), undefined)
  assert.equal(inside(Buffer.alloc(1), new Set(), 0, random), undefined)
})

test('the random generator repeats a sequence by its seed', () => {
  const [a, b, other] = [seeded(5), seeded(5), seeded(6)]
  const draw = (random) => Array.from({ length: 20 }, () => random.between(0, 1000))
  const first = draw(a)
  assert.deepEqual(draw(b), first)
  assert.notDeepEqual(draw(other), first)
})
