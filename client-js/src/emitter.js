import { later } from './env.js'
import { without } from './list.js'

/**
 * Adds `on` and `off` to an object, and returns the function that emits events on it. A listener that throws
 * harms neither the session nor other listeners.
 */
export const emitter = (target) => {
  const listeners = {}
  // Each change makes a new list, so that a list does not change while its listeners are called.
  target.off = (name, listener) => {
    listeners[name] = without(listeners[name], listener)
  }
  target.on = (name, listener) => {
    listeners[name] = without(listeners[name], listener).concat(listener)
  }
  return (name, first, second) => {
    for (const listener of listeners[name] || []) {
      try {
        listener(first, second)
      } catch (error) {
        later(() => {
          throw error
        })
      }
    }
  }
}
