import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { spellings } from '../dist/machine.mjs'

const vectors = readFileSync(new URL('../../tests/vectors/native.jsonl', import.meta.url), 'utf8').trim().split('\n').map((line) => JSON.parse(line))

const isBytes = (vector) => vector.spelling === 'bytes'
const wireOf = (vector) => (isBytes(vector) ? new Uint8Array(Buffer.from(vector.wire, 'base64')) : vector.wire)
const toFrame = (record) => (record[0] === 'b' ? ['b', new Uint8Array(Buffer.from(record[1], 'base64'))] : record)
const toRecord = (frame) => (frame[0] === 'b' ? ['b', Buffer.from(frame[1]).toString('base64')] : frame)

/** The attachments of an event are a part of its frame. */
const toFrames = (records) => {
  const frames = []
  for (const frame of records.map(toFrame)) {
    const attachments = frames.at(-1)?.[2]
    const [, missing] = /^[56](\d+)-/.exec(attachments ? frames.at(-1)[1] : '') ?? []
    if (frame[0] === 'b' && attachments?.length < missing) attachments.push(frame[1])
    else frames.push(frame[0] === 'e' ? [...frame, []] : frame)
  }
  return frames
}

/** All of a body, or an error. */
const read = (wire, spelling) => {
  const records = []
  const end = spelling.decode(wire, 0, (frame) => records.push(toRecord(frame)))
  if (end < wire.length) throw Error('cut short')
  return records
}

// Each bundle has its own way with a WebSocket's text.
for (const vector of vectors.filter(({ spelling }) => spelling === 'websocket')) {
  vectors.push({ ...vector, name: `${vector.name}, in the module`, spelling: 'socket', encode: vector.encode })
}

const heard = vectors.filter(({ by }) => by === 'server' || by === 'both')
const said = vectors.filter(({ by, encode }) => (by === 'client' || by === 'both') && encode)

test('the vectors are all there', () => {
  assert.ok(heard.length > 150, `${heard.length}`)
  assert.ok(said.length > 50, `${said.length}`)
  assert.equal(new Set(vectors.map(({ name }) => name)).size, vectors.length)
})

for (const vector of heard) {
  test(`reads: ${vector.name}`, () => {
    const spelling = spellings[vector.spelling]
    if (vector.error) assert.throws(() => read(wireOf(vector), spelling))
    else assert.deepEqual(read(wireOf(vector), spelling), vector.records)
  })
}

for (const vector of said) {
  test(`writes: ${vector.name}`, () => {
    const frames = toFrames(vector.records)
    const spelling = spellings[vector.spelling]
    const last = frames.at(-1)
    if (/socket/.test(vector.spelling) && /^[em]$/.test(last?.[0])) {
      assert.equal(spelling.encode(frames.slice(0, -1)) + last[0] + last[1], vector.wire)
    } else assert.deepEqual(spelling.encode(frames), wireOf(vector))
  })
}

test('a body may come in any pieces', () => {
  for (const vector of heard.filter(({ error, spelling }) => !error && (spelling === 'text' || spelling === 'bytes'))) {
    const wire = wireOf(vector)
    for (let size = 1; size < Math.min(wire.length, 6); size++) {
      const records = []
      let end = size
      let at = 0
      for (;;) {
        at = spellings[vector.spelling].decode(wire.slice(0, end), at, (frame) => records.push(toRecord(frame)))
        if (end >= wire.length) break
        end += size
      }
      assert.deepEqual(records, vector.records, vector.name)
      assert.equal(at, wire.length, vector.name)
    }
  }
})

test('records that only a client sends are malformed', () => {
  for (const letter of 'oruqv') assert.throws(() => spellings.text.decode(`${letter}1,1,1,1,1,1,1:`, 0, () => {}), letter)
})

test('a record that is cut short waits for more', () => {
  for (const vector of vectors.filter(({ cut, by }) => cut && by === 'both')) {
    const wire = wireOf(vector)
    assert.ok(spellings[vector.spelling].decode(wire, 0, () => {}) < wire.length, vector.name)
  }
})
