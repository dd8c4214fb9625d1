/**
 * The state of one session in a page. Each file around it (attempts, links, turns, uploads, update, page,
 * api) takes it as its first argument. The bundles differ in `http_`, and in `reload_`, which only the bundle
 * for old browsers has: what depends on the several ways of HTTP there, or on an older page, stands behind
 * `LEGACY`, and is not in the module.
 */
import { NETWORK } from './codes.js'
import { BUFFER, PATIENCE, UPLOAD_FIRST, UPLOAD_MOST } from './config.js'
import { address, browser, later, nonce } from './env.js'
import { ID, SECRET } from './grant.js'
import { createMachine } from './session.js'

/**
 * These fields are added later, when they are first needed:
 *
 * - `chooser_`, `update_()` and `unlisten_()`, which `api.js` sets
 * - `auth_`, the text for the opening
 * - `cancelUpload_()`, while an upload is under way; `uploadPlanned_`, while one will follow in this task
 * - `uploadAt_`, when the last upload began
 * - `uploadFailed_`, the link whose upload failed last, if its messages will be sent once more
 * - `uploadsFail_`: so many uploads failed that their link was dropped, and none has succeeded since
 * - `askedAt_`, the time of the server's last request for an acknowledgement
 * - `unknown_`, the messages of a lost session that may or may not have arrived
 * - `openedAt_`, when the present session opened; `brief_`: the one before was lost soon after that
 * - `fall_`, the last wait after a session that fell behind or was brief
 * - `spare_`, a WebSocket on which the next opening may go
 * - `failure_`, the failed attempt of the present round that tells most
 * - `greeting_`, while listeners of `open` may send what goes in front of what waited
 * - `bare_`: an opening was too large, or refused because another one came before it with other cookies. The
 *   next ones carry no messages, and are made one at a time, each with an attempt id of its own
 * - `leaving_`: the page goes, and its last requests must outlive it
 * - `busy_`: an update is under way, or the session has ended and none may follow
 * - `timer_`, `graceTimer_` of a session that has been closed, and `postponed_` of an upload that has to wait
 */
export const createClient = (url, options, http, createReload, session, emit) => {
  const machine = createMachine(options.buffer || BUFFER, 0)
  session.state = 'connecting'
  session.rtt = 0
  const reload = LEGACY && createReload && createReload(url, machine, options.resume)
  return {
    url_: url,
    options_: options,
    http_: http,
    machine_: machine,
    reload_: reload,
    /** The object that the application has, and what emits events on it. */
    session_: session,
    emit_: emit,
    /** Names the opening, so that retried or raced requests open one session. */
    attempt_: (reload && reload.instance_) || nonce(),
    /** The names of the parts of the protocol that this client knows (PROTOCOL.md, section 2). */
    names_: 'ping.rotate.events' + (options.credentials === 'include' ? '.cred' : ''),
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
    /** The timers of what the application has promised. */
    promises_: [],
    /** How long an attempt may take. */
    patience_: options.timeout || PATIENCE,
    /** How many bytes the next upload may hold, and how many it may ever hold. */
    batch_: UPLOAD_FIRST,
    batchMax_: UPLOAD_MOST,
    /** How many rounds of attempts have failed in succession. */
    failures_: 0,
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

/** The state of a page that goes on with an older page's session, in the bundle that can. */
export const reloadOf = (client) => LEGACY && client.reload_

/** The id of the older page's session while this page is taking it over. */
export const formerId = (client) => LEGACY && client.reload_ && client.reload_.id_()

/** The address of `path` for this session. */
export const addressOf = (client, path) => address(client.url_, path, formerId(client) || sessionId(client))

/** The head record of a request that shows the session's secret. */
export const credentials = (client, letter, fields) => {
  return [letter, 1].concat(fields, client.machine_.params_[ID], client.machine_.params_[SECRET], client.machine_.ackNumber_())
}

/**
 * Makes a request by `make`, a transport's `request_` or `upload_`; returns what cancels it. `done` is called
 * once, unless the request is cancelled, and never before this returns: also if the page's own `fetch`
 * throws.
 */
export const send = (client, make, path, frames, receive, done) => {
  let over, cancel
  const end = (code, reason, wait, status) => {
    if (!cancel) later(() => end(code, reason, wait, status))
    else if (!over) {
      over = 1
      done(code, reason, wait, status)
    }
  }
  try {
    cancel = make(
      addressOf(client, path) + client.browser_,
      frames,
      // `fetch` takes no null for the default.
      client.options_.credentials || undefined,
      receive,
      end,
      client.leaving_
    )
  } catch (error) {
    end(NETWORK, error.message)
    cancel = () => {}
  }
  return () => {
    over = 1
    cancel()
  }
}

/** Adds all frames that wait for this link to `frames`. */
export const gather = (client, link, frames) => {
  for (let frame; (frame = client.machine_.pollTransmit_(link)); ) frames.push(frame)
  return frames
}
