/**
 * Checks of what the application passes in: whatever is wrong throws, with a text that tells what is right.
 */
import { fail } from './codec.js'
import { LONG } from './config.js'
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
const NAMES = 'auth transports WebSocket credentials backoff buffer resume timeout waiting'

/** Throws unless `value` is one of these words. */
export const checkWord = (what, value, words) => {
  if (!contains(words.split(' '), value)) fail(what + ' "' + value + '" is not one of: ' + words)
}

/** Throws unless the type of `value`, or the value itself, is one of these words. */
const checkType = (what, value, words) => {
  if (!contains(words.split(' '), typeof value)) checkWord(what, value, words)
}

export const checkFunction = (value) => checkType('callback', value, 'function')

export const checkNumber = (name, value) => {
  if (!(value > 0 && value <= LONG && value.toFixed)) fail(name + ' must be a number above 0 and at most ' + LONG)
}

const checkOption = (name, value) => {
  checkWord('option', name, NAMES)
  if (value == null) return
  checkType(name, value, OPTIONS[name])
  if (OPTIONS[name] === 'number') checkNumber(name, value)
  if (name === 'transports') for (const one of value) checkWord('transport', one, TRANSPORTS)
  if (name === 'auth') authText(typeof value === 'function' ? '' : value)
}

export const checkOptions = (options) => {
  checkType('options', options || '', 'object')
  // A page may have added something to the prototype of all objects.
  // eslint-disable-next-line no-restricted-syntax -- only so are unknown names found, in any browser
  for (const name in options) if ({}.hasOwnProperty.call(options, name)) checkOption(name, options[name])
}

/** Auth data as the text of the opening; an object goes as JSON. */
export const authText = (value) => {
  if (value == null) return ''
  checkType('auth', value, 'string object')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export const checkCode = (code) => {
  if (code !== 1000 && !(code >= 3000 && code < 4000 && code % 1 === 0)) fail('the code must be 1000 or from 3000 to 3999')
}

/** Returns the reason as a text. */
export const reasonText = (reason) => {
  const frame = frameOf('' + reason)
  if (frame.size_ > REASON) fail('the reason is longer than ' + REASON + ' bytes')
  return frame[1]
}
