/** The options that concern transports and the waits between attempts; `checks.js` has checked them. */
import { fail } from './codec.js'
import { root } from './env.js'
import { contains } from './list.js'

/** Whether the transport of this name may be used. */
export const allows = (options, name) => !options.transports || contains(options.transports, name)

/** The constructor of WebSockets, if they are available and allowed. */
export const socketOf = (options) => allows(options, 'websocket') && (options.WebSocket || root.WebSocket)

/** The shortest and the longest wait between two rounds of attempts, in milliseconds. */
export const backoffOf = (options) => {
  const backoff = options.backoff || {}
  const first = backoff.first || 200
  const max = backoff.max || 10000
  if (max < first) fail('backoff.max is below backoff.first')
  return { first, max }
}
