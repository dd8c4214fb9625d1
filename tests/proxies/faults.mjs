// The faults of requests: each row is a function of (connection, request, options, random). A fault that does
// not forward the request has answered it, dropped it or cut its connection.

import { createHash } from 'node:crypto'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

function answer(status, type, body) {
  const head = [`HTTP/1.1 ${status}`, `Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`, 'Cache-Control: no-store']
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

function accept(request) {
  const key = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`
}

export const faults = {
  /** The request arrives twice; the client gets the answer to the first. */
  duplicate(connection, request, { lateness }, random) {
    connection.repeat(Buffer.from(request.raw), lateness ?? random.pick([0, 5, 40, 250]))
    connection.forward(request.raw)
  },
  /** The request arrives, the answer does not. */
  'lose-answer'(connection, request) {
    connection.loseAnswer()
    connection.forward(request.raw)
  },
  /** Nothing arrives. */
  reset(connection) {
    connection.cut('rst')
  },
  /** A part of the request arrives, never the rest. */
  'cut-request'(connection, request, { how = 'rst' }, random) {
    const body = request.raw.length - request.headLength
    const at = body > 1 ? request.headLength + random.between(1, body - 1) : random.between(1, request.raw.length - 1)
    connection.forward(request.raw.subarray(0, at))
    connection.cut(how, { lag: 1 })
  },
  /** A part of the answer arrives, never the rest. */
  'cut-answer'(connection, request, { how = 'rst' }) {
    connection.arm('down', how)
    connection.forward(request.raw)
  },
  stall(connection, request, { ms, way }) {
    connection.stall(ms, way)
    connection.forward(request.raw)
  },
  'bad-gateway'(connection) {
    connection.reply(answer('502 Bad Gateway', 'text/html', '<html><h1>502 Bad Gateway</h1></html>'))
  },

  // The next five are the ways in which networks block a WebSocket.
  refused(connection) {
    connection.cut('rst')
  },
  silence(connection) {
    connection.swallow()
  },
  'silent-101'(connection, request) {
    connection.swallow()
    connection.reply(accept(request))
  },
  'bad-request'(connection) {
    connection.swallow()
    connection.reply(answer('400 Bad Request', 'text/plain', 'no upgrade here'))
  },
  html(connection) {
    connection.swallow()
    connection.reply(answer('200 OK', 'text/html', '<!doctype html><title>Welcome</title><p>Please log in to this network.'))
  }
}

/** The five ways to block a WebSocket. */
export const BLOCKED = ['refused', 'silent-101', 'silence', 'bad-request', 'html']
