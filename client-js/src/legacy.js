/** The client for any browser: the global `anywire`. */
import { drive } from './driver.js'
import { waysTo } from './ways.js'

export default {
  connect: (url, options = {}) => {
    const [streams, bases] = waysTo(url, options.transports)
    return drive(url, options, 0, streams, bases)
  }
}
