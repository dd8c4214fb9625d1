/** What the requests of old browsers share: an answer that is read as texts come, and elements that fetch something. */
import { decode, encode } from '../codec.js'
import { root } from '../env.js'

/** A script may not have run when its end is told, nor what a frame has said have arrived. */
const MOMENT = 50

/** A real timer, also where there are promises: not within what calls. */
export const soon = (task, delay) => setTimeout(() => task(), delay || 0)

/**
 * Makes a request of `begin(url, text, hear, end, credentials)`, which returns what takes it back. `hear` takes a text, or a text in JSON,
 * and returns whether all is over. `end` of anything but a code: the answer has ended, and whether well its records show, since few say.
 */
export const requester = (begin) => (url, frames, credentials, take, done) => {
  let rest = ''
  let heard, over, close
  const stop = () => {
    over = 1
    try {
      close()
    } catch (e) {
      // It is gone already, or never began. Twice does no harm.
    }
  }
  const end = (code, reason) => {
    if (over) return
    stop()
    done(isNaN(code) ? (heard && !rest ? 0 : -1) : code, reason)
  }
  const hear = (text, json) => {
    try {
      if (!over) {
        rest += json ? JSON.parse(text) : text
        heard = heard || text
        rest = rest.slice(decode(rest, 0, (frame) => over || take(frame), end))
      }
    } catch (error) {
      end(-1, error.message)
    }
    return over
  }
  try {
    close = begin(url, encode(frames), hear, end, credentials)
  } catch (error) {
    soon(() => end(-1, error.message))
  }
  return stop
}

/** Calls `task` when a script or a frame has ended, however. */
export const ended = (element, task) => {
  const over = (element.onload = element.onerror = () => {
    // Internet Explorer never frees a circle through an element.
    element.onload = element.onerror = element.onreadystatechange = null
    soon(task, MOMENT)
  })
  element.onreadystatechange = () => /loaded|complete/.test(element.readyState) && over()
}

/** At the front: at the end of a page that is still being read Internet Explorer gives up the page. */
export const place = (page, element) => {
  const home = page.body || page.documentElement
  home.insertBefore(element, home.firstChild)
}

export const remove = (element) => element.parentNode && element.parentNode.removeChild(element)

/** A script or a frame. */
export const load = (page, name, url, end) => {
  const element = page.createElement(name)
  ;(element.style || element).display = 'none'
  // Else scripts run in the order of their elements, and an upload's waits for the poll's.
  element.async = true
  element.src = url
  ended(element, end)
  place(page, element)
  return element
}

let count = 0

/** A name that is new in this page, of a function where there is one to call. */
export const expose = (task) => {
  let name
  do name = 'anywire' + count++
  while (root[name])
  if (task) root[name] = task
  return name
}

export const conceal = (name) => {
  root[name] = undefined
  try {
    delete root[name]
  } catch (e) {
    // Internet Explorer keeps the name.
  }
}
