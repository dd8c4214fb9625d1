/** Channels: how they open, what they carry, how they end, and what becomes of them with their session. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

const KINDS = [['websocket'], ['fetch-stream'], ['xhr-poll']]
const bytes = (...list) => new Uint8Array(list)
const BYTES = '{"_placeholder":true,"num":0}'
const SOCKET = { transports: ['websocket'] }

/** The events of a channel: its life, and the events of other names that come. */
const noted = (channel) => {
  const events = []
  for (const name of ['open', 'connect_error', 'closed', '*']) {
    channel.on(name, (...values) => events.push([name, ...values.map((value) => (value instanceof Error ? { ...value, message: value.message } : value))]))
  }
  return events
}

const texts = (half) => half.packets.map(([text]) => text)

/** The outcomes of the requests. */
const ending = () => {
  const ends = []
  return { ends, note: (promise) => promise.then((value) => ends.push(value), ({ code, message, data }) => ends.push([code, message, data])) }
}

/** The server forgets the session, and its WebSocket is cut. */
const lose = (it) => {
  it.half.forgotten = true
  it.sockets.at(-1).cut()
}

describe('a channel', () => {
  for (const transports of KINDS) {
    story(`opens in front of what it sends, and carries events both ways, by ${transports}`, async (it) => {
      const { session } = it.open({ transports })
      session.emit('before')
      const admin = session.channel('/admin', { token: 'a' })
      const events = noted(admin)
      const { ends, note } = ending()
      assert.equal(admin.emit('kick', 'ann', bytes(1)), true)
      note(admin.request('list'))
      note(session.request('other'))
      await it.pass(100)
      assert.deepEqual(texts(it.half), ['2["before"]', '0/admin,{"token":"a"}', `51-/admin,["kick","ann",${BYTES}]`, '2/admin,1["list"]', '22["other"]'])
      it.half.packet('0/admin,{"sid":"id1"}')
      it.half.packet(`51-/admin,["file",${BYTES}]`, bytes(7))
      it.half.packet('3/admin,1["one","two"]')
      it.half.packet('7/admin,2{"code":"x"}')
      it.half.packet('32["root"]')
      await it.pass(1000)
      assert.deepEqual([events[0], events[1].slice(0, 2), [...new Uint8Array(events[1][2])]], [['open', { first: true }], ['*', 'file'], [7]])
      assert.deepEqual(ends, ['one', 'root'], 'an answer of another channel is none')
      assert.equal(it.half.received, 5)
    })
  }

  story('is one object for one namespace until it is left', async (it) => {
    const { session } = it.open(SOCKET)
    await it.pass(100)
    const admin = session.channel('/admin')
    assert.equal(session.channel('/admin', 'ignored'), admin)
    assert.notEqual(session.channel('/admin/more'), admin)
    assert.equal(admin.namespace, '/admin')
    const events = noted(admin)
    const { ends, note } = ending()
    note(admin.request('slow'))
    admin.emit('last')
    admin.leave()
    admin.leave()
    assert.throws(() => admin.emit('a'), /closed/)
    assert.throws(() => admin.request('a', () => {}), /closed/)
    await it.pass(100)
    assert.deepEqual(texts(it.half), ['0/admin,', '0/admin/more,', '2/admin,1["slow"]', '2/admin,["last"]', '1/admin,'])
    assert.deepEqual(events, [['closed', { code: 1000, reason: '' }]])
    assert.deepEqual(ends, [['closed', 'closed', undefined]])
    const again = session.channel('/admin', 'text')
    assert.notEqual(again, admin)
    again.request('new', () => {})
    it.half.packet('3/admin,1["late"]')
    it.half.packet('2/admin,["a"]')
    await it.pass(100)
    assert.deepEqual(texts(it.half).slice(5), ['0/admin,"text"', '2/admin,3["new"]'], 'ids are not used again')
    assert.deepEqual([events.length, session.state], [1, 'open'])
  })

  story('has listeners, droppable events, times, and requests of the server', async (it) => {
    const { session, named } = it.open(SOCKET)
    await it.pass(100)
    const admin = session.channel('/admin')
    const { ends, note } = ending()
    const heard = []
    const off = admin.on('a', (value) => heard.push(value))
    session.on('a', () => heard.push('not here'))
    admin.on('sure?', (text, reply) => reply(text === 'x', bytes(1)))
    note(admin.timeout(500).request('slow'))
    assert.equal(admin.emit.droppable('cursor'), true)
    for (const text of ['2/admin,["a",1]', '2/admin,7["sure?","x"]', '2/admin,8["nobody"]', '2/admin,9["open"]', '2/admin,["open"]', '2/other,["a"]', '0/other,{}', '1/other,', '4/other,{}']) it.half.packet(text)
    await it.pass(500)
    off()
    admin.off('sure?')
    it.half.packet('2/admin,["a",2]')
    await it.pass(100)
    assert.deepEqual(heard, [1])
    assert.deepEqual(ends, [['timeout', 'timeout', undefined]])
    assert.deepEqual(texts(it.half).slice(1), ['2/admin,1["slow"]', '2/admin,["cursor"]', `61-/admin,7[true,${BYTES}]`, '7/admin,8{"code":"unknown","message":"nobody"}', '7/admin,9{"code":"name","message":"open"}'])
    assert.deepEqual([named('error').length, named('open').length], [0, 1])
  })

  story('of a server without events throws', async (it) => {
    const { session } = it.open(SOCKET)
    await it.pass(1)
    it.sockets[0].hear = new Proxy(it.sockets[0].hear, { apply: (hear, socket, [data]) => hear.call(socket, String(data).replace('.events', '')) })
    await it.pass(100)
    assert.throws(() => session.channel('/admin'), /this server knows no events/)
  })

  story('packets that are wrong are reported, and change nothing', async (it) => {
    const { session, named } = it.open(SOCKET)
    await it.pass(100)
    const events = noted(session.channel('/admin'))
    for (const text of ['2/admin,["a"', '0/admin,{', '0{"sid":"x"}', '1', '4{"code":"x"}', '0', '2/admin,["a",1]']) it.half.packet(text)
    await it.pass(100)
    assert.deepEqual([events, named('error').length, named('open').length, session.state], [[['*', 'a', 1]], 2, 1, 'open'])
  })

  story('takes its packets also where the buffer is full', async (it) => {
    const { session } = it.open({ ...SOCKET, buffer: 200 })
    session.send('x'.repeat(150))
    assert.equal(session.send('y'), false)
    const admin = session.channel('/admin')
    admin.leave()
    await it.pass(100)
    assert.deepEqual(texts(it.half), ['0/admin,', '1/admin,'])
  })
})

describe('the end of a channel', () => {
  story('a refusal has a code, a text and data, for its requests as well', async (it) => {
    const { session } = it.open(SOCKET)
    const admin = session.channel('/admin')
    const events = noted(admin)
    const { ends, note } = ending()
    note(admin.request('a'))
    await it.pass(100)
    it.half.packet('4/admin,{"code":"login","message":"unknown token","data":{"at":1}}')
    await it.pass(100)
    assert.deepEqual(events, [['connect_error', { code: 'login', message: 'unknown token', data: { at: 1 } }]])
    assert.deepEqual(ends, [['login', 'unknown token', { at: 1 }]])
    assert.throws(() => admin.emit('b'), /closed/)
    assert.deepEqual(texts(it.half), ['0/admin,', '2/admin,1["a"]'], 'and nothing is sent for it')
    assert.notEqual(session.channel('/admin'), admin)
    await it.pass(100)
    assert.equal(texts(it.half).at(-1), '0/admin,')
  })

  story('by the server comes behind what it sent there, with its code and reason', async (it) => {
    const { session } = it.open(SOCKET)
    const [admin, other] = [session.channel('/admin'), session.channel('/other')]
    const [events, others] = [noted(admin), noted(other)]
    const { ends, note } = ending()
    const replies = []
    admin.on('sure?', (reply) => replies.push(reply))
    note(admin.request('a'))
    await it.pass(100)
    for (const text of ['0/admin,{}', '2/admin,7["sure?"]', '2/admin,["bye"]', '1/admin,{"code":3001,"message":"kicked"}', '2/admin,["late"]', '1/other,']) it.half.packet(text)
    await it.pass(100)
    assert.deepEqual(events.map(([name, ...values]) => (values[0] === 'sure?' ? [name] : [name, ...values])), [['open', { first: true }], ['*'], ['*', 'bye'], ['closed', { code: 3001, reason: 'kicked' }]])
    assert.deepEqual(ends, [['closed', 'kicked', undefined]])
    assert.deepEqual(others, [['closed', { code: 1000, reason: '' }]])
    assert.equal(replies[0]('late'), false, 'nobody waits for it')
    admin.leave()
    await it.pass(100)
    assert.deepEqual(texts(it.half), ['0/admin,', '0/other,', '2/admin,1["a"]'])
    assert.equal(session.state, 'open')
  })

  story('comes with that of the session, and no timer is left', async (it) => {
    const { session, named } = it.open(SOCKET)
    await it.pass(100)
    const admin = session.channel('/admin')
    const events = noted(admin)
    const { ends, note } = ending()
    admin.on('closed', () => events.push(named('closed').length))
    note(admin.request('a'))
    session.close(3002, 'done')
    assert.throws(() => session.channel('/other'), /closed/)
    await it.pass(100)
    assert.deepEqual(events, [['closed', { code: 3002, reason: 'done', unacknowledged: 0 }], 0])
    assert.deepEqual(ends, [['closed', 'done', undefined]])
    assert.equal(named('closed').length, 1)
    assert.throws(() => session.channel('/admin'), /closed/)
    admin.leave()
    session.connect()
    const again = session.channel('/admin')
    await it.pass(100)
    assert.notEqual(again, admin)
    assert.deepEqual(texts(it.half), ['0/admin,'])
    session.abort()
    await it.pass(100)
    assert.equal(it.clock.timers(), 0)
  })
})

describe('the channels of a session', () => {
  story('that is interrupted and goes on are as before', async (it) => {
    const { session, named } = it.open(SOCKET)
    const admin = session.channel('/admin')
    const events = noted(admin)
    await it.pass(100)
    it.half.packet('0/admin,{}')
    await it.pass(100)
    it.sockets[0].cut()
    admin.emit('waits')
    it.half.packet('2/admin,["sent meanwhile"]')
    await it.pass(5000)
    assert.deepEqual(named('resumed').map(([, detail]) => detail.outcome), ['full'])
    assert.deepEqual(texts(it.half), ['0/admin,', '2/admin,["waits"]'])
    assert.deepEqual(events, [['open', { first: true }], ['*', 'sent meanwhile']])
  })

  story('that is lost open again in front of what waited and of what listeners send', async (it) => {
    const { session, named } = it.open(SOCKET)
    let tokens = 0
    const admin = session.channel('/admin', () => ({ token: ++tokens }))
    const events = noted(admin)
    const { ends, note } = ending()
    note(admin.request('sent'))
    admin.emit('sent too')
    await it.pass(100)
    it.half.packet('0/admin,{}')
    await it.pass(100)
    it.sockets[0].broken = true
    admin.emit('perhaps')
    session.channel('/perhaps')
    lose(it)
    note(admin.request('waits'))
    const late = session.channel('/late')
    late.emit('waits')
    session.send('plain')
    session.on('open', () => admin.emit('greets'))
    await it.pass(5000)
    const sent = texts(it.half)
    assert.deepEqual(sent.slice(0, 3).sort(), ['0/admin,{"token":2}', '0/late,', '0/perhaps,'])
    assert.deepEqual(sent.slice(3), ['2/admin,["greets"]', '2/admin,2["waits"]', '2/late,["waits"]'])
    assert.deepEqual(it.half.messages, ['plain'])
    assert.deepEqual(ends.map(([code]) => code), ['unknown'])
    const [[, resumed]] = named('resumed')
    assert.deepEqual(resumed.unknown, ['sent', 'sent too', 'perhaps'].map((event) => ({ event, args: [], namespace: '/admin' })), 'openings are not among them')
    assert.deepEqual(resumed.dropped, [])
    it.half.packet('0/admin,{}')
    it.half.packet('3/admin,2["answered"]')
    await it.pass(100)
    assert.deepEqual(events, [['open', { first: true }], ['open', { first: false }]])
    assert.equal(ends[1], 'answered')
  })

  story('that is lost do not open again if they were left, and what waited for them is reported', async (it) => {
    const { session, named } = it.open(SOCKET)
    await it.pass(100)
    const admin = session.channel('/admin')
    await it.pass(100)
    lose(it)
    const { ends, note } = ending()
    note(admin.request('a', 1))
    admin.emit('b')
    session.emit('c')
    admin.leave()
    await it.pass(5000)
    assert.deepEqual(texts(it.half), ['2["c"]'])
    assert.deepEqual(named('resumed')[0][1].dropped, [{ event: 'a', args: [1], namespace: '/admin' }, { event: 'b', args: [], namespace: '/admin' }])
    assert.deepEqual(ends, [['closed', 'closed', undefined]])
    assert.deepEqual([session.unacknowledged, session.bufferedAmount], [0, 0])
  })

  story('that is lost while it closes open once more for what waited', async (it) => {
    const { session, named } = it.open(SOCKET)
    const admin = session.channel('/admin')
    await it.pass(100)
    lose(it)
    admin.emit('last')
    session.close()
    await it.pass(5000)
    assert.deepEqual(texts(it.half), ['0/admin,', '2/admin,["last"]'])
    assert.deepEqual([it.half.closed, named('closed').length], [[1000, ''], 1])
  })

  story('open again also where the buffer is full, and may be refused then', async (it) => {
    const { session } = it.open({ ...SOCKET, buffer: 300 })
    const admin = session.channel('/admin')
    const events = noted(admin)
    await it.pass(100)
    it.half.packet('0/admin,{}')
    await it.pass(100)
    lose(it)
    assert.equal(admin.emit('waits', 'x'.repeat(120)), true)
    assert.equal(session.send('y'), false)
    await it.pass(5000)
    assert.deepEqual(texts(it.half)[0], '0/admin,')
    it.half.packet('4/admin,{"code":"full","message":"too many"}')
    await it.pass(100)
    assert.deepEqual(events, [['open', { first: true }], ['connect_error', { code: 'full', message: 'too many', data: undefined }]])
  })

  story('auth that throws at a later opening is a refusal, and at the first it throws', async (it) => {
    const { session } = it.open(SOCKET)
    let why = ''
    const auth = () => {
      if (why) throw Error(why)
    }
    const admin = session.channel('/admin', auth)
    const events = noted(admin)
    await it.pass(100)
    why = 'no token'
    assert.throws(() => session.channel('/other', auth), /no token/)
    lose(it)
    await it.pass(5000)
    assert.deepEqual(events, [['connect_error', { code: 'auth', message: 'no token', data: undefined }]])
    assert.deepEqual(texts(it.half), [])
  })

  story('wait=drop drops what they wait for, and not their opening', async (it) => {
    const { session, named } = it.open({ ...SOCKET, waiting: 'drop' })
    const admin = session.channel('/admin')
    await it.pass(100)
    lose(it)
    admin.emit('waits')
    session.channel('/new')
    await it.pass(5000)
    assert.deepEqual(texts(it.half).sort(), ['0/admin,', '0/new,'])
    assert.deepEqual(named('resumed')[0][1].dropped, [{ event: 'waits', args: [], namespace: '/admin' }])
  })
})
