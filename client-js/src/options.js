/** The options that concern transports; `checks.js` has checked them. */
import { root } from './env.js'

/** Whether the transport of this name may be used. */
export const allows = (options, name) => !options.transports || (',' + options.transports + ',').indexOf(',' + name + ',') >= 0

/** The constructor of WebSockets, if they are available and allowed. */
export const socketOf = (options) => allows(options, 'websocket') && (options.WebSocket || root.WebSocket)
