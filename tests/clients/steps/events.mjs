// The content of events, messages and answers.

import assert from 'node:assert/strict'

const TEXT = 'é€😀 \u2028\u2029\x1e\0"\\\n\ud7ff\uffff'
const valuesOf = (client) => [
  [TEXT],
  [1, -1, 0.5, client.largest ?? 1e21, Number.MAX_SAFE_INTEGER, true, false, null, '', [], {}, [[]]],
  [{ [TEXT]: { list: [TEXT, { deeper: [null] }] } }],
  [Buffer.from([0, 1, 127, 128, 255])],
  [Buffer.alloc(0), 'between', Buffer.from(TEXT)],
  [{ first: Buffer.from([1]), list: [Buffer.from([2]), { third: Buffer.from([3, 3]) }], text: TEXT }, 4, [Buffer.from([5])]],
  [Buffer.alloc(20_000, 'ab'), TEXT.repeat(500)],
  []
]

export default {
  async 'texts, numbers, and bytes at any depth come back as they were'({ client, connect }) {
    const all = valuesOf(client)
    const ann = connect()
    for (const values of all) {
      ann.emit('echo', ...values)
      assert.deepEqual(await ann.next('echo'), values)
    }
    for (const values of all) ann.emit('echo', ...values)
    assert.deepEqual(await ann.heard('echo').several(all.length), all)
  },

  async 'values that JSON does not have become what it makes of them'({ connect }) {
    const ann = connect()
    const times = [0, 1751909111396, -1, Date.UTC(1900, 1, 28), 8.64e15].map((ms) => new Date(ms))
    const values = [NaN, -Infinity, [undefined, 1], { some: 1, none: undefined }, { deep: [{ time: times[1] }] }, ...times]
    assert.deepEqual(await ann.ask('message-with-ack', ...values), JSON.parse(JSON.stringify(values)))
  },

  async 'the server answers, with bytes too, each request its own'({ client, connect }) {
    const ann = connect()
    for (const values of valuesOf(client)) assert.deepEqual(await ann.ask('message-with-ack', ...values), values)
    assert.deepEqual(await ann.ask('nothing'), [])
    assert.deepEqual(await ann.ask('refuse'), [{ error: { code: 'no', message: 'not today', data: [1] } }])
    const many = Array.from({ length: 50 }, (_, at) => (at % 3 ? [at] : [at, Buffer.from([at])]))
    assert.deepEqual(await Promise.all(many.map((values) => ann.ask('message-with-ack', ...values))), many)
  },

  async 'the client answers, with bytes too, or not in time'({ connect }) {
    const ann = connect()
    const asked = []
    ann.socket.on('question', (value, reply) => {
      asked.push(value)
      if (value !== 40) reply({ you: value, bytes: Buffer.from([7, 8]) })
    })
    assert.deepEqual(await ann.ask('ask', 'who?'), [{ you: 'who?', bytes: Buffer.from([7, 8]) }])
    assert.deepEqual(await ann.ask('ask-within', 10_000), ['answered'])
    assert.deepEqual(await ann.ask('ask-within', 40), ['timeout'])
    assert.deepEqual(asked, ['who?', 10_000, 40])
  },

  async 'the client waits for an answer as long as it says'({ client, connect }) {
    const ann = connect()
    await ann.next('connect')
    assert.equal(typeof ann.socket.timeout === 'function', client.hasTimeLimits)
    if (!client.hasTimeLimits) return
    const limited = (...values) => new Promise((resolve) => ann.socket.timeout(50).emit(...values, (...end) => resolve(end)))
    const [error] = await limited('silent')
    assert.equal(error.message, 'operation has timed out')
    await assert.rejects(ann.socket.timeout(50).emitWithAck('silent'), /operation has timed out/)
    assert.equal(await ann.socket.timeout(20_000).emitWithAck('message-with-ack', 'in time'), 'in time')
  },

  async 'plain messages are the event message'({ connect }) {
    const ann = connect()
    ann.heard('message')
    ann.socket.send(TEXT)
    assert.deepEqual(await ann.next('message-back'), [TEXT])
    ann.emit('say', TEXT)
    assert.deepEqual(await ann.next('message'), [TEXT])
  },

  async 'a listener for all events hears each'({ client, connect }) {
    const ann = connect()
    assert.equal(typeof ann.socket.onAny === 'function', client.hasCatchAll)
    if (!client.hasCatchAll) return
    const all = []
    ann.socket.onAny((...event) => all.push(event))
    ann.emit('echo', 1)
    ann.emit('say', 'two')
    ann.emit('message', 3, [])
    await ann.settled()
    assert.deepEqual(all, [['auth', {}], ['echo', 1], ['message', 'two'], ['message-back', 3, []]])
  },

  async 'volatile events come in order, or not at all'({ client, connect }) {
    const ann = connect()
    const ticks = ann.heard('tick')
    // One that the server can write at once is not left out for ever.
    const heard = []
    while (heard.length === 0) {
      await ann.ask('volatile', 100)
      await ann.settled()
      for (const [n] of ticks.take()) heard.push(n)
      assert.deepEqual(heard, [...new Set(heard)].sort((a, b) => a - b))
      assert.ok(heard.every((n) => n >= 1 && n <= 100))
    }
    assert.equal('volatile' in ann.socket, client.hasVolatile)
    if (!client.hasVolatile) return
    const echoes = ann.heard('echo')
    let found = []
    while (found.length === 0) {
      ann.socket.volatile.emit('echo', 'perhaps')
      await ann.settled()
      found = echoes.take()
    }
    assert.deepEqual(found, [['perhaps']])
  }
}
