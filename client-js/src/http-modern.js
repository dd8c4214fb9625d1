/**
 * HTTP in current browsers: all requests are made with fetch. `http-legacy.js` has the same, and some methods
 * more for the several ways of old browsers.
 */
import { allows } from './options.js'
import { request } from './transports/fetch.js'

export const modernHttp = (options) => {
  const poll = { name_: 'xhr-poll', request_: request, uploadName_: 'send', upload_: request }
  const stream = { name_: 'fetch-stream', request_: request }
  return {
    /** The transport that carries a link over HTTP before its first stream. */
    name_: allows(options, 'xhr-poll') ? 'xhr-poll' : 'fetch-stream',
    /** The number of ways to stream, and whether polls are allowed. */
    streams_: allows(options, 'fetch-stream') ? 1 : 0,
    polls_: allows(options, 'xhr-poll'),
    /**
     * Returns how a link makes its next turn: by the stream of this number, counted from 1, or with 0 by a
     * poll. The poll is also how it uploads.
     */
    turn_: (link, number) => (number ? stream : poll)
  }
}
