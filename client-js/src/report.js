/** The reports of failures, for the application or else for the console. */
import { FAILURES } from './config.js'
import { root } from './env.js'

const warn = (client, error) => {
  if (!LEGACY || root.console) console.warn('anywire: ' + client.url_ + ': ' + ((error && error.message) || error))
}

export const reportError = (client, error) => {
  if (!client.emit_('error', error).length) warn(client, error)
}

/** All attempts of a round, or the uploads, have failed: `attempt`, an entry of the trace, tells why. */
export const reportFailure = (client, attempt) => {
  client.emit_('connect_error', attempt)
  if (++client.failures_ === FAILURES) warn(client, attempt)
}
