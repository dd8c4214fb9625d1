/** A machine, its links, and their frames in a short notation. */
import './current.mjs'
import { createMachine } from '../src/session.js'

export const INTERVAL = 1000
export const TIMEOUT = 500
export const HOLD = 5000
export const FIRST_FLIGHT = 16384
/** The bytes that a message counts beyond its payload. */
export const ENTRY = 64

export const startNew = (received = 0, id = 'id') => ['s', 'new', received, id, 'secret', INTERVAL, TIMEOUT, 10000, 65536, 65536, HOLD]
export const startFull = (received) => ['s', 'full', received]

const spell = (frame) => {
  const [letter, ...rest] = frame
  if (letter === 'm') return rest[0]
  if (letter === 'b') return `b[${[...rest[0]]}]`
  return letter + rest.join(',')
}

export const half = (capacity = 1e6, base = 0) => {
  const machine = createMachine(capacity, base)

  const add = (link, now) => {
    machine.attach_(now, link)
    return link
  }

  const frameOf = (data) => {
    const frame = [typeof data === 'string' ? 'm' : 'b', data]
    frame.size_ = data.length
    return frame
  }

  return {
    machine,
    /** A WebSocket that opens the session, and one that resumes it. */
    opens: (ordinal, now = 0) => add({ ordinal_: ordinal, duplex_: 1, opening_: true, room_: FIRST_FLIGHT }, now),
    resumes: (ordinal, now = 0) => add({ ordinal_: ordinal, duplex_: 1, opening_: false, room_: FIRST_FLIGHT }, now),
    /** A link over HTTP. */
    http: (ordinal, opening = false, now = 0) => add({ ordinal_: ordinal, duplex_: 0, opening_: opening, poll_: true, room_: FIRST_FLIGHT }, now),
    send: (...list) => list.map((data) => machine.send_(frameOf(data))),
    /** The same with droppable ones. */
    sendDroppable: (now, ...list) => list.map((data) => machine.send_(frameOf(data), true, now)),
    /** All frames that a link sends now: `n1 one two`, `a3`, `v`. */
    sends(link) {
      const list = []
      for (let frame; (frame = machine.pollTransmit_(link)); ) list.push(spell(frame))
      return list.join(' ')
    },
    /** The frames of the next upload. */
    uploads(link, room = 65536) {
      machine.rewind_(link, room)
      return this.sends(link)
    },
    receives(link, ...frames) {
      for (const frame of frames) machine.handleFrame_(link.receivedAt_, link, frame)
    },
    events() {
      const list = []
      for (let event; (event = machine.pollEvent_()); ) list.push(event)
      return list
    },
    /** The messages among the events; nothing else may be there. */
    messages() {
      return this.events().map(([name, message]) => {
        if (name !== 'message') throw Error(`an event ${name}`)
        return message
      })
    }
  }
}

export const messagesUpTo = (count, text = '') => Array.from({ length: count }, () => ['m', text])
