// Steps that need many events, or some time.

import assert from 'node:assert/strict'
import { Tally, numbered } from '../numbered.mjs'
import { PATIENCE, turn } from '../support.mjs'

const EVENTS = 5000
/** How many events each side says at a time. */
const PART = 25

export default {
  async 'events from both sides come once and in order, also through an upgrade'({ client, way, connect }) {
    const filler = client.filler(way)
    const ann = connect()
    const tally = new Tally()
    let all
    const complete = new Promise((resolve) => (all = resolve))
    ann.socket.on('counted', (n, value) => {
      tally.take(n, value, filler)
      if (tally.received === EVENTS) all()
    })
    const say = (from) => {
      for (let n = from; n < from + PART; n++) ann.emit('count', n, numbered(n, filler), filler)
      ann.emit('burst', from, from + PART - 1, filler)
    }
    let before = way === 'upgrade' ? 0 : EVENTS
    if (way === 'upgrade') ann.socket.io.engine.once('upgrade', () => (before = said))
    let said = 0
    // The first events are on their way before anything is open, and the last fifth waits for the upgrade.
    for (; said < EVENTS; said += PART) {
      if (said === (EVENTS * 4) / 5 && way === 'upgrade') await ann.carriedBy('websocket')
      say(said + 1)
      await turn()
    }
    await Promise.race([complete, new Promise((resolve) => setTimeout(resolve, PATIENCE).unref())])
    assert.deepEqual(tally.json(), { received: EVENTS, wrong: [] })
    assert.deepEqual(await ann.ask('tally'), [{ received: EVENTS, wrong: [] }])
    assert.ok(before > 0 && before <= EVENTS, 'the upgrade came amid the events')
  },

  async 'heartbeats keep a silent connection'({ short, connect }) {
    const ann = connect({}, { origin: short.origin })
    await ann.next('connect')
    const { id } = ann.socket
    const beats = ann.beats()
    // Without an answer to its pings either side would have given up after five intervals.
    await beats.several(7)
    assert.deepEqual(await ann.ask('where'), ['/'])
    assert.equal(ann.socket.id, id)
    assert.deepEqual(ann.heard('disconnect').take(), [])
  }
}
