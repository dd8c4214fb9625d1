/**
 * A request by XDomainRequest, by which Internet Explorer 8 and 9 cross origins: text, no credentials, no
 * status.
 */
import { NETWORK } from '../codes.js'
import { requester, soon } from './dom.js'

const TIMEOUT = 6e5

export const xdr = requester((url, text, read, end) => {
  const request = new XDomainRequest()
  let at = 0
  const readMore = () => {
    const answer = request.responseText
    read(answer.slice(at))
    at = answer.length
  }
  // If one of the handlers is missing, the browser may end a request for no reason.
  request.onprogress = readMore
  request.onload = () => {
    readMore()
    end()
  }
  request.onerror = () => end(NETWORK)
  request.ontimeout = end
  request.open('POST', url + 'soft=1&pad=2048')
  request.timeout = TIMEOUT
  // A request that is sent while another is being sent may get lost.
  soon(() => read('') || request.send(text))
  return () => request.abort()
})
