import { later } from './env.js'
import { without } from './list.js'

/** Adds `on` and `off` to an object and returns what emits on it. A listener that throws harms neither the session nor its neighbours. */
export const emitter = (target) => {
  const listeners = {}
  // A new list each time: the one that is being walked stays as it is.
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
