/** A new session on the server begins with what the listeners of `open` send; what waited comes behind it. */
import { describe } from 'node:test'
import assert from 'node:assert/strict'
import { story } from './support/network.mjs'

const HTTP_ONLY = { transports: ['fetch-stream', 'xhr-poll'] }

/** The server restarts, and the page sends meanwhile. */
const restart = async (it, meanwhile) => {
  it.half.forgotten = true
  it.mode.websocket = it.mode.http = 'refused'
  for (const one of [...it.sockets, ...it.streams]) one.cut()
  await it.pass(100)
  meanwhile?.()
  it.mode.websocket = it.mode.http = 'ok'
}

for (const [name, options] of [['WebSocket', { transports: ['websocket'] }], ['HTTP', HTTP_ONLY], ['both', {}]]) {
  describe(`after a restart, over ${name}`, () => {
    const tell = (what, run, more) => story(what, run, { ...options, ...more })

    tell('the order of the events, and the greeting before what waited', async (it) => {
      const { session, events } = it.open()
      session.on('open', ({ first }) => session.send(first ? 'hello' : 'hello again'))
      session.send('in the first flight')
      await it.pass(100)
      assert.deepEqual(it.half.messages, ['in the first flight', 'hello'])
      session.flush()
      await it.pass(100)
      await restart(it, () => {
        session.send('words')
        session.send('more words')
      })
      await it.pass(10000)
      const names = events.map(([event]) => event).filter((event) => !/transport|connect_error/.test(event))
      assert.deepEqual(names, ['open', 'interrupted', 'resumed', 'open'])
      assert.deepEqual(events.filter(([event]) => /resumed|open/.test(event)).slice(1), [
        ['resumed', { outcome: 'new', unknown: [], dropped: [] }],
        ['open', { first: false, waiting: 2 }]
      ])
      assert.deepEqual(it.half.messages, ['hello again', 'words', 'more words'])
    })

    tell('what waits, waits for a promise: log in, then join', async (it) => {
      const { session } = it.open()
      await it.pass(100)
      const answers = []
      session.on('open', async ({ first }) => {
        if (first) return
        session.send('log in')
        await new Promise((resolve) => answers.push(resolve))
        session.send('join')
      })
      await restart(it, () => session.send('words'))
      await it.pass(5000)
      assert.deepEqual(it.half.messages, ['log in'])
      answers[0]()
      await it.pass(1000)
      assert.deepEqual(it.half.messages, ['log in', 'join', 'words'])
    })
  })
}

describe('listeners of `open`', () => {
  story('the queue waits for all of them, also for one that is no real promise', async (it) => {
    const { session } = it.open()
    await it.pass(100)
    const settle = []
    for (const name of ['a', 'b']) {
      session.on('open', () => ({
        then(done) {
          settle.push(() => {
            session.send(name)
            done()
          })
        }
      }))
    }
    await restart(it, () => session.send('words'))
    await it.pass(5000)
    settle[1]()
    await it.pass(100)
    assert.deepEqual(it.half.messages, ['b'])
    settle[0]()
    settle[0]()
    await it.pass(100)
    assert.deepEqual(it.half.messages, ['b', 'a', 'words', 'a'])
  })

  story('one that never settles holds the queue for the time limit of an opening, and this is reported', async (it) => {
    const { session, named } = it.open({ timeout: 3000 })
    await it.pass(100)
    session.on('open', () => new Promise(() => {}))
    await restart(it, () => session.send('words'))
    while (session.state !== 'open') await it.pass(10)
    await it.pass(2900)
    assert.deepEqual([it.half.messages, named('error')], [[], []])
    await it.pass(200)
    assert.deepEqual(it.half.messages, ['words'])
    assert.deepEqual(named('error').map(([, error]) => error.message), ['timeout'])
  })

  story('one that throws or is refused is reported, and holds nothing', async (it) => {
    const { session, named } = it.open()
    const fail = [
      () => {
        throw Error('thrown')
      },
      async () => {
        throw Error('refused')
      }
    ]
    for (const one of fail) session.on('open', one)
    await it.pass(100)
    assert.deepEqual(named('error').map(([, error]) => error.message), ['thrown', 'refused'])
    await restart(it, () => session.send('words'))
    await it.pass(5000)
    assert.deepEqual(it.half.messages, ['words'])
    assert.equal(named('error').length, 4)
  })

  story('a session that is lost once more while they are at it: they are asked again, and nothing goes out of order', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    const settle = []
    session.on('open', () => new Promise((resolve) => settle.push(resolve)))
    await restart(it, () => session.send('words'))
    await it.pass(5000)
    assert.equal(settle.length, 1)
    await restart(it, () => settle[0]())
    await it.pass(5000)
    assert.deepEqual([settle.length, it.half.messages], [2, []])
    session.send('new')
    settle[1]()
    await it.pass(100)
    assert.deepEqual(it.half.messages, ['new', 'words'])
    assert.deepEqual(named('open').map(([, { first, waiting }]) => [first, waiting]), [[true, 0], [false, 1], [false, 1]])
  })

  story('a close that waits stays last', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    await restart(it, () => session.send('words'))
    session.on('open', ({ waiting }) => {
      assert.equal(waiting, 1)
    })
    session.close(3001, 'done')
    await it.pass(5000)
    assert.deepEqual([it.half.messages, it.half.closed], [['words'], [3001, 'done']])
    assert.deepEqual(named('closed'), [['closed', { code: 3001, reason: 'done', unacknowledged: 0 }]])
  })

  story('a flush while messages wait covers them, and the greeting', async (it) => {
    const { session } = it.open()
    await it.pass(100)
    let settle
    session.on('open', () => {
      session.send('greeting')
      session.flush((all) => (flushed = all))
      return new Promise((resolve) => (settle = resolve))
    })
    let flushed
    await restart(it, () => session.send('words'))
    await it.pass(5000)
    assert.deepEqual([it.half.messages, flushed], [['greeting'], undefined])
    settle()
    await it.pass(1000)
    assert.deepEqual([it.half.messages, flushed], [['greeting', 'words'], true])
  })

  story('what waited is dropped if the application wants that, and reported', async (it) => {
    const { session, named } = it.open({ waiting: 'drop' })
    await it.pass(100)
    session.on('open', () => session.send('hello again'))
    await restart(it, () => session.send('stale'))
    await it.pass(5000)
    assert.deepEqual(named('resumed'), [['resumed', { outcome: 'new', unknown: [], dropped: ['stale'] }]])
    assert.deepEqual(named('open')[1], ['open', { first: false, waiting: 0 }])
    assert.deepEqual(it.half.messages, ['hello again'])
  })

  story('what waited and is over the limit of the new server is given back', async (it) => {
    const { session, named } = it.open()
    await it.pass(100)
    await restart(it, () => {
      session.send('x'.repeat(90000))
      session.send('words')
    })
    Object.assign(it.grant, { limit: 1000 })
    await it.pass(5000)
    assert.deepEqual(named('error').map(([, error]) => error.data.length), [90000])
    assert.deepEqual(it.half.messages, ['words'])
  })
})
