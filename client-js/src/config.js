/** The times (in milliseconds) and sizes (in bytes) of the client, and what each bounds. */
export const NEVER = Infinity
/** The longest time that a timer can be set for. */
export const LONG = 1e9
/** How much of the first messages an opening carries (PROTOCOL.md, section 4). */
export const FIRST_FLIGHT = 16000
/** How long an attempt may take, unless the page sets another time. */
export const PATIENCE = 10000
/** If a stream does not begin within this time and two round trips, something on the path holds it back. */
export const LATE = 1000
/** If the server's question and the end of the stream come within this time, both were held back. */
export const TOGETHER = 150
/** How long a poll by a script waits until the page has loaded. */
export const LOADING = 5000
/** The delay between polls where no answer may wait for messages. */
export const SHORT_POLL = 2000
/** While the page is hidden, attempts are this much further apart. */
export const CALM = 2000
/** The server may take this long, and a round trip, to acknowledge what it has received. */
export const ANSWER = 3000
/** The slowest line that is waited for, in bytes per millisecond; the server counts with the same rate. */
export const LEAST_RATE = 10
/**
 * How much the first upload holds. Each that succeeds doubles this, and the most is below what proxies
 * accept.
 */
export const UPLOAD_FIRST = 64000
export const UPLOAD_MOST = 512000
/** The longest time that a `Retry-After` is obeyed. */
export const RETRY_MOST = 300000
/** How many rounds of attempts fail before the console is told. */
export const FAILURES = 3
/** The first wait before a page whose session fell behind or was brief opens a new one, and the longest. */
export const FALL = 1000
export const FALL_MAX = 30000
/** How long a request waits for its answer. */
export const REQUEST_TIMEOUT = 10000
/** A session that is lost sooner than this was brief. */
export const BRIEF = 10000
/** The room in a body for its head record. */
export const HEAD = 999
/** How many bytes may wait for acknowledgement, unless the page sets another number. */
export const BUFFER = 4000000
