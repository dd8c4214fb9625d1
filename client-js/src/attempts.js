/** Attempts to make a link, as the chooser asks for them. */
import { HTTP, WEBSOCKET } from './chooser.js'
import { authText } from './checks.js'
import { addressOf, formerId, gather, now, reloadOf, sessionId } from './client.js'
import { NETWORK, TIMED_OUT } from './codes.js'
import { FIRST_FLIGHT } from './config.js'
import { socketAddress } from './env.js'
import { finishUnopened, linkClosed, receive, watch } from './links.js'
import { socketOf } from './options.js'
import { settled } from './promised.js'
import { reportError } from './report.js'
import { openSocket } from './transports/websocket.js'
import { head, takeTurn } from './turns.js'

/**
 * Begins a round of attempts. If they are to open a session, the application is asked for auth data first.
 */
export const beginRound = (client) => {
  const auth = client.options_.auth
  const begin = (value) => {
    client.auth_ = authText(value)
    const carrier = client.machine_.carrier_
    // A server that goes away is asked once more what has arrived, before there is a new link.
    if (carrier && !carrier.doubtedAt_) client.machine_.flush_()
    client.chooser_.begin_(now(client), client.bare_)
    client.update_()
  }
  const failed = (error) => {
    reportError(client, error)
    client.chooser_.ended_(now(client), {}, 0)
    finishUnopened(client)
    client.update_()
  }
  client.failure_ = 0
  try {
    settled(client, sessionId(client) || formerId(client) ? client.auth_ : typeof auth === 'function' ? auth() : auth, begin, failed)
  } catch (error) {
    failed(error)
  }
}

const openWebSocket = (client, link) => {
  const opened = () => {
    link.at_ = now(client)
    // Another link may have opened the session meanwhile.
    link.opening_ = !sessionId(client)
    link.write_(gather(client, link, [head(client, link)]))
  }
  const address = socketAddress(addressOf(client, 'websocket'))
  const done = (code, reason) => linkClosed(client, link, code, reason)
  openSocket(link, socketOf(client.options_), address, opened, (frame) => receive(client, link, frame), done, client.spare_)
  client.spare_ = 0
}

/** Starts a link of this kind. The chooser learns what becomes of it from `drop`, or from the next update. */
export const startLink = (client, kind, ordinal) => {
  const reload = reloadOf(client)
  const link = {
    ordinal_: reload ? reload.ordinal_(ordinal) : ordinal,
    duplex_: kind - HTTP,
    opening_: !sessionId(client),
    turn_: 0,
    at_: now(client),
    close_: () => {},
    trace_: { transport: kind === WEBSOCKET ? 'websocket' : client.http_.name_, at: client.clock_ }
  }
  link.bare_ = client.bare_
  if (LEGACY) link.requests_ = client.http_.choose_()
  link.room_ = link.bare_ ? 0 : (LEGACY && link.requests_.room_) || FIRST_FLIGHT
  client.trace_ = client.trace_.concat(link.trace_).slice(-20)
  client.machine_.attach_(client.clock_, link)
  try {
    if (kind === WEBSOCKET) openWebSocket(client, link)
    else takeTurn(client, link)
    watch(link, client.patience_, () => linkClosed(client, link, TIMED_OUT, 'timeout'))
  } catch (error) {
    linkClosed(client, link, NETWORK, error.message)
  }
}
