/** The ways that this browser has over HTTP to the server at `url`. The best come first; what looks right and is not, the chooser finds out. */
import { address, root } from './env.js'
import { request as xhr } from './transports/xhr.js'
import { request as xdr } from './transports/xdr.js'
import { request as eventSource } from './transports/eventsource.js'
import { htmlFile, iframe } from './transports/frame.js'
import { jsonpPoll, jsonpSend } from './transports/jsonp.js'
import { request as formPost } from './transports/form.js'
import { request as multipart } from './transports/multipart.js'

/** What an opening in a URL may hold of the first messages. */
const URL_ROOM = 1000

/** Whether a page of this place needs leave to ask there. */
const crosses = (url) => {
  const page = root.location || {}
  const parts = /^(\w+:)?\/\/([^/?#]*)/.exec(address(url, ''))
  return parts && (parts[2] !== page.host || (parts[1] || page.protocol) !== page.protocol)
}

export const waysTo = (url, transports) => {
  const page = root.document
  const foreign = crosses(url)
  // Internet Explorer before 10 shows an answer only when it has ended, and clicks at each frame.
  const old = root.ActiveXObject && !((page || 0).documentMode > 9)
  const xhrs = root.XMLHttpRequest && new XMLHttpRequest()
  const streams = []
  const bases = []
  const ask = foreign && root.XDomainRequest && !(xhrs && 'withCredentials' in xhrs) ? xdr : xhr
  if (!foreign || ask === xdr || 'withCredentials' in xhrs) {
    bases.push(['xhr-poll', ask, 'send', ask])
    if (!old || ask === xdr) streams.push(['xhr-stream', ask])
    if (xhrs && 'multipart' in xhrs) streams.push(['multipart', multipart])
  }
  if (root.EventSource) streams.push(['eventsource', eventSource])
  if (page) {
    if (!old) streams.push(['iframe', iframe])
    else if (!foreign) streams.push(['htmlfile', htmlFile])
    bases.push(/jsonp-send/.test(transports) ? ['jsonp-poll', jsonpPoll, 'jsonp-send', jsonpSend, URL_ROOM] : ['jsonp-poll', jsonpPoll, 'form-post', formPost, URL_ROOM])
  }
  return [streams, bases]
}
