/**
 * Shared by the transports of old browsers: answers that come as pieces of text, and elements that load
 * something.
 */
import { decode, encode } from '../codec.js'
import { NETWORK } from '../codes.js'
import { root } from '../env.js'

/**
 * When a script or a frame has loaded, the script may not have run, and the frame's messages may not have
 * arrived.
 */
export const MOMENT = 50

/** Runs a task by a timer, also where there are promises: never within the calling code. */
export const soon = (task, delay) => setTimeout(() => task(), delay || 0)

/**
 * Makes a transport's `request` of `begin(url, text, read, end, include, receive)`, which returns what
 * cancels the request. `read` is called with each piece of the answer, a text or a text in JSON, and returns whether the
 * request is over. `end` is called with a code, or with anything else if the answer has ended: then its
 * records show whether it is complete, since few of these transports know.
 */
export const requester = (begin) => (url, frames, credentials, receive, done) => {
  let rest = ''
  let received, over, close
  const stop = () => {
    over = 1
    try {
      close()
    } catch (e) {
      // The request has ended already, or never began.
    }
  }
  const end = (code, reason) => {
    if (over) return
    stop()
    done(isNaN(code) ? (received && !rest ? 0 : NETWORK) : code, reason)
  }
  const read = (text, json) => {
    try {
      if (!over) {
        rest += json ? JSON.parse(text) : text
        received = received || text
        rest = rest.slice(decode(rest, 0, (frame) => over || receive(frame), end))
      }
    } catch (error) {
      end(NETWORK, error.message)
    }
    return over
  }
  try {
    close = begin(url, encode(frames), read, end, credentials === 'include', receive)
  } catch (error) {
    soon(() => end(NETWORK, error.message))
  }
  return stop
}

/** Begins a POST of text by an XMLHttpRequest. */
export const post = (xhr, url, include) => {
  xhr.open('POST', url, true)
  if (include) xhr.withCredentials = true
  xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8')
}

/** Calls `task` when a script or a frame has loaded or failed, after a delay. */
export const ended = (element, task, delay) => {
  const over = (element.onload = element.onerror = () => {
    // Internet Explorer never frees objects that form a circle with an element.
    element.onload = element.onerror = element.onreadystatechange = null
    soon(task, delay)
  })
  element.onreadystatechange = () => /loaded|complete/.test(element.readyState) && over()
}

/** Puts an element at the front: while a page is loading, Internet Explorer fails if its end is changed. */
export const place = (page, element) => {
  const home = page.body || page.documentElement
  home.insertBefore(element, home.firstChild)
}

export const remove = (element) => element.parentNode && element.parentNode.removeChild(element)

/** Loads a script or a frame. */
export const load = (page, name, url, end) => {
  const element = page.createElement(name)
  ;(element.style || element).display = 'none'
  // Otherwise scripts run in the order of their elements, and that of an upload waits for that of a poll.
  element.async = true
  element.src = url
  ended(element, end, MOMENT)
  place(page, element)
  return element
}

let count = 0

/** Returns a name that is new in this page; if there is a function, it becomes the global of that name. */
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
    // Internet Explorer does not delete globals.
  }
}
