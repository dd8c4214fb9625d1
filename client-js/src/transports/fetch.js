/**
 * A request by fetch: bytes both ways, and the answer is read as it comes. Returns what cancels the request.
 * One that is the `last` outlives the page.
 */
import { decode, encode, join } from '../codec.js'
import { NETWORK } from '../codes.js'
import { retryAfter } from '../env.js'

export const request = (url, frames, credentials, receive, done, last) => {
  const aborter = new AbortController()
  const stop = () => aborter.abort()
  const run = async () => {
    let wait, status
    // The caller takes the first end only.
    const end = (code, reason) => {
      stop()
      done(code, reason, wait, status)
    }
    try {
      const response = await fetch(url + 'bytes=1', { method: 'POST', body: encode(frames), credentials, signal: aborter.signal, keepalive: last })
      status = response.status
      wait = retryAfter(response.headers.get('Retry-After'))
      const reader = response.body.getReader()
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
      end(response.ok && rest && !rest.length ? 0 : NETWORK)
    } catch (error) {
      end(NETWORK, (error.cause || error).message)
    }
  }
  run()
  return stop
}
