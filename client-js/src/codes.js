/** Codes that end a link, a turn or the session, and their classes (PROTOCOL.md, section 6). */

/**
 * A request failed, or its answer does not come from our server. The network has no code of its own for this.
 */
export const NETWORK = -1
export const GOING_AWAY = 1001
/** A WebSocket ended without a close frame. */
export const ABNORMAL = 1006
export const REPLACED = 4000
export const HEARTBEAT_TIMEOUT = 4003
export const MALFORMED = 4004
const MESSAGE_TOO_BIG = 1009
export const TOO_LARGE = 4006
const PAYLOAD_TOO_LARGE = 413
export const TIMED_OUT = 4007
/** Something on the way held the answer back. */
export const HELD = 4008
/** A WebSocket does not prove whose page this is: the session must be opened by a request. */
export const OPEN_BY_HTTP = 4009
/** The session ended because the page took too little. */
export const FELL_BEHIND = 4105
export const ORIGIN_REFUSED = 4300
export const ABORTED = 4310

/** Whether the code is at least `first`, and below `end`. */
export const isBetween = (code, first, end) => code >= first && code < end

/** The server does not know the session. */
export const isUnknownSession = (code) => isBetween(code, 4100, 4200)

/**
 * The session has ended. 1000 and 1001 are not among these codes: a browser or a proxy may end a WebSocket
 * with them, and when the session has really ended, a close frame came before.
 */
export const endsSession = (code) => isBetween(code, 3000, 4000) || isBetween(code, 4300, 4500)

/** The server, or something on the way by a status of HTTP, refuses messages or bodies of this size. */
export const isTooLarge = (code, status) => code === TOO_LARGE || code === MESSAGE_TOO_BIG || status === PAYLOAD_TOO_LARGE
