/**
 * A way to carry a session. `client.mjs` has `websocket`, `fetch-stream` and `xhr-poll`, `client.js` all but
 * `fetch-stream`.
 */
export type Transport =
  | 'websocket'
  | 'fetch-stream'
  | 'xhr-stream'
  | 'multipart'
  | 'eventsource'
  | 'htmlfile'
  | 'iframe'
  | 'xhr-poll'
  | 'jsonp-poll'
  | 'poll'

/**
 * How `jsonp-poll` sends: by a form, which is the default, or by script tags if only those can cross origins.
 */
export type Uplink = 'form-post' | 'jsonp-send'

/** `interrupted`: no transport carries the session, and the client is trying to resume it. */
export type State = 'connecting' | 'open' | 'interrupted' | 'closed'

/** A message: text, or bytes as an ArrayBuffer (an array of numbers in a browser without ArrayBuffer). */
export type Message = string | ArrayBuffer

export interface Options {
  /**
   * Text for the server's opening handler, or a function that returns or promises it, called at each opening.
   */
  auth?: string | (() => string | PromiseLike<string>)
  /**
   * The transports that may be used, and with `jsonp-poll` the uplink too; all by default. If the browser has
   * none of them, `anywire.js` throws, and a session of `anywire.mjs`, where TypeScript checks the names,
   * never opens.
   */
  transports?: (Transport | Uplink)[]
  /** The constructor of WebSockets, if the environment has none or if another one is to be used. */
  WebSocket?: new (url: string) => WebSocket
  /**
   * As in `fetch`: whether cookies are sent to another origin. Such cookies reach the server's handler only with
   * `'include'`, and only if the server lists the page's origin, on every transport alike.
   */
  credentials?: RequestCredentials
  /** How many bytes may wait for acknowledgement, with 64 more for each message; 4,000,000 by default. */
  buffer?: number
  /**
   * Whether a page that is reloaded within the server's grace time goes on with its session. Only
   * `anywire.js` can do this, if the browser has `sessionStorage` and `pagehide`. Both pages must set it: the
   * one that goes leaves a note for the next one in this tab with the same `url`. A page that does not come
   * back leaves its session to the grace time instead of closing it. A page may have one such session for
   * each `url`.
   */
  resume?: boolean
  /** How many milliseconds an attempt may take; 10,000 by default. */
  timeout?: number
}

/** One attempt to make a link. Times are milliseconds since the session was made. */
export interface Attempt {
  transport: Transport
  /** The time when it began. */
  at: number
  /** The time when the server accepted it. */
  proven?: number
  ended?: number
  /** The code and the reason of its end. A code of -1 is a failure of the network. */
  outcome?: string
}

export interface Closed {
  /**
   * 1000, 1011 (the handler failed), the application's own (3000 to 3999) or the library's (4000 to 4499).
   */
  code: number
  reason: string
  /** How many messages the server has not acknowledged. */
  unacknowledged: number
}

export interface Gap {
  from: number
  to: number
  /** The messages are those of the page before this one, and did not arrive. */
  sent?: boolean
}

export interface Events {
  /** The session is open. */
  open: () => void
  message: (message: Message) => void
  /** Another transport carries the session. */
  transport: (transport: Transport) => void
  /** No transport carries the session. Messages that are sent wait. */
  interrupted: () => void
  /** The server has skipped droppable messages, whose numbers these are. */
  gap: (gap: Gap) => void
  /**
   * See {@link Session.on}. The detail of `gap` is the gap, that of `new` the messages that may not have
   * arrived.
   */
  resumed: (outcome: 'full' | 'gap' | 'new', detail?: Gap | (string | Uint8Array)[]) => void
  closed: (how: Closed) => void
  /** `auth` failed. It is called again later. */
  error: (error: unknown) => void
}

export interface Session {
  readonly state: State
  /** The transport that carries the session or carried it last; empty before the session is open. */
  readonly transport: Transport | ''
  /** The id of the session; empty before it is open. */
  readonly id: string
  /** Milliseconds from the first frame on the last link to the server's answer. */
  readonly rtt: number
  /** Bytes that wait for acknowledgement, with 64 more for each message. */
  readonly bufferedAmount: number
  /** Messages that wait for acknowledgement. */
  readonly unacknowledged: number

  /**
   * Calls `listener` at each `event`. `resumed` comes after the session was interrupted, or after `open` if a
   * page goes on with a session after a reload. Its outcome is one of these:
   *
   * - `full`: nothing is missing.
   * - `gap`: the messages of these numbers, of the page before this one, did not arrive.
   * - `new`: the server did not know the session any more, and a new one is open. Messages that had not been
   *   sent yet have gone into it. Those in the list may or may not have arrived.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): void
  off<E extends keyof Events>(event: E, listener: Events[E]): void
  /**
   * Sends text or a copy of the bytes. Half a surrogate pair in a text becomes U+FFFD. Returns false if the
   * buffer is full. A `droppable` message, such as a frame of a camera, is worth nothing when it comes late: it
   * is skipped, and false returned, while no transport carries the session, and while more is unacknowledged
   * than was acknowledged in the last half second (at least four messages, at most 65,536 bytes). Throws if the session is closed, if the message is over the server's limit (`too large`),
   * or if it is neither text nor bytes (`bad type`; read a Blob first).
   */
  send(message: string | ArrayBuffer | ArrayBufferView, how?: { droppable?: boolean }): boolean
  /**
   * Resolves to true when the server has acknowledged all messages, or to false when this cannot be known any
   * more.
   */
  flush(): Promise<boolean>
  /** The same with a callback, for browsers without promises. */
  flush(done: (all: boolean) => void): void
  /** Closes the session after all messages have been sent. The code is 1000 or from 3000 to 3999. */
  close(code?: number, reason?: string): void
  /** Ends the session at once. Messages that are under way are lost. */
  abort(reason?: string): void
  /** The last twenty attempts to make a link. */
  trace(): Attempt[]
}

/**
 * Makes a session with the server at `url`: a path, or an address with `http:`, `https:`, `ws:` or `wss:`.
 */
export function connect(url: string, options?: Options): Session
