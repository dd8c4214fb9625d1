/**
 * A request by XMLHttpRequest: text both ways, the answer read as it comes where the browser shows it. Returns what aborts it. The `last`
 * outlives the page.
 */
import { decode, encode } from '../codec.js'
import { root } from '../env.js'
import { utf8 } from '../text.js'
import { soon } from './dom.js'

/** Where nothing tells that more has come, one looks so often. */
const LOOK = 100

export const request = (url, frames, credentials, take, done, last) => {
  let body = encode(frames)
  // WebKit composes what is POSTed as text, so that records are not as long as they say. Others do not take bytes.
  if (root.Uint8Array && /WebKit/.test((root.navigator || 0).userAgent) && /[^\0-\xff]/.test(body)) body = utf8(body)
  const xhr = root.XMLHttpRequest ? new XMLHttpRequest() : new ActiveXObject('Microsoft.XMLHTTP')
  let at = 0
  let over, looking
  const stop = () => {
    over = 1
    xhr.onreadystatechange = () => {}
    xhr.abort()
  }
  const finish = (code, reason, wait) => {
    if (over) return
    stop()
    done(code, reason, wait)
  }
  if (last && navigator.sendBeacon && navigator.sendBeacon(url, body)) return stop
  xhr.open('POST', url, true)
  if (credentials === 'include') xhr.withCredentials = true
  xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8')
  const read = () => {
    const ended = xhr.readyState > 3
    let text = ''
    if (over || xhr.readyState < 3) return
    try {
      text = xhr.responseText
    } catch (e) {
      // Internet Explorer shows nothing before the end.
    }
    try {
      at = decode(text, at, take, (code, reason) => finish(code, reason, xhr.getResponseHeader('Retry-After') * 1000))
    } catch (error) {
      finish(-1, error.message)
    }
    if (ended) finish(xhr.status === 200 && at && at === text.length ? 0 : -1)
    else if (!looking && !('onprogress' in xhr)) look()
  }
  const look = () => {
    looking = 1
    read()
    if (!over) soon(look, LOOK)
  }
  xhr.onreadystatechange = read
  xhr.send(body)
  return stop
}
