/** The options that concern transports and the waits between attempts; `checks.js` has checked them. */
import { fail } from './codec.js'
import { root } from './env.js'

/** Whether the transport of this name may be used. */
export const allows = (options, name) => !options.transports || (',' + options.transports + ',').indexOf(',' + name + ',') >= 0

/** The constructor of WebSockets, if they are available and allowed. */
export const socketOf = (options) => allows(options, 'websocket') && (options.WebSocket || root.WebSocket)

/** The shortest and the longest wait between two rounds of attempts, in milliseconds. */
export const backoffOf = ({ backoff }) => {
  const first = (backoff || 0).first || 200
  const max = (backoff || 0).max || 10000
  return max < first ? fail('backoff.max is below backoff.first') : { first, max }
}
