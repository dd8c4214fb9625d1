/** Events, requests and their answers. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

const KINDS = [['websocket'], ['fetch-stream'], ['xhr-poll']]
const bytes = (...list) => new Uint8Array(list)
const BYTES = '{"_placeholder":true,"num":0}'

/** An open session, and what its requests came to. */
const opened = async (it, options) => {
  const { session, named } = it.open(options)
  await it.pass(100)
  const ends = []
  const note = (promise) => promise.then((value) => ends.push(value), ({ code, message, data }) => ends.push([code, message, data]))
  return { session, named, ends, note }
}

describe('events', () => {
  for (const transports of KINDS) {
    story(`go both ways with bytes anywhere in them, by ${transports}`, async (it) => {
      const { session } = await opened(it, { transports })
      const heard = []
      session.on('said', (...values) => heard.push(values))
      assert.equal(session.emit('say', 'hi', { file: bytes(1, 2), more: [bytes(3).buffer, null] }, undefined), true)
      session.emit('nothing')
      it.half.packet('2["said",1,{"a":[true]}]')
      it.half.packet(`51-["said",[${BYTES}]]`, bytes(7, 8))
      await it.pass(1000)
      const packets = it.half.packets.map(([text, ...attachments]) => [text, ...attachments.map((each) => [...each])])
      assert.deepEqual(packets, [
        [`52-["say","hi",{"file":${BYTES},"more":[{"_placeholder":true,"num":1},null]},null]`, [1, 2], [3]],
        ['2["nothing"]']
      ])
      assert.deepEqual(heard[0], [1, { a: [true] }])
      assert.deepEqual([...new Uint8Array(heard[1][0][0])], [7, 8])
      assert.equal(it.half.received, 2, 'an event and its bytes are one message')
    })
  }

  story('have listeners of all names', async (it) => {
    const { session, named } = await opened(it)
    const heard = []
    session.on('*', (...values) => heard.push(values))
    session.on('__proto__', (value) => heard.push(value))
    for (const text of ['2["a",1]', '2["__proto__",2]', '2["open",3]', '2["message",4]', '2["connect",5]', '2[6]', '2/admin,["a",7]']) it.half.packet(text)
    await it.pass(100)
    assert.deepEqual(heard, [['a', 1], 2, ['__proto__', 2]])
    assert.deepEqual([named('open').length, named('message').length, session.state], [1, 0, 'open'])
  })

  story('what is wrong in one is reported, and the session goes on', async (it) => {
    const { session, named } = await opened(it)
    const heard = []
    session.on('a', (value) => heard.push(value))
    for (const text of ['2["a"', '', '51-["a",{"_placeholder":true,"num":3}]', '8["a"]', '2["a",1]']) it.half.packet(text, ...(text[0] === '5' ? [bytes(1)] : []))
    await it.pass(100)
    assert.deepEqual([heard, session.state, named('error').length], [[1], 'open', 3])
  })

  story('bad names, too many bytes, and what is too large throw before anything is sent', async (it) => {
    const { session } = await opened(it, { transports: ['websocket'] })
    for (const name of ['open', 'error', 'connect', 'newListener', '', 7, undefined]) assert.throws(() => session.emit(name), String(name))
    assert.throws(() => session.on('disconnect', () => {}), /open message transport/)
    assert.throws(() => session.emit('a', ...Array.from({ length: 11 }, () => bytes(1))), /10/)
    assert.throws(() => session.emit('a', 'x'.repeat(200000)), /too large/)
    assert.deepEqual([session.bufferedAmount, session.unacknowledged], [0, 0])
  })

  story('are skipped where they are droppable and no link carries', async (it) => {
    const { session } = it.open()
    assert.equal(session.emit.droppable('a'), false)
    await it.pass(100)
    assert.equal(session.emit.droppable('b'), true)
    await it.pass(100)
    assert.deepEqual(it.half.packets, [['2["b"]']])
  })
})

describe('requests', () => {
  for (const transports of KINDS) {
    story(`are answered, or refused, by ${transports}`, async (it) => {
      const { session, note, ends } = await opened(it, { transports })
      note(session.request('sum', 1, 2))
      note(session.request('sum', 'x'))
      note(session.request('picture'))
      await it.pass(1000)
      assert.deepEqual(it.half.packets, [['21["sum",1,2]'], ['22["sum","x"]'], ['23["picture"]']])
      it.half.packet('72{"code":"data","message":"no number","data":{"at":0}}')
      it.half.packet('31[3]')
      it.half.packet(`61-3[${BYTES}]`, bytes(9))
      it.half.packet('31[4]')
      it.half.packet('399[4]')
      await it.pass(1000)
      assert.deepEqual(ends.slice(0, 2), [['data', 'no number', { at: 0 }], 3])
      assert.deepEqual([...new Uint8Array(ends[2])], [9])
      assert.equal(ends.length, 3)
    })
  }

  story('may have a callback', async (it) => {
    const { session } = await opened(it)
    const calls = []
    assert.equal(session.request('a', 1, (...values) => calls.push(values)), undefined)
    session.request('b', (...values) => calls.push(values))
    await it.pass(100)
    it.half.packet('31["x","y"]')
    it.half.packet('72{"code":"c","message":"m"}')
    await it.pass(100)
    assert.deepEqual(calls, [[null, 'x', 'y'], [{ code: 'c', message: 'm' }]])
  })

  story('end when their time is up, ten seconds or another', async (it) => {
    const { session, note, ends } = await opened(it)
    note(session.request('slow'))
    note(session.timeout(500).request('slower'))
    await it.pass(499)
    assert.deepEqual(ends, [])
    await it.pass(1)
    assert.deepEqual(ends, [['timeout', 'timeout', undefined]])
    await it.pass(9499)
    assert.equal(ends.length, 1)
    await it.pass(1)
    assert.equal(ends.length, 2)
  })

  story('of the server are answered by the last argument, once', async (it) => {
    const { session } = await opened(it)
    const replies = []
    session.on('confirm', (text, reply) => replies.push(reply))
    it.half.packet('27["confirm","sure?"]')
    it.half.packet('28["confirm"]')
    it.half.packet('29["nobody"]')
    it.half.packet('210["open"]')
    await it.pass(100)
    assert.equal(replies[0](true, bytes(1)), true)
    assert.equal(replies[0](false), false)
    await it.pass(100)
    assert.deepEqual(it.half.packets.map(([text]) => text), [
      '79{"code":"unknown","message":"nobody"}',
      '710{"code":"name","message":"open"}',
      `61-7[true,${BYTES}]`
    ])
  })

  story('that may have been received end as unknown when the session is lost, and the others are asked again', async (it) => {
    const { session, named, note, ends } = await opened(it, { transports: ['websocket'] })
    const replies = []
    session.on('confirm', (reply) => replies.push(reply))
    it.half.packet('27["confirm"]')
    note(session.request('answered'))
    await it.pass(100)
    const former = it.half
    it.sockets[0].broken = true
    note(session.request('sent'))
    former.forgotten = true
    it.sockets[0].cut()
    note(session.request('waits'))
    session.emit('waits')
    await it.pass(5000)
    assert.equal(replies[0](true), false, 'another session counts its requests anew')
    assert.deepEqual(ends.map(([code]) => code), ['unknown', 'unknown'])
    assert.deepEqual(it.half.packets.map(([text]) => text), ['23["waits"]', '2["waits"]'])
    assert.deepEqual(named('resumed')[0][1].unknown, [{ event: 'answered', args: [] }, { event: 'sent', args: [] }])
    it.half.packet('33["late, and answered"]')
    await it.pass(100)
    assert.equal(ends[2], 'late, and answered')
  })

  story('end with the session', async (it) => {
    const { session, note, ends } = await opened(it)
    note(session.request('a'))
    session.close()
    await assert.rejects(session.request('b'), /closed/)
    await it.pass(100)
    assert.deepEqual(ends.map(([code]) => code), ['closed'])
    assert.equal(it.clock.timers(), 0)
  })
})
