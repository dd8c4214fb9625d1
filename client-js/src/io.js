/** The module `anywire/io`: `io` of socket.io-client on our sessions. */
import { createIo } from './facade.js'
import { connect as connectBy } from './index.js'

export const io = createIo(connectBy, import.meta.url)
export const connect = io
export default io
