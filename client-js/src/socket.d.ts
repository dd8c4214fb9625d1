import type { Options, Session } from './anywire.js'

export { connect } from './anywire.js'

/** An event, as the listeners of a {@link Socket} are called with it. */
export interface SocketEvent {
  readonly type: 'open' | 'message' | 'error' | 'close'
  readonly target: Socket
}

export interface SocketMessage extends SocketEvent {
  /** A text, or bytes as {@link Socket.binaryType} says; an array of numbers in a browser without ArrayBuffer. */
  readonly data: any
}

export interface SocketClose extends SocketEvent {
  /**
   * 1000, 1001, 1011 or 3000 to 3999 if the session was closed, 4000 to 4499 if the library has ended it, and 1006
   * after any other failure: the server was not reached, did not know the session any more, or a message could not
   * be sent.
   */
  readonly code: number
  /** The reason of the close, or the text that tells what failed. */
  readonly reason: string
  /** Whether the session was closed and not broken off: false with 1006 and from 4000 on. */
  readonly wasClean: boolean
  /** How many messages the server has not acknowledged, if the session itself has ended. */
  readonly unacknowledged?: number
}

export interface SocketEvents {
  open: SocketEvent
  message: SocketMessage
  error: SocketEvent
  close: SocketClose
}

type Handler<E> = ((this: any, event: E) => any) | null | undefined

/**
 * A browser's `WebSocket` that a session carries, over any transport, for programs that take a WebSocket or something
 * with its face. It stays open while the session changes its transport or resumes, and nothing is lost meanwhile.
 *
 * `readyState` is 3 when the session has ended, when the server has forgotten it (1006, since what was under way may
 * be missing), or when a message cannot be sent. An attempt to connect that fails on every transport ends the socket
 * too, with 1006, as with a WebSocket: who wants another one makes another socket. `error` comes before each `close`
 * that was not clean.
 *
 * It differs from a WebSocket in that a Blob cannot be sent (read it first), that only texts and bytes can, and that
 * `close` takes no code above 3999. A method that is overridden in a class that extends this one must be set on the
 * object, since the methods are its own properties.
 */
export declare class Socket {
  static readonly CONNECTING: 0
  static readonly OPEN: 1
  static readonly CLOSING: 2
  static readonly CLOSED: 3
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3

  /**
   * @param url a path in a page, or an address with `http:`, `https:`, `ws:` or `wss:`. It is where the server is
   *   mounted for other clients, such as `/stomp`: the session is at `anywire` below it. Throws if it can never work.
   * @param protocols is not sent: the path says what is spoken.
   * @param options those of `connect`. Without `buffer`, what waits has no limit but 1,000,000,000 bytes; with it, a
   *   message that finds no room ends the socket with the reason `full`.
   */
  constructor(url: string | { readonly href: string }, protocols?: string | readonly string[] | null, options?: Options | null)

  /** The address, with `ws:` or `wss:`. */
  readonly url: string
  /** Always empty. */
  readonly protocol: string
  /** Always empty. */
  readonly extensions: string
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: 0 | 1 | 2 | 3
  /** How bytes come: as an `ArrayBuffer`, which is the default and not a Blob, or as a `Blob`. */
  binaryType: 'arraybuffer' | 'blob'
  /**
   * The bytes that wait for acknowledgement, with 64 more for each message; always 0 in Internet Explorer before 11.
   */
  readonly bufferedAmount: number
  /** The session that carries the socket: for its `transport`, its events `interrupted` and `resumed`, and its `trace()`. */
  readonly session: Session

  onopen: Handler<SocketEvent>
  onmessage: Handler<SocketMessage>
  onerror: Handler<SocketEvent>
  onclose: Handler<SocketClose>

  /** The listener is a function. A listener that is added twice is called once. No option but `once` is known. */
  addEventListener<E extends keyof SocketEvents>(type: E, listener: (this: any, event: SocketEvents[E]) => any, options?: { once?: boolean } | boolean): void
  removeEventListener<E extends keyof SocketEvents>(type: E, listener: (this: any, event: SocketEvents[E]) => any): void

  /**
   * Sends text or a copy of the bytes. Throws `InvalidStateError` while the socket is connecting, and an `Error` if
   * the message is over the server's limit or neither text nor bytes. Does nothing once the socket closes.
   */
  send(data: string | ArrayBuffer | ArrayBufferView): void
  /**
   * Closes the session behind all that was sent. The code is 1000, which is the default, or from 3000 to 3999, and
   * the reason has at most 123 bytes of UTF-8; anything else throws `InvalidAccessError`. Does nothing after the end.
   */
  close(code?: number, reason?: string): void
}
