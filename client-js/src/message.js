/** A message of the application as a frame with its size in bytes. */
import { fail, pack, textOf } from './codec.js'

export const frameOf = (data) => {
  // Nothing has properties as an object.
  const { charAt: text, byteLength: length } = Object(data)
  let kept
  // A text is a sequence of Unicode scalar values: half a surrogate pair becomes U+FFFD.
  if (text && LEGACY) kept = data.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (found) => (found.length > 1 ? found : '\ufffd'))
  else if (text) kept = pack(data)
  // The frame holds a copy, since the caller may change the buffer.
  else if (length >= 0) kept = new Uint8Array(new Uint8Array(data.buffer || data, data.byteOffset || 0, length))
  if (!text && (!kept || kept.length !== length)) fail('a message is text, an ArrayBuffer or a view of one; read a Blob first')
  const frame = [text ? 'm' : 'b', text ? textOf(kept) : kept]
  frame.size_ = (LEGACY && text ? unescape(encodeURIComponent(kept)) : kept).length
  return frame
}
