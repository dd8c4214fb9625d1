/**
 * The surroundings of the client: a page, a worker or Node. The build sets `LEGACY`, which is true in the
 * bundle for old browsers.
 */

import { fail } from './codec.js'
import { RETRY_MOST } from './config.js'

export const root = LEGACY && typeof self !== 'undefined' ? self : globalThis

const DAY = 864e5

/** The names of an object's own properties. */
export const keys = (object) => {
  if (!LEGACY) return Object.keys(object)
  const names = []
  // A page may have added something to the prototype of all objects.
  // eslint-disable-next-line no-restricted-syntax -- only so are unknown names found, in any browser
  for (const name in object) if (names.hasOwnProperty.call(object, name)) names.push(name)
  return names
}

/** Whether the user does not see the page. */
export const hidden = () => (root.document || 0).hidden

/** Whether the page is being loaded. Browsers that cannot answer this count as ready. */
export const loading = () => /loading|interactive/.test((root.document || 0).readyState)

/** At least 120 random bits, in field characters. */
export const nonce = () => {
  // Old browsers and Node 18 have no `crypto`.
  let numbers = [Math.random(), Math.random(), Math.random(), +new Date()]
  // WebKit of 2012 fills the array and returns nothing, and its typed arrays have no `join`.
  if (root.crypto && (!LEGACY || crypto.getRandomValues)) crypto.getRandomValues((numbers = new Uint32Array(4)))
  return [].join.call(numbers, '.')
}

/** The address of `path` below `url` for a session, with the query of `url`. */
export const address = (url, path, id) =>
  url.replace(/\/?(\?|$)/, '/' + path + '?session=' + id + '&').replace(/&?$/, '&')

/** Whether addresses can be parsed without an element: workers of Internet Explorer have neither. */
const hasURL = () => {
  try {
    return new URL('a:')
  } catch (e) {
    // There is no constructor.
  }
}

/** The address as a browser completes it. Internet Explorer before 8 leaves a relative one as it is. */
const parsed = (url) => {
  const page = root.document || 0
  if (LEGACY && page.createElement) {
    const link = page.createElement('a')
    link.href = url
    return link.href
  }
  if (LEGACY && !hasURL()) {
    return url.replace(/^\/(?!\/)/, root.location.protocol + '//' + root.location.host + '/')
  }
  return new URL(url, page.baseURI || root.location).href
}

/**
 * Makes `url`, a text or an object with an `href`, absolute: with `http:` or `https:`, without credentials,
 * which no request may have, and without a hash.
 */
export const resolve = (url) => {
  const text = (url && url.href) || url
  try {
    // An empty address would be that of the page.
    if (!text.search(/\s*[^#\s]/)) {
      const whole = parsed(text)
      const parts = /^(http|ws)(s?:\/\/)([^/?#]*@)?([^#]+)/.exec(whole)
      if (parts) return 'http' + parts[2] + parts[4]
      if (LEGACY && !/^[^/?#]*:/.test(whole)) return whole.split('#')[0]
    }
  } catch (e) {
    // The text is no address, or there is no page that it could be relative to.
  }
  fail('url "' + text + '" is no path and no http or ws address')
}

/** The same address for a WebSocket. */
export const socketAddress = (url) => (LEGACY ? parsed(url) : url).replace(/^http/, 'ws')

/**
 * A value that the browser keeps for all pages of this origin. The storage may be missing, full or forbidden.
 * Only pages are asked: workers have none, and Node warns when its own is touched.
 */
const stored = (key, value) => {
  try {
    const storage = root.document && localStorage
    if (value) storage[key] = value
    return storage[key]
  } catch (e) {
    // The client works without it.
  }
}

/** Remembers for a day which transport worked best for this address. */
export const memory = (url) => (kind) => {
  const time = +new Date()
  const known = stored('anywire' + url, kind && (time + DAY) * 8 + kind)
  return known > time * 8 ? known % 8 : 0
}

/**
 * A parameter that is the same in all pages of this browser, so that the server knows which waiting answers
 * share the browser's few connections.
 */
export const browser = () => {
  const id = stored('anywire') || stored('anywire', nonce())
  return id ? 'browser=' + id + '&' : ''
}

/**
 * Runs a task when the running code has ended. Where possible this is no timer, which a hidden page would
 * delay.
 */
export const later =
  !LEGACY ? (task) => queueMicrotask(task)
  : root.Promise ? (task) => Promise.resolve().then(task)
  : (task) => setTimeout(task, 0)

/** The milliseconds of a `Retry-After`, which has seconds or a date. */
export const retryAfter = (text) => {
  const wait = text > 0 ? text * 1000 : Date.parse(text) - +new Date()
  return wait > 0 ? Math.min(wait, RETRY_MOST) : 0
}
