/** Follows every input: emits events to the application, sends frames to the server, sets the timer. */
import { formerId, now, reloadOf, sessionId } from './client.js'
import { HEARTBEAT_TIMEOUT, REPLACED } from './codes.js'
import { LONG, NEVER } from './config.js'
import { later } from './env.js'
import { given } from './events.js'
import { dropBelow, finishUnopened, linkClosed } from './links.js'
import { settled } from './promised.js'
import { each } from './list.js'
import { reportError } from './report.js'
import { GRACE } from './grant.js'
import { LINK_DEAD, LINK_UNKNOWN } from './session.js'
import { watchSilence } from './silence.js'
import { takeTurnAgain } from './turns.js'
import { transmit, transmitNow } from './uploads.js'

/** Calls back the flushes whose messages are acknowledged, or at the end all of them. */
export const settleFlushes = (client, atEnd) => {
  const flushes = client.flushes_
  client.flushes_ = []
  each(flushes, (flush) => {
    const acknowledged = flush.number_ <= client.machine_.acked_
    if (atEnd || acknowledged) later(() => flush.done_(acknowledged))
    else client.flushes_.push(flush)
  })
}

/**
 * There is a new session on the server. What the listeners of `open` send goes in front of what waited, which
 * also waits for what they promise.
 */
const greet = (client, first) => {
  const greeting = (client.greeting_ = {})
  let pending = 1
  const release = () => {
    pending--
    if (pending || client.greeting_ !== greeting) return
    client.machine_.release_()
    each(client.flushes_, (flush) => {
      if (flush.number_ === NEVER) flush.number_ = client.machine_.flush_()
    })
    client.update_()
  }
  const failed = (error) => reportError(client, error)
  client.openedAt_ = now(client)
  client.machine_.waits_ = 0
  if (!first) client.events_.open_()
  const waiting = client.machine_.waiting_.length - (client.machine_.waiting_[0] && client.machine_.closing_ ? 1 : 0)
  each(client.emit_('open', { first, waiting }, failed), (result) => {
    pending++
    settled(client, result, release, (error) => {
      failed(error)
      release()
    })
  })
  release()
}

/** Another link carries the session. */
const carried = (client, link) => {
  const unknown = client.unknown_
  const was = client.session_.state
  client.session_.rtt = now(client) - link.at_
  link.trace_.proven = client.clock_
  client.bare_ = 0
  // If only uploads fail, that is a failure still.
  if (link.duplex_ || !client.uploadsFail_) client.failures_ = 0
  client.chooser_.confirmed_(client.clock_, link)
  dropBelow(client, link.ordinal_, REPLACED)
  // An upload that repeats one which failed may be on a dead connection, and is sent again on another.
  if (client.uploadFailed_ && client.cancelUpload_) client.cancelUpload_()
  client.session_.state = 'open'
  const takenOver = formerId(client)
  const gap = takenOver && reloadOf(client).takenOver_(client.flushes_)
  client.unknown_ = 0
  if (unknown) {
    const dropped = given(client.machine_.drop_(client.options_.waiting === 'drop' ? () => 1 : client.events_.isStale_))
    client.events_.lost_('dropped', client.machine_.waiting_)
    client.emit_('resumed', { outcome: 'new', unknown, dropped })
  }
  if (unknown || was === 'connecting') greet(client, !unknown)
  else if (was !== 'open') client.emit_('resumed', { outcome: 'full' })
  if (takenOver) client.emit_('resumed', gap ? { outcome: 'gap', gap } : { outcome: 'full' })
}

/** Brings the application's object up to date. */
export const refresh = (client) => {
  const link = client.machine_.carrier_
  const former = client.transport_
  const moved = link !== client.carrier_
  client.carrier_ = link
  client.session_.bufferedAmount = client.machine_.bytes_
  client.session_.unacknowledged = client.machine_.unacknowledged_
  client.session_.id = sessionId(client)
  const next = !(link || client.machine_.over_) && client.chooser_.nextRound_()
  client.session_.nextAttempt = next ? client.date_ + next - client.clock_ : 0
  client.session_.transport = link ? link.trace_.transport : ''
  client.transport_ = client.session_.transport || former
  if (moved && link) carried(client, link)
  else if (moved && !client.machine_.over_) {
    client.session_.state = 'interrupted'
    client.emit_('interrupted')
  }
  if (former && former !== client.transport_) client.emit_('transport', client.session_.transport)
}

/** Ends everything that the page has of the session. `busy_` stays set, so that no update follows. */
export const retire = (client, code, reason) => {
  dropBelow(client, NEVER, code, reason)
  client.unlisten_()
  if (client.spare_) client.spare_.close()
  clearTimeout(client.timer_)
  clearTimeout(client.graceTimer_)
  clearTimeout(client.postponed_)
  each(client.promises_, (timer) => clearTimeout(timer))
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
  client.events_.closed_(how)
}

/**
 * Does everything that follows from an input. If a listener calls the session meanwhile, that is done before
 * this returns. After the end of the session nothing is done.
 */
export const update = (client) => {
  if (client.busy_) return
  client.busy_ = 1
  refresh(client)
  for (let event; (event = client.machine_.pollEvent_()); ) {
    const [name, detail] = event
    if (name === 'closed') return closed(client, detail)
    if (name === 'lost') {
      client.unknown_ = (client.unknown_ || []).concat(given(detail))
      client.events_.lost_('unknown', client.machine_.waiting_)
      settleFlushes(client, 1)
    } else if (name === 'error') {
      // Messages that were given up will not be acknowledged.
      settleFlushes(client, 1)
      detail.data = given([detail.data])[0]
      reportError(client, detail)
    } else if (name === 'event') {
      try {
        client.events_.receive_(detail)
      } catch (error) {
        reportError(client, error)
      }
    } else client.emit_(name, detail)
  }
  settleFlushes(client)
  // Changes that listeners and the machine have made since show too.
  refresh(client)
  transmit(client)
  client.busy_ = 0
  clearTimeout(client.timer_)
  const next = Math.max(0, Math.min(watchSilence(client), client.machine_.pollTimeout_(), client.chooser_.pollTimeout_(), client.clock_ + LONG) - client.clock_)
  client.timer_ = setTimeout(() => handleTimeout(client), next)
}

/** Closes the session behind all messages. */
export const close = (client, code, reason) => {
  if (client.machine_.over_ || client.machine_.closing_) return
  client.machine_.close_(code, reason)
  finishUnopened(client)
  // If no link comes to carry the close, the session ends with its grace.
  client.graceTimer_ = setTimeout(() => {
    if (!client.machine_.carrier_) client.machine_.finish_(code, reason)
    update(client)
  }, client.machine_.params_[GRACE])
  update(client)
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
