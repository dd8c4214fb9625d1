// One client behind a gate: it numbers what it sends and checks what it receives. `AnywireClient` is the shipped
// module; another library's client gives the same events and the same counts.

import { connect } from '../../client-js/dist/anywire.mjs'
import { Gate } from './gate.mjs'

export const TRANSPORTS = {
  websocket: ['websocket'],
  stream: ['fetch-stream', 'xhr-poll'],
  poll: ['xhr-poll']
}

/** A numbered message counts as sent this long after its moment: the sender's timers are late by less. */
const LATE = 50

/** Resolves at the next call of one of these events, with its time. */
export const next = (emitter, ...events) =>
  new Promise((resolve) => {
    const listener = () => {
      for (const event of events) emitter.off(event, listener)
      resolve(performance.now())
    }
    for (const event of events) emitter.on(event, listener)
  })

export class Client {
  faults = { lost: 0, repeated: 0, disordered: 0 }
  interrupted = 0
  resumed = { full: 0, gap: 0, new: 0 }
  unknown = 0
  sent = 0
  /** Messages that the server sent back. */
  answered = 0
  /** The longest time between two messages since `watchGaps`. */
  gap = 0
  #last = 0
  #lastAt = 0
  #timer
  /** The numbered messages that the server sends: how many, and one in how many milliseconds. */
  #total = 0
  #every = 0
  /** The moment of number 0 of them, by the quickest message that came. */
  #start = Infinity
  #waiter

  constructor(gate) {
    this.gate = gate
  }

  take(data) {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
    const now = performance.now()
    if (this.#lastAt) this.gap = Math.max(this.gap, now - this.#lastAt)
    this.#lastAt = now
    if (text.startsWith('e')) this.answered++
    if (!text.startsWith('#')) return
    const n = Number(text.slice(1).split(' ')[0])
    if (n <= this.#last) this.faults[n === this.#last ? 'repeated' : 'disordered']++
    else this.faults.lost += n - this.#last - 1
    this.#last = Math.max(this.#last, n)
    this.#start = Math.min(this.#start, now - n * this.#every)
    this.#waiter?.()
  }

  /** The server numbers from one again. */
  restart() {
    this.#last = 0
    this.#start = Infinity
  }

  /** Waits for all numbered messages that the server had sent at this time. Resolves with the time. */
  caughtUp(at) {
    const due = Math.min(this.#total, Math.floor((at - LATE - this.#start) / this.#every))
    return new Promise((resolve) => {
      this.#waiter = () => {
        if (this.#last >= due) resolve(performance.now())
      }
      this.#waiter()
    })
  }

  watchGaps() {
    this.gap = 0
    this.#lastAt = performance.now()
  }

  /** Messages with numbers, which the server checks; it answers nothing. */
  count(every) {
    this.#timer = setInterval(() => this.send(spell(++this.sent)), every)
  }

  /** Messages that the server sends back. */
  echo(every) {
    this.#timer = setInterval(() => this.send(`e${++this.sent}`), every)
  }

  /** The server sends so many numbered messages over this time. */
  burst(total, time) {
    this.#total = total
    this.#every = time / total
    this.send(`!burst ${total} over ${time}`)
  }

  /** Sends no more. */
  stop() {
    clearInterval(this.#timer)
  }

  /** What the server counted of what was sent, with what was sent and not counted as lost. */
  async tally() {
    this.stop()
    const { received, lost, repeated, disordered } = JSON.parse(await this.check())
    return { lost: lost + this.sent - received + repeated, repeated, disordered }
  }

  close() {
    this.stop()
    this.end()
    this.gate.close()
  }
}

export class AnywireClient extends Client {
  #session

  static async open(transport, targets) {
    const client = new AnywireClient(await Gate.open(targets))
    const session = (client.#session = connect(`${client.gate.url}/live`, { transports: TRANSPORTS[transport] }))
    session.on('message', (data) => client.take(data))
    session.on('interrupted', () => client.interrupted++)
    session.on('resumed', ({ outcome, unknown }) => {
      client.resumed[outcome]++
      if (outcome !== 'new') return
      client.unknown += unknown.length
      client.restart()
    })
    await next(session, 'open')
    return client
  }

  send(data) {
    this.#session.send(data)
  }

  next(event) {
    return next(this.#session, event)
  }

  check() {
    const answer = new Promise((resolve) => {
      this.#session.on('message', (data) => typeof data === 'string' && data.startsWith('{') && resolve(data))
    })
    this.#session.send('!check')
    return answer
  }

  end() {
    this.#session.abort()
  }
}

/** The message of a number, as the lab spells it. */
export function spell(n) {
  const text = `#${n} ${'é€😀x'.repeat(n % 13)}`
  return n % 10 ? text : new TextEncoder().encode(text)
}
