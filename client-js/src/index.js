/** The client for current browsers, workers and Node: `connect(url, options)`. */
import { drive } from './driver.js'
import { request } from './transports/fetch.js'

export const connect = (url, options = {}) => drive(url, options, request)
