/** A request by XMLHttpRequest: text both ways, the answer read as it comes where the browser shows it. Returns what aborts it. The `last` outlives the page. */
import { decode, encode } from '../codec.js'
import { root } from '../env.js'

export const request = (url, frames, credentials, take, done, last) => {
  // What is to outlive the page.
  if (last && navigator.sendBeacon) return navigator.sendBeacon(url, encode(frames))
  const xhr = root.XMLHttpRequest ? new XMLHttpRequest() : new ActiveXObject('Microsoft.XMLHTTP')
  let at = 0
  let over
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
  xhr.open('POST', url, true)
  if (credentials === 'include') xhr.withCredentials = true
  xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8')
  xhr.onreadystatechange = () => {
    const ended = xhr.readyState > 3
    let text = ''
    if (xhr.readyState < 3) return
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
    if (ended) finish(xhr.status === 200 && at === text.length ? 0 : -1)
  }
  xhr.send(encode(frames))
  return stop
}
