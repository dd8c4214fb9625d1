/**
 * A small server half for the client's own tests: it speaks the native protocol over HTTP and echoes. It
 * shares no code with the client. `serve(path, body, bytes, answer)` serves a request: `answer.status(code)`,
 * `answer.write(text)`, `answer.end()`, strings in which a character is a byte when `bytes` holds. Text that
 * begins with `!` is a command: `!bytes`, `!close`, `!drop`.
 */
const LENGTHS = { o: 3, m: 0, b: 0, c: 2, x: 1 }

/** The records of a body: `[letter, field, ..., payload]`. */
const parse = (body, bytes, socket) => {
  const records = []
  let at = 0
  while (at < body.length) {
    if (socket && body[at] === 'm') {
      records.push(['m', body.slice(at + 1)])
      break
    }
    const colon = body.indexOf(':', at)
    const letter = body[at]
    const fields = body.slice(at + 1, colon).split(',')
    at = colon + 1
    if (letter in LENGTHS) {
      const length = Number(fields[LENGTHS[letter]])
      let payload = body.slice(at, at + length)
      if (payload.length < length) throw Error('cut short')
      at += length
      if (letter === 'b') payload = Buffer.from(payload, bytes ? 'latin1' : 'base64')
      else if (bytes) payload = Buffer.from(payload, 'latin1').toString()
      records.push([letter, ...fields.slice(0, LENGTHS[letter]), payload])
    } else records.push([letter, ...fields])
  }
  return records
}

const spell = (message, bytes) => {
  if (typeof message === 'string') {
    const text = bytes ? Buffer.from(message).toString('latin1') : message
    return `m${text.length}:${text}`
  }
  const data = message.toString(bytes ? 'latin1' : 'base64')
  return `b${data.length}:${data}`
}

export class Server {
  sessions = []
  /** The requests that came: `[path, head]`. */
  log = []
  auths = []
  terms = { interval: 25000, timeout: 20000, grace: 30000, limit: 1000, batch: 5000, hold: 50 }
  /**
   * Called with each path before it is served; what it returns is done instead: `break`, or `[status, body]`.
   */
  fault = () => null

  serve(path, body, bytes, answer) {
    const records = parse(body, bytes)
    const head = records.shift()
    this.log.push([path, head])
    const fault = this.fault(path, head)
    if (fault === 'break') return answer.cut()
    if (fault) {
      answer.status(fault[0], fault[2])
      answer.write(fault[1])
      return answer.end()
    }
    if (path === 'open') return this.open(head, records, bytes, answer)
    const [id, secret, received] = head.slice(head[0] === 'r' ? 5 : 2)
    const session = this.sessions.find((one) => one.id === id && one.secret === secret)
    if (!session) {
      answer.status(410)
      answer.write('x4100,15:unknown session')
      return answer.end()
    }
    this.take(session, records, received)
    if (path === 'send') {
      answer.write(`a${session.received}:`)
      return answer.end()
    }
    this.attach(session, path, head[4] === '1', bytes, answer)
  }

  open([, , , attempt, auth], records, bytes, answer) {
    let session = this.sessions.find((one) => one.attempt === attempt)
    this.auths.push(auth)
    if (!session) {
      session = { attempt, id: `s${this.sessions.length}.-_`, secret: `k${this.sessions.length}`, received: 0, acked: 0, sent: [], link: null }
      this.sessions.push(session)
    }
    this.take(session, records, 0)
    const { interval, timeout, grace, limit, batch, hold } = this.terms
    const fields = [session.received, session.id, session.secret, interval, timeout, grace, limit, batch, hold]
    answer.write(`snew,${fields.join()}:${this.news(session, session.acked, bytes)}`)
    answer.end()
  }

  take(session, records, acked) {
    let next = 0
    session.acked = Math.max(session.acked, Number(acked))
    for (const [letter, ...fields] of records) {
      if (letter === 'n') next = Number(fields[0])
      if (letter === 'a') session.acked = Math.max(session.acked, Number(fields[0]))
      if (letter === 'm' || letter === 'b') {
        if (next++ !== session.received + 1) continue
        session.received += 1
        this.heard(session, fields[0])
      }
      if (letter === 'c' && Number(fields[0]) === session.received + 1) {
        session.received += 1
        session.closed = fields.slice(1)
      }
      if (letter === 'x') session.aborted = fields
    }
    session.link?.()
  }

  heard(session, message) {
    ;(session.heard ??= []).push(message)
    if (message === '!bytes') session.sent.push(Buffer.from([0, 127, 128, 255]))
    else if (message === '!close') session.sent.push({ close: [3005, 'as you wish'] })
    else if (message === '!drop') session.sent.push({ drop: 1 }, 'behind the gap')
    else session.sent.push(message)
  }

  /** The messages that the client lacks, from number `from + 1` on. */
  news(session, from, bytes) {
    let text = ''
    session.sent.slice(from).forEach((message, i) => {
      const number = from + i + 1
      if (message.close) text += `c${number},${message.close[0]},${message.close[1].length}:${message.close[1]}`
      else if (message.drop) text += `d${number},${number}:`
      else text += `n${number}:${spell(message, bytes)}`
    })
    return text
  }

  /** A poll waits for a frame besides its start, a stream carries all frames that come. */
  attach(session, path, seen, bytes, answer) {
    const poll = path === 'xhr-poll' || !seen
    let said = session.acked
    let told = session.received
    let ended = false
    const end = () => {
      ended = true
      clearTimeout(timer)
      answer.end()
    }
    const say = (first) => {
      if (ended) return
      const text = this.news(session, said, bytes) + (session.received > told ? `a${session.received}:` : '')
      said = Math.max(said, session.sent.length)
      told = session.received
      if (first || text) answer.write((first ? `sfull,${session.received}:` : '') + text)
      if (poll && (text || !seen)) end()
    }
    const timer = setTimeout(end, poll ? this.terms.hold : 1e6)
    timer.unref()
    answer.gone = () => {
      ended = true
      clearTimeout(timer)
    }
    session.link = () => say(false)
    say(true)
  }
}
