/** The client for any browser: the global `anywire`. */
import { connect } from './api.js'
import { legacyHttp } from './http-legacy.js'
import { createReload } from './reload.js'
import { detect } from './transports/detect.js'

export default {
  connect: (url, options = {}) => {
    const { streams_, polls_ } = detect(url, options.transports)
    return connect(url, options, legacyHttp(options, streams_, polls_), createReload)
  }
}
