/**
 * The state of one session in a page. Each file around it (attempts, links, turns, uploads, update, page,
 * api) takes it as its first argument. The bundles differ in `http_`, and in `reload_`, which only the bundle
 * for old browsers has.
 */
import { BUFFER } from './config.js'
import { emitter } from './emitter.js'
import { address, browser, nonce } from './env.js'
import { ID, SECRET, createMachine } from './session.js'

/**
 * These fields are added later, when they are first needed:
 *
 * - `chooser_`, `update_()` and `unlisten_()`, which `api.js` sets
 * - `auth_`, the text for the opening
 * - `cancelUpload_()`, while an upload is under way; `uploadPlanned_`, while one will follow in this task
 * - `uploadFailed_`: the last upload failed, and its messages will be sent once more
 * - `askedAt_`, the time of the server's last request for an acknowledgement
 * - `unknown_`, the messages of a lost session that may or may not have arrived
 * - `fall_`, the last wait after a session that fell behind
 * - `spare_`, a WebSocket on which the next opening may go
 * - `fall_`, the last wait after a session that fell behind
 * - `leaving_`: the page goes, and its last requests must outlive it
 * - `busy_`: an update is under way, or the session has ended and none may follow
 * - `timer_`, and `graceTimer_` of a session that has been closed
 */
export const createClient = (url, options, http, createReload) => {
  const machine = createMachine(options.buffer || BUFFER, 0)
  const session = { state: 'connecting', transport: '', id: '', rtt: 0, bufferedAmount: 0, unacknowledged: 0, nextAttempt: 0 }
  const reload = createReload && createReload(url, machine, options.resume)
  return {
    url_: url,
    options_: options,
    http_: http,
    machine_: machine,
    reload_: reload,
    /** The object that the application has, and what emits events on it. */
    session_: session,
    emit_: emitter(session),
    /** Names the opening, so that retried or raced requests open one session. */
    attempt_: (reload && reload.instance_) || nonce(),
    /** The names of the parts of the protocol that this client knows (PROTOCOL.md, section 2). */
    names_: options.credentials === 'include' ? 'ping.cred' : 'ping',
    /** The same for all pages of this browser. */
    browser_: browser(),
    /** Flushes that wait for acknowledgement: `{ number_, done_ }`. */
    flushes_: [],
    /** The last attempts, for the application to look at. */
    trace_: [],
    /** Doubles with each guess that the path is dead. */
    doubt_: 1,
    /** The link that carried at the last update. */
    carrier_: 0,
    clock_: 0,
    date_: +new Date()
  }
}

/**
 * Milliseconds since the session was made. They are a sum of differences, so that this clock stands still
 * when the browser's is set back.
 */
export const now = (client) => {
  const date = +new Date()
  client.clock_ += Math.max(0, date - client.date_)
  client.date_ = date
  return client.clock_
}

/** The session's id; empty before it is open. */
export const sessionId = (client) => client.machine_.params_[ID]

/** The id of the older page's session while this page is taking it over. */
export const formerId = (client) => client.reload_ && client.reload_.id_()

/** The address of `path` for this session. */
export const addressOf = (client, path) => address(client.url_, path, formerId(client) || sessionId(client))

/** The head record of a request that shows the session's secret. */
export const credentials = (client, letter, fields) => {
  const { machine_: machine } = client
  return [letter, 1].concat(fields, machine.params_[ID], machine.params_[SECRET], machine.ackNumber_())
}

/** Makes a request by `make`, a transport's `request_` or `upload_`; returns what cancels it. */
export const send = (client, make, path, frames, receive, done) =>
  make(addressOf(client, path) + client.browser_, frames, client.options_.credentials, receive, done, client.leaving_)

/** Adds all frames that wait for this link to `frames`. */
export const gather = (client, link, frames) => {
  let frame = client.machine_.pollTransmit_(link)
  while (frame) {
    frames.push(frame)
    frame = client.machine_.pollTransmit_(link)
  }
  return frames
}
