import { checkEvent, checkFunction } from './checks.js'
import { later } from './env.js'
import { each, without } from './list.js'

const rethrow = (error) =>
  later(() => {
    throw error
  })

/**
 * Adds `on` and `off` to an object, and returns the function that emits events on it, which returns what the
 * listeners have returned, behind `results`, if that is given, and then `detail` is a list of values. A listener that throws harms neither the session nor other listeners: `failed` is
 * called with the error, or without `failed` it is thrown when nothing else runs.
 */
export const emitter = (target) => {
  const listeners = {}
  // Each change makes a new list, so that a list does not change while its listeners are called.
  const off = (event, listener) => {
    checkEvent(event)
    if (listener !== undefined) checkFunction(listener)
    // No name is one that every object has.
    listeners['$' + event] = listener && without(listeners['$' + event], listener)
  }
  target.off = off
  target.on = (event, listener) => {
    checkFunction(listener)
    off(event, listener)
    listeners['$' + event] = listeners['$' + event].concat(listener)
    return () => off(event, listener)
  }
  return (event, detail, failed, results) => {
    // An event of the server has a list of values.
    const values = results ? detail : [detail]
    results = results || []
    each(listeners['$' + event] || [], (listener) => {
      try {
        results.push(listener.apply(null, values))
      } catch (error) {
        ;(failed || rethrow)(error)
      }
    })
    return results
  }
}
