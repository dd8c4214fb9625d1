/** The client for current browsers, workers and Node: `connect(url, options)`. */
import { connect as connectBy } from './api.js'
import { modernHttp } from './http-modern.js'

export const connect = (url, options = {}) => connectBy(url, options, modernHttp)
