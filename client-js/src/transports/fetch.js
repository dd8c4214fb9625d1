/** A request by fetch: bytes both ways, the answer read as it comes. Returns what aborts it. The `last` outlives the page. */
import { decode, encode, join } from '../codec.js'

export const request = (url, frames, credentials, take, done, last) => {
  const aborter = new AbortController()
  const signal = aborter.signal
  const stop = () => aborter.abort()
  const finish = (code, reason, wait) => {
    if (!signal.aborted) {
      stop()
      done(code, reason, wait)
    }
  }
  const run = async () => {
    try {
      const response = await fetch(url + 'bytes=1', { method: 'POST', body: encode(frames), credentials, signal, keepalive: last })
      const reader = response.body.getReader()
      const end = (code, reason) => finish(code, reason, response.headers.get('Retry-After') * 1000)
      let rest
      for (let result; !(result = await reader.read()).done; ) {
        rest = join([rest || [], result.value])
        rest = rest.slice(decode(rest, 0, take, end))
      }
      // A refusal is an answer of one record; what is not ours (a proxy's page) is a broken connection.
      finish(response.ok && rest && !rest.length ? 0 : -1)
    } catch (error) {
      finish(-1, error.message)
    }
  }
  run()
  return stop
}
