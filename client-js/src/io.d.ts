import type { Auth, EventMap, EventsOf, Fault, Session } from './anywire.js'

/** The options that a page may set. Any other option of socket.io-client is ignored. */
export interface IoOptions {
  /**
   * Data for the server's opening handler, or a function that is called at each opening with what takes the data. That
   * of a namespace that opens again in a new session is taken at once, or is the data of the last time.
   */
  auth?: Auth | ((pass: (data: Auth) => void) => void)
  /** Whether the socket connects by itself; true by default. */
  autoConnect?: boolean
  /**
   * `websocket`, `polling` (all over HTTP, streams too), or the names of {@link Session.transport}; all by default.
   */
  transports?: readonly string[]
  /** Whether cookies are sent to another origin. */
  withCredentials?: boolean
  /** A session of its own for this socket. Two sockets of one namespace never share one. */
  forceNew?: boolean
  /** `false` is the same as `forceNew`. */
  multiplex?: boolean
  /** How many milliseconds an attempt to connect may take; 10,000 by default. */
  timeout?: number
  /** The shortest wait between attempts in milliseconds; 200 by default. */
  reconnectionDelay?: number
  /** The longest; 10,000 by default, or 5,000 if `reconnectionDelay` is set. */
  reconnectionDelayMax?: number
  /**
   * Where the server is mounted, such as `/live`: by default where `io.js` or `io.mjs` came from, else `/live`. If
   * the script is `socket.io.js` (or `.min.js`, `.esm.min.js`), this is the path of Socket.IO, as in socket.io-client:
   * by default where the script came from.
   */
  path?: string
  /** The time for answers, in milliseconds, as `timeout()` sets it for one event. */
  ackTimeout?: number
  [ignored: string]: unknown
}

/** Why a socket disconnected. */
export type DisconnectReason = 'io server disconnect' | 'io client disconnect' | 'transport close' | 'ping timeout'

/** Events that a socket reports of itself. */
export interface SocketEvents {
  /** There is a session: the first, or a new one after `disconnect`. An interruption without loss is not reported. */
  connect: () => void
  /**
   * The server was not reached, and the socket tries again (`active`); or the server has refused it, and it does not.
   */
  connect_error: (error: Error & Partial<Fault>) => void
  /** The session is lost or closed. `details` is what the server closed it with. */
  disconnect: (reason: DisconnectReason, details?: { code: number; reason: string }) => void
  /** A plain message, as `send` sends it. */
  message: (message: any) => void
}

/** The events of the application; a function as the last value takes the answer. */
type Listener = (...values: any[]) => void

/** The values of an answer, behind an error where there is a time limit. */
type Params<F> = F extends (...values: infer V) => any ? V : any[]

export interface Emitter<E extends EventsOf<E> = EventMap, This = unknown> {
  /**
   * Sends an event, now or as soon as the socket is connected. A function as the last value is called with the
   * answer; with a time limit it is called with an error or null first, and without one `{ error }` is the answer of
   * a request that failed. Throws if the name is reserved.
   */
  emit<N extends keyof E & string>(name: N, ...values: Params<E[N]>): This
  /** Resolves to the first value of the answer, or rejects with an error. */
  emitWithAck<N extends keyof E & string>(name: N, ...values: any[]): Promise<any>
}

/** Listens to events of the server (`R`) and emits its own (`S`): the types of socket.io-client's `Socket`. */
export interface Socket<R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap> extends Emitter<S, Socket<R, S>> {
  /** The id of the session, the same for all its namespaces; undefined while not connected. */
  readonly id: string | undefined
  readonly connected: boolean
  readonly disconnected: boolean
  /** Whether the socket is connected or will connect by itself. */
  readonly active: boolean
  /** Always false: a session that goes on was not disconnected. */
  readonly recovered: boolean
  /** The namespace. */
  readonly nsp: string
  /** See {@link IoOptions.auth}; read at each opening. */
  auth: IoOptions['auth']
  readonly io: {
    /** The session that carries this socket and others of the same address. */
    readonly session: Session | 0 | undefined
  }
  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): this
  on<N extends keyof R & string>(name: N, listener: R[N]): this
  /** The same for one time. */
  once<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): this
  once<N extends keyof R & string>(name: N, listener: R[N]): this
  /** Takes off one listener, all of this name, or all. */
  off(name?: string, listener?: Listener): this
  removeListener(name?: string, listener?: Listener): this
  removeAllListeners(name?: string): this
  listeners(name: string): Listener[]
  hasListeners(name: string): boolean
  /** Calls `listener` with the name and the values of each event that comes, before the listeners of its name. */
  onAny(listener: (name: string, ...values: any[]) => void): this
  prependAny(listener: (name: string, ...values: any[]) => void): this
  offAny(listener?: (name: string, ...values: any[]) => void): this
  /** The answer must come within this many milliseconds. */
  timeout(milliseconds: number): Emitter<S, Socket<R, S>>
  /** Events that are skipped while nothing is connected or the server is behind. */
  readonly volatile: Emitter<S, Socket<R, S>>
  /** Does nothing: the server decides what is compressed. */
  compress(compress: boolean): this
  /** Sends a plain message: a text or bytes. Only in the namespace `/`. */
  send(message: string | ArrayBuffer | ArrayBufferView): this
  /** Connects if the socket is not active. */
  connect(): this
  open(): this
  /** Leaves the namespace; the last socket closes the session, behind what was sent. */
  disconnect(): this
  close(): this
}

/** `io()` of socket.io-client. */
export interface Io {
  /**
   * @param url a namespace such as `/admin`, or the server's origin with the namespace as its path. The rest of the
   *   address is `path`. Throws if it can never work, and says why.
   */
  <R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap>(url: string | undefined, options?: IoOptions): Socket<R, S>
  <R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap>(options?: IoOptions): Socket<R, S>
  io: Io
  connect: Io
}

export declare const io: Io
export declare const connect: Io
export default io
