/** The promises of the application. */
import { without } from './list.js'

/**
 * Calls `done` with the value of a promise, or `failed` with an error: once, at the latest when the time of
 * an attempt is up, and not after the end of the session. What is no promise is passed on at once.
 */
export const settled = (client, promise, done, failed) => {
  if (!promise || typeof promise.then !== 'function') return done(promise)
  let over
  const once = (act) => (value) => {
    if (over || client.machine_.over_) return
    over = 1
    clearTimeout(timer)
    client.promises_ = without(client.promises_, timer)
    try {
      act(value)
    } catch (error) {
      failed(error)
    }
  }
  const fail = once(failed)
  const timer = setTimeout(() => fail(Error('timeout')), client.patience_)
  client.promises_.push(timer)
  try {
    promise.then(once(done), fail)
  } catch (error) {
    fail(error)
  }
}
