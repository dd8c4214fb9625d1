/** More timers than this in one go are a loop. */
const STEPS = 10000

/** Virtual time: timers fire in order when it is advanced, never by themselves. */
export const createClock = () => {
  let now = 1e12
  let last = 0
  let timers = []

  const due = (until) => timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.id - b.id)[0]

  const fire = (timer) => {
    timers = timers.filter((one) => one !== timer)
    now = Math.max(now, timer.at)
    timer.task()
  }

  const self = {
    now: () => now,
    setTimeout(task, delay) {
      // Node warns.
      if (delay < 0) throw Error(`a timer for a time that is over: ${delay}`)
      timers.push({ id: ++last, at: now + Math.max(1, Math.trunc(delay) || 0), task })
      return last
    },
    clearTimeout(id) {
      timers = timers.filter((one) => one.id !== id)
    },
    /** The parts of Date that the client uses. */
    Date: Object.assign(
      function () {
        this.valueOf = () => now
      },
      { parse: Date.parse }
    ),
    /** How many timers are set. */
    timers: () => timers.length,
    advance(time) {
      const until = now + time
      for (let timer, steps = 0; (timer = due(until)); ) {
        if (++steps > STEPS) throw Error('it turns round and round')
        fire(timer)
      }
      now = until
    },
    /** The same for code that waits for promises too: `settle` lets those run. */
    async pass(time, settle) {
      const until = now + time
      await settle()
      for (let timer, steps = 0; (timer = due(until)); ) {
        if (++steps > STEPS) throw Error('it turns round and round')
        fire(timer)
        await settle()
      }
      now = until
    },
    /** Time goes by unnoticed, as it does in sleep. */
    sleep(time) {
      now += time
    }
  }
  return self
}
