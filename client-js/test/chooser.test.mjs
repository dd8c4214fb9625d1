import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createChooser, HTTP, WEBSOCKET } from '../src/chooser.js'

// The chooser of the bundle for old browsers, which may have several ways to stream.
globalThis.LEGACY = true

const BOTH = HTTP + WEBSOCKET

/** Random numbers that are the same in each run. */
const seeded = (seed) => () => {
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed / 2147483648
}

/** A chooser in virtual time; `acts` are its actions and their times. */
const world = ({ allowed = BOTH, known = 0, streams = 1, random = () => 1, backoff = { first: 200, max: 10000 } } = {}) => {
  const acts = []
  const remembered = []
  const links = {}
  let now = 0
  const chooser = createChooser(
    allowed,
    known,
    random,
    (kind) => remembered.push(kind),
    (kind, ordinal) => {
      if (kind) links[kind] = { duplex_: kind - 1, ordinal }
      acts.push(kind ? [now, kind === HTTP ? 'http' : 'websocket'] : [now, 'begin'])
      if (!kind) chooser.begin_(now)
    },
    streams,
    backoff
  )
  const self = {
    acts,
    remembered,
    chooser,
    links,
    begin: () => chooser.begin_(now),
    /** Lets time pass, firing each deadline when it is due. */
    until(time) {
      while (chooser.pollTimeout_() <= time) {
        now = Math.max(now, chooser.pollTimeout_())
        chooser.handleTimeout_(now)
      }
      now = time
    },
    proven(kind) {
      links[kind].confirmed_ = 1
      chooser.confirmed_(now, links[kind])
    },
    ended(kind, { useful = 0, wait = 0, spread } = {}) {
      links[kind].useful_ = useful
      chooser.ended_(now, links[kind], wait, spread)
    },
    now: () => now
  }
  return self
}

const names = (acts) => acts.map(([at, what]) => `${what}@${at}`).join(' ')

test('WebSocket first; HTTP 250 ms later when it is silent', () => {
  const it = world()
  it.begin()
  it.until(249)
  assert.equal(names(it.acts), 'websocket@0')
  it.until(5000)
  assert.equal(names(it.acts), 'websocket@0 http@250')
})

test('HTTP at once when the WebSocket is refused', () => {
  const it = world()
  it.begin()
  it.until(40)
  it.ended(WEBSOCKET)
  it.until(41)
  assert.equal(names(it.acts), 'websocket@0 http@40')
})

test('no HTTP when the WebSocket proves itself in time', () => {
  const it = world()
  it.begin()
  it.until(200)
  it.proven(WEBSOCKET)
  it.until(1e6)
  assert.equal(names(it.acts), 'websocket@0')
  assert.deepEqual(it.remembered, [WEBSOCKET])
})

test('the better kind has the higher ordinal, and a later round a higher one than both', () => {
  const it = world()
  it.begin()
  it.until(250)
  const [http, socket] = [it.links[HTTP].ordinal, it.links[WEBSOCKET].ordinal]
  assert.ok(socket > http)
  it.ended(HTTP)
  it.ended(WEBSOCKET)
  it.until(1000)
  assert.ok(it.links[WEBSOCKET].ordinal > socket)
  assert.ok(it.links[HTTP].ordinal > socket)
})

test('the kind that worked last is tried first, and the other one a second later', () => {
  const it = world({ known: HTTP })
  it.begin()
  it.until(999)
  assert.equal(names(it.acts), 'http@0')
  it.until(1000)
  assert.equal(names(it.acts), 'http@0 websocket@1000')
})

test('a kind that is not allowed is never tried', () => {
  const http = world({ allowed: HTTP, known: WEBSOCKET })
  http.begin()
  http.until(1)
  http.proven(HTTP)
  http.until(1e7)
  assert.equal(names(http.acts), 'http@0')
  const socket = world({ allowed: WEBSOCKET, known: HTTP })
  socket.begin()
  socket.until(5)
  assert.equal(names(socket.acts), 'websocket@0')
  socket.ended(WEBSOCKET)
  socket.until(100000)
  assert.equal(names(socket.acts), 'websocket@0 begin@205 websocket@205')
})

test('over HTTP a WebSocket is tried again after 5 s, 30 s, 5 min and every 5 min, and the failure is remembered', () => {
  const it = world()
  it.begin()
  it.until(250)
  it.proven(HTTP)
  it.until(10000)
  it.ended(WEBSOCKET)
  const failAll = (until) => {
    while (it.chooser.pollTimeout_() <= until) {
      it.until(it.chooser.pollTimeout_())
      it.ended(WEBSOCKET)
    }
  }
  failAll(1e6)
  assert.equal(names(it.acts), 'websocket@0 http@250 websocket@15000 websocket@45000 websocket@345000 websocket@645000 websocket@945000')
  assert.deepEqual(new Set(it.remembered), new Set([HTTP]))
})

test('a WebSocket that was refused while nothing worked is not held against it', () => {
  const it = world()
  it.begin()
  it.ended(WEBSOCKET)
  it.until(1)
  it.ended(HTTP)
  assert.deepEqual(it.remembered, [])
  it.until(1000)
  it.proven(WEBSOCKET)
  assert.deepEqual(it.remembered, [WEBSOCKET])
})

test('a WebSocket that takes over is remembered and reconnected first', () => {
  const it = world()
  it.begin()
  it.until(250)
  it.proven(HTTP)
  it.until(300)
  it.proven(WEBSOCKET)
  it.ended(HTTP)
  it.until(20000)
  assert.equal(names(it.acts), 'websocket@0 http@250')
  it.ended(WEBSOCKET, { useful: 1 })
  it.until(20100)
  assert.equal(names(it.acts.slice(2)), 'begin@20100 websocket@20100')
  it.until(21099)
  assert.equal(it.acts.length, 4)
  it.until(21100)
  assert.equal(names(it.acts.slice(4)), 'http@21100')
})

test('a raced attempt that lost may be made again later', () => {
  const it = world()
  it.begin()
  it.until(250)
  it.proven(WEBSOCKET)
  it.ended(HTTP)
  it.until(1000)
  it.ended(WEBSOCKET, { useful: 1 })
  it.until(1100)
  it.ended(WEBSOCKET)
  it.until(1101)
  assert.equal(names(it.acts.slice(2)), 'begin@1100 websocket@1100 http@1100')
})

/** Only WebSockets, with one that carries at `now()`. */
const carried = (options) => {
  const it = world({ allowed: WEBSOCKET, ...options })
  it.begin()
  it.until(10)
  it.proven(WEBSOCKET)
  it.until(60000)
  return it
}

/** The times between a number of attempts, each of which fails at once. */
const waits = (it, count) =>
  Array.from({ length: count }, () => {
    const from = it.now()
    it.until(it.chooser.pollTimeout_())
    it.ended(WEBSOCKET)
    return it.now() - from
  })

test('the first attempt after a link that was useful comes within the spread', () => {
  for (const [random, spread, wait] of [[1, undefined, 100], [1, 4000, 4000], [0.5, 4000, 2000], [0, 4000, 0]]) {
    const it = carried({ random: () => random })
    it.ended(WEBSOCKET, { useful: 1, spread })
    assert.equal(it.chooser.pollTimeout_() - it.now(), wait)
  }
})

test('later attempts wait an eighth to a quarter of the time away, between the first and the longest wait', () => {
  const longest = carried()
  longest.ended(WEBSOCKET, { useful: 1 })
  assert.deepEqual(waits(longest, 9), [100, 200, 200, 200, 200, 225, 281.25, 351.5625, 439.453125])
  waits(longest, 40)
  assert.deepEqual(waits(longest, 2), [10000, 10000])
  const shortest = carried({ random: () => 0 })
  shortest.ended(WEBSOCKET, { useful: 1 })
  assert.deepEqual(waits(shortest, 4), [0, 100, 100, 100])
  const own = carried({ backoff: { first: 1000, max: 3000 } })
  own.ended(WEBSOCKET, { useful: 1 })
  assert.deepEqual(waits(own, 4), [100, 1000, 1000, 1000])
  waits(own, 20)
  assert.deepEqual(waits(own, 2), [3000, 3000])
})

test('the number of attempts grows with the logarithm of the time away, until the longest wait is reached', () => {
  const attempts = (away) => {
    const it = carried({ backoff: { first: 200, max: Infinity } })
    it.ended(WEBSOCKET, { useful: 1 })
    const until = it.now() + away
    let count = 0
    for (; it.chooser.pollTimeout_() < until; count++) waits(it, 1)
    return count
  }
  const [second, minute, hour] = [attempts(1e3), attempts(6e4), attempts(3.6e6)]
  assert.ok(minute - second < 20 && hour - minute < 20, `${second} ${minute} ${hour}`)
})

/** How long after the network is back the next attempt begins, at the worst but one in a hundred. */
const lateness = (away, runs = 2000) => {
  const random = seeded(away)
  const late = Array.from({ length: runs }, () => {
    const it = carried({ random })
    const back = it.now() + away
    it.ended(WEBSOCKET, { useful: 1 })
    while (it.now() < back) waits(it, 1)
    return it.now() - back
  }).sort((a, b) => a - b)
  return { usual: late[runs >> 1], p99: late[Math.floor(runs * 0.99)], most: late.at(-1) }
}

test('after 2 s without a network the next attempt begins within 0.6 s, after an hour within 10 s', () => {
  const brief = lateness(2000)
  assert.ok(brief.usual < 250 && brief.p99 <= 600, JSON.stringify(brief))
  const long = lateness(3.6e6, 100)
  assert.ok(long.most <= 10000, JSON.stringify(long))
  assert.ok(lateness(0).most <= 100)
})

test('a link that is of no use, or of use for a moment, does not end the backoff; one that lived does', () => {
  const next = (life, useful) => {
    const it = carried()
    it.ended(WEBSOCKET, { useful: 1 })
    while (it.now() < 200000) waits(it, 1)
    it.until(it.chooser.pollTimeout_())
    it.proven(WEBSOCKET)
    it.until(it.now() + life)
    it.ended(WEBSOCKET, { useful })
    return it.chooser.pollTimeout_() - it.now()
  }
  assert.equal(next(5000, 0), 10000, 'of no use')
  assert.equal(next(5, 1), 10000, 'of use, for 5 ms')
  assert.equal(next(3000, 1), 100)
  assert.equal(next(10001, 0), 100, 'alive for long')
})

test('links that break at once each time, though they were useful, are made with longer and longer pauses', () => {
  const it = carried()
  it.ended(WEBSOCKET, { useful: 1 })
  let count = 0
  for (const until = it.now() + 60000; it.now() < until; count++) {
    it.until(it.chooser.pollTimeout_())
    it.proven(WEBSOCKET)
    it.until(it.now() + 1)
    it.ended(WEBSOCKET, { useful: 1 })
  }
  assert.ok(count < 40, `${count} in a minute`)
})

test('the time of the next round is known while it waits', () => {
  const it = carried()
  assert.equal(it.chooser.nextRound_(), 0, 'connected')
  it.ended(WEBSOCKET, { useful: 1 })
  assert.equal(it.chooser.nextRound_(), 60100)
  it.until(60100)
  assert.equal(it.chooser.nextRound_(), 0, 'under way')
  it.ended(WEBSOCKET)
  assert.equal(it.chooser.nextRound_(), 60300)
})

test('a server that asks for patience gets it', () => {
  const it = world({ random: () => 0 })
  it.begin()
  it.ended(WEBSOCKET, { wait: 5000 })
  it.until(0)
  it.ended(HTTP, { wait: 5000 })
  assert.equal(it.chooser.pollTimeout_(), 5100, 'and the shortest wait, so that not all come at once')
})

test('when the old link of a server that goes away ends, the next round begins at once, however many failed before', () => {
  const it = carried()
  const old = it.links[WEBSOCKET]
  it.chooser.goAway_(it.now(), 1000)
  waits(it, 30)
  assert.ok(it.chooser.pollTimeout_() - it.now() > 2000, 'no other server yet')
  old.useful_ = 1
  it.chooser.ended_(it.now(), old, 0)
  assert.equal(it.chooser.pollTimeout_() - it.now(), 100)
})

test('a link that was taken for dead and is not stays, and attempts beside it change nothing', () => {
  const it = carried({ allowed: BOTH })
  it.chooser.goAway_(it.now(), 0)
  it.until(it.now())
  assert.deepEqual(it.acts.slice(1).map(([, what]) => what), ['begin', 'websocket'])
  it.chooser.stay_()
  it.ended(WEBSOCKET)
  assert.equal(it.chooser.pollTimeout_(), Infinity)
  assert.deepEqual(new Set(it.remembered), new Set([WEBSOCKET]))
})

test('a nudge ends the wait, and is nothing otherwise', () => {
  const it = world()
  it.begin()
  it.chooser.nudge_(0)
  it.until(0)
  assert.equal(names(it.acts), 'websocket@0')
  it.ended(WEBSOCKET)
  it.until(1)
  it.ended(HTTP)
  it.until(100)
  it.chooser.nudge_(100)
  it.until(100)
  assert.equal(names(it.acts.slice(2)), 'begin@100 websocket@100')
})

test('a server that goes away gets a new link beside the old one after the pause it asked for', () => {
  const it = world()
  it.begin()
  it.until(10)
  it.proven(WEBSOCKET)
  const old = it.links[WEBSOCKET]
  it.chooser.goAway_(10, 3000)
  it.until(3009)
  assert.equal(it.acts.length, 1)
  it.until(3010)
  assert.equal(names(it.acts.slice(1)), 'begin@3010 websocket@3010')
  it.proven(WEBSOCKET)
  it.chooser.ended_(3020, old, 0)
  it.until(1e6)
  assert.equal(it.acts.length, 3)
})

test('when the carrier goes while a WebSocket is being tried, HTTP is tried too', () => {
  const it = world()
  it.begin()
  it.until(250)
  it.proven(HTTP)
  it.until(260)
  it.ended(HTTP)
  it.until(509)
  assert.equal(names(it.acts), 'websocket@0 http@250')
  it.until(510)
  assert.equal(names(it.acts), 'websocket@0 http@250 http@510')
})

test('streams: two that end early, or one that is held back, make it poll for 5 s, 30 s, then 5 min', () => {
  const { chooser, remembered } = world()
  assert.ok(chooser.stream_(0))
  chooser.streamed_(100, 1)
  assert.ok(chooser.stream_(101))
  chooser.streamed_(200, 0)
  chooser.streamed_(300, 1)
  assert.ok(chooser.stream_(301))
  chooser.streamed_(400, 1)
  assert.ok(!chooser.stream_(401))
  assert.ok(!chooser.stream_(5399))
  assert.ok(chooser.stream_(5400))
  chooser.streamed_(6000, 2)
  assert.ok(!chooser.stream_(35999))
  assert.ok(chooser.stream_(36000))
  chooser.streamed_(40000, 2)
  assert.ok(!chooser.stream_(339999))
  assert.ok(chooser.stream_(340000))
  assert.deepEqual(remembered, [4, 4, 4])
  chooser.streamed_(350000, 0)
  chooser.streamed_(360000, 2)
  assert.ok(chooser.stream_(365000), 'one that did well wipes the slate')
})

test('each stream is tried in another way; if streams were held back before, none is tried for 5 s', () => {
  const { chooser } = world({ streams: 3, known: 5 })
  assert.equal(chooser.stream_(4999), 0)
  const ways = []
  for (let now = 5000; ways.length < 5; now += 1e6) {
    ways.push(chooser.stream_(now))
    chooser.streamed_(now, 2)
  }
  assert.deepEqual(ways, [1, 2, 3, 1, 2])
  assert.equal(world({ streams: 0 }).chooser.stream_(1e9), 0)
})

test('if the browser cannot stream in one way, it streams in another at once', () => {
  const { chooser } = world({ streams: 2 })
  const twice = (now, bad) => [chooser.streamed_(now, bad), chooser.streamed_(now, bad)]
  twice(1000, 1)
  assert.equal(chooser.stream_(1000), 2)
  twice(2000, 1)
  assert.equal(chooser.stream_(2000), 0, 'all have been tried')
  assert.equal(chooser.stream_(7000), 1)
})

test('WebSockets that are cut one after the other make HTTP the better one, for longer each time', () => {
  const it = world()
  it.begin()
  let at = 0
  for (let i = 0; i < 3; i++) {
    it.until((at = it.now() + 50))
    it.proven(WEBSOCKET)
    it.until((at += 5000))
    it.ended(WEBSOCKET, { useful: 1 })
    if (i < 2) it.until(at + 100)
  }
  assert.deepEqual(it.remembered, [WEBSOCKET, WEBSOCKET, WEBSOCKET, HTTP])
  const from = it.acts.length
  it.until(at + 100)
  assert.deepEqual(it.acts.slice(from).map(([, what]) => what), ['begin', 'http'])
  it.proven(HTTP)
  it.until(at + 100 + 29999)
  assert.equal(it.acts.length, from + 2)
  it.until(at + 100 + 30000)
  assert.equal(it.acts.at(-1)[1], 'websocket')
})

test('an ordinal is never used twice: after HTTP was confirmed and cut, while a WebSocket is tried, a new round begins', () => {
  const it = world()
  it.begin()
  it.until(250)
  const { ordinal } = it.links[HTTP]
  it.proven(HTTP)
  it.until(2000)
  it.ended(HTTP)
  it.until(2250)
  assert.equal(names(it.acts), 'websocket@0 http@250 http@2250')
  assert.ok(it.links[HTTP].ordinal > ordinal)
})

test('alone, HTTP is first whatever is known, and the WebSocket waits until it has failed', () => {
  const it = world({ known: WEBSOCKET })
  it.chooser.begin_(0, true)
  it.until(60000)
  assert.equal(names(it.acts), 'http@0')
  it.ended(HTTP)
  it.until(60001)
  assert.equal(names(it.acts), 'http@0 websocket@60000')
  it.proven(WEBSOCKET)
  it.until(1e6)
  assert.equal(names(it.acts), 'http@0 websocket@60000')
})
