/** HTTP in old browsers: there are several ways to make requests, and what does not work gives way to the next. */
import { send } from './client.js'
import { fail } from './codec.js'
import { REPLACED } from './codes.js'
import { LATE, SHORT_POLL } from './config.js'
import { allows, socketOf } from './options.js'
import { soon } from './transports/dom.js'

/** What is not acknowledged within this is sent again. */
const PATIENCE = 3000
/** So many uploads in succession without an effect are no accident. */
const FAILURES = 2

/**
 * An upload by a form has no answer: what it brought is acknowledged on the link that carries. Until then, or until the time is up,
 * `unanswered_` has the number that it went up to. Returns how to make the upload: by scripts where no form gets through.
 */
const uploadWithoutAnswer = (client, link, frames) => {
  const requests = link.requests_
  const failed = client.machine_.acked_ < requests.sent_
  requests.failures_ = failed ? requests.failures_ + 1 : 0
  if (requests.failures_ >= FAILURES) {
    // A policy may forbid frames. Scripts do get through: they brought the answer to the opening.
    const { name_, request_, room_ } = requests
    return (link.requests_ = { name_, request_, uploadName_: 'jsonp-send', upload_: request_, room_ })
  }
  frames.splice(1, 0, ['w'])
  link.unanswered_ = requests.sent_ = link.nextToSend_ - 1
  soon(() => {
    link.unanswered_ = 0
    client.update_()
  }, PATIENCE)
  return requests
}

/**
 * @param streams the ways to stream, the best first: `{ name_, request_ }`
 * @param polls the ways to make single requests: `{ name_, request_, uploadName_, upload_, room_ }`. Where `room_` is given, an opening
 *   cannot be POSTed: it has so many bytes, and no auth data.
 */
export const legacyHttp = (options, streams, polls) => {
  const allowed = (list) => {
    const kept = []
    for (const transport of list) if (allows(options, transport.name_)) kept.push(transport)
    return kept
  }
  const allowedStreams = allowed(streams)
  const allowedPolls = allowed(polls)
  const mayPoll = allowedPolls.length || allows(options, 'poll')
  // Uploads, and the first turn of each link, need single requests in any case.
  const requests = allowedPolls.length ? allowedPolls : polls
  /** How many links have failed that never carried: each makes way for the next kind of requests. */
  let fallback = 0
  if (!socketOf(options) && !allowedStreams.length && !mayPoll) fail('transports')
  return {
    streams_: allowedStreams.length,
    polls_: mayPoll,

    choose_: () => requests[fallback % requests.length],

    turn_(link, number) {
      const poll = link.requests_
      if (number) return allowedStreams[number - 1]
      if (!link.turn_ || allows(options, poll.name_)) return poll
      return { name_: 'poll', request_: poll.request_, pollDelay_: SHORT_POLL }
    },

    open_(client, link, frames) {
      const { room_, uploadName_, upload_ } = link.requests_
      if (!room_ || !client.auth_) return frames
      // Auth data may not go in an address: a form opens the session, on a link that no answer can be read from, and this one joins it.
      frames[0][2]--
      const ignore = () => {}
      send(client, upload_, uploadName_, frames, ignore, ignore)
      return [['j', 1, link.ordinal_, client.attempt_]]
    },

    upload_(client, link, frames) {
      link.requests_ ||= requests[0]
      return link.requests_.uploadName_ === 'form-post' ? uploadWithoutAnswer(client, link, frames) : link.requests_
    },

    ended_(link, code, lived) {
      const { requests_: used } = link
      if (link.duplex_) return
      // What was of use once is not given up for an outage, nor what a WebSocket has overtaken, unless it had time enough.
      if (link.useful_) used.good_ = 1
      if (!link.confirmed_ && !used.good_ && (code !== REPLACED || lived >= LATE)) fallback++
    }
  }
}
