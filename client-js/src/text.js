/**
 * The text spelling, for transports that can only carry text: a body is a string, lengths count UTF-16 units,
 * and bytes go as base64.
 */

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const DIGITS = LETTERS + LETTERS.toLowerCase() + '0123456789+/'

export const COLON = ':'

export const textOf = (text) => text

export const pack = (data) => {
  if (data.charAt) return data
  let text = ''
  // Each digit has six of the bits of two bytes.
  for (let bit = 0; bit < data.length * 8; bit += 6) {
    const at = bit >> 3
    text += DIGITS.charAt((((data[at] << 8) | data[at + 1]) >> (10 - (bit & 7))) & 63)
  }
  while (text.length % 4) text += '='
  return text
}

/** Returns an ArrayBuffer, or an array of numbers where the browser has none. */
export const unpack = (text) => {
  const bytes = []
  const bare = text.replace(/==?$/, '')
  if (text.length % 4) throw Error()
  let bits = 0
  for (let i = 0; i < bare.length; i++) {
    const digit = DIGITS.indexOf(bare.charAt(i))
    if (digit < 0) throw Error()
    bits = (bits << 6) | digit
    // Each digit but the first of four completes a byte.
    if (i % 4) bytes.push((bits >> (6 - 2 * (i % 4))) & 255)
  }
  return typeof Uint8Array === 'undefined' ? bytes : new Uint8Array(bytes).buffer
}

export const join = (pieces) => pieces.join('')

/** The UTF-8 bytes of a text, as an ArrayBuffer. */
export const utf8 = (text) => {
  const raw = unescape(encodeURIComponent(text))
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return bytes.buffer
}
