/**
 * One half of a session, the twin of `src/session`: what the network and the clock did goes in by `attach`, `handleFrame`, `detach`
 * and `handleTimeout`, what the application wants by `send`, `close` and `abort`; what to do now comes out by `pollTransmit`,
 * `pollEvent` and `pollTimeout`. No clock, no I/O.
 *
 * Two rules carry the promise: a half takes only the next number that it lacks, from whatever link brings it; a half that moves to
 * a link starts there at the first number that is not acknowledged, and says so.
 *
 * `message`, `resumed` (a gap), `lost` and `closed` are events. The link that carries is `carrier_`.
 *
 * A link is the caller's object: `ordinal_`; `duplex_` if it carries both ways; `opening_` if it opens the session; `poll_` while it waits
 * for a poll; `room_`, the bytes that may still be put on it.
 */
import { MAX, fail } from './codec.js'
import { without } from './list.js'

/** What an entry costs beyond its payload, so that empty messages too are bounded. */
const ENTRY = 64
/** An acknowledgement is due after so many bytes, or after 128 messages: each counts for 256 bytes more. */
const ACK = 32768
const ACK_MESSAGE = 256
const NEVER = Infinity

/** Places in the start frame of a new session. */
export const ID = 3
export const SECRET = 4
const INTERVAL = 5
const TIMEOUT = 6
export const GRACE = 7
export const LIMIT = 8
export const BATCH = 9
const HOLD = 10

/** What a timeout says of the link that carries. */
export const LINK_DEAD = 1
export const LINK_UNKNOWN = 2

/** Before a session is open. */
const NO_TERMS = [0, 0, 0, '', '', 0, 0, 30000]

export const createMachine = (capacity, base) => {
  const events = []
  let sent = base
  /** Sent and not yet acknowledged, from number `acked + 1` on. */
  const outbox = []
  /** Twice the epoch of the last hold or go heard, and one more for a go: what comes late is known by comparing. */
  let stage = 1
  let owed = 0
  let due = 0
  let wanted = base

  const last = () => machine.acked_ + outbox.length

  const finish = (code, reason) => {
    machine.over_ ||= events.push(['closed', { code, reason, unacknowledged: machine.unacknowledged_ }])
  }

  const say = () => {
    due = owed = 0
    return machine.received_
  }

  const shift = () => {
    const frame = outbox.shift()
    machine.acked_++
    machine.bytes_ -= frame.size_
    if (frame !== machine.closing_) machine.unacknowledged_--
    return frame
  }

  const acknowledge = (number) => {
    // Beyond what was ever said.
    if (number > sent) fail()
    while (machine.acked_ < number) {
      if (shift() === machine.closing_) finish(machine.closing_[2], machine.closing_[3])
    }
  }

  const begin = (link, frame) => {
    if (frame[ID]) {
      if (machine.terms_[ID] && machine.terms_[ID] !== frame[ID]) fail()
      machine.terms_ = frame
    }
    if (machine.taking_) {
      // What was numbered before the server had said from where on.
      machine.taking_ = 0
      machine.acked_ = sent = frame[2]
      wanted += sent
      if (machine.closing_) machine.closing_[1] += sent
    }
    acknowledge(frame[2])
    link.next_ = 0
    if (!link.proven_) {
      link.proven_ = 1
      link.opening_ = 0
      if (link.duplex_) {
        link.room_ = NEVER
        link.queue_.unshift(['v'])
      }
      if (!(machine.carrier_.ordinal_ > link.ordinal_)) machine.carrier_ = link
    }
  }

  /** Whether the numbers up to `to` come next. A half that repeats itself has not heard how far we are. */
  const take = (from, to, size) => {
    if (!from) fail()
    if (to <= machine.received_) due = 1
    else if (from <= machine.received_ + 1 && !machine.over_) {
      machine.received_ = to
      owed += size + ACK_MESSAGE
      if (owed >= ACK) due = 1
      return 1
    }
  }

  const hear = (number, heard) => {
    acknowledge(number)
    if (heard > stage) {
      stage = heard
      // What was said beyond was not taken.
      for (const link of machine.links_) link.cursor_ = link.asked_ = 0
    }
  }

  const span = (link) => machine.terms_[link.poll_ ? HOLD : INTERVAL] + machine.terms_[TIMEOUT]

  const watched = () => (machine.carrier_ ? machine.carrier_.heard_ + span(machine.carrier_) : NEVER)

  const machine = {
    acked_: base,
    received_: base,
    closing_: 0,
    over_: 0,
    bytes_: 0,
    unacknowledged_: 0,
    links_: [],
    carrier_: 0,
    taking_: 0,
    terms_: NO_TERMS,

    attach_(now, link) {
      link.heard_ = now
      link.queue_ = []
      link.cursor_ = 0
      machine.links_.push(link)
    },

    detach_(link) {
      machine.links_ = without(machine.links_, link)
      if (machine.carrier_ === link) machine.carrier_ = 0
    },

    /** Throws on a violation, which ends the link and not the session. */
    handleFrame_(now, link, frame) {
      const [letter, first, second, third] = frame
      link.heard_ = now
      if (letter === 's') begin(link, frame)
      else if (letter === 'm' || letter === 'b') {
        if (take(link.next_, link.next_++, first.length || first.byteLength || 0)) events.push(['message', first])
      } else if (letter === 'n') link.next_ = first || fail()
      else if (letter === 'a') acknowledge(first)
      else if (letter === 'w') due = 1
      else if (letter === 'p') link.queue_.push(['q', first, say()])
      else if (letter === 'h' || letter === 'g') hear(first, second * 2 + (letter === 'g'))
      else if (letter === 'd') {
        const next = machine.received_ + 1
        link.next_ = second + 1
        if (take(first, second, 0)) events.push(['resumed', 'gap', { from: next, to: second }])
      } else if (letter === 'c') {
        if (take(first, first, 0)) finish(second, third)
        due = 1
      }
      // What else the codec knows is padding.
    },

    /** What has become of the link that carries: `LINK_DEAD`, `LINK_UNKNOWN` since we slept ourselves, or 0. */
    handleTimeout_(now) {
      const late = now - watched()
      if (late > machine.terms_[TIMEOUT]) return LINK_UNKNOWN
      return late >= 0 ? LINK_DEAD : 0
    },

    pollTimeout_: watched,

    /** The link is asked for a sign of life within `timeout`; one over HTTP makes another turn for it. */
    probe_(now, link) {
      link.heard_ = now + machine.terms_[TIMEOUT] - span(link)
      link.queue_.push(['w'])
    },

    /** Keeps a frame, whose `size_` counts its payload, until it is acknowledged; false when there is no room. */
    send_(frame) {
      const size = (frame.size_ += ENTRY)
      const full = (machine.bytes_ && machine.bytes_ + size > capacity) || last() + 1 >= MAX
      if (!full) {
        outbox.push(frame)
        machine.bytes_ += size
        machine.unacknowledged_++
      }
      // Who waits for room must hear how far the other half has come.
      if (full || (machine.bytes_ * 2 > capacity && wanted <= machine.acked_)) wanted = last()
      return !full
    },

    /** Asks the other half to acknowledge all that was sent; returns the last number. */
    flush_: () => (wanted = last()),

    close_(code, reason) {
      machine.closing_ = ['c', last() + 1, code, reason]
      machine.closing_.size_ = 0
      outbox.push(machine.closing_)
      wanted = last()
    },

    abort_(code, reason) {
      if (machine.carrier_) machine.carrier_.queue_.push(['x', code, reason])
      finish(code, reason)
    },

    /** It is over, whatever the other half knows of it. */
    finish_: finish,

    /** The other half does not know the session any more: what was put on a link is unknown, the rest goes to a new session. */
    lose_() {
      const unknown = []
      // Nothing was said in it, and nobody knows of it.
      if (machine.taking_) return (machine.taking_ = machine.received_ = 0)
      if (machine.closing_) return finish(machine.closing_[2], machine.closing_[3])
      while (machine.acked_ < sent) unknown.push(shift()[1])
      machine.acked_ = machine.received_ = sent = wanted = 0
      machine.terms_ = NO_TERMS
      stage = 1
      say()
      events.push(['lost', unknown])
    },

    /** The next frame for this link. */
    pollTransmit_(link) {
      const acked = machine.acked_
      const carries = link === machine.carrier_
      const number = Math.max(link.cursor_, acked + 1)
      const frame = outbox[number - acked - 1]
      if (link.queue_[0]) return link.queue_.shift()
      if (carries && link.duplex_ && due) return ['a', say()]
      if (machine.over_ || !(carries || (link.opening_ && !machine.carrier_ && !machine.taking_))) return
      if (wanted > acked && number > wanted && !(link.asked_ >= wanted)) {
        link.asked_ = wanted
        return ['w']
      }
      // One message always fits into a body, whatever its size.
      if (!frame || stage % 2 < 1 || (frame.size_ > link.room_ && (link.cursor_ || !link.proven_))) return
      if (link.said_ !== number) return ['n', (link.said_ = number)]
      link.room_ -= frame.size_
      link.cursor_ = link.said_ = number + 1
      sent = Math.max(sent, number)
      return frame
    },

    /** An upload starts at the first message that is not acknowledged. */
    rewind_(link, room) {
      link.cursor_ = link.said_ = 0
      link.room_ = room
    },

    /** Whether something waits for an upload: the next poll of a link that polls says how far we are by itself. */
    pending_: (link) => ((machine.over_ || !link.poll_) && (link.queue_[0] || due)) || (outbox[0] && stage % 2 && !machine.over_),

    pollEvent_: () => events.shift(),

    /** How far we have come, said in the head of a request. */
    say_: say
  }

  return machine
}
