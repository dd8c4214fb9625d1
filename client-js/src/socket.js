/** The module `anywire/socket`: a WebSocket's face on our sessions. */
import { connect } from './index.js'
import { createSocket } from './face.js'

export { connect }
export const Socket = createSocket(connect)
