/**
 * The shape of socket.io-client on our sessions, so that a page moves by one changed script or import. Sockets of
 * one address share one session; that of the namespace `/` is the session itself, the others are channels.
 */
import { OVER_HTTP, authText, checkFunction, checkName, namespaceText } from './checks.js'
import { fail } from './codec.js'
import { HEARTBEAT_TIMEOUT } from './codes.js'
import { LONG } from './config.js'
import { later } from './env.js'
import { call, errorOf } from './events.js'
import { each } from './list.js'

/** An address: its origin, its path, and its query. */
const ADDRESS = /^((?:\w+:)?\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?/

/** The folder of a script of ours, and whether its name is one of socket.io-client; a bundler's has another name. */
const SCRIPT = /^(https?:[^?#]*|[^:?#]*)\/(?:io|(socket\.io)(?:\.esm)?(?:\.min)?)\.m?js(?:[?#]|$)/

/** Our options for those of socket.io-client. */
const optionsOf = ({ timeout, transports, withCredentials, reconnectionDelay: first, reconnectionDelayMax: max }, auth) => ({
  auth,
  // Theirs has no limit.
  buffer: LONG,
  timeout,
  transports: transports && transports.push ? transports.join(' ').replace('polling', OVER_HTTP).replace('webtransport', 'websocket').split(' ') : transports,
  credentials: withCredentials ? 'include' : undefined,
  backoff: first ? { first, max: Math.max(first, max || 5000) } : null
})

const createSocket = (manager, namespace, { auth, ackTimeout }) => {
  let lists = {}
  /** Differs each time that the socket is connected; nothing while it is not active. */
  let current
  /** The session or the channel, and what was emitted while there was none. */
  let line
  let waiting = []
  let data

  const listeners = (name) => (lists['$' + name] = lists['$' + name] || [])
  const fire = (name, values) => each(listeners(name).slice(), (listener) => call(listener, values, socket))

  const on = (name, listener) => {
    checkFunction(listener)
    listeners(name).push(listener)
    return socket
  }

  const off = (name, listener) => {
    const kept = []
    if (name == null) lists = {}
    if (listener) each(listeners(name), (one) => one === listener || one.fn === listener || kept.push(one))
    lists['$' + name] = kept
    return socket
  }

  /** The methods that emit with this limit of time for answers. */
  const emitter = (time, droppable) => {
    const emit = (...all) => {
      const done = typeof all[all.length - 1] === 'function' && all.pop()
      const plain = all[0] === 'message' && namespace === '/' && !done
      const act = () => {
        if (done) {
          line.timeout(time || LONG).request.apply(
            line,
            all.concat((fault, ...values) => done.apply(socket, time ? [fault && errorOf(fault)].concat(values) : fault ? [{ error: fault }] : values))
          )
        } else if (!(plain ? line.send(all[1], { droppable }) : (droppable ? line.emit.droppable : line.emit).apply(line, all)) && !droppable) fail('full')
      }
      if (!plain) checkName(all[0])
      if (line) act()
      else if (!droppable) waiting.push(act)
      return socket
    }
    return {
      emit,
      emitWithAck: (...all) =>
        new Promise((resolve, reject) => emitter(time || LONG).emit.apply(socket, all.concat((error, value) => (error ? reject(error) : resolve(value)))))
    }
  }

  const change = (connected, event, values) => {
    socket.connected = connected
    socket.disconnected = !connected
    socket.id = connected ? manager.session.id : undefined
    if (event) fire(event, values)
  }

  const opened = () => change(true, 'connect', [])
  const lost = (reason, how) => socket.connected && change(false, 'disconnect', [reason, how])

  const end = (leave) => {
    const { session } = manager
    socket.active = current = false
    if (leave && line && line.leave) line.leave()
    line = 0
    if (--manager.count_) return
    manager.session = 0
    session.close()
  }

  const refused = (fault) => {
    end()
    fire('connect_error', [errorOf(fault)])
  }

  const ended = (how) => {
    if (socket.connected) {
      end()
      lost(/^(1001|4)/.test(how.code) ? 'transport close' : 'io server disconnect', how)
    } else {
      let fault
      try {
        fault = JSON.parse(how.reason)
      } catch (e) {
        // The reason is a text, and no fault of the server.
      }
      refused((fault || 0).code ? fault : { code: how.code, message: how.reason })
    }
  }

  const received = (name, ...values) => {
    const reply = values[values.length - 1]
    fire('*', [name].concat(values))
    if (!listeners(name)[0] && typeof reply === 'function') reply.fail({ code: 'unknown', message: name })
    fire(name, values)
  }

  /** Asks for auth data, which a function of the page may pass on later. */
  const ask = (done) => {
    const take = (value) => {
      data = value
      done()
    }
    if (typeof socket.auth === 'function') socket.auth(take)
    else take(socket.auth)
  }

  const connect = () => {
    const here = {}
    const live = (act) => (...values) => current === here && act.apply(socket, values)
    const use = (one) => {
      const acts = waiting
      waiting = []
      line = one
      line.on('open', live(opened))
      line.on('closed', live(ended))
      line.on('*', live(received))
      line.on('message', live((message) => received('message', message)))
      each(acts, (act) => call(act, []))
    }
    if (current) return socket
    current = here
    socket.active = true
    manager.count_++
    const session = manager.open_(socket)
    let silent
    session.on('interrupted', () => {
      silent = session.trace().slice(-1)[0].code === HEARTBEAT_TIMEOUT
    })
    session.on(
      'resumed',
      live(({ outcome }) => {
        if (outcome !== 'new') return
        lost(silent ? 'ping timeout' : 'transport close')
        ask(() => {})
      })
    )
    session.on('connect_error', live(({ message }) => socket.connected || fire('connect_error', [Error(message)])))
    if (namespace === '/') {
      use(session)
      // Another socket may have opened it.
      if (session.id) later(live(opened))
    } else {
      ask(
        live(() => {
          if (line) return
          use(session.channel(namespace, () => data))
          line.on('connect_error', live(refused))
        })
      )
    }
    return socket
  }

  const disconnect = () => {
    if (current) {
      end(1)
      lost('io client disconnect')
    }
    return socket
  }

  const { emit, emitWithAck } = emitter(ackTimeout)
  const socket = {
    nsp: namespace,
    io: manager,
    auth,
    active: false,
    recovered: false,
    on,
    once: (name, listener) => {
      const one = (...values) => {
        off(name, one)
        listener.apply(socket, values)
      }
      checkFunction((one.fn = listener))
      return on(name, one)
    },
    off,
    removeListener: off,
    removeAllListeners: off,
    listeners,
    hasListeners: (name) => !!listeners(name)[0],
    onAny: (listener) => on('*', listener),
    prependAny: (listener) => {
      checkFunction(listener)
      listeners('*').unshift(listener)
      return socket
    },
    offAny: (listener) => off('*', listener),
    emit,
    emitWithAck,
    timeout: emitter,
    // Old engines do not take the bare word.
    'volatile': emitter(ackTimeout, true),
    compress: () => socket,
    send: (...values) => emit.apply(socket, ['message'].concat(values)),
    connect,
    open: connect,
    disconnect,
    close: disconnect
  }
  if (typeof auth !== 'function') authText(auth)
  change(false)
  return socket
}

/** The state that the sockets of one session have in common. */
const createManager = (connect, address, options) => {
  const sockets = {}
  const manager = {
    sockets_: sockets,
    count_: 0,
    /** Returns the session, which this socket may be the first to need. */
    open_: (first) =>
      (manager.session =
        manager.session ||
        connect(
          address,
          optionsOf(options, () => {
            const { auth } = sockets['/'] || first
            // A function for socket.io-client is called with what takes the data.
            return typeof auth === 'function' ? { then: auth } : auth
          })
        ))
  }
  return manager
}

/** @param script the address of the script that the page has loaded, if that is known */
export const createIo = (connect, script) => {
  const managers = {}
  const [, folder, theirs] = SCRIPT.exec(script) || ['', '/live']
  const [, homeOrigin, homePath] = ADDRESS.exec(folder)

  const io = (url, options) => {
    if (url && !url.charAt) options = url
    options = options || {}
    const [, origin, path, query] = ADDRESS.exec(options === url ? '' : url || '')
    const namespace = path && path !== '/' ? namespaceText(path) : '/'
    const mount = options.path || homePath
    // A script with a name of socket.io-client is at the path of Socket.IO, which has our routes below.
    const address = (origin || homeOrigin || '') + (theirs ? mount.replace(/\/?$/, '/anywire') : mount) + (query || '')
    let manager = !options.forceNew && options.multiplex !== false && managers[address]
    if (!manager || manager.sockets_[namespace]) manager = managers[address] = createManager(connect, address, options)
    const socket = (manager.sockets_[namespace] = createSocket(manager, namespace, options))
    if (options.autoConnect !== false) socket.connect()
    return socket
  }
  io.connect = io.io = io
  return io
}
