/** Frames for the server: over a WebSocket they go at once, over HTTP in one POST at a time. */
import { credentials, gather, now, send } from './client.js'
import { fail } from './codec.js'
import { NETWORK, isTooLarge } from './codes.js'
import { ANSWER, HEAD } from './config.js'
import { later } from './env.js'
import { BATCH } from './grant.js'
import { linkClosed } from './links.js'
import { reportFailure } from './report.js'
import { answerTime } from './silence.js'
import { takeTurnAgain } from './turns.js'

/** An upload was too large. The next one is half as large; a single message is given up. */
const refused = (client, size, first, end) => {
  client.uploadFailed_ = 0
  if (end - first > 1) client.batch_ = client.batchMax_ = HEAD + size / 2
  else client.machine_.giveUp_(end)
}

/** Something on the way asks us to wait. */
const postpone = (client, link, status, wait) => {
  const over = () => {
    clearTimeout(client.postponed_)
    client.cancelUpload_ = 0
  }
  client.cancelUpload_ = over
  client.postponed_ = setTimeout(() => {
    over()
    client.update_()
  }, wait)
  reportFailure(client, { transport: link.trace_.transport, code: NETWORK, status, message: 'HTTP ' + status })
}

const ended = (client, link, code, reason, wait, status) => {
  const failedBefore = client.uploadFailed_ === link
  // After one failure of the network the next upload repeats the messages; after a second one the link is
  // dropped.
  client.uploadFailed_ = code === NETWORK && !client.uploadFailed_ && link
  link.useful_ = !code || client.uploadFailed_
  if (!code) {
    client.failures_ = client.uploadsFail_ = 0
    // A line that needed most of the time for this much would not carry twice as much.
    if (now(client) - client.uploadAt_ < ANSWER / 2) client.batch_ = Math.min(client.batch_ * 2, client.batchMax_)
  }
  // A link whose uploads fail is dropped even if its downlink works.
  if (!link.useful_) {
    client.uploadsFail_ = 1
    linkClosed(client, link, code, reason, wait, status)
  } else if (!link.gone_ && (link.pollDelay_ || failedBefore)) {
    // The upload may have caused messages, and the next poll would come only after a delay. Or the path was
    // dead for a while, and the answer that waits may never come: a link that was made since has another.
    takeTurnAgain(client, link)
  }
}

/** POSTs all messages that the server has not acknowledged, and the control frames that wait. */
const upload = (client, link) => {
  const batch = Math.min(client.batch_, client.machine_.params_[BATCH])
  client.machine_.rewind_(link, batch - HEAD)
  const first = client.machine_.acked_ + 1
  const frames = gather(client, link, [credentials(client, 'u', [])])
  const size = batch - HEAD - link.room_
  const end = link.nextToSend_
  const transport = LEGACY ? client.http_.upload_(client, link, frames) : client.http_.turn_(link, 0)
  client.uploadAt_ = now(client)
  let timer
  const forget = () => {
    clearTimeout(timer)
    client.cancelUpload_ = 0
  }
  const done = (code, reason, wait, status) => {
    forget()
    // The answer of something that is not our server: the same upload would follow without end.
    if (!code && end && client.machine_.acked_ < first && !(LEGACY && link.unanswered_) && client.machine_.pending_(link)) code = NETWORK
    if (end && isTooLarge(code, status)) refused(client, size, first, end)
    else if (code === NETWORK && wait && !client.machine_.over_) postpone(client, link, status, wait)
    else ended(client, link, code, reason, wait, status)
    client.update_()
  }
  /** The answer must begin, or go on, within this time. */
  const expect = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      cancel()
      // The line may be too slow for so much.
      client.batch_ = HEAD + size / 2
      // Other connections may be as dead: another link is made beside the one that carries.
      client.chooser_.goAway_(now(client), 0)
      done(NETWORK)
    }, answerTime(client, size))
  }
  const receive = (frame) => {
    expect()
    if (frame[0] === 's') fail()
    client.machine_.handleFrame_(now(client), {}, frame)
  }
  const cancel = send(client, transport.upload_, transport.uploadName_, frames, receive, done)
  expect()
  client.cancelUpload_ = () => {
    cancel()
    forget()
  }
}

/** Whether frames wait for an upload, and no upload is under way. */
const canUpload = (client, link) =>
  link && !client.cancelUpload_ && !(LEGACY && client.machine_.acked_ < link.unanswered_) && client.machine_.pending_(link)

export const transmitNow = (client) => {
  const link = client.machine_.carrier_
  if (link.duplex_) link.write_(gather(client, link, []))
  else if (canUpload(client, link)) upload(client, link)
}

/** Sends what waits. Over HTTP all messages that the page sends in one task go in one body. */
export const transmit = (client) => {
  const link = client.machine_.carrier_
  if (link.duplex_) transmitNow(client)
  else if (!client.uploadPlanned_ && canUpload(client, link)) {
    client.uploadPlanned_ = 1
    later(() => {
      client.uploadPlanned_ = 0
      transmitNow(client)
      client.update_()
    })
  }
}
