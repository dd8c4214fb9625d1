/**
 * The face of a browser's WebSocket on a session, for programs that take anything with that face. The face is open
 * while the session lives, whatever carries it. It closes when the session has ended, when the server does not know
 * the session any more, and when a message cannot be sent, since nothing may be missing in between.
 */
import { ABNORMAL, REPLACED } from './codes.js'
import { LONG } from './config.js'
import { keys, later, resolve, socketAddress } from './env.js'
import { call } from './events.js'
import { each } from './list.js'

/** The values of `readyState`; the first is the only one that is false. */
const CONNECTING = 0
const OPEN = 1
const CLOSING = 2
const CLOSED = 3

/** Makes the constructor of sockets whose sessions come from `connect`. */
export const createSocket = (connect) => {
  const Socket = function (url, protocols, given) {
    const socket = this
    const options = { buffer: LONG }
    let listeners = []

    /** Calls the listeners of this type of event, the property's first. */
    const fire = (type, event) => {
      event.target = socket
      event.type = type
      each([[type, socket['on' + type]]].concat(listeners), ([other, listener, once]) => {
        if (other !== type || !listener) return
        if (once) socket.removeEventListener(type, listener)
        call(listener, [event], socket)
      })
    }

    /** Ends the face. Its listeners hear of it when the running code has ended, as those of a WebSocket do. */
    const end = (how) => {
      if (socket.readyState === CLOSED) return
      socket.readyState = CLOSED
      how.wasClean = how.code < REPLACED && how.code !== ABNORMAL
      session.abort()
      later(() => {
        if (!how.wasClean) fire('error', {})
        fire('close', how)
      })
    }

    const broken = ({ message }) => end({ code: ABNORMAL, reason: message })

    each(keys(given || {}), (name) => (options[name] = given[name]))
    socket.url = socketAddress(resolve(url))
    const session = (socket.session = connect(socket.url.replace(/\/?(\?|$)/, '/anywire$1'), options))
    socket.readyState = CONNECTING
    socket.binaryType = 'arraybuffer'
    socket.protocol = socket.extensions = ''
    // Internet Explorer before 11 has no getters: there it stays 0.
    if (LEGACY) socket.bufferedAmount = 0
    if (!LEGACY || socket.__defineGetter__) socket.__defineGetter__('bufferedAmount', () => session.bufferedAmount)

    socket.addEventListener = (type, listener, options) => {
      socket.removeEventListener(type, listener)
      listeners.push([type, listener, (options || 0).once])
    }
    socket.removeEventListener = (type, listener) => {
      const old = listeners
      listeners = []
      each(old, (one) => (one[0] === type && one[1] === listener) || listeners.push(one))
    }
    socket.send = (data) => {
      if (!socket.readyState) {
        const error = Error('connecting')
        error.name = 'InvalidStateError'
        throw error
      }
      if (socket.readyState === OPEN) session.send(data) || broken({ message: 'full' })
    }
    socket.close = (code, reason) => {
      try {
        session.close(code, reason)
      } catch (error) {
        error.name = 'InvalidAccessError'
        throw error
      }
      if (socket.readyState < CLOSING) socket.readyState = CLOSING
    }
    session.on('open', ({ first }) => {
      if (!first) broken({ message: 'lost' })
      else if (!socket.readyState) {
        socket.readyState = OPEN
        fire('open', {})
      }
    })
    session.on('message', (data) => {
      if (socket.readyState === OPEN) fire('message', { data: data.charAt || socket.binaryType !== 'blob' ? data : new Blob([data]) })
    })
    session.on('connect_error', (error) => socket.readyState || broken(error))
    session.on('error', broken)
    session.on('closed', end)
  }
  let state = 0
  each(['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'], (name) => {
    Socket[name] = Socket.prototype[name] = state++
  })
  return Socket
}
