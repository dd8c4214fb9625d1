/**
 * The transports over HTTP that this browser has, the best first. Some look right and do not work, which
 * shows when they are used.
 */
import { address, root } from '../env.js'
import { eventSource } from './eventsource.js'
import { formPost } from './form.js'
import { htmlfile, iframe } from './frame.js'
import { jsonp } from './jsonp.js'
import { multipart } from './multipart.js'
import { xdr } from './xdr.js'
import { request as xhr } from './xhr.js'

/** How many bytes of the first messages fit into an address, where a byte may take three characters. */
const ROOM = 500

/** Whether the server at `url` is of another origin than the page. */
const crosses = (url) => {
  const page = root.location || {}
  const parts = /^(\w+:)?\/\/([^/?#]*)/.exec(address(url, ''))
  return parts && (parts[2] !== page.host || (parts[1] || page.protocol) !== page.protocol)
}

/** The tables of `legacyHttp`. */
export const detect = (url, transports) => {
  const page = root.document
  const foreign = crosses(url)
  // Internet Explorer before 10 shows an answer only when it has ended, and makes a sound at each frame.
  const old = root.ActiveXObject && !((page || 0).documentMode > 9)
  const probe = root.XMLHttpRequest ? new XMLHttpRequest() : {}
  const request = !foreign || 'withCredentials' in probe ? xhr : root.XDomainRequest && xdr
  const streams = []
  const polls = []
  if (request) {
    polls.push({ name_: 'xhr-poll', request_: request, uploadName_: 'send', upload_: request })
    if (!old || request === xdr) streams.push({ name_: 'xhr-stream', request_: request })
    if ('multipart' in probe) streams.push({ name_: 'multipart', request_: multipart })
  }
  if (root.EventSource) streams.push({ name_: 'eventsource', request_: eventSource })
  if (page) {
    if (!old) streams.push({ name_: 'iframe', request_: iframe })
    else if (!foreign) streams.push({ name_: 'htmlfile', request_: htmlfile })
    const scripts = /jsonp-send/.test(transports)
    const uploadName = scripts ? 'jsonp-send' : 'form-post'
    polls.push({ name_: 'jsonp-poll', request_: jsonp, uploadName_: uploadName, upload_: scripts ? jsonp : formPost, room_: ROOM })
  }
  return { streams_: streams, polls_: polls }
}
