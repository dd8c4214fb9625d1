/** HTTP in current browsers: all requests are made with fetch. `http-legacy.js` has the same methods. */
import { allows } from './options.js'
import { request } from './transports/fetch.js'

export const modernHttp = (options) => {
  const poll = { name_: 'xhr-poll', request_: request, uploadName_: 'send', upload_: request }
  const stream = { name_: 'fetch-stream', request_: request }
  return {
    /** How many ways to stream there are, and whether polls are allowed. */
    streams_: allows(options, 'fetch-stream') ? 1 : 0,
    polls_: allows(options, 'xhr-poll'),
    /** How a new link makes its requests. */
    choose_: () => poll,
    /** How it makes its next turn: as a poll, or as the stream of this number, counted from 1. */
    turn_: (link, number) => (number ? stream : poll),
    /** The frames of its opening. */
    open_: (client, link, frames) => frames,
    /** How it makes an upload of these frames. */
    upload_: () => poll,
    /** It has ended, after so many milliseconds. */
    ended_() {}
  }
}
