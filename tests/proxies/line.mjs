// One direction of a connection: items come out in order, each after the delay, and none while the line is
// stalled.

export class Line {
  #delay
  #out
  #queue = []
  #stalledUntil = 0
  #timer = null
  #closed = false

  /**
   * `delay()` is the present delay in ms; `out(item)` takes each item that has passed.
   */
  constructor(delay, out) {
    this.#delay = delay
    this.#out = out
  }

  push(item) {
    if (this.#closed) return
    this.#queue.push({ item, due: performance.now() + this.#delay() })
    this.#run()
  }

  /** Holds everything back for `ms`, also items on their way. */
  stall(ms) {
    this.#stalledUntil = Math.max(this.#stalledUntil, performance.now() + ms)
    this.#run()
  }

  /** Holds nothing back any more. */
  resume() {
    this.#stalledUntil = 0
    this.#run()
  }

  /** How many items are on their way. */
  get waiting() {
    return this.#queue.length
  }

  get stalled() {
    return performance.now() < this.#stalledUntil
  }

  close() {
    clearTimeout(this.#timer)
    this.#queue = []
    this.#closed = true
  }

  #run() {
    clearTimeout(this.#timer)
    while (this.#queue.length > 0) {
      const wait = Math.max(this.#queue[0].due, this.#stalledUntil) - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#run(), wait)
        return
      }
      this.#out(this.#queue.shift().item)
    }
  }
}
