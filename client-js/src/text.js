/**
 * The text spelling, for transports that can only carry text: a body is a string, lengths count UTF-16 units,
 * and bytes go as base64.
 */

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export const COLON = ':'

export const textOf = (text) => text

export const pack = (data) => {
  if (data.charAt) return data
  let text = ''
  for (let i = 0; i < data.length; i += 3) {
    const word = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2]
    for (let j = 18; j >= 0; j -= 6) text += DIGITS.charAt((word >> j) & 63)
  }
  const spare = data.length % 3
  return spare ? text.slice(0, spare - 3) + (spare > 1 ? '=' : '==') : text
}

/** Returns an ArrayBuffer, or an array of numbers where the browser has none. */
export const unpack = (text) => {
  const bytes = []
  const bare = text.replace(/==?$/, '')
  if (text.length % 4) throw Error()
  for (let i = 0; i < bare.length; i += 4) {
    let word = 0
    for (let j = 0; j < 4; j++) {
      const digit = DIGITS.indexOf(bare.charAt(i + j) || 'A')
      if (digit < 0) throw Error()
      word = (word << 6) | digit
    }
    bytes.push(word >> 16, (word >> 8) & 255, word & 255)
  }
  bytes.length = (bare.length * 3) >> 2
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
