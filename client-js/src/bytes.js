/**
 * The bytes spelling, for transports that can carry bytes: a body is a Uint8Array, and lengths count its
 * bytes.
 */

let decoder

export const COLON = 58

export const textOf = (data) => {
  if (data.charAt) return data
  // A byte order mark is text like any other, and must not be removed.
  decoder = decoder || new TextDecoder('utf8', { ignoreBOM: true })
  return decoder.decode(data)
}

/** In jsdom, which has no TextEncoder, a text stays as it is: a WebSocket, all that jsdom has, takes it so. */
export const pack = (data) => (data.charAt && typeof TextEncoder !== 'undefined' ? new TextEncoder().encode(data) : data)

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
