/**
 * Events: a name and values, in which bytes may be anywhere. A request is an event that wants an answer. Both
 * belong to the session itself, or to one of its channels. Their packets are those of PROTOCOL.md, section 2.
 */
import { authText, checkFunction, checkName, isReserved, namespaceText } from './checks.js'
import { fail } from './codec.js'
import { sessionId } from './client.js'
import { REQUEST_TIMEOUT } from './config.js'
import { emitter } from './emitter.js'
import { keys, later, root } from './env.js'
import { NAMES } from './grant.js'
import { contains, each } from './list.js'
import { frameOf } from './message.js'

/** The types of packets. */
const OPEN = 0
const LEAVE = 1
const EVENT = 2
const ANSWER = 3
const NOT_OPEN = 4
const REFUSED = 7

const MOST_BYTES = 10

/** The type, the channel, the id, and the JSON of a packet. */
const PACKET = /^(\d)(?:\d+-)?((?:\/[^,?]*,)?)(\d*)([^]*)/

/** The frame of a packet. */
const frameWith = (text, attachments, size) => {
  const frame = frameOf(text)
  frame[0] = 'e'
  frame.push(attachments)
  frame.size_ += size
  return frame
}

/** The frame of an event or an answer; `head` is its channel and its id. */
const packetOf = (type, head, values) => {
  const attachments = []
  let size = 0
  if (!root.JSON) fail('events need JSON: load a script that adds it to this browser')
  const json = JSON.stringify(values, function (key, value) {
    // The bytes of Node.js have a `toJSON` of their own.
    const bytes = this[key]
    if (!bytes || !(bytes.byteLength >= 0)) return value
    const frame = frameOf(bytes)
    size += frame.size_
    return { _placeholder: true, num: attachments.push(frame[1]) - 1 }
  })
  const { length } = attachments
  if (length > MOST_BYTES) fail('an event has at most ' + MOST_BYTES + ' values of bytes')
  return frameWith('' + (length ? type + 3 : type) + (length ? length + '-' : '') + head + json, attachments, size)
}

/** The type, the channel, the id and the values of a packet. */
const read = (text, attachments) => {
  const [, type, head, id, json] = PACKET.exec(text)
  const binary = type === '5' || type === '6'
  const values = JSON.parse(json || '{}', (key, value) =>
    binary && value && value._placeholder === true ? attachments[value.num] || fail() : value
  )
  return [binary ? type - ANSWER : +type, head, id, values]
}

/** Calls a function of the application. Its error must not stop what calls it. */
export const call = (act, values, self) => {
  try {
    act.apply(self, values)
  } catch (error) {
    later(() => {
      throw error
    })
  }
}

/** The error that a promise rejects with. */
export const errorOf = ({ code, message, data }) => {
  const error = Error(message || code)
  error.code = code
  error.data = data
  return error
}

/** Messages of a lost session as the application gave them: events as objects. */
export const given = (contents) => {
  const list = []
  each(contents, (content) => {
    if (!content.push) return list.push(content)
    const [type, head, , args] = read(content[1], content[2])
    if (type !== EVENT) return
    const event = { event: args.shift(), args }
    if (head) event.namespace = head.slice(0, -1)
    list.push(event)
  })
  return list
}

/**
 * Adds the methods of events to a session. Returns what takes the packets that come, and what follows the life
 * of the session.
 *
 * @param current returns the present client
 * @param send sends a frame, and returns whether there was room
 * @param emit emits events on the session
 */
export const addEvents = (session, current, send, emit) => {
  /** By the head of their packets: `/admin,`, and the session itself without one. */
  const channels = {}
  let ids = 0

  const put = (frame, droppable, must) => {
    const names = current().machine_.params_[NAMES]
    if (names != null && !/events/.test(names)) fail('this server knows no events')
    return send(frame, droppable, must)
  }

  /** Whether nothing more can be sent. */
  const isOver = () => current().machine_.over_ || current().machine_.closing_

  /**
   * Adds the methods to the object of a channel, or of the session.
   *
   * @param opening makes the frame that opens the channel
   */
  const add = (target, head, emit, opening) => {
    const questions = {}
    let first = true
    let ended

    const settle = (id, fault, values) => {
      const question = questions[id]
      if (!question) return
      delete questions[id]
      clearTimeout(question.timer_)
      call(question.done_, [fault].concat(values))
    }

    const eventOf = (name, values, id) => {
      checkName(name)
      if (ended) fail('closed')
      return packetOf(EVENT, head + id, [name].concat(values))
    }

    const request = (time) => (name, ...values) => {
      const callback = typeof values[values.length - 1] === 'function' && values.pop()
      const id = ++ids
      const frame = eventOf(name, values, id)
      const ask = (done) => {
        const taken = put(frame)
        questions[id] = { frame_: frame, done_: done, timer_: setTimeout(() => settle(id, { code: 'timeout' }, []), time) }
        if (!taken) later(() => settle(id, { code: 'full' }, []))
      }
      if (callback) return ask(callback)
      if (!root.Promise) checkFunction()
      return new Promise((resolve, reject) => ask((fault, value) => (fault ? reject(errorOf(fault)) : resolve(value))))
    }

    /** Answers a request, once, unless its session is lost: another one counts its requests anew. */
    const answerer = (id) => {
      const asked = sessionId(current())
      let open = 1
      const answer = (type, values) => {
        const taken = open && !ended && sessionId(current()) === asked && !isOver() && put(packetOf(type, head + id, values))
        if (taken) open = 0
        return !!taken
      }
      const reply = (...values) => answer(ANSWER, values)
      reply.fail = (fault) => answer(REFUSED, fault)
      return reply
    }

    target.emit = (name, ...values) => put(eventOf(name, values, ''))
    target.emit.droppable = (name, ...values) => put(eventOf(name, values, ''), 1)
    target.request = request(REQUEST_TIMEOUT)
    target.timeout = (time) => ({ request: request(time) })

    const channel = (channels[head] = {
      target_: target,

      receive_(type, id, values) {
        if (type === ANSWER) settle(id, null, values)
        else if (type === REFUSED) settle(id, values, [])
        else if (type === EVENT) {
          const name = values[0]
          const reply = id && answerer(id)
          const known = typeof name === 'string' && !isReserved(name)
          if (reply) values.push(reply)
          const heard = known && emit('*', values, 0, emit(name, values.slice(1), 0, []))
          if (reply && !(heard && heard.length)) reply.fail({ code: known ? 'unknown' : 'name', message: String(name) })
        } else if (head) {
          if (type === OPEN) {
            emit('open', { first })
            first = false
          } else if (type === LEAVE) channel.close_({ code: values.code || 1000, reason: values.message || '' })
          else if (type === NOT_OPEN) channel.refuse_(values)
        }
      },

      /** Ends the requests, but for those whose frames are among these. */
      settle_(fault, waiting) {
        each(keys(questions), (id) => contains(waiting, questions[id].frame_) || settle(id, fault, []))
      },

      open_() {
        try {
          put(opening(), 0, 1)
        } catch ({ message }) {
          channel.refuse_({ code: 'auth', message })
        }
      },

      refuse_: (fault) => end(fault, 'connect_error', errorOf(fault)),
      close_: (how) => end({ code: 'closed', message: how.reason }, 'closed', how)
    })

    const end = (fault, event, detail) => {
      if (head) {
        delete channels[head]
        ended = 1
      }
      channel.settle_(fault, [])
      emit(event, detail)
    }

    return channel
  }

  add(session, '', emit)

  session.channel = (namespace, auth) => {
    const target = { namespace: namespaceText(namespace) }
    const head = target.namespace + ','
    const opening = () => {
      const value = typeof auth === 'function' ? auth() : auth
      const text = authText(value)
      return frameWith(OPEN + head + (text === value ? JSON.stringify(text) : text), [], 0)
    }
    if (channels[head]) return channels[head].target_
    if (isOver()) fail('closed')
    const frame = opening()
    // A session that is lost opens its channels in the next one.
    const tell = (frame) => current().machine_.waits_ || put(frame, 0, 1)
    tell(frame)
    const channel = add(target, head, emitter(target), opening)
    target.leave = () => {
      if (channels[head] !== channel) return
      if (!isOver()) tell(frameWith(LEAVE + head, [], 0))
      channel.close_({ code: 1000, reason: '' })
    }
    return target
  }

  /** The session comes last, since its listeners may open another one. */
  const all = (act) => each(keys(channels).reverse(), (head) => act(channels[head], head))

  return {
    /** Takes a packet and its attachments. */
    receive_(parts) {
      const [type, head, id, values] = read(parts[0], parts.slice(1))
      if (channels[head]) channels[head].receive_(type, id, values)
    },

    /** There is a new session: its channels open in front of all else. */
    open_: () => all((channel, head) => head && channel.open_()),

    /** Whether a frame that waits belongs to a channel that has been left or closed. */
    isStale_: (frame) => frame[0] === 'e' && !channels[PACKET.exec(frame[1])[2]],

    /** The session is lost: what may have been received has no answer. What waits is asked again. */
    lost_: (code, waiting) => all((channel) => channel.settle_({ code }, waiting)),

    /** The session is over. */
    closed_: (how) => all((channel) => channel.close_(how))
  }
}
