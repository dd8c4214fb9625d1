/**
 * The server's side of one answer, as a fake sees it: bytes arrive from the network one by one, a moment
 * after they were sent.
 */

/** Decodes text as it comes. A character that is incomplete does not appear yet. */
const reader = () => {
  const decoder = new TextDecoder('utf8', { ignoreBOM: true })
  return (bytes) => decoder.decode(bytes, { stream: true })
}

/**
 * All requests of one page. Fakes are held weakly: a fake without a reference is collected, and its request
 * ends. `sink` has `hears_(text)`, `ends_(status)` and `breaks_()`.
 */
export const createNetwork = (clock) => {
  const requests = []
  const network = {
    requests,
    last: () => requests.at(-1),
    request(asked, sink) {
      const held = new WeakRef(sink)
      const read = reader()
      const line = { ...asked, open: true, abort: () => void (line.open = false) }
      const arrives = (act) =>
        clock.setTimeout(() => {
          const sink = held.deref()
          if (!sink) line.open = false
          if (line.open) act(sink)
        }, 1)
      line.write = (data) => {
        const bytes = Buffer.from(data)
        arrives((sink) => sink.hears_(read(bytes)))
      }
      line.end = (status = 200) =>
        arrives((sink) => {
          line.open = false
          sink.ends_(status)
        })
      line.break = () =>
        arrives((sink) => {
          line.open = false
          sink.breaks_()
        })
      requests.push(line)
      return line
    }
  }
  return network
}

/** A string as the protocol writes it for scripts. */
export const quote = (text) =>
  JSON.stringify(text).replace(/[<>&\u007f-\u009f\u2028\u2029\ufeff]/g, (found) => '\\u' + found.charCodeAt(0).toString(16).padStart(4, '0'))
