/** What surrounds the client: a page, a worker or Node. `LEGACY` is set by the build for the bundle that old browsers run. */

export const root = LEGACY ? self : globalThis

const DAY = 864e5

/** Whether the user does not see the page. */
export const hidden = () => (root.document || 0).hidden

/** At least 120 random bits, in field characters. */
export const nonce = () => {
  if (!LEGACY) return crypto.getRandomValues(new Uint32Array(4)).join('.')
  let numbers = [Math.random(), Math.random(), Math.random(), +new Date()]
  // WebKit of 2012 fills the array and returns nothing; it has no `join` for it either.
  if (root.crypto && crypto.getRandomValues) crypto.getRandomValues((numbers = new Uint32Array(4)))
  return [].join.call(numbers, '.')
}

/** The address of `path` below `url` for a session; the query of `url` is kept. */
export const address = (url, path, id) =>
  url.replace(/^ws/, 'http').replace(/\/?(\?|$)/, '/' + path + '?session=' + id + '&').replace(/&?$/, '&')

const anchor = (url) => {
  const link = document.createElement('a')
  link.href = url
  return link
}

/** The same for a WebSocket, which wants it whole. */
export const socketAddress = (url) => (LEGACY ? anchor(url) : new URL(url, root.location)).href.replace(/^http/, 'ws')

/** What the browser keeps for pages of this origin; it may be missing, full or forbidden. */
const stored = (key, value) => {
  try {
    if (value) localStorage[key] = value
    return localStorage[key]
  } catch (e) {
    // Nothing is kept.
  }
}

/** What served this address best, for a day. */
export const memory = (url) => (kind) => {
  const time = +new Date()
  const known = stored('anywire' + url, kind && (time + DAY) * 8 + kind)
  return known > time * 8 ? known % 8 : 0
}

/** A parameter that is the same in all pages of this browser: their answers that wait share its few connections. */
export const browser = () => {
  const id = stored('anywire') || stored('anywire', nonce())
  return id ? 'browser=' + id + '&' : ''
}

/** Calls back when the running code has ended, and before timers that a hidden page would delay. */
export const later =
  !LEGACY ? queueMicrotask
  : root.Promise ? (task) => Promise.resolve().then(task)
  : (task) => setTimeout(task, 0)
