/**
 * The native codec: frames <-> records (src/codec/PROTOCOL.md, section 2).
 *
 * A frame is an array: the letter, its fields (numbers where the protocol has numbers), and the payload last.
 * A body is bytes, or a string in the bundle for old browsers; both have `indexOf`, `slice` and `length`, so
 * that one parser reads them.
 */
import * as bytes from './bytes.js'
import * as text from './text.js'
import { each } from './list.js'

export const textOf = LEGACY ? text.textOf : bytes.textOf
export const pack = LEGACY ? text.pack : bytes.pack
export const join = LEGACY ? text.join : bytes.join
const unpack = LEGACY ? text.unpack : bytes.unpack
const COLON = LEGACY ? text.COLON : bytes.COLON

/** How much longer bytes become in a body: where no bytes can be sent they go as base64. */
export const EXPANSION = LEGACY ? 4 / 3 : 1

/**
 * How many fields follow each letter that a client can receive, with the length of the payload. All are
 * numbers, except some of `s`.
 */
const FIELDS = { a: 1, b: 1, c: 3, d: 2, e: 1, g: 2, h: 2, i: 1, m: 1, n: 1, p: 1, sfull: 2, snew: 10, w: 0, x: 2, y: 1, z: 1 }

/** How many more there may be: an older server does not send them. */
const OPTIONAL = { n: 1, p: 1, sfull: 2, snew: 2 }

/** The place of the names in the fields of `snew`; they are no number. */
const NAMES = 10

/** The letters that have a payload. */
const PAYLOAD = /[bceimox]/

export const MAX = 9007199254740991

export const fail = (why) => {
  throw Error(why || 'malformed')
}

const number = (field) => (/^(?!0.)\d+$/.test(field) && field <= MAX ? +field : fail())

/**
 * Reads the complete records of `data` from `at` on, and returns where the first incomplete one begins. Each
 * frame goes to `receive`, except the one that ends the link or the request, which goes to `linkClose`. In a
 * text message of a WebSocket (`socket`) the payload of `m` and `e` is all that follows.
 */
export const decode = (data, at, receive, linkClose, socket) => {
  while (at < data.length) {
    if (socket && /[em]/.test(data.charAt(at))) {
      receive([data.charAt(at), data.slice(at + 1)])
      return data.length
    }
    let to = data.indexOf(socket ? ':' : COLON, at)
    if (to < 0) break
    const head = textOf(data.slice(at, to++))
    const letter = head.charAt(0)
    let frame = head.slice(1).split(',')
    const key = letter === 's' ? letter + frame[0] : letter
    const count = FIELDS[key]
    // An unknown record has no count, and nothing is at least that.
    if (!(frame.length >= count)) fail()
    frame = frame.slice(0, count + (OPTIONAL[key] || 0))
    for (let i = 0; i < frame.length; i++) {
      if (letter !== 's' || i === 1 || (i > 3 && i !== NAMES)) frame[i] = number(frame[i])
    }
    if (PAYLOAD.test(letter)) {
      const payload = data.slice(to, (to += frame.pop()))
      if (to > data.length) break
      frame.push(letter === 'b' ? unpack(payload) : textOf(payload))
    }
    at = to
    if (letter === 'x') linkClose(frame[0], frame[1])
    else receive([letter].concat(frame))
  }
  return at
}

/** The records of `frames` as one body, or as one text message for a WebSocket. */
export const encode = (frames, socket) => {
  const spell = socket ? textOf : pack
  const pieces = []
  // The attachments of an event are records of their own.
  const put = (frame) => {
    const fields = frame.slice(1)
    const attachments = (frame[0] === 'e' && fields.pop()) || []
    let payload = ''
    if (PAYLOAD.test(frame[0])) {
      payload = spell(fields.pop())
      // The length is the last field, or in `o` the fourth.
      fields.splice(3, 0, payload.length)
    }
    pieces.push(spell(frame[0] + fields + ':'), spell(payload))
    each(attachments, (data) => put(['b', data]))
  }
  each(frames, put)
  return LEGACY || socket ? pieces.join('') : join(pieces)
}
