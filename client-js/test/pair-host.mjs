/**
 * The shipped client half behind a pipe, so that a simulation in another language can pair it with its own
 * server half.
 *
 * node client-js/test/pair-host.mjs
 *
 * One line in, one line out, both JSON. A line in is a list of commands, done in order; nothing here reads a
 * clock or chance, so the same lines get the same answers. The answer is `{"results": [...], "now": {...}}`:
 * one result a command, and how things stand after the last. A command that is wrong ends the program with a
 * message.
 *
 * A packet is a list of chunks, each `["t", text]` or `["b", base64]`: a body is one chunk (of bytes in the
 * bytes spelling), a WebSocket may carry several. A message is `["t", text]`, `["b", base64]` or, for an
 * event, `["e", packet, [base64]]`. Links are numbers of the caller's choice.
 *
 * | command | does | result |
 * |---|---|---|
 * | `["new", base, capacity]` | forgets all, makes a machine whose first messages have the number base + 1 | null |
 * | `["attach", now, link, {ordinal, turn, wire, opening, spelling}]` | `wire` is duplex, opening, poll, stream or upload, `spelling` text, bytes or websocket | null, or a code that says why not |
 * | `["detach", now, link]` | the connection or request has gone; one with turns may have another turn | null |
 * | `["retire", now, ordinal]` | no other turn of this ordinal will come | null |
 * | `["receive", now, link, packet]` | takes what came; what follows a violation is not read | null |
 * | `["transmit", now, link, head, limit]` | `head` is null or a frame: `["o", 1, ordinal, attempt, auth]`, `["r", 1, ordinal, turn, seen, id, secret, received]`, `["u", 1, id, secret, received]` | a packet, or null if there is nothing to send; a head counts as something |
 * | `["timeout", now]` | | null |
 * | `["send", message]` | | ok, full or closed |
 * | `["sendDroppable", now, message]` | | ok, full (skipped) or closed |
 * | `["flush"]` `["close", now, code, reason]` `["abort", now, code, reason]` | | null |
 * | `["salvage"]` | of a lost session: | `{unknown: [message], unsent: [message]}` |
 *
 * `now` holds: `state` (opening, open, interrupted, closing, closed), `closed` ([code, reason] or null),
 * `deadline` (or null), `received`, `acknowledged`, `unacknowledged`, `lastSent` (the highest number ever put
 * on a link), `carrier` (an ordinal or null), `seen` (ordinals of links that were attached), `over` (links
 * that send and receive nothing more; the caller drops them), `wantsUpload`, `grant` (the fields of the start
 * frame behind its letter, or null), and, once each: `arrivals` (`["t", text]`, `["b", base64]` or `["gap",
 * from, to]`) and `events` (`["opened"]`, `["away", delay]`, `["lost", code, reason]`, `["violation", link,
 * why]`).
 */
import { createInterface } from 'node:readline'
import { machine, link as machineLink, spellings } from '../dist/machine.mjs'

const toBase64 = (data) => Buffer.from(data).toString('base64')
const toWire = (data) => (typeof data === 'string' ? ['t', data] : ['b', toBase64(data)])
const fromBase64 = (text) => new Uint8Array(Buffer.from(text, 'base64'))
const toFrame = ([kind, data, attachments]) =>
  kind === 't' ? ['m', data] : kind === 'b' ? ['b', fromBase64(data)] : ['e', data, attachments.map(fromBase64)]
const ofFrame = (frame) => (frame[0] === 'e' ? ['e', frame[1], frame[2].map(toBase64)] : toWire(frame[1]))
const sizeOf = (data) => (typeof data === 'string' ? Buffer.byteLength(data) : data.length)

let half
let links
let carriers
let story

const commands = {
  new(base, capacity) {
    half = machine(capacity, base)
    links = new Map()
    carriers = new Map()
    story = { arrivals: [], events: [], seen: new Set(), over: new Set(), closed: null, opened: false, lastSent: base, received: base }
    return null
  },

  attach(now, name, { ordinal, turn, wire, opening, spelling }) {
    if (story.closed) return 4103
    const upload = wire === 'upload'
    let link = upload ? {} : carriers.get(ordinal)
    if (!link) {
      link = machineLink({ ordinal, duplex: wire === 'duplex', opening, room: 0 })
      carriers.set(ordinal, link)
      half.attach(now, link)
    }
    machineLink.poll(link, wire === 'poll' || wire === 'opening')
    links.set(name, { link, ordinal, turn, wire, opening, spelling: spellings[spelling], websocket: spelling === 'websocket', bytes: spelling === 'bytes', rest: null, next: 0 })
    return null
  },

  detach(now, name) {
    const { wire, ordinal } = links.get(name)
    links.delete(name)
    story.over.delete(name)
    if (wire === 'duplex') commands.retire(now, ordinal)
    return null
  },

  retire(now, ordinal) {
    const link = carriers.get(ordinal)
    for (const each of links.values()) if (each.ordinal === ordinal && each.wire !== 'upload') return null
    carriers.delete(ordinal)
    if (link) half.detach(now, link)
    drain()
    return null
  },

  receive(now, name, packet) {
    const here = links.get(name)
    if (!here || story.over.has(name)) return null
    const take = (frame) => !story.over.has(name) && hear(now, name, here, frame)
    try {
      for (const [kind, data] of packet) {
        if (here.websocket) {
          if (kind === 't') here.spelling.decode(data, 0, take)
          else take(['b', new Uint8Array(Buffer.from(data, 'base64')).buffer])
        } else {
          const chunk = here.bytes ? bytesOf(kind, data) : kind === 't' ? data : Buffer.from(data, 'base64').toString()
          const whole = here.rest === null ? chunk : join(here.rest, chunk)
          here.rest = whole.slice(here.spelling.decode(whole, 0, take))
        }
      }
    } catch (error) {
      story.events.push(['violation', name, error.message])
      story.over.add(name)
    }
    drain()
    return null
  },

  transmit(now, name, head, limit) {
    const here = links.get(name)
    const frames = head ? [head] : []
    if (head && head[0] !== 'o') half.ackNumber()
    if (here.wire === 'upload') {
      const carrier = half.carrier()
      if (carrier) {
        half.rewind(carrier, limit)
        gather(carrier, frames)
      }
    } else if (here.wire === 'duplex' || (here.opening && here.turn === 0)) {
      machineLink.room(here.link, limit)
      gather(here.link, frames)
    } else machineLink.queue(here.link, frames)
    return frames.length ? spell(here, frames) : null
  },

  timeout(now) {
    // 1: dead. 2: we slept, so the other half is asked for a sign of life; over HTTP another turn does that.
    const verdict = half.handleTimeout(now)
    const carrier = half.carrier()
    if (verdict === 2) half.probe(now, carrier)
    if (verdict === 1 || (verdict === 2 && !machineLink.duplex(carrier))) {
      for (const [key, each] of links) if (each.link === carrier) story.over.add(key)
    }
    drain()
    return null
  },

  send(message, droppable, now) {
    const frame = toFrame(message)
    const state = stateOf()
    if (state === 'closing' || state === 'closed') return 'closed'
    const size = (frame[2] ?? []).reduce((sum, data) => sum + data.length, sizeOf(frame[1]))
    return half.send(frame, size, droppable, now) ? 'ok' : 'full'
  },

  sendDroppable(now, message) {
    return commands.send(message, true, now)
  },

  flush() {
    half.flush()
    return null
  },

  close(now, code, reason) {
    half.close(code, reason)
    drain()
    return null
  },

  abort(now, code, reason) {
    half.abort(code, reason)
    drain()
    return null
  },

  salvage() {
    half.lose()
    let unknown = []
    for (let event; (event = half.pollEvent()); ) if (event[0] === 'lost') unknown = event[1]
    for (const link of carriers.values()) half.detach(0, link)
    const link = machineLink({ ordinal: 0, opening: true, room: Infinity })
    half.attach(0, link)
    const unsent = gather(link, []).filter(([letter]) => /[bem]/.test(letter))
    return { unknown: unknown.map((content) => (Array.isArray(content) ? ofFrame(content) : toWire(content))), unsent: unsent.map(ofFrame) }
  }
}

const bytesOf = (kind, data) => new Uint8Array(Buffer.from(data, kind === 'b' ? 'base64' : 'utf8'))

const join = (first, second) => (typeof first === 'string' ? first + second : new Uint8Array([...first, ...second]))

const gather = (link, frames) => {
  for (let frame; (frame = half.pollTransmit(link)); ) frames.push(frame)
  return frames
}

/** Frames as the client's transports put them on their carrier; notes how far the numbers went. */
const spell = (here, frames) => {
  for (const frame of frames) {
    if (frame[0] === 'n') here.next = frame[1]
    if (/[bem]/.test(frame[0])) story.lastSent = Math.max(story.lastSent, here.next++)
    if (frame[0] === 'c') story.lastSent = Math.max(story.lastSent, frame[1])
  }
  if (!here.websocket) return [toWire(here.spelling.encode(frames))]
  const packet = []
  let records = ''
  const flush = (tail) => {
    if (records + tail) packet.push(['t', records + tail])
    records = ''
  }
  for (const frame of frames) {
    if (frame[0] === 'm') flush('m' + frame[1])
    else if (frame[0] === 'e') {
      flush('e' + frame[1])
      packet.push(...frame[2].map(toWire))
    } else if (frame[0] === 'b') {
      flush('')
      packet.push(toWire(frame[1]))
    } else records += here.spelling.encode([frame])
  }
  flush('')
  return packet
}

const hear = (now, name, here, frame) => {
  const [letter, code, reason] = frame
  if (letter === 'x') {
    story.over.add(name)
    if (/^41/.test(code)) story.events.push(['lost', code, reason])
    else if (/^(1000|3|4[34])/.test(code)) half.finish(code, reason)
  } else {
    if (letter === 'z') story.events.push(['away', code])
    half.handleFrame(now, here.link, frame)
    if (letter === 's') {
      story.seen.add(here.ordinal)
      if (!story.opened) story.events.push(['opened'])
      story.opened = true
    }
  }
}

/** Handles the machine's events as the client does. */
const drain = () => {
  for (let event; (event = half.pollEvent()); ) {
    const [name, first] = event
    if (name === 'message') story.arrivals.push(toWire(first))
    else if (name === 'event') story.arrivals.push(ofFrame(['e', first[0], first.slice(1)]))
    else if (name === 'gap') story.arrivals.push(['gap', first.from, first.to])
    else if (name === 'closed') story.closed = [first.code, first.reason]
  }
  const ordinal = half.carrier() ? ordinalOf(half.carrier()) : 0
  for (const [key, each] of links) if (each.wire !== 'upload' && each.ordinal < ordinal) story.over.add(key)
}

const ordinalOf = (link) => {
  for (const [ordinal, each] of carriers) if (each === link) return ordinal
  return null
}

const stateOf = () => {
  if (story.closed) return 'closed'
  if (half.closing()) return 'closing'
  if (!story.opened) return 'opening'
  return half.carrier() || links.size ? 'open' : 'interrupted'
}

const standing = () => {
  const carrier = half.carrier()
  const deadline = half.pollTimeout()
  const told = {
    state: stateOf(),
    closed: story.closed,
    deadline: story.closed || deadline === Infinity || Number.isNaN(deadline) ? null : deadline,
    received: half.received(),
    acknowledged: half.acked(),
    unacknowledged: half.unacknowledged(),
    lastSent: story.lastSent,
    carrier: carrier ? ordinalOf(carrier) : null,
    seen: [...story.seen],
    over: [...story.over],
    wantsUpload: Boolean(carrier && !machineLink.duplex(carrier) && half.pending(carrier)),
    grant: half.params().length ? half.params().slice(1) : null,
    arrivals: story.arrivals,
    events: story.events
  }
  story.arrivals = []
  story.events = []
  return told
}

const answer = (line) => JSON.stringify({ results: JSON.parse(line).map(([name, ...rest]) => commands[name](...rest)), now: standing() })

createInterface({ input: process.stdin }).on('line', (line) => process.stdout.write(answer(line) + '\n'))
