/** The times (in milliseconds) and sizes (in bytes) of the client: what each bounds, and why. */
export const NEVER = Infinity
/** The longest that a timer can be set for. */
export const LONG = 1e9
/** What of the first messages rides on an opening; the server takes no more (PROTOCOL.md, section 4). */
export const FIRST_FLIGHT = 16000
/** What an attempt may take, unless the page says otherwise. */
export const PATIENCE = 10000
/** A stream whose start does not come within this and two round trips is kept back by something. */
export const LATE = 1000
/** The server asked, and gave the stream up, within this: both were kept back. */
export const TOGETHER = 150
/** The delay between polls where no answer may wait for messages. */
export const SHORT_POLL = 2000
/** While nobody looks, attempts are this much further apart. */
export const CALM = 2000
/** What an upload may take, whatever its size. */
export const POST = 10000
/** The slowest upload that is waited for, in bytes per millisecond. */
export const POST_RATE = 10
/** Room in a body for its head record. */
export const HEAD = 999
/** What may wait for acknowledgement, unless the page says otherwise. */
export const BUFFER = 4000000
