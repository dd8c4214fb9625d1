/** A request by XDomainRequest, which Internet Explorer 8 and 9 have for other origins: text, no credentials, no status. */
import { requester, soon } from './dom.js'

const TIMEOUT = 6e5

export const xdr = requester((url, text, hear, end) => {
  const request = new XDomainRequest()
  let at = 0
  const read = () => {
    const answer = request.responseText
    hear(answer.slice(at))
    at = answer.length
  }
  // Without any one of the handlers it may end a request for no reason.
  request.onprogress = read
  request.onload = () => {
    read()
    end()
  }
  request.onerror = () => end(-1)
  request.ontimeout = end
  request.open('POST', url + 'soft=1&pad=2048')
  request.timeout = TIMEOUT
  // One that is sent while another is being sent may get lost.
  soon(() => hear('') || request.send(text))
  return () => request.abort()
})
