/** The same for `require`, where a module has no address. */
import { createIo } from './facade.js'
import { connect as connectBy } from './index.js'

export const io = createIo(connectBy)
export const connect = io
export default io
