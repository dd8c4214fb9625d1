/** The life of links: what they receive, and how they end. */
import { formerId, now, reloadOf, sessionId } from './client.js'
import { FELL_BEHIND, MALFORMED, OPEN_BY_HTTP, ORIGIN_REFUSED, REPLACED, TOO_LARGE, endsSession, isTooLarge, isUnknownSession } from './codes.js'
import { BRIEF, CALM, FALL, FALL_MAX, LATE, NEVER } from './config.js'
import { hidden, nonce } from './env.js'
import { reportFailure } from './report.js'
import { SPREAD } from './grant.js'
import { each } from './list.js'

/**
 * Removes a link. The next round of attempts begins after `wait` milliseconds at the earliest. Returns
 * whether the present round is over and nothing carries.
 */
export const drop = (client, link, code, reason, wait, status) => {
  const trace = link.trace_
  link.gone_ = 1
  unwatch(link)
  clearTimeout(link.lostTimer_)
  link.close_()
  trace.ended = now(client)
  trace.code = code
  trace.status = status
  trace.message = reason || (status ? 'HTTP ' + status : 'code ' + code)
  trace.outcome = code < 0 ? trace.message : code + ' ' + (reason || '')
  client.machine_.detach_(link)
  if (LEGACY) client.http_.ended_(link, code, client.clock_ - link.at_)
  return client.chooser_.ended_(client.clock_, link, (wait || 0) + (hidden() ? CALM : 0), client.machine_.params_[SPREAD])
}

export const dropBelow = (client, ordinal, code, reason) => {
  each(client.machine_.links_, (link) => link.ordinal_ < ordinal && drop(client, link, code, reason))
}

/** A session that was closed before it was open ends when nothing is being tried any more. */
export const finishUnopened = (client) => {
  if (client.machine_.closing_ && !sessionId(client) && !formerId(client) && !client.machine_.links_.length) client.machine_.finishClosed_()
}

/**
 * The server does not know the session. A new one is opened, without anything that was under way. After one
 * that fell behind this waits, and longer each time: the next one would fall behind as well. So it is with
 * sessions that are lost one after the other soon after they have opened: their requests may reach different
 * servers.
 */
const openAnew = (client, code, reason, link) => {
  const lived = now(client) - client.openedAt_
  const again = lived < BRIEF && client.brief_
  client.brief_ = lived < BRIEF
  if (lived > FALL_MAX) client.fall_ = 0
  const wait = (again || code === FELL_BEHIND) && (client.fall_ = Math.min(2 * client.fall_ || FALL, FALL_MAX))
  const reload = reloadOf(client)
  if (reload) reload.forget_()
  client.machine_.lose_()
  client.greeting_ = 0
  if (client.cancelUpload_) client.cancelUpload_()
  client.attempt_ = nonce()
  dropBelow(client, NEVER, code, reason)
  client.chooser_.goAway_(now(client), wait * (0.5 + Math.random() / 2))
  if (again && link) reportFailure(client, link.trace_)
}

/** A link was refused or cut, and the session is not lost. */
const linkFailed = (client, link, code, reason, wait, status) => {
  const opening = link.opening_ && !sessionId(client)
  if (isTooLarge(code, status)) {
    if (!opening) link.duplex_ && client.machine_.giveUp_(link.nextToSend_)
    // No further opening could be smaller.
    else if (link.bare_) client.machine_.finish_(TOO_LARGE, 'auth is too large')
    else client.bare_ = 1
  }
  // An attempt id that the server does not accept is not accepted the next time either.
  if (opening && isUnknownSession(code)) client.bare_ = 1
  if (opening && client.bare_) client.attempt_ = nonce()
  const over = drop(client, link, code, reason, wait, status)
  // A link that was confirmed is no failed attempt, unless its uploads fail.
  if (link.confirmed_ && !client.uploadsFail_) return
  // A status of HTTP tells most.
  if (status || !client.failure_.status) client.failure_ = link.trace_
  if (!over) return
  finishUnopened(client)
  if (!client.machine_.over_) reportFailure(client, client.failure_)
}

/**
 * The server has told this link that the session is lost. If another link still carries, its server is going
 * away, and has some time to acknowledge what has arrived.
 */
const lost = (client, link, code, reason) => {
  const carrier = client.machine_.carrier_
  if (link.duplex_ && !link.confirmed_ && code !== FELL_BEHIND) {
    // A server that has refused the link takes the opening on the same WebSocket.
    client.spare_ = link.socket_
    link.close_ = () => {}
  }
  if (carrier === link || !carrier.duplex_ || carrier.doubtedAt_ || !client.machine_.settle_()) openAnew(client, code, reason, link)
  else carrier.lostTimer_ = setTimeout(() => linkClosed(client, carrier, code, reason), LATE + 2 * client.session_.rtt)
}

/**
 * The server or the network has ended a link. The class of the code shows what that means for the session.
 */
export const linkClosed = (client, link, code, reason, wait, status) => {
  if (link.gone_) return
  link.doubted_ = code === OPEN_BY_HTTP
  if (link.doubted_ && !client.http_.polls_ && !client.http_.streams_) code = ORIGIN_REFUSED
  // If another link has opened the session meanwhile, the refusal of an opening concerns only its own link.
  const late = link.opening_ && sessionId(client)
  const former = formerId(client)
  // A server that cannot read a request to take over does not have the session either.
  if (former ? isUnknownSession(code) || code === MALFORMED : (isUnknownSession(code) && !link.opening_) || (link.confirmed_ && client.machine_.settling_)) {
    lost(client, link, code, reason)
  } else {
    if (endsSession(code) && !late) client.machine_.finish_(code, reason)
    linkFailed(client, link, code, reason, wait, status)
  }
  client.update_()
}

/** Handles a frame that came on a link. */
export const receive = (client, link, frame) => {
  const letter = frame[0]
  if (link.gone_) return
  if (letter === 'z') client.chooser_.goAway_(now(client), frame[1])
  if (letter === 'y') link.pollDelay_ = frame[1]
  else {
    if (letter === 'w') client.askedAt_ = now(client)
    unwatch(link)
    link.useful_ ||= letter !== 's'
    client.machine_.handleFrame_(now(client), link, frame)
    if (client.machine_.settling_ && !client.machine_.settle_()) openAnew(client, REPLACED)
  }
  client.update_()
}

/** Calls `act` after `patience` milliseconds, unless the link receives something or another watch begins. */
export const watch = (link, patience, act) => {
  unwatch(link)
  link.watchdog_ = setTimeout(act, patience)
}

export const unwatch = (link) => {
  clearTimeout(link.watchdog_)
  link.watchdog_ = 0
}
