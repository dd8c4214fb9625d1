/**
 * A request by XMLHttpRequest: text both ways, and the answer is read as it comes if the browser shows it.
 * Returns what cancels the request. One that is the `last` outlives the page.
 */
import { decode, encode } from '../codec.js'
import { NETWORK } from '../codes.js'
import { retryAfter, root } from '../env.js'
import { utf8 } from '../text.js'
import { post, soon } from './dom.js'

/** How often the answer is read if the browser does not report progress. */
const INTERVAL = 100

export const request = (url, frames, credentials, receive, done, last) => {
  let body = encode(frames)
  // WebKit normalizes a text that is POSTed, so that the lengths in it are wrong. Other old browsers cannot
  // send bytes.
  if (root.Uint8Array && /WebKit/.test((root.navigator || 0).userAgent) && /[^\0-\xff]/.test(body)) body = utf8(body)
  const xhr = root.XMLHttpRequest ? new XMLHttpRequest() : new ActiveXObject('Microsoft.XMLHTTP')
  let at = 0
  let length = 0
  let over, polling
  const stop = () => {
    over = 1
    xhr.onreadystatechange = () => {}
    xhr.abort()
  }
  const finish = (code, reason) => {
    if (over) return
    // After the stop there are none.
    const status = xhr.readyState > 1 && xhr.status
    const wait = retryAfter(status && xhr.getResponseHeader('Retry-After'))
    stop()
    done(code, reason, wait, status)
  }
  if (last && navigator.sendBeacon && navigator.sendBeacon(url, body)) return stop
  post(xhr, url, credentials === 'include')
  const read = () => {
    const ended = xhr.readyState > 3
    let text = ''
    if (over || xhr.readyState < 3) return
    try {
      text = xhr.responseText
    } catch (e) {
      // Internet Explorer shows no text before the end.
    }
    try {
      // Behind the first record a part of one shows too that the answer is coming.
      if (at && text.length > length) receive(['i'])
      length = text.length
      at = decode(text, at, receive, finish)
    } catch (error) {
      finish(NETWORK, error.message)
    }
    if (ended) finish(xhr.status === 200 && at && at === text.length ? 0 : NETWORK)
    else if (!polling && !('onprogress' in xhr)) poll()
  }
  const poll = () => {
    polling = 1
    read()
    if (!over) soon(poll, INTERVAL)
  }
  xhr.onreadystatechange = read
  xhr.send(body)
  return stop
}
