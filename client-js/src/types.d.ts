/** The global of `anywire.js`. */
export as namespace anywire

/** How a session is carried. `client.mjs` has `websocket`, `fetch-stream` and `xhr-poll`, `client.js` all but `fetch-stream`. */
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

/** How `jsonp-poll` sends: by a form, which is the default, or by script tags, where only those cross origins. */
export type Uplink = 'form-post' | 'jsonp-send'

/** `interrupted`: no transport carries the session; it is being taken up again. */
export type State = 'connecting' | 'open' | 'interrupted' | 'closed'

/** A message: text, or bytes as an ArrayBuffer (an array of numbers in a browser that has none). */
export type Message = string | ArrayBuffer

export interface Options {
  /** Text for the server's opening handler, or what returns or promises it; asked at each open. */
  auth?: string | (() => string | PromiseLike<string>)
  /**
   * The transports that may be used, with `jsonp-poll` the uplink too; all by default. Where none of them is left, `anywire.js` throws, and
   * `anywire.mjs`, for which TypeScript checks the names, never opens.
   */
  transports?: (Transport | Uplink)[]
  /** The constructor of WebSockets, where the environment has none or another one is wanted. */
  WebSocket?: new (url: string) => WebSocket
  /** As in `fetch`: whether cookies go along to another origin. */
  credentials?: RequestCredentials
  /** How many bytes may wait for acknowledgement, 64 counted for each message besides its own; 4,000,000 by default. */
  buffer?: number
  /**
   * Whether a reload goes on with the session, if it comes within the server's grace time; in the bundle for any browser, where the page has
   * `sessionStorage` and `pagehide`. Asked before and after: the page that goes leaves a note for the next one in this tab with the same `url`.
   * A page that goes for good then leaves its session to the grace time instead of closing it. One session of a page may do so for each `url`.
   */
  resume?: boolean
  /** How many milliseconds an attempt may take; 10,000 by default. */
  timeout?: number
}

/** What became of one attempt to make a link. Times are milliseconds since the session was made. */
export interface Attempt {
  transport: Transport
  /** When it began. */
  at: number
  /** When the server's start was heard on it. */
  proven?: number
  ended?: number
  /** The code and the reason of its end; a code of -1 is the network's. */
  outcome?: string
}

export interface Closed {
  /** 1000, 1011 (the handler failed), the application's own (3000 to 3999) or the library's (4000 to 4499). */
  code: number
  reason: string
  /** How many messages the server has not acknowledged. */
  unacknowledged: number
}

export interface Gap {
  from: number
  to: number
  /** The page before this one sent them, and they did not arrive. */
  sent?: boolean
}

export interface Events {
  /** The session is open. */
  open: () => void
  message: (message: Message) => void
  /** Another transport carries the session. */
  transport: (transport: Transport) => void
  /** Nothing carries the session; what is sent waits. */
  interrupted: () => void
  /** See {@link Session.on}: with `gap` comes the gap, with `new` what is unknown. */
  resumed: (outcome: 'full' | 'gap' | 'new', detail?: Gap | (string | Uint8Array)[]) => void
  closed: (how: Closed) => void
  /** `auth` failed; it is asked again. */
  error: (error: unknown) => void
}

export interface Session {
  readonly state: State
  /** The transport that carries the session, or carried it last; empty before it is open. */
  readonly transport: Transport | ''
  /** The session's id; empty while there is none. */
  readonly id: string
  /** Milliseconds from the last link's first words to the server's start on it. */
  readonly rtt: number
  /** Bytes that wait for acknowledgement, 64 counted for each message besides its own. */
  readonly bufferedAmount: number
  /** Messages that wait for acknowledgement. */
  readonly unacknowledged: number

  /**
   * Calls `listener` at each `event`. `resumed` says what became of the session after it was interrupted, or behind `open` when a page goes on with
   * it after a reload: `full`, nothing is missing; `gap`, the server dropped messages of these numbers, or (`sent`) lacks them; `new`, the server did not know the session any more: a new one is open, messages that were
   * never put on the wire have gone into it, and those in the list may or may not have arrived.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): void
  off<E extends keyof Events>(event: E, listener: Events[E]): void
  /**
   * Sends text or a copy of the bytes; half a surrogate pair in a text becomes U+FFFD. Returns false when the buffer is full. Throws when the
   * session is closed, the message is over the server's limit (`too large`), or it is neither text nor bytes (`bad type`; a Blob: read it first).
   */
  send(message: string | ArrayBuffer | ArrayBufferView): boolean
  /** Resolves when the server has acknowledged all that was sent: true; or when that cannot be known any more: false. */
  flush(): Promise<boolean>
  /** The same where there are no promises: `anywire.js` calls back. */
  flush(done: (all: boolean) => void): void
  /** Closes behind all that was sent: 1000 or 3000 to 3999. */
  close(code?: number, reason?: string): void
  /** Ends at once; what is under way is lost. */
  abort(reason?: string): void
  /** The last twenty attempts, for support. */
  trace(): Attempt[]
}

/** A session with the server that is mounted at `url`: a path, or an address with `http:`, `https:`, `ws:` or `wss:`. */
export function connect(url: string, options?: Options): Session
