/** An event as frames: its packet, and the attachments that follow it. */
import { fail } from './codec.js'

/** Whether a frame has no meaning in another session: it answers a request, or opens or leaves a channel. */
export const isOfSession = (frame) => frame[0] === 'e' && /^[^25]/.test(frame[1])

/** The content of a frame: a message, or an event as the frame itself. */
export const content = (frame) => (frame[0] === 'e' ? frame : frame[1])

/**
 * Puts an event together that comes in parts on a link. Returns what the machine reports once it is complete, or
 * of a message at once. The link has the bytes of it, `size_`.
 */
export const assemble = (link, letter, data) => {
  const size = data.length || data.byteLength || 0
  if (link.missing_) {
    if (letter !== 'b') fail()
    link.parts_.push(data)
    link.size_ += size
    link.missing_--
  } else {
    link.parts_ = letter === 'e' && [data]
    link.size_ = size
    link.missing_ = link.parts_ && +(/^[56](\d+)-/.exec(data) || [0, 0])[1]
  }
  return !link.missing_ && (link.parts_ ? ['event', link.parts_] : ['message', data])
}
