// One client: the shipped module behind a gate, which numbers what it sends and checks what it receives.

import { connect } from '../../client-js/dist/anywire.mjs'
import { Gate } from './gate.mjs'

export const TRANSPORTS = {
  websocket: ['websocket'],
  stream: ['fetch-stream', 'xhr-poll'],
  poll: ['xhr-poll']
}

/** Resolves at the next call of one of these events, with its time. */
const next = (session, ...events) =>
  new Promise((resolve) => {
    const listener = () => {
      for (const event of events) session.off(event, listener)
      resolve(performance.now())
    }
    for (const event of events) session.on(event, listener)
  })

export class Client {
  faults = { lost: 0, repeated: 0, disordered: 0 }
  interrupted = 0
  resumed = { full: 0, gap: 0, new: 0 }
  unknown = 0
  received = 0
  /** The longest time between two messages since `watchGaps`. */
  gap = 0
  #last = 0
  #lastAt = 0
  #sent = 0
  #timer

  static async open(transport, targets) {
    const client = new Client()
    client.gate = await Gate.open(targets)
    client.session = connect(client.gate.url, { transports: TRANSPORTS[transport] })
    client.session.on('message', (data) => client.#take(data))
    client.session.on('interrupted', () => client.interrupted++)
    client.session.on('resumed', ({ outcome, unknown }) => {
      client.resumed[outcome]++
      if (outcome !== 'new') return
      client.unknown += unknown.length
      client.#last = 0
    })
    await next(client.session, 'open')
    return client
  }

  #take(data) {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
    const now = performance.now()
    this.received++
    if (this.#lastAt) this.gap = Math.max(this.gap, now - this.#lastAt)
    this.#lastAt = now
    if (!text.startsWith('#')) return
    const n = Number(text.slice(1).split(' ')[0])
    if (n <= this.#last) this.faults[n === this.#last ? 'repeated' : 'disordered']++
    else this.faults.lost += n - this.#last - 1
    this.#last = Math.max(this.#last, n)
  }

  next(...events) {
    return next(this.session, ...events)
  }

  watchGaps() {
    this.gap = 0
    this.#lastAt = performance.now()
  }

  /** Messages with numbers, which the lab checks; it answers nothing. */
  count(every) {
    this.#timer = setInterval(() => this.session.send(spell(++this.#sent)), every)
  }

  /** Messages that the lab sends back. */
  echo(every) {
    this.#timer = setInterval(() => this.session.send(`e${++this.#sent}`), every)
  }

  /** The lab sends so many numbered messages over this time. */
  burst(total, time) {
    this.session.send(`!burst ${total} over ${time}`)
  }

  /** What the lab counted of what was sent, with what was sent and not counted as lost. */
  async tally() {
    clearInterval(this.#timer)
    const answer = new Promise((resolve) => {
      this.session.on('message', (data) => typeof data === 'string' && data.startsWith('{') && resolve(JSON.parse(data)))
    })
    this.session.send('!check')
    const { received, lost, repeated, disordered } = await answer
    return { lost: lost + this.#sent - received + repeated, repeated, disordered }
  }

  close() {
    clearInterval(this.#timer)
    this.session.abort()
    this.gate.close()
  }
}

/** The message of a number, as the lab spells it. */
function spell(n) {
  const text = `#${n} ${'é€😀x'.repeat(n % 13)}`
  return n % 10 ? text : new TextEncoder().encode(text)
}
