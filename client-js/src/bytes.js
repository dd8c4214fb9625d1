/**
 * The bytes spelling, for transports that can carry bytes: a body is a Uint8Array, and lengths count its
 * bytes.
 */

// A byte order mark is text like any other, and must not be removed.
const decoder = LEGACY ? 0 : new TextDecoder('utf8', { ignoreBOM: true })

export const COLON = 58

export const textOf = (data) => (data.charAt ? data : decoder.decode(data))

export const pack = (data) => (data.charAt ? new TextEncoder().encode(data) : data)

export const unpack = (bytes) => bytes.buffer

export const join = (pieces) => {
  let length = 0
  for (const piece of pieces) length += piece.length
  const whole = new Uint8Array(length)
  length = 0
  for (const piece of pieces) {
    whole.set(piece, length)
    length += piece.length
  }
  return whole
}
