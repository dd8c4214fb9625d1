// The borders of requests, answers, chunks and WebSocket frames on an HTTP/1.1 connection: enough to classify
// the traffic, and to cut in the middle of it on purpose.

const HEAD_END = Buffer.from('\r\n\r\n')

function parseHead(bytes) {
  const [first, ...lines] = bytes.toString('latin1').split('\r\n')
  const headers = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { first, headers }
}

const isChunked = (headers) => /chunked/i.test(headers['transfer-encoding'] ?? '')

/** Follows a chunked body: reports the borders of chunks, and that the last one has passed. */
class ChunkedBody {
  #left = 0
  #line = ''
  #state = 'size'
  done = false

  /** Takes bytes from `at` on; returns the offset behind the last one that it took. */
  take(bytes, at, border) {
    while (at < bytes.length && !this.done) {
      if (this.#state === 'data') {
        const n = Math.min(this.#left, bytes.length - at)
        at += n
        this.#left -= n
        if (this.#left === 0) this.#state = 'data-end'
      } else {
        at = this.#takeLine(bytes, at, border)
      }
    }
    return at
  }

  #takeLine(bytes, at, border) {
    const c = bytes[at]
    if (c !== 10) {
      if (c !== 13) this.#line += String.fromCharCode(c)
      return at + 1
    }
    const line = this.#line
    this.#line = ''
    if (this.#state === 'data-end') {
      this.#state = 'size'
      border(at + 1)
    } else if (this.#state === 'size') {
      this.#left = parseInt(line, 16)
      this.#state = this.#left === 0 ? 'trailer' : 'data'
    } else if (line === '') {
      this.done = true
      border(at + 1)
    }
    return at + 1
  }
}

class SizedBody {
  #left
  constructor(size) {
    this.#left = size
    this.done = size === 0
  }

  take(bytes, at, border) {
    const n = Math.min(this.#left, bytes.length - at)
    this.#left -= n
    if (this.#left === 0) {
      this.done = true
      border(at + n)
    }
    return at + n
  }
}

class EndlessBody {
  done = false
  take(bytes) {
    return bytes.length
  }
}

/** Cuts the client's bytes into whole requests. */
export class RequestReader {
  #held = Buffer.alloc(0)

  /** The requests that are complete now: `{ method, url, headers, raw, headLength }`. */
  push(bytes) {
    this.#held = Buffer.concat([this.#held, bytes])
    const whole = []
    for (let request = this.#next(); request; request = this.#next()) {
      whole.push(request)
      if (request.upgrade) break
    }
    return whole
  }

  /** The bytes that came behind an upgrade request. */
  rest() {
    const rest = this.#held
    this.#held = Buffer.alloc(0)
    return rest
  }

  #next() {
    const end = this.#held.indexOf(HEAD_END)
    if (end < 0) return null
    const headLength = end + HEAD_END.length
    const { first, headers } = parseHead(this.#held.subarray(0, end))
    const body = isChunked(headers) ? new ChunkedBody() : new SizedBody(Number(headers['content-length'] ?? 0))
    const to = body.take(this.#held, headLength, () => {})
    if (!body.done) return null
    const raw = this.#held.subarray(0, to)
    this.#held = this.#held.subarray(to)
    const [method, url] = first.split(' ')
    const upgrade = /websocket/i.test(headers.upgrade ?? '')
    return { method, url, headers, raw, headLength, upgrade }
  }
}

/** Follows the server's bytes: the borders in each piece, and the answers that are complete. */
export class ResponseTracker {
  #head = Buffer.alloc(0)
  #body = null
  #frames = null
  status = 0
  inBody = false

  /**
   * Returns `{ borders, completed, bodyFrom, bodyBytes }`: the offsets in `bytes` at which a frame, chunk or
   * answer ends, the number of completed answers, the offset of the first byte of a body, and the number of
   * bytes of bodies.
   */
  push(bytes) {
    const seen = { borders: new Set(), completed: 0, bodyFrom: -1, bodyBytes: 0 }
    let at = 0
    while (at < bytes.length) {
      if (this.#frames) {
        this.#frames.take(bytes, at, (offset) => seen.borders.add(offset))
        note(seen, at, bytes.length)
        break
      }
      at = this.#body ? this.#takeBody(bytes, at, seen) : this.#takeHead(bytes, at, seen)
    }
    return seen
  }

  #takeHead(bytes, at, seen) {
    const before = this.#head.length
    this.#head = Buffer.concat([this.#head, bytes.subarray(at)])
    const end = this.#head.indexOf(HEAD_END)
    if (end < 0) return bytes.length
    const { first, headers } = parseHead(this.#head.subarray(0, end))
    const behind = at + end + HEAD_END.length - before
    this.#head = Buffer.alloc(0)
    this.status = Number(first.split(' ')[1])
    seen.borders.add(behind)
    this.#begin(headers, seen)
    return behind
  }

  #begin(headers, seen) {
    if (this.status === 101) {
      this.#frames = new FrameBorders()
    } else if (this.status >= 200) {
      const empty = this.status === 204 || this.status === 304
      if (isChunked(headers)) this.#body = new ChunkedBody()
      else if (empty || headers['content-length'] !== undefined) this.#body = new SizedBody(empty ? 0 : Number(headers['content-length']))
      else this.#body = new EndlessBody()
      this.inBody = true
      if (this.#body.done) this.#finish(seen)
    }
  }

  #takeBody(bytes, at, seen) {
    const to = this.#body.take(bytes, at, (offset) => seen.borders.add(offset))
    note(seen, at, to)
    if (this.#body.done) this.#finish(seen)
    return to
  }

  #finish(seen) {
    this.#body = null
    this.inBody = false
    seen.completed += 1
  }
}

function note(seen, from, to) {
  if (seen.bodyFrom < 0 && to > from) seen.bodyFrom = from
  seen.bodyBytes += to - from
}

/** Follows WebSocket frames in one direction and reports the end of each. */
export class FrameBorders {
  #header = []
  #left = 0

  take(bytes, at, border) {
    while (at < bytes.length) {
      if (this.#left > 0) {
        const n = Math.min(this.#left, bytes.length - at)
        at += n
        this.#left -= n
        if (this.#left === 0) border(at)
        continue
      }
      this.#header.push(bytes[at])
      at += 1
      if (this.#header.length === headerLength(this.#header)) {
        this.#left = payloadLength(this.#header)
        this.#header = []
        if (this.#left === 0) border(at)
      }
    }
  }
}

function headerLength(header) {
  if (header.length < 2) return 2
  const short = header[1] & 127
  const masked = header[1] & 128 ? 4 : 0
  return 2 + masked + (short === 126 ? 2 : short === 127 ? 8 : 0)
}

function payloadLength(header) {
  const short = header[1] & 127
  if (short < 126) return short
  const size = short === 126 ? 2 : 8
  return header.slice(2, 2 + size).reduce((n, byte) => n * 256 + byte, 0)
}

/**
 * An offset in `bytes` behind `from` that is not a border, with a byte on each side; `undefined` if there is
 * none.
 */
export function inside(bytes, borders, from, random) {
  const low = from + 1
  const span = bytes.length - low
  if (span <= 0) return undefined
  const start = random.between(0, span - 1)
  for (let i = 0; i < span; i++) {
    const at = low + ((start + i) % span)
    if (!borders.has(at)) return at
  }
  return undefined
}
