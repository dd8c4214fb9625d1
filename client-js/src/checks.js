/**
 * Checks of what the application passes in: whatever is wrong throws, with a text that tells what is right.
 */
import { fail } from './codec.js'
import { LONG } from './config.js'
import { keys } from './env.js'
import { contains } from './list.js'
import { frameOf } from './message.js'

/** The most bytes of a reason, as in a close frame of a WebSocket. */
const REASON = 123

const TRANSPORTS =
  'websocket fetch-stream xhr-stream multipart eventsource htmlfile iframe xhr-poll jsonp-poll poll form-post jsonp-send'

/** The types of each option, or its values. */
const OPTIONS = {
  auth: 'string object function',
  transports: 'object',
  WebSocket: 'function object',
  credentials: 'omit same-origin include',
  backoff: 'object',
  buffer: 'number',
  resume: 'boolean',
  timeout: 'number',
  waiting: 'send drop'
}
const BACKOFF = { first: 'number', max: 'number' }
const SEND = { droppable: 'boolean' }

/** Throws unless `value` is one of these words. */
export const checkWord = (what, value, words) => {
  if (!contains(words.split(' '), value)) fail(what + ' "' + String(value) + '" is not one of: ' + words)
}

/** Throws unless the type of `value`, or the value itself, is one of these words. */
const checkType = (what, value, words) => {
  if (!contains(words.split(' '), typeof value)) checkWord(what, value, words)
  if (words === 'number' && !(value > 0 && value <= LONG)) fail(what + ' must be a number above 0 and at most ' + LONG)
}

export const checkFunction = (value) => checkType('callback', value, 'function')

/** Throws unless the keys of `object` are among those of `types`, and its values have these types. */
const checkObject = (what, object, types, prefix) => {
  checkType(what + 's', object || '', 'object')
  for (const name of keys(object)) {
    checkWord(what, name, keys(types).join(' '))
    if (object[name] != null) checkType(prefix + name, object[name], types[name])
  }
}

export const checkOptions = (options) => {
  checkObject('option', options, OPTIONS, '')
  const { auth, backoff, transports } = options
  if (transports) for (const one of [].concat(transports)) checkWord('transport', one, TRANSPORTS)
  if (backoff) checkObject('backoff', backoff, BACKOFF, 'backoff.')
  if (typeof auth !== 'function') authText(auth)
}

/** Whether the options of `send` say that the message may be skipped. */
export const isDroppable = (options) => {
  checkObject('send option', options, SEND, '')
  return options.droppable
}

/** Auth data as the text of the opening; an object goes as JSON. */
export const authText = (value) => {
  if (value == null) return ''
  checkType('auth', value, 'string object')
  return typeof value === 'string' ? value : JSON.stringify(value) || fail('auth has no JSON')
}

export const checkCode = (code) => {
  if (code !== 1000 && !(code >= 3000 && code < 4000 && code % 1 === 0)) fail('the code must be 1000 or from 3000 to 3999')
}

/** Returns the reason as a text. */
export const reasonText = (reason) => {
  checkType('reason', reason, 'string')
  const frame = frameOf(reason)
  if (frame.size_ > REASON) fail('the reason is longer than ' + REASON + ' bytes')
  return frame[1]
}
