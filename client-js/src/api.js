/** The session as the application has it. */
import { beginRound, startLink } from './attempts.js'
import { checkCode, checkFunction, checkOptions, checkSize, isDroppable, reasonText } from './checks.js'
import { HTTP, WEBSOCKET, createChooser } from './chooser.js'
import { createClient, now } from './client.js'
import { fail } from './codec.js'
import { ABORTED } from './codes.js'
import { emitter } from './emitter.js'
import { addEvents } from './events.js'
import { later, memory, resolve, root } from './env.js'
import { frameOf } from './message.js'
import { backoffOf, socketOf } from './options.js'
import { listen, retry } from './page.js'
import { LIMIT } from './grant.js'
import { close, refresh, settleFlushes, update } from './update.js'

/**
 * @param current returns the present client: `connect` after the end makes another one
 * @param emit emits events on the session
 */
const addMethods = (session, current, emit) => {
  session.trace = () => current().trace_

  session.retry = () => {
    if (!current().machine_.carrier_) retry(current())
  }

  /** A frame that opens or leaves a channel is taken without room, and also before a close that waits. */
  const put = (frame, droppable, must) => {
    const client = current()
    if (client.machine_.over_ || (client.machine_.closing_ && !must)) fail('closed')
    checkSize('', frame, client.machine_.params_[LIMIT])
    const taken = client.machine_.send_(frame, droppable, now(client), must)
    client.update_()
    return taken
  }

  session.send = (data, options = {}) => put(frameOf(data), isDroppable(options))

  session.flush = (done) => {
    const client = current()
    const wait = (done) => {
      client.flushes_.push({ number_: client.machine_.flush_(), done_: done })
      settleFlushes(client, client.machine_.over_)
      client.update_()
    }
    if (done == null && (!LEGACY || root.Promise)) return new Promise(wait)
    checkFunction(done)
    wait(done)
  }

  session.close = (code = 1000, reason = '') => {
    checkCode(code)
    close(current(), code, reasonText(reason))
  }

  session.abort = (reason = '') => {
    const client = current()
    client.machine_.abort_(ABORTED, reasonText(reason))
    client.update_()
  }

  return addEvents(session, current, put, emit)
}

/**
 * @param makeHttp makes what makes the requests of this bundle
 * @param createReload makes what lets a page go on with an older page's session; only the bundle for old
 *   browsers has it
 */
export const connect = (url, options, makeHttp, createReload) => {
  checkOptions(options)
  const address = resolve(url)
  const http = makeHttp(options, address)
  const kinds = (socketOf(options) ? WEBSOCKET : 0) + (http.streams_ || http.polls_ ? HTTP : 0)
  const backoff = backoffOf(options)
  const session = {}
  const emit = emitter(session)
  let client
  const open = () => {
    const opened = (client = createClient(address, options, http, createReload, session, emit))
    const remember = memory(address)
    const act = (kind, ordinal) => {
      if (opened.machine_.over_) return
      if (kind) startLink(opened, kind, ordinal)
      else beginRound(opened)
    }
    opened.chooser_ = createChooser(kinds, remember(), Math.random, remember, act, http.streams_, backoff)
    opened.update_ = () => update(opened)
    opened.events_ = events
    opened.unlisten_ = listen(opened)
    refresh(opened)
    later(() => act(0))
  }
  if (options.resume && !(LEGACY && createReload)) fail('resume works only in anywire.js')
  if (!kinds) fail('no transport works here: ' + (options.transports || 'all'))
  const events = addMethods(session, () => client, emit)
  session.connect = () => {
    if (session.state === 'closed') open()
  }
  open()
  return session
}
