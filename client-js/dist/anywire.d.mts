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

/**
 * The value for the server's opening handler: an object, or anything else that JSON can hold, goes as JSON.
 */
export type Auth = string | object | null | undefined

/** An unknown name or a wrong type makes {@link connect} throw; `undefined` and `null` are the default. */
export interface Options {
  /**
   * Auth data, or a function that returns or promises it and is called at each opening. If it throws,
   * refuses, or takes longer than an attempt may (`timeout`), an `error` follows, and it is called again
   * later.
   */
  auth?: Auth | (() => Auth | PromiseLike<Auth>)
  /**
   * The transports that may be used, and with `jsonp-poll` the uplink too; all by default. Both bundles know
   * all names. If none of them works here, `connect` throws.
   */
  transports?: (Transport | Uplink)[]
  /** The constructor of WebSockets, if the environment has none or if another one is to be used. */
  WebSocket?: (new (url: string) => WebSocket) | null
  /**
   * As in `fetch`: whether cookies are sent to another origin. Such cookies reach the server's handler only with
   * `'include'`, and only if the server lists the page's origin, on every transport alike.
   */
  credentials?: RequestCredentials
  /** How many bytes may wait for acknowledgement, with 64 more for each message; 4,000,000 by default. */
  buffer?: number
  /**
   * Whether a page that is reloaded within the server's grace time goes on with its session. Only
   * `anywire.js` can do this (the module throws), if the browser has `sessionStorage` and `pagehide`. Both pages
   * must set it: the
   * one that goes leaves a note for the next one in this tab with the same `url`. A page that does not come
   * back leaves its session to the grace time instead of closing it. A page may have one such session for
   * each `url`.
   */
  resume?: boolean
  /**
   * How many milliseconds an attempt may take, also the answer of `auth`, and what a listener of `open`
   * promises; 10,000 by default.
   */
  timeout?: number
  /**
   * The shortest and the longest wait between attempts, in milliseconds; 200 and 10,000 by default. In
   * between, each wait is an eighth to a quarter of the time for which there has been no connection. The first
   * attempt after an interruption does not wait for this: it comes within a range that the server names, 100
   * ms unless it has very many sessions.
   */
  backoff?: { first?: number; max?: number }
  /**
   * The fate of messages that waited for a server which has then forgotten the session: they are sent in
   * the new one behind what the listeners of `open` send (`send`, the default), or dropped and reported
   * (`drop`).
   */
  waiting?: 'send' | 'drop'
}

/** One attempt to make a link. Times are milliseconds since the session was made. */
export interface Attempt {
  transport: Transport
  /** The time when it began. */
  at: number
  /** The time when the server accepted it. */
  proven?: number
  ended?: number
  /** The code of its end; -1 is a failure of the network, or an answer that is not from an Anywire server. */
  code?: number
  /** The status of the HTTP answer that ended it, if there was one that the page may see. */
  status?: number
  /** Why it ended: the server's reason, the browser's text, or the status or code. */
  message?: string
  /** The code, if it is the server's, and the message. */
  outcome?: string
}

/** A round of attempts has failed: the attempt that tells most. */
export interface ConnectError {
  transport: Transport
  code: number
  status?: number
  message: string
}

/** A message that cannot be sent (`data`), or what `auth` or a listener of `open` threw. */
export interface SessionError {
  message: string
  data?: string | Uint8Array | UnreceivedEvent
}

/** There is a new session on the server. */
export interface Opened {
  /** False if there was a session before that the server has forgotten. */
  first: boolean
  /** How many messages wait for the listeners of this event; 0 at the first. */
  waiting: number
}

/** See {@link Session.on}. */
export type Resumed =
  | { outcome: 'full' }
  | { outcome: 'gap'; gap: Gap }
  | {
      outcome: 'new'
      /** Messages that may or may not have arrived. They are not sent again. */
      unknown: (string | Uint8Array | UnreceivedEvent)[]
      /**
       * Messages that waited and were dropped, because the option `waiting` says so or their channel has been left.
       */
      dropped: (string | Uint8Array | UnreceivedEvent)[]
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
  /**
   * The session is open. This comes again when the server has forgotten the session and a new one is open: so
   * this is the place to log in and to join. What listeners send then goes in front of what waited, which
   * also waits for what they return if that is a promise, for at most `timeout`; a listener that throws or
   * refuses is an `error`. Before the first `open` nothing waits: what was sent by then is on its way with
   * the opening.
   */
  open: (opened: Opened) => unknown
  message: (message: Message) => void
  /** Another transport carries the session. */
  transport: (transport: Transport) => void
  /** No transport carries the session. Messages that are sent wait. */
  interrupted: () => void
  /** The server has skipped droppable messages, whose numbers these are. */
  gap: (gap: Gap) => void
  /** The session goes on, or a new one is about to: see {@link Session.on}. */
  resumed: (resumed: Resumed) => void
  /**
   * All attempts of a round have failed, or something refuses uploads; the next try follows by itself. A
   * status of 200 means that something else than an Anywire server answers at this address. After the third
   * in succession the console is warned once.
   */
  connect_error: (error: ConnectError) => void
  /**
   * Something of the application's failed, and the session goes on. A message in `data` was refused for its
   * size by the server or by something on the way, and is given up. Without a listener the console is warned.
   */
  error: (error: SessionError) => void
  /** The session is over, and `connect()` opens another one on the same object. */
  closed: (how: Closed) => void
}

/** The events of the application that go one way: their values, and of a request the value that answers it. */
export type EventMap = Record<string, (...values: any[]) => any>

/** Any map of events: also one that is an interface. */
export type EventsOf<M> = { [N in keyof M]: (...values: any[]) => any }

/** Why a request has no answer. A promise rejects with an `Error` that has these fields. */
export interface Fault {
  /**
   * The server's word, or `timeout`, `full` (the buffer has no room), `unknown` (the session was lost, and the
   * server may have received the request), `dropped` (the option `waiting`), `closed` (the session or the channel),
   * `auth` (what a channel's `auth` threw).
   */
  code: string
  message?: string
  data?: unknown
}

/** Answers a request of the server, once: false if the buffer is full, or nobody waits for it any more. */
export interface Reply<V = any> {
  (value?: V, ...more: any[]): boolean
  /** Refuses the request. */
  fail(fault: Fault): boolean
}

/** The arguments of a listener: the values, and behind them the reply to a request. */
export type Heard<E extends (...values: any[]) => any> = any[] extends Parameters<E> ? any[] : [...Parameters<E>, Reply<ReturnType<E>>]

/** An event that was not received, in {@link Resumed}: its name and values. */
export interface UnreceivedEvent {
  event: string
  args: any[]
  /** The channel that it was sent in; absent if that is the session itself. */
  namespace?: string
}

export interface Requests<S extends EventsOf<S> = EventMap> {
  /**
   * Asks the server, and resolves to the first value of its answer, or rejects with an {@link Error} that has the
   * fields of a {@link Fault}. Bytes may be anywhere in the values.
   */
  request<N extends keyof S & string>(name: N, ...values: Parameters<S[N]>): Promise<ReturnType<S[N]>>
  /** The same with a callback as the last value, for browsers without promises. */
  request<N extends keyof S & string>(
    name: N,
    ...valuesAndDone: [...Parameters<S[N]>, (fault: Fault | null, value: ReturnType<S[N]>, ...more: any[]) => void]
  ): void
}

/** Sends events and requests; of a session, or of one of its channels. */
export interface Emits<S extends EventsOf<S> = EventMap> extends Requests<S> {
  /**
   * Sends an event: a name and values, in which bytes may be anywhere, at most ten times. It comes once and in
   * order with all messages. Returns false if the buffer is full; `emit.droppable` also if it is skipped, as
   * {@link Session.send} has it. Throws if the session or the channel is closed, the name is reserved, or the event
   * is too large.
   */
  emit: {
    <N extends keyof S & string>(name: N, ...values: Parameters<S[N]>): boolean
    droppable<N extends keyof S & string>(name: N, ...values: Parameters<S[N]>): boolean
  }
  /** Requests whose answer must come within this many milliseconds, and not within 10,000. */
  timeout(milliseconds: number): Requests<S>
}

/** The life of a {@link Channel}. */
export interface ChannelEvents {
  /** The server has opened it: the first time, or in a new session. What was sent before is on its way. */
  open: (opened: { first: boolean }) => void
  /**
   * The server has refused to open it, or `auth` threw. The channel is over, and what was sent there is dropped; a
   * new call of {@link Session.channel} opens another one.
   */
  connect_error: (error: Error & Fault) => void
  /**
   * The channel is over: the server has closed it, the session has ended, or it was left (1000). Behind what the
   * server sent there.
   */
  closed: (how: { code: number; reason: string }) => void
}

/** Events under a namespace of their own, in the same session, in order with all that the session carries. */
export interface Channel<R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap> extends Emits<S> {
  readonly namespace: string
  /** As {@link Session.on}. */
  on<E extends keyof ChannelEvents>(event: E, listener: ChannelEvents[E]): () => void
  on<N extends keyof R & string>(name: N, listener: (...values: Heard<R[N]>) => unknown): () => void
  on(every: '*', listener: (name: string, ...values: any[]) => unknown): () => void
  /** As {@link Session.off}. */
  off<E extends keyof ChannelEvents>(event: E, listener?: ChannelEvents[E]): void
  off(name: (keyof R & string) | '*', listener?: (...values: any[]) => unknown): void
  /**
   * Leaves the channel, behind what was sent there; `closed` comes at once, and its requests end. Does nothing after
   * the end.
   */
  leave(): void
}

export interface Session<R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap> extends Emits<S> {
  readonly state: State
  /** The transport that carries the session; empty while none does. */
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
   * When the next attempt begins, in milliseconds since 1970, as `Date.now()` counts them. 0 while connected,
   * while an attempt is under way, and after the end.
   */
  readonly nextAttempt: number

  /**
   * Calls `listener` at each `event`, and returns what takes it off again. An unknown event throws. A
   * listener that is added twice is called once.
   *
   * `resumed` comes after `interrupted`, or after `open` if a page goes on with a session after a reload. Its
   * outcome is one of these:
   *
   * - `full`: nothing is missing.
   * - `gap`: the messages of these numbers, of the page before this one, did not arrive.
   * - `new`: the server did not know the session any more, and there is a new one. `open` follows.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void
  /**
   * Calls `listener` with the values of each event of this name that the server sends. If it is a request, the
   * last value is a {@link Reply}; without a listener a request is refused. Names that clients of Socket.IO have
   * for their own life throw.
   */
  on<N extends keyof R & string>(name: N, listener: (...values: Heard<R[N]>) => unknown): () => void
  /** Calls `listener` with the name and the values of every event that the server sends. */
  on(every: '*', listener: (name: string, ...values: any[]) => unknown): () => void
  /** Takes off one listener, or all of this event. */
  off<E extends keyof Events>(event: E, listener?: Events[E]): void
  off(name: (keyof R & string) | '*', listener?: (...values: any[]) => unknown): void
  /**
   * The channel of a namespace such as `/admin`: the same object until it is over. It opens at once, and again in
   * each new session, in front of what waits for it; what is sent there need not wait for that. `auth` goes to the
   * server's opening handler as JSON; a function is called at each opening. Throws if the session is closed, if the
   * namespace does not begin with `/`, is no more than that, has a comma or `?`, or has more than 256 bytes, or if
   * `auth` is no such data.
   */
  channel<CR extends EventsOf<CR> = EventMap, CS extends EventsOf<CS> = EventMap>(namespace: string, auth?: Auth | (() => Auth)): Channel<CR, CS>
  /**
   * Sends text or a copy of the bytes. Half a surrogate pair in a text becomes U+FFFD. Returns false if the
   * buffer is full. A `droppable` message, such as a frame of a camera, is worth nothing when it comes late:
   * it is skipped, and false returned, while no transport carries the session, and while more is
   * unacknowledged than was acknowledged in the last half second (at least four messages, at most 65,536
   * bytes). Throws if the session is closed, if the message is over the server's limit (`too large`), or if
   * it is neither text nor bytes (read a Blob first). Before the session is open the limit is not
   * known: a message over it is given back by `error`.
   */
  send(message: string | ArrayBuffer | ArrayBufferView, options?: { droppable?: boolean }): boolean
  /**
   * Resolves to true when the server has acknowledged all messages, or to false when this cannot be known any
   * more, or when one of them had to be given up. Never rejects.
   */
  flush(): Promise<boolean>
  /** The same with a callback, for browsers without promises. */
  flush(done: (all: boolean) => void): void
  /**
   * Closes the session after all messages have been sent. Without a session on the server it ends at once, or
   * with the attempt that is under way. The code is 1000 or from 3000 to 3999, and the reason has at most 123
   * bytes of UTF-8; anything else throws. After the end this does nothing.
   */
  close(code?: number, reason?: string): void
  /** Ends the session at once. Messages that are under way are lost. The reason is as in `close`. */
  abort(reason?: string): void
  /** Makes the next attempt now. Does nothing while connected, while an attempt is under way, or after the end. */
  retry(): void
  /** Opens a new session on this object after `closed`; before that it does nothing. Listeners stay. */
  connect(): void
  /** The last twenty attempts to make a link. */
  trace(): Attempt[]
}

/**
 * Makes a session with the server at `url`: a path in a page, or an address with `http:`, `https:`, `ws:` or
 * `wss:`. Credentials in it and a hash are taken off. Throws if the address or an option can never work, and
 * says why.
 */
export function connect<R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap>(
  url: string | { readonly href: string },
  options?: Options
): Session<R, S>
