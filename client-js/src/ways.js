/** The ways that this browser has over HTTP to the server at `url`. The best come first; what looks right and is not, the chooser finds out. */
import { address, root } from './env.js'
import { request as xhr } from './transports/xhr.js'
import { xdr } from './transports/xdr.js'
import { eventSource } from './transports/eventsource.js'
import { htmlfile, iframe } from './transports/frame.js'
import { jsonp } from './transports/jsonp.js'
import { formPost } from './transports/form.js'
import { multipart } from './transports/multipart.js'

/** What an opening in an address may hold of the first messages, in bytes, each of which may take three characters. */
const ROOM = 500

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
  const probe = root.XMLHttpRequest ? new XMLHttpRequest() : {}
  const ask = !foreign || 'withCredentials' in probe ? xhr : root.XDomainRequest && xdr
  const streams = []
  const bases = []
  if (ask) {
    bases.push(['xhr-poll', ask, 'send', ask])
    if (!old || ask === xdr) streams.push(['xhr-stream', ask])
    if ('multipart' in probe) streams.push(['multipart', multipart])
  }
  if (root.EventSource) streams.push(['eventsource', eventSource])
  if (page) {
    if (!old) streams.push(['iframe', iframe])
    else if (!foreign) streams.push(['htmlfile', htmlfile])
    bases.push(/jsonp-send/.test(transports) ? ['jsonp-poll', jsonp, 'jsonp-send', jsonp, ROOM] : ['jsonp-poll', jsonp, 'form-post', formPost, ROOM])
  }
  return [streams, bases]
}
