/**
 * A dead path is found while the page sends: nothing comes, though an acknowledgement is due. Another link is
 * made then, and the one that carries serves until that one is confirmed: a wrong guess costs a connection.
 */
import { now } from './client.js'
import { ANSWER, LEAST_RATE, NEVER } from './config.js'

/** How long it may take until the server acknowledges this many bytes. */
export const answerTime = (client, bytes) => ANSWER + client.session_.rtt + bytes / LEAST_RATE

/**
 * Makes another link if nothing has come for too long; returns when to look again. After each guess the next
 * one waits twice as long, until all is acknowledged on a link that was never doubted.
 */
export const watchSilence = (client) => {
  const clock = now(client)
  const link = client.machine_.carrier_
  if (link.doubtedAt_ > 0 && link.receivedAt_ >= link.doubtedAt_) {
    client.chooser_.stay_()
    link.doubtedAt_ = -1
  }
  if (!link.duplex_ || link.doubtedAt_ > 0) return NEVER
  // While the server pauses us nothing is pending.
  if (!client.machine_.pending_(link)) {
    link.sentAt_ = 0
    if (link.useful_ && !link.doubtedAt_) client.doubt_ = 1
    return NEVER
  }
  link.sentAt_ ||= clock
  const at = Math.max(link.sentAt_, link.receivedAt_) + answerTime(client, client.machine_.bytes_) * client.doubt_
  if (clock >= at) {
    link.doubtedAt_ = clock
    client.doubt_ *= 2
    client.chooser_.goAway_(clock, 0)
  }
  return at
}
