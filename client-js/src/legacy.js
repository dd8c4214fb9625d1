/** The client for any browser: the global `anywire`. */
import { connect } from './api.js'
import { legacyHttp } from './http-legacy.js'
import { createReload } from './reload.js'
import { detect } from './transports/detect.js'

const makeHttp = (options, url) => {
  const { streams_, polls_ } = detect(url, options.transports)
  return legacyHttp(options, streams_, polls_)
}

export default {
  connect: (url, options = {}) => connect(url, options, makeHttp, createReload)
}
