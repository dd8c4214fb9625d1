/** The client for any browser: the global `anywire`. */
import { drive } from './driver.js'
import { request } from './transports/xhr.js'

export default {
  connect: (url, options = {}) => drive(url, options, [['xhr-stream', request]], [['xhr-poll', request, 'send', request]])
}
