/** The session as the application has it. */
import { beginRound, startLink } from './attempts.js'
import { checkCode, checkFunction, checkOptions, isDroppable, reasonText } from './checks.js'
import { HTTP, WEBSOCKET, createChooser } from './chooser.js'
import { createClient, now } from './client.js'
import { fail } from './codec.js'
import { ABORTED } from './codes.js'
import { emitter } from './emitter.js'
import { later, memory, resolve, root } from './env.js'
import { frameOf } from './message.js'
import { backoffOf, socketOf } from './options.js'
import { listen, retry } from './page.js'
import { LIMIT } from './grant.js'
import { close, settleFlushes, update } from './update.js'

/** @param current returns the present client: `connect` after the end makes another one */
const addMethods = (session, current) => {
  session.trace = () => current().trace_

  session.retry = () => {
    if (!current().machine_.carrier_) retry(current())
  }

  session.send = (data, options = {}) => {
    const client = current()
    const { machine_: machine } = client
    const frame = frameOf(data)
    const droppable = isDroppable(options)
    const limit = machine.params_[LIMIT]
    if (machine.over_ || machine.closing_) fail('closed')
    if (frame.size_ > limit) fail('too large: ' + frame.size_ + ' of ' + limit + ' bytes')
    const taken = machine.send_(frame, droppable, now(client))
    update(client)
    return taken
  }

  session.flush = (done) => {
    const client = current()
    const { machine_: machine } = client
    const wait = (done) => {
      client.flushes_.push({ number_: machine.flush_(), done_: done })
      settleFlushes(client, machine.over_)
      update(client)
    }
    if (done == null && root.Promise) return new Promise(wait)
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
    update(client)
  }
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
    opened.unlisten_ = listen(opened)
    later(() => beginRound(opened))
  }
  if (options.resume && !createReload) fail('resume: only anywire.js goes on after a reload')
  if (!kinds) fail('none of these transports works here: ' + (options.transports || 'all'))
  addMethods(session, () => client)
  session.connect = () => {
    if (session.state === 'closed') open()
  }
  open()
  return session
}
