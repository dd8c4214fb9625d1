/**
 * Events: a name and values, in which bytes may be anywhere. A request is an event that wants an answer. Their
 * packets are those of PROTOCOL.md, section 2.
 */
import { checkFunction, checkName, isReserved } from './checks.js'
import { fail } from './codec.js'
import { sessionId } from './client.js'
import { REQUEST_TIMEOUT } from './config.js'
import { keys, later, root } from './env.js'
import { NAMES } from './grant.js'
import { contains, each } from './list.js'
import { frameOf } from './message.js'

const EVENT = 2
const ANSWER = 3
const REFUSED = 7
const MOST_BYTES = 10

/** The type, the id, and the JSON of a packet. */
const PACKET = /^(\d)(?:\d+-)?(\d*)([^]*)/

/** The frame of a packet. */
const packetOf = (type, id, values) => {
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
  const frame = frameOf('' + (length ? type + 3 : type) + (length ? length + '-' : '') + id + json)
  frame[0] = 'e'
  frame.push(attachments)
  frame.size_ += size
  return frame
}

/** The type, the id and the values of a packet. */
const read = (text, attachments) => {
  const [, type, id, json] = PACKET.exec(text)
  const binary = type === '5' || type === '6'
  const values = JSON.parse(json, (key, value) =>
    binary && value && value._placeholder === true ? attachments[value.num] || fail() : value
  )
  return [binary ? type - ANSWER : +type, id, values]
}

/** Calls a function of the application. Its error must not stop what calls it. */
const call = (act, values) => {
  try {
    act.apply(null, values)
  } catch (error) {
    later(() => {
      throw error
    })
  }
}

/** The error that a promise rejects with. */
const errorOf = ({ code, message, data }) => {
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
    const args = read(content[1], content[2])[2]
    list.push({ event: args.shift(), args })
  })
  return list
}

/**
 * Adds the methods of events to a session. Returns what takes the packets that come, and what ends requests.
 *
 * @param current returns the present client
 * @param put sends a frame, and returns whether there was room
 */
export const addEvents = (session, current, put) => {
  const questions = {}
  let ids = 0

  const settle = (id, fault, values) => {
    const question = questions[id]
    if (!question) return
    delete questions[id]
    clearTimeout(question.timer_)
    call(question.done_, [fault].concat(values))
  }

  const eventOf = (name, values, id) => {
    checkName(name)
    const names = current().machine_.params_[NAMES]
    if (names != null && !/events/.test(names)) fail('this server knows no events')
    return packetOf(EVENT, id, [name].concat(values))
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
      const client = current()
      const taken = open && sessionId(client) === asked && !client.machine_.over_ && !client.machine_.closing_ && put(packetOf(type, id, values))
      if (taken) open = 0
      return !!taken
    }
    const reply = (...values) => answer(ANSWER, values)
    reply.fail = (fault) => answer(REFUSED, fault)
    return reply
  }

  session.emit = (name, ...values) => put(eventOf(name, values, ''))
  session.emit.droppable = (name, ...values) => put(eventOf(name, values, ''), 1)
  session.request = request(REQUEST_TIMEOUT)
  session.timeout = (time) => ({ request: request(time) })

  return {
    /** Takes a packet and its attachments. */
    receive_(parts) {
      const [type, id, values] = read(parts[0], parts.slice(1))
      if (type === ANSWER) settle(id, null, values)
      else if (type === REFUSED) settle(id, values, [])
      else if (type === EVENT) {
        const name = values[0]
        const reply = id && answerer(id)
        const known = typeof name === 'string' && !isReserved(name)
        if (reply) values.push(reply)
        const client = current()
        const heard = known && client.emit_('*', values, 0, client.emit_(name, values.slice(1), 0, []))
        if (reply && !(heard && heard.length)) reply.fail({ code: known ? 'unknown' : 'name', message: String(name) })
      }
    },

    /** The session is lost, or over: what may have been received has no answer. What waits is asked again. */
    end_(code, waiting) {
      each(keys(questions), (id) => contains(waiting, questions[id].frame_) || settle(id, { code }, []))
    }
  }
}
