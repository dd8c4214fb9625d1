/** The ways that this browser has over HTTP to the server at `url`: to stream, and to make single requests. The best come first. */
import { root } from './env.js'
import { request as xhr, reads } from './transports/xhr.js'
import { request as xdr } from './transports/xdr.js'
import { eventSource } from './transports/eventsource.js'
import { htmlFile, iframe } from './transports/frame.js'
import { jsonpPoll, jsonpSend } from './transports/jsonp.js'
import { form } from './transports/form.js'
import { multipart } from './transports/multipart.js'
