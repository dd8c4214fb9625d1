/**
 * A server half as the protocol describes it, small enough to understand at once: its own codec, no clock, no
 * transport. The test plays the network: it hands in requests and WebSockets as lines, `{ bytes, socket,
 * write(chunk), end() }`.
 */
const PAYLOAD = /[oxmbce]/

/** The records of a body: `{ letter, fields, payload }`. */
export const parse = (body, bytes) => {
  const text = bytes ? Buffer.from(body).toString('latin1') : body
  const list = []
  for (let at = 0; at < text.length; ) {
    const colon = text.indexOf(':', at)
    const letter = text.charAt(at)
    if (colon < 0 || !/[a-z]/.test(letter)) throw Error(`no record at ${at} of ${text}`)
    const fields = text.slice(at + 1, colon).split(',')
    at = colon + 1
    let payload
    if (PAYLOAD.test(letter)) {
      const length = Number(letter === 'o' ? fields.splice(3, 1) : fields.pop())
      const raw = text.slice(at, (at += length))
      if (raw.length !== length) throw Error(`cut short: ${text}`)
      if (letter === 'b') payload = Buffer.from(raw, bytes ? 'latin1' : 'base64')
      else payload = bytes ? Buffer.from(raw, 'latin1').toString() : raw
    }
    list.push({ letter, fields, payload })
  }
  return list
}

export const record = (head, payload, bytes) => {
  if (payload === undefined) return bytes ? Buffer.from(`${head}:`) : `${head}:`
  const said = bytes ? Buffer.from(payload) : typeof payload === 'string' ? payload : Buffer.from(payload).toString('base64')
  const whole = `${head}${head.length > 1 ? ',' : ''}${said.length}:`
  return bytes ? Buffer.concat([Buffer.from(whole), said]) : whole + said
}

const GRANT = { interval: 25000, timeout: 10000, grace: 30000, limit: 100000, batch: 65536, hold: 20000 }

/** With `closes` it ends a WebSocket on which a session was asked for that it does not know. */
export const createServer = (terms = {}) => {
  const sessions = []
  const requests = []
  const { closes, ...more } = terms
  const grant = { ...GRANT, ...more }

  const put = (line, head, payload) => {
    if (!line.socket) line.write(record(head, payload, line.bytes))
    else if (head === 'm' || head === 'e') line.write(head + payload)
    else line.write(head === 'b' ? payload : record(head, payload))
  }

  /** Sends all messages that the client lacks and that this line has not carried. */
  const tell = (session, line) => {
    let number = Math.max(line.next || 0, session.acked + 1)
    for (; number <= session.outbox.length; number++) {
      const [head, payload] = session.outbox[number - 1]
      if (line.next !== number) put(line, `n${number}`)
      if (head === 'e') {
        put(line, 'e', payload[0])
        for (const attachment of payload.slice(1)) put(line, 'b', attachment)
      } else put(line, head === 'c' ? `c${number},${payload.code}` : head, head === 'c' ? payload.reason : payload)
      line.next = number + 1
      line.spoke = true
    }
    if (line.ends && line.spoke) finish(session, line)
  }

  const finish = (session, line) => {
    if (session.line === line) session.line = null
    line.end()
  }

  const acknowledge = (session, number) => {
    session.acked = Math.max(session.acked, Number(number))
  }

  /** Handles the records of a client half, in order. */
  const take = (session, line, list) => {
    for (const { letter, fields, payload } of list) {
      if (letter === 'n') line.heard = Number(fields[0])
      else if (letter === 'm' || letter === 'b' || letter === 'e') {
        // An event and its attachments are one message.
        const packet = letter === 'e' ? [payload] : line.packet
        if (letter === 'b' && packet) packet.push(payload)
        const missing = packet ? Number(/^[56](\d+)-/.exec(packet[0])?.[1] ?? 0) - (packet.length - 1) : 0
        line.packet = missing > 0 ? packet : null
        if (missing > 0) continue
        if (line.heard++ === session.received + 1) {
          session.received++
          if (packet) session.packets.push(packet)
          else session.messages.push(payload)
        }
      } else if (letter === 'c') {
        if (Number(fields[0]) === session.received + 1) {
          session.received++
          session.closed = [Number(fields[1]), payload]
        }
        if (line.socket) put(line, `a${session.received}`)
      } else if (letter === 'd') {
        const [from, to] = fields.map(Number)
        if (from <= session.received + 1 && session.received < to) session.received = to
        line.heard = to + 1
      } else if (letter === 'w') {
        if (line.socket) put(line, `a${session.received}`)
      } else if (letter === 'a') acknowledge(session, fields[0])
      else if (letter === 'q') acknowledge(session, fields[1])
      else if (letter === 'v') attach(session, line)
      else if (letter === 'x') session.aborted = [Number(fields[0]), payload]
      else throw Error(`a client does not say ${letter}`)
    }
  }

  const create = (attempt, auth) => {
    const session = { id: `id${sessions.length + 1}`, secret: 'secret', attempt, auth, received: 0, messages: [], packets: [], outbox: [], acked: 0, line: null }
    const push = (entry) => {
      session.outbox.push(entry)
      if (session.line) tell(session, session.line)
    }
    session.send = (data) => push([typeof data === 'string' ? 'm' : 'b', data])
    session.packet = (text, ...attachments) => push(['e', [text, ...attachments]])
    session.close = (code, reason) => push(['c', { code, reason }])
    session.put = (head, payload) => put(session.line, head, payload)
    sessions.push(session)
    return session
  }

  function attach(session, line) {
    if (session.line && session.line !== line && !line.ends) session.line.end(4000, 'replaced')
    session.line = line
    tell(session, line)
  }

  /** The fields that follow behind the older ones of `s` for a client that lists its names. */
  const echo = (names, ...more) => (names === undefined ? '' : ',' + [names, ...more].join(','))

  const welcome = (session, names) =>
    `snew,${session.received},${session.id},${session.secret},${Object.values(grant).join(',')}${echo(names, 100)}`

  /** Another page takes the session over: from now on the older one is ignored. */
  const takeOver = (line, [, , instance, id, secret, received, names], rest) => {
    const session = sessions.find((one) => one.id === id && !one.forgotten)
    if (!session || secret !== (session.instance === instance ? session.old : session.secret)) return null
    if (session.instance !== instance) {
      const older = session.line
      Object.assign(session, { instance, old: secret, secret: `secret.${requests.length}`, line: null })
      older?.end(4104, 'taken over')
    }
    acknowledge(session, received)
    take(session, line, rest)
    put(line, welcome(session, names))
    return session
  }

  const enter = (line, [head, ...rest]) => {
    const { letter, fields } = head
    if (letter === 'o') {
      const session = sessions.find(({ attempt }) => attempt === fields[2]) || create(fields[2], head.payload)
      take(session, line, rest)
      put(line, welcome(session, fields[3]))
      return session
    }
    if (letter === 't') return takeOver(line, fields, rest)
    const [id, secret, received, names] = fields.slice(letter === 'r' ? 4 : 1)
    const session = sessions.find((one) => one.id === id && one.secret === secret && !one.forgotten)
    if (!session) return null
    acknowledge(session, received)
    take(session, line, rest)
    put(line, letter === 'r' ? `sfull,${session.received}${echo(names)}` : `a${session.received}`)
    return session
  }

  return {
    sessions,
    grant,
    /** The names of the requests that came. */
    requests,
    /** A POST; `line.refuse(status, body)` besides. */
    request(name, body, line) {
      requests.push(name)
      const list = parse(body, line.bytes)
      const session = enter(line, list)
      if (!session) return line.refuse(410, record('x4100', 'unknown session'))
      line.ends = name !== 'xhr-stream' && name !== 'fetch-stream'
      if (name === 'send') return line.end()
      if (name === 'open' || name === 'poll' || list[0].fields[3] === '0') line.spoke = true
      attach(session, line)
    },
    /** A message that came on a WebSocket; its session is `line.session`. */
    receive(data, line) {
      if (typeof data !== 'string') return take(line.session, line, [{ letter: 'b', payload: Buffer.from(data) }])
      if (/^[em]/.test(data)) return take(line.session, line, [{ letter: data[0], payload: data.slice(1) }])
      const list = parse(data)
      if (line.session) return take(line.session, line, list)
      requests.push('websocket')
      line.session = enter(line, list)
      // An older link serves until this one is confirmed.
      if (line.session) line.session.line || attach(line.session, line)
      else if (closes) line.end(4100, 'unknown session')
      else line.write(record('x4100', 'unknown session'))
    }
  }
}
