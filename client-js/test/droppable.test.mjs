/** Messages that are worth nothing when they come late, and sessions that fell behind. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { half, startNew } from './half.mjs'
import { story } from './support/network.mjs'

const opened = () => {
  const one = half()
  const link = one.opens(2)
  one.receives(link, startNew())
  one.sends(link)
  return { ...one, link }
}

describe('the mark', () => {
  test('the fifth message that is not acknowledged is skipped, and the third asks for it', () => {
    const one = opened()
    assert.deepEqual(one.sendDroppable(1, 'a', 'b'), [true, true])
    assert.equal(one.sends(one.link), 'n1 a b')
    assert.deepEqual(one.sendDroppable(1, 'c', 'd', 'e', 'f'), [true, true, false, false])
    assert.equal(one.sends(one.link), 'c d w')
    assert.equal(one.machine.unacknowledged_, 4)
    one.receives(one.link, ['a', 4])
    assert.deepEqual(one.sendDroppable(2, 'g'), [true])
    assert.equal(one.sends(one.link), 'g', 'what was skipped has no number')
  })

  test('it grows with what is acknowledged in half a second, and shrinks again', () => {
    const one = opened()
    const round = (now) => {
      let count = 0
      while (one.sendDroppable(now, 'x')[0]) count++
      one.sends(one.link)
      one.machine.handleFrame_(now, one.link, ['a', one.machine.acked_ + count])
      return count
    }
    assert.deepEqual([10, 11, 12, 13].map(round), [4, 4, 7, 14])
    assert.equal(round(2000), 4)
  })

  test('it is at most 64 KiB, and one message goes whatever its size', () => {
    const one = opened()
    const large = 'x'.repeat(40000)
    assert.deepEqual(one.sendDroppable(1, large, large, 'x'), [true, false, true])
    one.sends(one.link)
    one.receives(one.link, ['a', 2])
    assert.deepEqual(one.sendDroppable(1, large + large, 'x'), [true, false])
  })

  test('ordinary messages are never skipped', () => {
    const one = opened()
    one.sendDroppable(1, 'a', 'b', 'c', 'd')
    assert.deepEqual(one.send('e', 'f'), [true, true])
    assert.equal(one.sends(one.link), 'n1 a b c w d e f')
  })
})

describe('a camera page', () => {
  story('sends no frame before the session is open and while it is interrupted', async (it) => {
    const { session } = it.open({ transports: ['websocket'] })
    const frame = () => session.send('frame', { droppable: true })
    assert.equal(frame(), false)
    await it.pass(100)
    assert.equal(frame(), true)
    it.mode.websocket = 'refused'
    it.sockets[0].cut()
    await it.pass(100)
    assert.equal(session.state, 'interrupted')
    assert.deepEqual([frame(), session.send('ordinary')], [false, true])
    it.mode.websocket = 'ok'
    await it.pass(30000)
    assert.equal(frame(), true)
    await it.pass(100)
    assert.deepEqual(it.half.messages, ['frame', 'ordinary', 'frame'])
  })
})

describe('gaps', () => {
  story('of droppable messages are an event of their own', async (it) => {
    const { session, events } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    it.half.put('d1,70')
    await it.pass(100)
    assert.deepEqual(events, [['open', { first: true, waiting: 0 }], ['gap', { from: 1, to: 70 }]])
    assert.equal(session.state, 'open')
  })
})

describe('a session that fell behind', () => {
  story('is followed by a new one after a wait that grows each time', async (it) => {
    const { session, named } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    const waits = []
    for (let time = 0; time < 5; time++) {
      const [count, from] = [it.server.sessions.length, it.clock.now()]
      it.half.line.end(4105, 'fell behind')
      while (it.server.sessions.length === count) await it.pass(50)
      waits.push(it.clock.now() - from)
      await it.pass(100)
      assert.equal(session.state, 'open')
    }
    waits.forEach((wait, time) => assert.ok(wait >= 500 * 2 ** time && wait <= 1000 * 2 ** time + 150, `${waits}`))
    assert.deepEqual(named('closed'), [])
    assert.equal(named('resumed').every(([, { outcome }]) => outcome === 'new'), true)
  })
})

describe('a session whose client was too fast', () => {
  story('is followed by a new one once the server does not ask to come back later', async (it) => {
    const { session, named } = it.open({ transports: ['websocket'] })
    await it.pass(100)
    const { receive, sessions } = it.server
    let refused = 0
    it.server.receive = (data, line) => {
      if (!/^r/.test(data) || sessions[0].forgotten) return receive(data, line)
      refused++
      line.end(4203, 'too fast')
    }
    sessions[0].line.end(4203, 'too fast')
    await it.pass(5000)
    assert.ok(refused > 0 && refused < 25, `${refused} tries`)
    assert.deepEqual([sessions.length, session.state], [1, 'interrupted'])
    sessions[0].forgotten = true
    await it.pass(10000)
    assert.deepEqual([sessions.length, session.state, named('closed')], [2, 'open', []])
  })
})
