// Runs in the page beside the client: it opens sessions, records their messages, and checks numbered ones.

;(() => {
  const ALPHABET = 'é€😀x'
  const spell = (n) => `#${n} ${ALPHABET.repeat(n % 13)}`
  const numbered = (n) => (n % 10 ? spell(n) : new TextEncoder().encode(spell(n)))
  const textOf = (data) => (typeof data === 'string' ? data : new TextDecoder().decode(data))
  const numberOf = (data) => {
    const found = /^#(\d+) /.exec(textOf(data))
    return found ? Number(found[1]) : 0
  }

  class Tally {
    received = 0
    lost = 0
    repeated = 0
    disordered = 0
    wrong = 0
    last = 0
    #seen = new Set()

    take(data) {
      const n = numberOf(data)
      if (textOf(data) !== spell(n) || (typeof data === 'string') !== (n % 10 !== 0)) this.wrong += 1
      if (this.#seen.has(n)) this.repeated += 1
      else if (n > this.last) this.lost += n - this.last - 1
      else {
        this.disordered += 1
        this.lost -= 1
      }
      this.#seen.add(n)
      this.last = Math.max(this.last, n)
      this.received += 1
    }
  }

  class Watched {
    events = []
    messages = []
    tally = new Tally()
    sent = 0
    refused = 0
    resumed = { full: 0, gap: 0, new: 0 }
    unknown = []
    transports = []

    constructor(anywire, path, options) {
      this.born = performance.now()
      this.session = anywire.connect(path, options)
      for (const name of ['open', 'transport', 'interrupted', 'closed', 'error']) {
        this.session.on(name, (detail) => this.note(name, detail))
      }
      this.session.on('open', () => this.transports.push(this.session.transport))
      this.session.on('transport', (name) => this.transports.push(name))
      this.session.on('resumed', ({ outcome, unknown }) => {
        this.resumed[outcome] += 1
        if (outcome === 'new') this.unknown.push(...unknown.map(textOf))
        this.note('resumed', outcome)
      })
      this.session.on('message', (data) => (numberOf(data) ? this.tally.take(data) : this.messages.push(this.keep(data))))
    }

    keep(data) {
      const bytes = typeof data === 'string' ? null : new Uint8Array(data)
      return { at: performance.now() - this.born, kind: bytes ? 'binary' : 'text', data: bytes ?? data }
    }

    note(name, detail) {
      this.events.push({ name, detail: detail instanceof Error ? detail.message : (detail ?? null), at: performance.now() - this.born })
    }

    send(data) {
      return this.session.send(data)
    }

    /** Sends the numbers 1 to `total` evenly over `ms`; a number that `send` refuses is sent later. */
    sendNumbered(total, ms) {
      const began = performance.now()
      const step = () => {
        const due = Math.min(total, Math.ceil((total * (performance.now() - began)) / ms))
        while (this.sent < due) {
          if (this.send(numbered(this.sent + 1)) === false) {
            this.refused += 1
            break
          }
          this.sent += 1
        }
        if (this.sent < total) setTimeout(step, 5)
      }
      step()
    }

    /** The state that helps to understand a failed test. */
    summary() {
      const { events, trace, ...report } = this.report()
      return { ...report, messages: this.messages.length, events: events.slice(-10), trace: trace.slice(-5) }
    }

    report() {
      const { tally, sent, refused, resumed, unknown, transports, events } = this
      const { state, transport, rtt, bufferedAmount, unacknowledged } = this.session
      const { received, lost, repeated, disordered, wrong } = tally
      return {
        state, transport, rtt, bufferedAmount, unacknowledged, sent, refused, resumed, unknown, transports, events,
        trace: this.session.trace(), tally: { received, lost, repeated, disordered, wrong }
      }
    }
  }

  self.lab = {
    sessions: [],
    open(path, options, anywire = self.anywire) {
      const watched = new Watched(anywire, path, options)
      this.sessions.push(watched)
      return watched
    },
    /**
     * Resolves when `test()` holds, which is checked every 2 ms. After `patience` ms it rejects with a
     * summary.
     */
    until(test, patience = 30_000) {
      const began = performance.now()
      return new Promise((resolve, reject) => {
        const look = () => {
          const value = test()
          if (value) resolve(value)
          else if (performance.now() - began < patience) setTimeout(look, 2)
          else reject(new Error(`never: ${test}\n${JSON.stringify(this.sessions.map((each) => each.summary()), null, 1)}`))
        }
        look()
      })
    },
    /** A text of `size` characters in which a shift by one is noticed. */
    long(size) {
      let text = ''
      for (let i = 0; text.length < size; i++) text += `${i},`
      return text.slice(0, size)
    },
    hash(data) {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data)
      let hash = 2166136261
      for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619) >>> 0
      return `${bytes.length}:${hash}`
    }
  }
})()
