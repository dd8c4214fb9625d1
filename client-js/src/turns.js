/**
 * A link over HTTP is a sequence of turns. The first is the opening, or on a resume a poll that is answered
 * at once; streams or polls follow. If nothing else is allowed, or if the server asks for it, polls do not
 * wait for messages but come after a delay.
 */
import { STREAM_GOOD, STREAM_HELD, STREAM_USELESS } from './chooser.js'
import { credentials, formerId, gather, now, reloadOf, send } from './client.js'
import { HELD } from './codes.js'
import { LATE, LOADING, NEVER, SHORT_POLL, TOGETHER } from './config.js'
import { loading } from './env.js'
import { linkClosed, receive, unwatch, watch } from './links.js'
import { allows } from './options.js'

/** The head record of a link: takes over, opens or resumes. */
export const head = (client, link) => {
  if (formerId(client)) return reloadOf(client).head_(link.ordinal_, client.attempt_).concat(client.names_)
  if (link.opening_) return ['o', 1, link.ordinal_, client.attempt_, client.names_, client.auth_]
  return credentials(client, 'r', [link.ordinal_, link.turn_, link.turn_ && 1]).concat(client.names_)
}

/** How a stream went that has ended with `code`. */
const verdict = (client, link, began, code) => {
  const time = now(client)
  // The server asked for an acknowledgement, and then gave up. If both came together, the path held both
  // back.
  if (code === HELD) return time - client.askedAt_ < TOGETHER ? STREAM_HELD : STREAM_GOOD
  return time - began > LATE || (!code && link.useful_) ? STREAM_GOOD : STREAM_USELESS
}

export const takeTurn = (client, link) => {
  const began = now(client)
  // A script that waits for its answer would keep the load event of the page back.
  if (LEGACY && link.turn_ && link.requests_.room_ && loading() && began - link.at_ < LOADING) {
    watch(link, TOGETHER, () => takeTurn(client, link))
    return
  }
  const stream = link.turn_ && client.chooser_.stream_(client.http_.polls_ ? began : NEVER)
  const transport = client.http_.turn_(link, stream)
  let frames = [head(client, link)].concat(link.queue_)
  link.queue_ = []
  if (link.opening_) gather(client, link, frames)
  if (LEGACY && link.opening_) frames = client.http_.open_(client, link, frames)
  link.poll_ = !stream
  link.pollDelay_ = transport.pollDelay_
  // The opening may be made by a transport that must not carry the session.
  if (allows(client.options_, transport.name_)) link.trace_.transport = transport.name_
  unwatch(link)
  let empty = link.turn_
  link.close_ = send(
    client,
    transport.request_,
    link.opening_ && !(LEGACY && transport.room_) ? 'open' : transport.name_,
    frames,
    (frame) => {
      if (frame[0] !== 's') empty = 0
      receive(client, link, frame)
    },
    (code, reason, wait, status) => {
      if (link.gone_) return
      // Polls that end at once with nothing would come without a pause.
      empty &&= !stream && now(client) - began < TOGETHER
      const pause = link.pollDelay_ || (empty && link.empty_ && SHORT_POLL)
      link.empty_ = empty
      if (stream) client.chooser_.streamed_(now(client), verdict(client, link, began, code))
      // If a stream never began, this shows nothing about the network.
      const failedStream = code < 0 && stream && client.http_.polls_ && link.watchdog_
      if (code && code !== HELD && !failedStream) linkClosed(client, link, code, reason, wait, status)
      else if (pause) watch(link, pause, () => takeTurn(client, link))
      else takeTurn(client, link)
      client.update_()
    }
  )
  link.turn_++
  if (stream && client.http_.polls_) {
    watch(link, LATE + 2 * client.session_.rtt, () => {
      client.chooser_.streamed_(now(client), STREAM_HELD)
      takeTurnAgain(client, link)
      client.update_()
    })
  }
}

/** Cancels the turn and takes another one. */
export const takeTurnAgain = (client, link) => {
  link.close_()
  takeTurn(client, link)
}
