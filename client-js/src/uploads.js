/** Frames for the server: over a WebSocket they go at once, over HTTP in one POST at a time. */
import { credentials, gather, now, send } from './client.js'
import { NETWORK } from './codes.js'
import { HEAD } from './config.js'
import { later } from './env.js'
import { linkClosed } from './links.js'
import { BATCH } from './session.js'
import { answerTime } from './silence.js'
import { takeTurnAgain } from './turns.js'

/** POSTs all messages that the server has not acknowledged, and the control frames that wait. */
const upload = (client, link) => {
  const { machine_: machine } = client
  const batch = machine.params_[BATCH]
  machine.rewind_(link, batch - HEAD)
  const frames = gather(client, link, [credentials(client, 'u', [])])
  const transport = client.http_.upload_(client, link, frames)
  const forget = () => {
    clearTimeout(timer)
    client.cancelUpload_ = 0
  }
  const done = (code, reason, wait) => {
    const failedBefore = client.uploadFailed_
    forget()
    // After one failure of the network the next upload repeats the messages; after a second one the link is
    // dropped.
    client.uploadFailed_ = code === NETWORK && !client.uploadFailed_
    link.useful_ = !code || client.uploadFailed_
    // A link whose uploads fail is dropped even if its downlink works.
    if (!link.useful_) linkClosed(client, link, code, reason, wait)
    // The upload may have caused messages, and the next poll would come only after a delay. Or the path was
    // dead for a while, and the answer that waits may never come.
    else if (link.pollDelay_ || (!code && failedBefore)) takeTurnAgain(client, link)
    client.update_()
  }
  const receive = (frame) => machine.handleFrame_(now(client), {}, frame)
  const cancel = send(client, transport.upload_, transport.uploadName_, frames, receive, done)
  const timer = setTimeout(() => {
    cancel()
    done(NETWORK)
  }, answerTime(client, batch - link.room_))
  client.cancelUpload_ = () => {
    cancel()
    forget()
  }
}

/** Whether frames wait for an upload, and no upload is under way. */
const canUpload = (client, link) =>
  link && !client.cancelUpload_ && !(client.machine_.acked_ < link.unanswered_) && client.machine_.pending_(link)

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
