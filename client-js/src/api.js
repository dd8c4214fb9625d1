/** The session as the application has it. */
import { beginRound, startLink } from './attempts.js'
import { HTTP, WEBSOCKET, createChooser } from './chooser.js'
import { createClient, now } from './client.js'
import { fail } from './codec.js'
import { ABORTED } from './codes.js'
import { later, memory, root } from './env.js'
import { frameOf } from './message.js'
import { backoffOf, socketOf } from './options.js'
import { listen, retry } from './page.js'
import { GRACE, LIMIT } from './session.js'
import { settleFlushes, update } from './update.js'

const addMethods = (client) => {
  const { machine_: machine, session_: session } = client

  session.trace = () => client.trace_

  session.retry = () => {
    if (!machine.carrier_) retry(client)
  }

  session.send = (data, how) => {
    const frame = frameOf(data)
    if (machine.over_ || machine.closing_) fail('closed')
    if (frame.size_ > machine.params_[LIMIT]) fail('too large')
    const taken = machine.send_(frame, how?.droppable, now(client))
    update(client)
    return taken
  }

  session.flush = (done) => {
    const wait = (done) => {
      client.flushes_.push({ number_: machine.flush_(), done_: done })
      settleFlushes(client, machine.over_)
      update(client)
    }
    if (done || !root.Promise) wait(done)
    else return new Promise(wait)
  }

  session.close = (code = 1000, reason = '') => {
    if (machine.over_ || machine.closing_) return
    machine.close_(code, reason + '')
    // If no link comes to carry the close, the session ends with its grace.
    client.graceTimer_ = setTimeout(() => {
      if (!machine.carrier_) machine.finish_(code, reason)
      update(client)
    }, machine.params_[GRACE])
    update(client)
  }

  session.abort = (reason = '') => {
    machine.abort_(ABORTED, reason)
    update(client)
  }
}

/**
 * @param http how this bundle makes requests
 * @param createReload makes what lets a page go on with an older page's session; only the bundle for old
 *   browsers has it
 */
export const connect = (url, options, http, createReload) => {
  const client = createClient(url, options, http, createReload)
  const remember = memory(url)
  const kinds = (socketOf(options) ? WEBSOCKET : 0) + (http.streams_ || http.polls_ ? HTTP : 0)
  const act = (kind, ordinal) => {
    if (client.machine_.over_) return
    if (kind) startLink(client, kind, ordinal)
    else beginRound(client)
  }
  client.chooser_ = createChooser(kinds, remember(), Math.random, remember, act, http.streams_, backoffOf(options))
  client.update_ = () => update(client)
  client.unlisten_ = listen(client)
  addMethods(client)
  later(() => beginRound(client))
  return client.session_
}
