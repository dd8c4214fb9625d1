import { checkFunction, checkWord } from './checks.js'
import { later } from './env.js'
import { each, without } from './list.js'

const EVENTS = 'open message transport interrupted resumed gap connect_error error closed'

const rethrow = (error) =>
  later(() => {
    throw error
  })

/**
 * Adds `on` and `off` to an object, and returns the function that emits events on it, which returns what the
 * listeners have returned. A listener that throws harms neither the session nor other listeners: `failed` is
 * called with the error, or without `failed` it is thrown when nothing else runs.
 */
export const emitter = (target) => {
  const listeners = {}
  // Each change makes a new list, so that a list does not change while its listeners are called.
  const off = (event, listener) => {
    checkWord('event', event, EVENTS)
    if (listener !== undefined) checkFunction(listener)
    listeners[event] = listener && without(listeners[event], listener)
  }
  target.off = off
  target.on = (event, listener) => {
    checkFunction(listener)
    off(event, listener)
    listeners[event] = listeners[event].concat(listener)
    return () => off(event, listener)
  }
  return (event, detail, failed) => {
    const results = []
    each(listeners[event] || [], (listener) => {
      try {
        results.push(listener(detail))
      } catch (error) {
        ;(failed || rethrow)(error)
      }
    })
    return results
  }
}
