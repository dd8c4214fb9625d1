/**
 * Checks of what the application passes in: whatever is wrong throws, with a text that tells what is right.
 */
import { fail } from './codec.js'
import { isBetween } from './codes.js'
import { LONG } from './config.js'
import { keys } from './env.js'
import { contains, each } from './list.js'
import { frameOf } from './message.js'

/** The most bytes of a namespace. */
const NAMESPACE = 256
/** The most bytes of a reason, as in a close frame of a WebSocket. */
const REASON = 123

/** The transports over HTTP. */
export const OVER_HTTP = 'fetch-stream xhr-stream multipart eventsource htmlfile iframe xhr-poll jsonp-poll poll'
const TRANSPORTS = 'websocket ' + OVER_HTTP + ' form-post jsonp-send'

/** The types of each option, or its values, or the options in it. */
const OPTIONS = {
  auth: 'string object function',
  transports: 'object',
  WebSocket: 'function object',
  credentials: 'omit same-origin include',
  backoff: { first: 'number', max: 'number' },
  buffer: 'number',
  resume: 'boolean',
  timeout: 'number',
  waiting: 'send drop'
}
const SEND = { droppable: 'boolean' }

/** Throws unless `value` is one of these words. */
export const checkWord = (what, value, words) => {
  if (!contains(words.split(' '), value)) fail(what + ' "' + String(value) + '" is not one of: ' + words)
}

/** The events that a session reports of itself, and those that Socket.IO's clients do. */
const OWN = 'open message transport interrupted resumed gap connect_error error closed'
const FOREIGN = 'connect disconnect disconnecting newListener removeListener'

/** Whether no event of the application may have this name. */
export const isReserved = (name) => contains((OWN + ' ' + FOREIGN).split(' '), name)

/** Throws unless there may be listeners for events of this name. */
export const checkEvent = (name) => {
  checkType('event', name, 'string')
  if (!name || contains(FOREIGN.split(' '), name)) checkWord('event', name, OWN)
}

/** Throws unless an event of this name may be sent. */
export const checkName = (name) => {
  checkType('event', name, 'string')
  if (!name || isReserved(name)) fail('the name "' + name + '" is reserved')
}

/** Throws unless the type of `value`, or the value itself, is one of these words. */
const checkType = (what, value, words) => {
  if (!contains(words.split(' '), typeof value)) checkWord(what, value, words)
  if (words === 'number' && !(value > 0 && value <= LONG)) fail(what + ' must be a number above 0 and at most ' + LONG)
}

export const checkFunction = (value) => checkType('callback', value, 'function')

/** Throws unless the keys of `object` are among those of `types`, and its values have these types. */
const checkObject = (what, object, types, prefix) => {
  checkType(what, object || '', 'object')
  each(keys(object), (name) => {
    checkWord(what, name, keys(types).join(' '))
    const check = types[name].charAt ? checkType : checkObject
    if (object[name] != null) check(prefix + name, object[name], types[name], name + '.')
  })
}

export const checkOptions = (options) => {
  checkObject('options', options, OPTIONS, '')
  each([].concat(options.transports || []), (one) => checkWord('transport', one, TRANSPORTS))
  if (typeof options.auth !== 'function') authText(options.auth)
}

/** Whether the options of `send` say that the message may be skipped. */
export const isDroppable = (options) => {
  checkObject('send options', options, SEND, '')
  return options.droppable
}

/** Auth data as the text of the opening; an object goes as JSON. */
export const authText = (value) => {
  if (value == null) return ''
  checkType('auth', value, 'string object')
  return typeof value === 'string' ? value : JSON.stringify(value) || fail('auth has no JSON')
}

/** Returns the namespace as it goes over the wire. */
export const namespaceText = (namespace) => {
  checkType('namespace', namespace, 'string')
  if (!/^\/[^,?]+$/.test(namespace)) fail('namespace "' + namespace + '" is not like /admin, without comma and ?')
  return checkSize('namespace ', frameOf(namespace), NAMESPACE)[1]
}

export const checkCode = (code) => {
  if (code !== 1000 && !(isBetween(code, 3000, 4000) && code % 1 === 0)) fail('code must be 1000 or from 3000 to 3999')
}

/** Returns the frame, unless its payload is over this limit. */
export const checkSize = (what, frame, limit) => {
  if (frame.size_ > limit) fail(what + 'too large: ' + frame.size_ + ' of ' + limit + ' bytes')
  return frame
}

/** Returns the reason as a text. */
export const reasonText = (reason) => {
  checkType('reason', reason, 'string')
  return checkSize('reason ', frameOf(reason), REASON)[1]
}
