/** Follows every input: emits events to the application, sends frames to the server, sets the timer. */
import { now, formerId, sessionId } from './client.js'
import { HEARTBEAT_TIMEOUT, REPLACED } from './codes.js'
import { LONG, NEVER } from './config.js'
import { later } from './env.js'
import { dropBelow, linkClosed } from './links.js'
import { LINK_DEAD, LINK_UNKNOWN } from './session.js'
import { watchSilence } from './silence.js'
import { takeTurnAgain } from './turns.js'
import { transmit, transmitNow } from './uploads.js'

/** Calls back the flushes whose messages are acknowledged, or at the end all of them. */
export const settleFlushes = (client, atEnd) => {
  const flushes = client.flushes_
  client.flushes_ = []
  for (const flush of flushes) {
    const acknowledged = flush.number_ <= client.machine_.acked_
    if (atEnd || acknowledged) later(() => flush.done_(acknowledged))
    else client.flushes_.push(flush)
  }
}

/** Another link carries the session. */
const carried = (client, link) => {
  const { session_: session, unknown_: unknown } = client
  const was = session.state
  session.rtt = now(client) - link.at_
  link.trace_.proven = client.clock_
  client.chooser_.confirmed_(client.clock_, link)
  dropBelow(client, link.ordinal_, REPLACED)
  session.state = 'open'
  const takenOver = formerId(client)
  const gap = takenOver && client.reload_.takenOver_(client.flushes_)
  if (was === 'connecting') client.emit_('open')
  else if (was !== 'open') client.emit_('resumed', unknown ? 'new' : 'full', unknown)
  if (takenOver) client.emit_('resumed', gap ? 'gap' : 'full', gap)
  client.unknown_ = undefined
}

/** Brings the application's object up to date. */
const refresh = (client) => {
  const { machine_: machine, session_: session } = client
  const link = machine.carrier_
  const former = session.transport
  const moved = link !== client.carrier_
  client.carrier_ = link
  session.bufferedAmount = machine.bytes_
  session.unacknowledged = machine.unacknowledged_
  session.id = sessionId(client)
  const next = !(link || machine.over_) && client.chooser_.nextRound_()
  session.nextAttempt = next ? client.date_ + next - client.clock_ : 0
  if (link) session.transport = link.trace_.transport
  if (moved && link) carried(client, link)
  else if (moved) {
    session.state = 'interrupted'
    client.emit_('interrupted')
  }
  if (former && former !== session.transport) client.emit_('transport', session.transport)
}

/** Ends everything that the page has of the session. `busy_` stays set, so that no update follows. */
export const retire = (client, code, reason) => {
  dropBelow(client, NEVER, code, reason)
  client.unlisten_()
  if (client.spare_) client.spare_.close()
  clearTimeout(client.timer_)
  clearTimeout(client.graceTimer_)
  client.busy_ = 1
}

const closed = (client, how) => {
  // The close must not wait until an upload has ended.
  client.cancelUpload_ = 0
  transmitNow(client)
  retire(client, how.code, how.reason)
  client.carrier_ = 0
  client.session_.state = 'closed'
  refresh(client)
  settleFlushes(client, 1)
  client.emit_('closed', how)
}

/**
 * Does everything that follows from an input. If a listener calls the session meanwhile, that is done before
 * this returns. After the end of the session nothing is done.
 */
export const update = (client) => {
  const { chooser_: chooser, machine_: machine } = client
  if (client.busy_) return
  client.busy_ = 1
  refresh(client)
  let event = machine.pollEvent_()
  while (event) {
    const [name, first, second] = event
    if (name === 'closed') return closed(client, first)
    if (name === 'lost') {
      client.unknown_ = (client.unknown_ || []).concat(first)
      settleFlushes(client, 1)
    } else client.emit_(name, first, second)
    event = machine.pollEvent_()
  }
  settleFlushes(client)
  transmit(client)
  client.busy_ = 0
  clearTimeout(client.timer_)
  const next = Math.min(watchSilence(client), machine.pollTimeout_(), chooser.pollTimeout_(), client.clock_ + LONG) - client.clock_
  client.timer_ = setTimeout(() => handleTimeout(client), next)
}

/** Makes sure that the link that carries still works. */
export const probe = (client) => {
  const link = client.machine_.carrier_
  if (link) {
    client.machine_.probe_(now(client), link)
    if (!link.duplex_) takeTurnAgain(client, link)
  }
}

export const handleTimeout = (client) => {
  const verdict = client.machine_.handleTimeout_(now(client))
  client.chooser_.handleTimeout_(client.clock_)
  if (verdict === LINK_UNKNOWN) probe(client)
  else if (verdict === LINK_DEAD) linkClosed(client, client.machine_.carrier_, HEARTBEAT_TIMEOUT)
  update(client)
}
