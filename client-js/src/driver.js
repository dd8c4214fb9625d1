/** Ties machine, chooser and transports together; the only file with timers and a clock. */
import { createMachine, ID, SECRET, GRACE, LIMIT, BATCH } from './session.js'
import { createChooser, HTTP, WEBSOCKET } from './chooser.js'
import { openSocket } from './transports/websocket.js'
import { emitter } from './emitter.js'
import { createReload } from './reload.js'
import { frameOf } from './message.js'
import { fail } from './codec.js'
import { address, browser, later, memory, nonce, root, socketAddress } from './env.js'
import { blindly } from './transports/blind.js'
import {
  NEVER, LONG, FIRST_FLIGHT, PATIENCE, LATE, TOGETHER, REST,
  CALM, POST, POST_RATE, HEAD, BUFFER, DEAD, HELD
} from './config.js'

/**
 * @param request how the bundle for current browsers makes all of its requests
 * @param streams the ways to stream of the other one: `[name, request]`
 * @param bases its ways to make single requests: `[poll's name, request, upload's name, upload's request, room]`. Where `room` is given, an
 *   opening cannot be POSTed: it has so many bytes, and no auth data but by a form.
 */
export const drive = (url, options, request, streams, bases) => {
  const allow = (way) =>
    !options.transports || (LEGACY ? (',' + options.transports + ',').indexOf(',' + way + ',') >= 0 : options.transports.includes(way))
  const allowed = (ways) => {
    const kept = []
    for (const way of ways) if (allow(way[0])) kept.push(way)
    return kept
  }
  const Socket = allow('websocket') && (options.WebSocket || root.WebSocket)
  const waiting = LEGACY && allowed(bases)
  if (LEGACY && waiting[0]) bases = waiting
  const polls = LEGACY ? allow('poll') || waiting[0] : allow('xhr-poll')
  const ways = LEGACY ? (streams = allowed(streams)).length : allow('fetch-stream')
  const session = { state: 'connecting', transport: '', rtt: 0 }
  const emit = emitter(session)
  const machine = createMachine(options.buffer || BUFFER, 0)
  const remember = memory(url)
  const tab = browser()
  const reload = LEGACY && createReload(url, machine, options.resume)
  const kinds = (Socket ? WEBSOCKET : 0) + (ways || polls ? HTTP : 0) || (LEGACY && fail('transports'))
  const act = (kind, ordinal) => machine.over_ || (kind ? start(kind, ordinal) : begin())
  const chooser = createChooser(kinds, remember(), Math.random, remember, act, ways)
  let trace = []
  let attempt = (LEGACY && reload.instance_) || nonce()
  let auth
  let carrier = 0
  let upload
  let failed
  let posting
  /** Links over HTTP that never proved themselves: each gives way to the next way to make requests. */
  let tries = 0
  /** When the server last asked how far we have come; whether an upload has failed and is said again; whether the page goes. */
  let asked
  let leaving
  let waiters = []
  let unknown
  let timer
  let giveUp
  let busy
  let clock = 0
  let before = +new Date()

  /** Adds up differences: a clock that is set back stands still. */
  const now = () => {
    const date = +new Date()
    clock += Math.max(0, date - before)
    before = date
    return clock
  }

  const id = () => machine.terms_[ID]

  const hidden = () => (LEGACY ? (root.document || 0).hidden : root.document?.hidden)

  /** A head that shows who we are. */
  const pass = (letter, fields) => [letter, 1].concat(fields, id(), machine.terms_[SECRET], machine.say_())

  const call = (request, name, frames, take, done) =>
    request(address(url, name, (LEGACY && reload.id_()) || id()) + tab, frames, options.credentials, take, done, leaving)

  const gather = (link, frames) => {
    for (let frame; (frame = machine.pollTransmit_(link)); ) frames.push(frame)
    return frames
  }

  // Links.

  const drop = (link, code, reason = '', wait = 0) => {
    const entry = link.entry_
    link.gone_ = 1
    link.waits_ = 0
    link.close_()
    entry.ended = now()
    entry.outcome = code + ' ' + reason
    machine.detach_(link)
    if (LEGACY && !link.duplex_) {
      // A way that was of use once is not given up for an outage, nor one that a WebSocket has overtaken, unless it had time enough.
      if (link.useful_) link.base_.good_ = 1
      if (!link.proven_ && !link.base_.good_ && (code !== 4000 || entry.ended - link.at_ >= LATE)) tries++
    }
    chooser.ended_(clock, link, hidden() ? wait + CALM : wait)
  }

  const dropBelow = (ordinal, code, reason) => {
    for (const link of machine.links_) if (link.ordinal_ < ordinal) drop(link, code, reason)
  }

  /** The other half or the network has ended a link; the class of the code says what that means. */
  const lost = (link, code, reason, wait) => {
    if (link.gone_) return
    // An opening that comes too late for the session that another link has opened loses only itself.
    const verdict = link.opening_ && id() ? 0 : code
    // Nor is there anything to take over where the server has not learned to read that.
    if (/^41/.test(verdict) || (LEGACY && reload.id_() && code === 4004)) {
      if (LEGACY) reload.forget_()
      // What is planned is no part of a new opening.
      machine.lose_()
      // What it would hear is none of the new session's.
      if (upload) upload()
      attempt = nonce()
      dropBelow(NEVER, code, reason)
      chooser.leave_(now(), 0)
    } else {
      // What an orderly end is, a close has said before: the browser, or a proxy, ends a WebSocket with 1000 and 1001 too.
      if (/^(3|4[34]|4006)/.test(verdict)) machine.finish_(code, reason)
      drop(link, code, reason, wait)
    }
    pump()
  }

  const take = (link) => (frame) => {
    if (link.gone_) return
    if (frame[0] === 'z') chooser.leave_(now(), frame[1])
    else if (frame[0] === 'y') link.rest_ = frame[1]
    else {
      if (frame[0] === 'w') asked = now()
      link.waits_ = 0
      link.useful_ ||= frame[0] !== 's'
      machine.handleFrame_(now(), link, frame)
    }
    pump()
  }

  /** Acts when no start has come by then. */
  const watch = (link, patience, act) => {
    const mine = (link.waits_ = {})
    setTimeout(() => link.waits_ === mine && act(), patience)
  }

  const head = (link) =>
    LEGACY && reload.id_() ? reload.head_(link.ordinal_, attempt)
    : link.opening_ ? ['o', 1, link.ordinal_, attempt, auth] : pass('r', [link.ordinal_, link.turn_, link.turn_ && 1])

  /**
   * The next turn over HTTP: the opening, or on a resume a poll that is answered at once; from then on a stream or a poll. Where nothing
   * else is allowed, or the server says so, polls do not wait but rest in between.
   */
  const turn = (link) => {
    const began = now()
    const base = LEGACY && link.base_
    const stream = link.turn_ && chooser.stream_(polls ? began : NEVER)
    const way = LEGACY ? (stream ? streams[stream - 1] : base) : 0
    const short = LEGACY && !stream && link.turn_ && !allow(base[0])
    const name = LEGACY ? (short ? 'poll' : way[0]) : stream ? 'fetch-stream' : 'xhr-poll'
    let frames = [head(link)].concat(link.queue_)
    link.queue_ = []
    if (link.opening_) gather(link, frames)
    if (LEGACY && link.opening_ && auth && base[4]) {
      // A page that cannot read the answer to its opening joins it by a link of its own.
      frames[0][2]--
      call(base[3], base[2], frames, now, now)
      frames = [['j', 1, link.ordinal_, attempt]]
    }
    link.poll_ = !stream
    link.rest_ = LEGACY && short && REST
    link.entry_.transport = name
    link.waits_ = 0
    link.close_ = call(
      LEGACY ? way[1] : request,
      link.opening_ && (!LEGACY || !base[4]) ? 'open' : name,
      frames,
      take(link),
      (code, reason, wait) => {
        if (link.gone_) return
        const ended = now()
        if (stream) chooser.streamed_(ended, code === HELD ? (ended - asked < TOGETHER) * 2 : !(ended - began > LATE || (!code && link.useful_)))
        // A stream that never began says more of itself than of the network.
        if (code && code !== HELD && !(code < 0 && stream && polls && link.waits_)) lost(link, code, reason, wait)
        else if (link.rest_) watch(link, link.rest_, () => turn(link))
        else turn(link)
        pump()
      }
    )
    link.turn_++
    if (stream && polls) {
      watch(link, LATE + 2 * session.rtt, () => {
        chooser.streamed_(now(), 2)
        turnAgain(link)
        pump()
      })
    }
  }

  const turnAgain = (link) => {
    link.close_()
    turn(link)
  }

  const start = (kind, ordinal) => {
    const base = LEGACY && bases[tries % bases.length]
    if (LEGACY) ordinal = reload.ordinal_(ordinal)
    const link = {
      ordinal_: ordinal,
      duplex_: kind - HTTP,
      opening_: !id(),
      turn_: 0,
      room_: (LEGACY && base[4]) || FIRST_FLIGHT,
      at_: now(),
      close_: now,
      entry_: { transport: 'websocket', at: clock }
    }
    if (LEGACY) link.base_ = base
    trace = trace.concat(link.entry_).slice(-20)
    machine.attach_(clock, link)
    try {
      if (link.duplex_) {
        openSocket(link, Socket, socketAddress(address(url, 'websocket', (LEGACY && reload.id_()) || id())), () => {
          link.at_ = now()
          // Another may have opened the session meanwhile.
          link.opening_ = !id()
          link.write_(gather(link, [head(link)]))
        }, take(link), (code, reason) => lost(link, code, reason))
      } else turn(link)
      watch(link, options.timeout || PATIENCE, () => lost(link, 4007))
    } catch (error) {
      lost(link, -1, error.message)
    }
  }

  // Uploads.

  const post = (link) => {
    machine.rewind_(link, machine.terms_[BATCH] - HEAD)
    const frames = gather(link, [pass('u', [])])
    const base = LEGACY && (link.base_[2] === 'form-post' ? blindly(link, frames, machine.acked_, () => pump()) : link.base_)
    const done = (code, reason, wait) => {
      clearTimeout(slow)
      upload = 0
      failed = code === -1 && !failed
      // Whom uploads fail is not served, whatever comes down.
      if (!(link.useful_ = !code || failed)) lost(link, code, reason, wait)
      // Who does not wait for an answer looks for one now.
      else if (link.rest_) turnAgain(link)
      pump()
    }
    const stop = call(LEGACY ? base[3] : request, LEGACY ? base[2] : 'send', frames, (frame) => machine.handleFrame_(now(), {}, frame), done)
    const slow = setTimeout(() => {
      stop()
      done(-1)
    }, POST + (machine.terms_[BATCH] - link.room_) / POST_RATE)
    upload = () => {
      stop()
      clearTimeout(slow)
      upload = 0
    }
  }

  const transmit = (gathered) => {
    const link = machine.carrier_
    if (link.duplex_) link.write_(gather(link, []))
    else if (link && !upload && !(LEGACY && machine.acked_ < link.blind_) && machine.pending_(link)) {
      // What is said in one turn of the page goes in one body.
      if (gathered) post(link)
      else if (!posting) {
        posting = 1
        later(() => {
          posting = 0
          transmit(1)
          pump()
        })
      }
    }
  }

  // The application.

  /** Answers those who wait for a flush. */
  const settle = (all) => {
    const list = waiters
    waiters = []
    for (const waiter of list) {
      const done = waiter[0] <= machine.acked_
      if (all || done) later(() => waiter[1](done))
      else waiters.push(waiter)
    }
  }

  const carried = (link) => {
    const was = session.state
    session.rtt = now() - link.at_
    link.entry_.proven = clock
    chooser.proven_(clock, link)
    dropBelow(link.ordinal_, 4000)
    session.state = 'open'
    const taken = LEGACY && reload.id_() && [reload.taken_(waiters)]
    if (was === 'connecting') emit('open')
    else if (was !== 'open') emit('resumed', unknown ? 'new' : 'full', unknown)
    if (LEGACY && taken) emit('resumed', taken[0] ? 'gap' : 'full', taken[0])
    unknown = undefined
  }

  /** Shows how things stand. */
  const refresh = () => {
    const link = machine.carrier_
    const old = session.transport
    const moved = link !== carrier
    carrier = link
    session.bufferedAmount = machine.bytes_
    session.unacknowledged = machine.unacknowledged_
    session.id = id()
    if (link) session.transport = link.entry_.transport
    if (moved && link) carried(link)
    else if (moved) emit((session.state = 'interrupted'))
    if (old && old !== session.transport) emit('transport', session.transport)
  }

  const closed = (how) => {
    // The last word does not wait for an upload under way.
    upload = 0
    transmit(1)
    dropBelow(NEVER, how.code, how.reason)
    listen('removeEventListener')
    clearTimeout(timer)
    clearTimeout(giveUp)
    carrier = 0
    session.state = 'closed'
    refresh()
    settle(1)
    emit('closed', how)
  }

  /** Does all there is to do, whoever asks. What listeners ask for meanwhile is done before it returns; after the end nothing is. */
  const pump = () => {
    if (busy) return
    busy = 1
    refresh()
    for (let event; (event = machine.pollEvent_()); ) {
      const [name, first, second] = event
      if (name === 'closed') return closed(first)
      if (name === 'lost') {
        unknown = (unknown || []).concat(first)
        settle(1)
      } else emit(name, first, second)
    }
    settle()
    transmit()
    busy = 0
    clearTimeout(timer)
    timer = setTimeout(fire, Math.min(machine.pollTimeout_() - now(), chooser.pollTimeout_() - clock, LONG))
  }

  /** Makes sure that the link that carries lives. */
  const probe = () => {
    const link = machine.carrier_
    if (link) {
      machine.probe_(now(), link)
      if (!link.duplex_) turnAgain(link)
    }
  }

  const fire = () => {
    const verdict = machine.handleTimeout_(now())
    chooser.handleTimeout_(clock)
    if (verdict > DEAD) probe()
    else if (verdict) lost(machine.carrier_, 4003)
    pump()
  }

  /** The page or the network came back. */
  const wake = () => {
    if (!hidden()) {
      probe()
      chooser.nudge_(now())
      fire()
    }
  }

  /** The page goes, and does not only rest in the browser's memory: a last word, if there is time for it. */
  const leave = (event) => {
    if (event.persisted) return
    leaving = 1
    upload = 0
    const goes = LEGACY && reload.leave_(attempt)
    if (!goes) session.close(1001)
    // Some browsers have cut all links by now, of which not all know; an upload needs none.
    if (id()) transmit((machine.carrier_ = LEGACY ? { queue_: [], base_: machine.carrier_.base_ || bases[0] } : { queue_: [] }))
    machine.carrier_ = 0
    if (LEGACY && goes) {
      // The next page has the session: for this one it is over, and nobody need hear of it.
      dropBelow(NEVER, 1001)
      listen('removeEventListener')
      clearTimeout(timer)
      machine.over_ = busy = 1
    }
  }

  const listen = (method) => {
    if (root[method]) {
      root[method]('online', wake, false)
      root[method]('pageshow', wake, false)
      root[method]('visibilitychange', wake, false)
      root[method]('pagehide', leave, false)
    }
  }

  const begin = () => {
    const go = (value) => {
      auth = (value || '') + ''
      chooser.begin_(now())
      pump()
    }
    const refuse = (error) => {
      emit('error', error)
      chooser.ended_(now(), {})
      pump()
    }
    let value = id() || (LEGACY && reload.id_()) ? auth : options.auth
    if (!LEGACY) (async () => (value?.call ? value() : value))().then(go, refuse)
    else {
      try {
        if ((value || 0).call) value = value()
        if ((value || 0).then) value.then(go, refuse)
        else go(value)
      } catch (error) {
        refuse(error)
      }
    }
  }

  session.trace = () => trace

  /** Whether there was room; what can never be sent throws. */
  session.send = (data) => {
    const frame = frameOf(data)
    if (machine.over_ || machine.closing_) fail('closed')
    if (frame.size_ > machine.terms_[LIMIT]) fail('too large')
    const taken = machine.send_(frame)
    pump()
    return taken
  }

  session.flush = (done) => {
    const wait = (done) => {
      waiters.push([machine.flush_(), done])
      settle(machine.over_)
      pump()
    }
    if (LEGACY && (done || !root.Promise)) wait(done)
    else return new Promise(wait)
  }

  session.close = (code = 1000, reason = '') => {
    if (machine.over_ || machine.closing_) return
    machine.close_(code, reason + '')
    // What nothing carries ends with grace.
    giveUp = setTimeout(() => {
      if (!machine.carrier_) machine.finish_(code, reason)
      pump()
    }, machine.terms_[GRACE])
    pump()
  }

  session.abort = (reason = '') => {
    machine.abort_(4310, reason)
    pump()
  }

  listen('addEventListener')
  refresh()
  later(begin)
  return session
}
