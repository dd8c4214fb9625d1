// The faults of our own middlebox, and the transport that must carry for each browser behind it.

const noSockets = (box) => box.faults.rule('websocket', 'bad-request')
const held = { current: 'xhr-poll', 'xhr-only': 'xhr-poll' }
const streams = { current: 'fetch-stream', 'xhr-only': 'xhr-stream' }
/** A case of the WebSocket only, for which one browser is enough. */
const sockets = (way) => ({ arm: (box) => box.faults.rule('websocket', way), expect: { current: 'fetch-stream' } })

const shaped = (mode, sizes) => ({
  arm: (box) => {
    noSockets(box)
    box.relay.become(mode, sizes)
  },
  expect: held,
  polls: true
})

/**
 * `polls`: the first message takes one request, as it does without a stream. `fell(box)`: whether the fault
 * happened.
 */
export const CASES = {
  clear: { expect: { current: 'websocket', 'xhr-only': 'xhr-stream' } },
  'held until the end': shaped('hold'),
  'one chunk behind': shaped('behind'),
  'buffered up to 16 KiB': shaped('threshold', { bytes: 16384 }),
  gzip: { shape: { gzip: true }, arm: noSockets, expect: held, polls: true },
  'cut after 1.5 s': { shape: { life: 1500 }, arm: noSockets, expect: streams, lingers: true, fell: (box) => box.relay.cuts > 0 },
  'headers stripped': { shape: { strip: true }, expect: streams },
  'WebSocket refused': sockets('refused'),
  'WebSocket 101, then silence': sockets('silent-101'),
  'WebSocket TCP accepted, then silence': sockets('silence'),
  'WebSocket 400': sockets('bad-request'),
  'WebSocket HTML page': sockets('html'),
  'WebSocket cut when idle': {
    shape: { idle: 500 }, expect: { current: 'websocket' }, lingers: true, fell: (box) => box.relay.cuts > 0
  },
  '502 for four requests': {
    arm: (box) => box.outage(4), expect: { current: null, 'xhr-only': 'xhr-stream' }, fell: (box) => box.faults.counts.faults['bad-gateway'] === 4
  },
  'answers dropped': {
    arm: (box) => {
      noSockets(box)
      box.faults.rule('open', 'lose-answer', { times: 1 })
      box.faults.rule('send', 'lose-answer', { chance: 0.2 })
      box.faults.rule('stream', 'lose-answer', { times: 1 })
    },
    expect: { current: null, 'xhr-only': null },
    fell: (box) => box.faults.counts.faults['lose-answer'] > 1
  },
  'requests duplicated': {
    arm: (box) => {
      noSockets(box)
      for (const kind of ['open', 'send', 'poll', 'stream']) box.faults.rule(kind, 'duplicate', { chance: 0.5 })
    },
    expect: { current: null, 'xhr-only': null },
    fell: (box) => box.faults.counts.faults.duplicate > 1
  }
}
