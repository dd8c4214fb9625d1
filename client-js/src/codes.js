/** Codes that end a link, a turn or the session, and their classes (PROTOCOL.md, section 6). */

/** The network's own: a request failed, or what came was no answer of the server. */
export const NETWORK = -1
export const GOING_AWAY = 1001
export const REPLACED = 4000
export const HEARTBEAT_TIMEOUT = 4003
export const MALFORMED = 4004
const TOO_LARGE = 4006
export const TIMED_OUT = 4007
/** Something on the way held the answer back. */
export const HELD = 4008
export const ABORTED = 4310

const hundreds = (code) => Math.floor(code / 100)

/** The server does not know the session. */
export const isUnknownSession = (code) => hundreds(code) === 41

/**
 * The session has ended. Of 1000 and 1001 this is not certain: a browser or a proxy ends a WebSocket with them too, and where the
 * session has ended a close has said so before.
 */
export const endsSession = (code) => (code >= 3000 && code < 4000) || hundreds(code) === 43 || hundreds(code) === 44 || code === TOO_LARGE
