/**
 * A request by fetch: bytes both ways, and the answer is read as it comes. Returns what cancels the request.
 * One that is the `last` outlives the page.
 */
import { decode, encode, join } from '../codec.js'
import { NETWORK } from '../codes.js'

export const request = (url, frames, credentials, receive, done, last) => {
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
      let rest, begun
      for (let result; !(result = await reader.read()).done; ) {
        rest = join([rest || [], result.value])
        const taken = decode(rest, 0, receive, end)
        rest = rest.slice(taken)
        // Behind the first record a part of one shows too that the answer is coming.
        if (begun && !taken) receive(['i'])
        begun ||= taken
      }
      // A refusal is a record too. Anything else, like a proxy's page, counts as a failure of the network.
      finish(response.ok && rest && !rest.length ? 0 : NETWORK)
    } catch (error) {
      finish(NETWORK, error.message)
    }
  }
  run()
  return stop
}
