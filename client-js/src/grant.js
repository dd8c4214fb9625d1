/** The parameters of a session, as the start frame of a new one brings them (PROTOCOL.md, section 2). */

/** Their places in that frame. */
export const ID = 3
export const SECRET = 4
export const INTERVAL = 5
export const TIMEOUT = 6
export const GRACE = 7
export const LIMIT = 8
export const BATCH = 9
export const HOLD = 10
/** The names in force. */
export const NAMES = 11
/** The time over which clients spread their first attempts after a cut; undefined from an older server. */
export const SPREAD = 12

/** The parameters before the session is open. */
export const NO_PARAMS = [0, 0, 0, '', '', 0, 0, 30000]
