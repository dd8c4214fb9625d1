/** What the application promises. */

/**
 * Calls `done` with the value of a promise, or `failed` with an error: once, and at the latest after `patience`
 * milliseconds.
 */
export const settled = (promise, patience, done, failed) => {
  let over
  const once = (act) => (value) => {
    if (over) return
    over = 1
    clearTimeout(timer)
    try {
      act(value)
    } catch (error) {
      failed(error)
    }
  }
  const fail = once(failed)
  const timer = setTimeout(() => fail(Error('timeout')), patience)
  try {
    promise.then(once(done), fail)
  } catch (error) {
    fail(error)
  }
}
