/**
 * HTTP in old browsers: there are several ways to make requests, and one that does not work is replaced by
 * the next.
 */
import { send } from './client.js'
import { REPLACED } from './codes.js'
import { LATE, SHORT_POLL } from './config.js'
import { each } from './list.js'
import { allows } from './options.js'
import { soon } from './transports/dom.js'

/** The place of the ordinal in the record that opens a session. */
const ORDINAL = 2
/** Messages that are not acknowledged within this time are sent again. */
const PATIENCE = 3000
/** This many failed uploads in succession are no accident. */
const FAILURES = 2

/**
 * An upload by a form has no answer: its messages are acknowledged on the link that carries. Until then, or
 * until the time is up, `unanswered_` is the number of the last of them. Returns the way to make the upload:
 * by scripts if forms do not get through.
 */
const uploadWithoutAnswer = (client, link, frames) => {
  const requests = link.requests_
  const failed = client.machine_.acked_ < requests.sent_
  requests.failures_ = failed ? requests.failures_ + 1 : 0
  if (requests.failures_ >= FAILURES) {
    // A policy may forbid frames. Scripts work, since one brought the answer to the opening.
    const { name_, request_, room_ } = requests
    return (link.requests_ = { name_, request_, uploadName_: 'jsonp-send', upload_: request_, room_ })
  }
  frames.splice(1, 0, ['w'])
  const last = (link.unanswered_ = requests.sent_ = link.nextToSend_ - 1)
  soon(() => {
    // Another upload may have followed, which has its own time.
    if (link.unanswered_ === last) link.unanswered_ = 0
    client.update_()
  }, PATIENCE)
  return requests
}

/**
 * @param streams the ways to stream, the best first: `{ name_, request_ }`
 * @param polls the ways to make single requests: `{ name_, request_, uploadName_, upload_, room_ }`. If there
 *   is a `room_`, an opening cannot be POSTed: it has room for that many bytes, and none for auth data.
 */
export const legacyHttp = (options, streams, polls) => {
  const allowed = (list) => {
    const kept = []
    each(list, (transport) => allows(options, transport.name_) && kept.push(transport))
    return kept
  }
  const allowedStreams = allowed(streams)
  const allowedPolls = allowed(polls)
  const mayPoll = allowedPolls.length || allows(options, 'poll')
  // Uploads and the first turn of a link are single requests, whatever is allowed.
  const requests = allowedPolls.length ? allowedPolls : polls
  /** How many links failed without ever being confirmed: each time the next way is used. */
  let fallback = 0
  return {
    name_: (allowedPolls[0] || (!mayPoll && allowedStreams[0]) || {}).name_ || 'poll',
    streams_: allowedStreams.length,
    polls_: mayPoll,

    /** Returns how a new link makes its requests. */
    choose_: () => requests[fallback % requests.length],

    turn_(link, number) {
      const poll = link.requests_
      if (number) return allowedStreams[number - 1]
      if (!link.turn_ || allows(options, poll.name_)) return poll
      return { name_: 'poll', request_: poll.request_, pollDelay_: SHORT_POLL }
    },

    /** Returns the frames of an opening. */
    open_(client, link, frames) {
      const { room_, uploadName_, upload_ } = link.requests_
      if (!room_ || !client.auth_) return frames
      // Auth data must not be in an address. A form opens the session by a link whose answer the page cannot
      // read, and this link joins that session.
      frames[0][ORDINAL]--
      const ignore = () => {}
      send(client, upload_, uploadName_, frames, ignore, ignore)
      return [['j', 1, link.ordinal_, client.attempt_]]
    },

    /** Returns how to upload these frames. */
    upload_(client, link, frames) {
      link.requests_ ||= requests[0]
      return link.requests_.uploadName_ === 'form-post' ? uploadWithoutAnswer(client, link, frames) : link.requests_
    },

    /** A link has ended. */
    ended_(link, code, lived) {
      const used = link.requests_
      if (link.duplex_) return
      // A way that was of use once is kept through outages, and so is one that a WebSocket has overtaken too
      // soon.
      if (link.useful_) used.good_ = 1
      if (!link.confirmed_ && !used.good_ && (code !== REPLACED || lived >= LATE)) fallback++
    }
  }
}
