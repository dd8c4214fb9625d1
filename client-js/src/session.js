/**
 * The client's half of a session, written by hand beside `src/session`, with the same rules. Input from the
 * network and the clock goes in by `attach`, `handleFrame`, `detach` and `handleTimeout`, and from the
 * application by `send`, `close` and `abort`. Output comes out by `pollTransmit`, `pollEvent` and
 * `pollTimeout`. No clock, no I/O.
 *
 * Two rules carry the promise. A half accepts only the next number that it lacks, from whatever link brings
 * it. A half that moves to another link starts there at the first number that is not acknowledged, and states
 * that number.
 *
 * The events are `message`, `event` (its packet and its attachments), `gap`, `lost`, `error` and `closed`. The
 * link that carries the session is `carrier_`.
 *
 * A link is an object of the caller's: `ordinal_`; `duplex_` if it carries both ways; `opening_` if it opens
 * the session; `poll_` while it waits for a poll; `room_`, the bytes that may still be put on it.
 * The machine's `takingOver_` (the session is an older page's, not answered yet) is set by `reload.js` only.
 */
import { EXPANSION, MAX, fail } from './codec.js'
import { LEAST_RATE } from './config.js'
import { assemble, content, isOfSession } from './parts.js'
import { HOLD, ID, INTERVAL, LIMIT, NO_PARAMS, SECRET, TIMEOUT } from './grant.js'
import { each, without } from './list.js'

/** The bytes that a message costs beyond its payload, so that empty messages too are bounded. */
const OVERHEAD = 64
/** An acknowledgement is due after so many bytes, or after 128 messages: each counts for 256 bytes more. */
const ACK_BYTES = 32768
const ACK_MESSAGE = 256
/** ... or this many milliseconds after the last frame: a client that keeps receiving does not need it. */
const ACK_QUIET = 1250
/**
 * Droppable messages are skipped while more is unacknowledged than was acknowledged in this time, at least so
 * many messages, at most so many bytes.
 */
const WINDOW = 500
const FEW = 4
const MARK = 65536
const NEVER = Infinity

/** The link that carries is dead, or its state is unknown because this computer has slept. */
export const LINK_DEAD = 1
export const LINK_UNKNOWN = 2

export const createMachine = (capacity, base) => {
  const events = []
  /** The highest number that was ever put on a link. */
  let sent = base
  /** Messages that are not acknowledged, from number `acked_ + 1` on. */
  const outbox = []
  /**
   * The newest pause or resume of the other half: twice its epoch, and one more for a resume. An older one
   * comes late.
   */
  let flow = 1
  let bytesToAck = 0
  let ackDue = 0
  /** The other half is asked to acknowledge up to this number. */
  let ackRequest = base

  /** The bytes that were acknowledged in the last `WINDOW`, as a sum that decays, and when it last did. */
  let recent = 0
  let recentAt = 0

  const last = () => machine.acked_ + outbox.length

  const finish = (code, reason) => {
    if (machine.over_) return
    machine.over_ = 1
    events.push(['closed', { code, reason, unacknowledged: machine.unacknowledged_ }])
  }

  /** The session has ended as the application wished. */
  const finishClosed = () => finish(machine.closing_[2], machine.closing_[3])

  const ackNumber = () => {
    ackDue = bytesToAck = 0
    return machine.received_
  }

  /** Keeps a message, a gap or the close no longer; returns the payload. */
  const free = (frame) => {
    machine.bytes_ -= frame.size_
    if (frame.size_) machine.unacknowledged_--
    return content(frame)
  }

  const shift = () => {
    machine.acked_++
    free(outbox[0])
    return outbox.shift()
  }

  const acknowledged = (number) => {
    // Nothing can be acknowledged that was not sent.
    if (number > sent) fail()
    recent += machine.bytes_
    while (machine.acked_ < number) {
      if (shift() === machine.closing_) finishClosed()
    }
    recent -= machine.bytes_
  }

  const decay = (now) => {
    recent *= Math.max(0, 1 - (now - recentAt) / WINDOW)
    recentAt = now
  }

  /** Whether the server is behind, so that a droppable message that makes it `bytes` in all is skipped. */
  const behind = (now, bytes) => {
    const waiting = machine.unacknowledged_
    decay(now)
    return !machine.carrier_ || (waiting && (bytes > MARK || (waiting >= FEW && bytes > recent)))
  }

  /** A message cannot be sent: the application gets it back, and its number becomes a gap. */
  const giveUp = (at) => {
    const error = Error('too large')
    error.data = free(outbox[at])
    // The number is put in when the gap is sent.
    outbox[at] = ['d']
    outbox[at].size_ = 0
    events.push(['error', error])
  }

  /** Before the session is open, messages are taken that are over the limit of the server. */
  const giveUpLarge = () => {
    for (let at = 0; at < outbox.length; at++) if (outbox[at].size_ > machine.params_[LIMIT] + OVERHEAD) giveUp(at)
  }

  const attached = (link, frame) => {
    // A request that was repeated is answered twice, and the secret may have been replaced since.
    if (!frame[INTERVAL]) machine.params_[SECRET] = frame[SECRET] || machine.params_[SECRET]
    else if (!machine.params_[ID]) machine.params_ = frame
    else if (machine.params_[ID] !== frame[ID]) fail()
    if (LEGACY && machine.takingOver_) {
      // Only now it is known how many messages of the older page arrived; ours are counted from there.
      machine.takingOver_ = 0
      machine.acked_ = sent = frame[2]
      ackRequest += sent
      if (machine.closing_) machine.closing_[1] += sent
    }
    acknowledged(frame[2])
    giveUpLarge()
    link.nextToReceive_ = 0
    if (link.confirmed_) return
    link.confirmed_ = 1
    machine.settling_ = 0
    link.opening_ = 0
    if (link.duplex_) {
      link.room_ = NEVER
      link.queue_.unshift(['v'])
    }
    if (!(machine.carrier_.ordinal_ > link.ordinal_)) machine.carrier_ = link
  }

  /** Whether the numbers up to `to` come next. A half that repeats itself does not know how far we are. */
  const accept = (from, to, size) => {
    if (!from) fail()
    if (to <= machine.received_) ackDue = 1
    else if (from <= machine.received_ + 1 && !machine.over_) {
      machine.received_ = to
      bytesToAck += size + ACK_MESSAGE
      if (bytesToAck >= ACK_BYTES) ackDue = 1
      return 1
    }
  }

  const flowChanged = (number, state) => {
    acknowledged(number)
    if (state > flow) {
      flow = state
      // The other half has not accepted what was sent beyond `number`.
      each(machine.links_, (link) => (link.nextToSend_ = link.ackRequested_ = 0))
    }
  }

  /** How long nothing may come on a link before it is dead. */
  const silence = (link) => machine.params_[link.poll_ ? HOLD : INTERVAL] + machine.params_[TIMEOUT]

  const deadline = () => (machine.carrier_ ? machine.carrier_.receivedAt_ + silence(machine.carrier_) : NEVER)

  /** When what was received must be acknowledged, unless that is due already. */
  const ackDeadline = () => (bytesToAck && !ackDue && machine.carrier_.receivedAt_ + ACK_QUIET) || NEVER

  const machine = {
    acked_: base,
    received_: base,
    closing_: 0,
    over_: 0,
    bytes_: 0,
    unacknowledged_: 0,
    links_: [],
    carrier_: 0,
    params_: NO_PARAMS,
    /** No further message is sent, since the session is lost. */
    settling_: 0,
    /** Messages that were not sent in a session that was lost, and whether new ones wait too. */
    waiting_: [],
    waits_: 0,

    attach_(now, link) {
      link.receivedAt_ = now
      link.queue_ = []
      link.nextToSend_ = 0
      machine.links_.push(link)
    },

    detach_(link) {
      machine.links_ = without(machine.links_, link)
      if (machine.carrier_ === link) machine.carrier_ = 0
    },

    /** Throws on a violation, which ends the link and not the session. */
    handleFrame_(now, link, frame) {
      const [letter, first, second, third] = frame
      link.receivedAt_ = now
      decay(now)
      if (letter === 's') attached(link, frame)
      else if (/[bem]/.test(letter)) {
        const event = assemble(link, letter, first)
        if (event && accept(link.nextToReceive_, link.nextToReceive_++, link.size_)) events.push(event)
      } else if (letter === 'n') {
        link.nextToReceive_ = first || fail()
        // An event that was cut off comes again as a whole.
        link.missing_ = 0
        // A large message follows, of which nothing is seen until all of it has come.
        link.receivedAt_ += (second || 0) / LEAST_RATE
      }
      else if (letter === 'a') acknowledged(first)
      else if (letter === 'w') ackDue = 1
      // Both halves must know what has arrived before there is a new link.
      else if (letter === 'z') ackDue = machine.flush_() + 1
      else if (letter === 'p') {
        acknowledged(second || 0)
        link.queue_.push(['q', first, ackNumber()])
      }
      else if (letter === 'h' || letter === 'g') flowChanged(first, second * 2 + (letter === 'g'))
      else if (letter === 'd') {
        const next = machine.received_ + 1
        link.nextToReceive_ = second + 1
        if (accept(first, second, 0)) events.push(['gap', { from: next, to: second }])
      } else if (letter === 'c') {
        if (accept(first, first, 0)) finish(second, third)
        ackDue = 1
      }
      // Anything else that the codec knows is padding.
    },

    /** Returns `LINK_DEAD` or `LINK_UNKNOWN` about the link that carries, or 0 before its deadline. */
    handleTimeout_(now) {
      const late = now - deadline()
      if (now >= ackDeadline()) ackDue = 1
      if (late > machine.params_[TIMEOUT]) return LINK_UNKNOWN
      return late >= 0 ? LINK_DEAD : 0
    },

    pollTimeout_: () => Math.min(deadline(), ackDeadline()),

    /** Gives the link until the timeout to show that it works. One over HTTP makes another turn for it. */
    probe_(now, link) {
      link.receivedAt_ = now + machine.params_[TIMEOUT] - silence(link)
      link.queue_.push(['w'])
    },

    /**
     * Keeps a message, whose `size_` counts its payload, until it is acknowledged; false when there is no
     * room, unless it `must` be taken, or for a droppable one when the server is behind or no link carries.
     */
    send_(frame, droppable, now, must) {
      const size = (frame.size_ += OVERHEAD)
      const bytes = machine.bytes_ + size
      const full = !must && ((machine.bytes_ && bytes > capacity) || last() + 1 >= MAX || (droppable && behind(now, bytes)))
      const most = droppable && machine.unacknowledged_ * 2 >= FEW ? recent : capacity
      if (!full) {
        ;(machine.waits_ ? machine.waiting_ : outbox).push(frame)
        machine.bytes_ = bytes
        machine.unacknowledged_++
      }
      // Only an acknowledgement makes room.
      if (full || (machine.bytes_ * 2 > most && ackRequest <= machine.acked_)) ackRequest = last()
      return !full
    },

    /**
     * Something refuses a message among those with a number below `end` for its size. It is the largest of
     * them, and is given up.
     */
    giveUp_(end) {
      let largest = -1
      for (let at = 0; at < end - machine.acked_ - 1; at++) {
        if (outbox[at].size_ > (largest < 0 ? 0 : outbox[largest].size_)) largest = at
      }
      if (largest >= 0) giveUp(largest)
    },

    /**
     * Asks the other half to acknowledge all messages; returns the number of the last, which is not known
     * while messages wait.
     */
    flush_() {
      ackRequest = last()
      return machine.waiting_[0] ? NEVER : ackRequest
    },

    /**
     * Sends no further message, and asks how many have arrived of those that were sent. Returns whether that is
     * still unknown.
     */
    settle_() {
      ackRequest = sent
      return (machine.settling_ = machine.acked_ < sent)
    },

    close_(code, reason) {
      machine.closing_ = ['c', last() + 1, code, reason]
      machine.closing_.size_ = 0
      ;(machine.waiting_[0] ? machine.waiting_ : outbox).push(machine.closing_)
      ackRequest = last()
    },

    abort_(code, reason) {
      if (machine.carrier_) machine.carrier_.queue_.push(['x', code, reason])
      finish(code, reason)
    },

    /** The session is over, whatever the other half knows of it. */
    finish_: finish,
    finishClosed_: finishClosed,

    /**
     * The other half does not know the session any more. Messages that were put on a link may or may not have
     * arrived; the others wait for `release`.
     */
    lose_() {
      const unknown = []
      const kept = []
      // Nothing was sent in the session that could not be taken over.
      if (LEGACY && machine.takingOver_) {
        machine.takingOver_ = machine.received_ = 0
        return
      }
      each(outbox.slice(sent - machine.acked_).concat(machine.waiting_), (frame) => (isOfSession(frame) ? free(frame) : (frame.size_ || frame === machine.closing_) && kept.push(frame)))
      // No session is opened only to be closed.
      if (machine.closing_ && !(kept[0] || machine.closing_).size_) return finishClosed()
      while (machine.acked_ < sent) {
        const frame = shift()
        if (frame.size_ && !isOfSession(frame)) unknown.push(content(frame))
      }
      outbox.length = machine.acked_ = machine.received_ = machine.settling_ = sent = ackRequest = 0
      machine.waiting_ = kept
      machine.waits_ = 1
      machine.params_ = NO_PARAMS
      flow = 1
      ackNumber()
      events.push(['lost', unknown])
    },

    /** Sends what waited, behind what was sent since `waits_` was reset. */
    release_() {
      machine.waits_ = 0
      if (machine.waiting_[0]) {
        each(machine.waiting_, (frame) => outbox.push(frame))
        machine.waiting_ = []
        if (machine.closing_) ackRequest = machine.closing_[1] = last()
        giveUpLarge()
      }
    },

    /** Removes those of the messages that wait for which `which` is true, and returns them. */
    drop_(which) {
      const [kept, dropped] = [[], []]
      each(machine.waiting_, (frame) => (frame.size_ && which(frame) ? dropped.push(free(frame)) : kept.push(frame)))
      machine.waiting_ = kept
      return dropped
    },

    /** The next frame for this link. */
    pollTransmit_(link) {
      const acked = machine.acked_
      const carries = link === machine.carrier_
      const number = Math.max(link.nextToSend_, acked + 1)
      const frame = outbox[number - acked - 1]
      if (link.queue_[0]) return link.queue_.shift()
      if (carries && link.duplex_ && ackDue) return ['a', ackNumber()]
      if (machine.over_ || !(carries || (link.opening_ && !machine.carrier_ && !(LEGACY && machine.takingOver_)))) return
      if (ackRequest > acked && number > ackRequest && !(link.ackRequested_ >= ackRequest)) {
        link.ackRequested_ = ackRequest
        return ['w']
      }
      if (!frame || flow % 2 < 1 || (machine.settling_ && number > sent)) return
      // One message always fits into a body, whatever its size.
      const size = EXPANSION > 1 && frame[0] !== 'm' ? frame.size_ * EXPANSION : frame.size_
      if (size > link.room_ && (link.nextToSend_ || !link.confirmed_)) return
      if (link.announced_ !== number) return ['n', (link.announced_ = number)]
      link.room_ -= size
      link.nextToSend_ = link.announced_ = number + 1
      sent = Math.max(sent, number)
      return frame[0] === 'd' ? ['d', number, number] : frame
    },

    /** Begins an upload at the first message that is not acknowledged. */
    rewind_(link, room) {
      link.nextToSend_ = link.announced_ = 0
      link.room_ = room
    },

    /**
     * Whether there is something to upload. The next poll of a link that polls carries our acknowledgement by
     * itself.
     */
    pending_: (link) => ((machine.over_ || !link.poll_) && (link.queue_[0] || ackDue)) || (outbox[0] && flow % 2 && !machine.over_),

    pollEvent_: () => events.shift(),

    /** The number that the head of a request acknowledges; after that no acknowledgement is due. */
    ackNumber_: ackNumber
  }

  return machine
}
