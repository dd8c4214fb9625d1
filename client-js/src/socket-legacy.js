/** The same for any browser: `Socket` of the global `anywire`. */
import anywire from './legacy.js'
import { createSocket } from './face.js'

anywire.Socket = createSocket(anywire.connect)
export default anywire
