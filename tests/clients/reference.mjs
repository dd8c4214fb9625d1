// The application of examples/clients_lab on the servers that the clients were written for. The scenario
// runs against it where ANYWIRE_REFERENCE names a folder in which `npm install socket.io` has run, which
// shows that what it expects is what those servers do.
//
//   node reference.mjs FOLDER [--port N] [--heartbeat-ms N] [--timeout-ms N] [--limit BYTES] [--recovery-ms N]

import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Tally, numbered } from './numbered.mjs'

const option = { type: 'string' }
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: option, 'heartbeat-ms': option, 'timeout-ms': option, limit: option, 'recovery-ms': option }
})
const require = createRequire(join(positionals[0], 'index.js'))
const { Server } = require('socket.io')
const engine = createRequire(require.resolve('socket.io'))('engine.io')

const settings = {
  allowEIO3: true,
  pingInterval: Number(flags['heartbeat-ms'] ?? 25_000),
  pingTimeout: Number(flags['timeout-ms'] ?? 20_000),
  maxHttpBufferSize: Number(flags.limit ?? 1_000_000),
  destroyUpgrade: false
}
const recovery = flags['recovery-ms'] && { connectionStateRecovery: { maxDisconnectionDuration: Number(flags['recovery-ms']) } }
const PAGE = '<!doctype html><meta charset=utf-8><title>Clients</title><link rel=icon href=data:,>'
const http = createServer()
const io = new Server(http, { ...settings, ...recovery, serveClient: false })

/** The shape in which a refused request is answered. */
const fault = (code, message, data) => ({ error: data === undefined ? { code, message } : { code, message, data } })
const roomsOf = (socket) => [...socket.rooms].filter((room) => room !== socket.id).sort()

/** Refuses two keys, one of them without data, and in `/admin` all tokens but one. */
function enter(socket, next) {
  const { auth, query } = socket.handshake
  const key = auth.key ?? query.key
  if (key === 'plain') next(new Error('not you'))
  else if (key === 'wrong' || (socket.nsp.name === '/admin' && auth.token !== 'sesame')) next(Object.assign(new Error('not you'), { data: { code: 7 } }))
  else next()
}

function talk(socket) {
  const space = socket.nsp
  const name = socket.handshake.auth.name ?? socket.handshake.query.name ?? ''
  const tally = new Tally()
  const told = (to, room, text) => to.emit('told', room, text)
  socket.emit('auth', socket.handshake.auth)
  socket.on('disconnect', () => space.to('watch').emit('left', name))
  const handlers = {
    echo: (...values) => void socket.emit('echo', ...values),
    message: (...values) => void socket.emit('message-back', ...values),
    'message-with-ack': (...values) => values.pop()(...values),
    where: (reply) => reply(space.name),
    nothing: (reply) => reply(),
    refuse: (reply) => reply(fault('no', 'not today', [1])),
    silent: () => {},
    say: (text) => void socket.send(text),
    ask: (value, reply) => socket.timeout(10_000).emit('question', value, (error, answer) => reply(error ? null : answer)),
    'ask-within': (ms, reply) => socket.timeout(ms).emit('question', ms, (error) => reply(error ? 'timeout' : 'answered')),
    'ask-room': (room, value, reply) => space.to(room).timeout(10_000).emit('question', value, (error, answers) => reply(error ? null : answers)),
    join: (room, reply) => (socket.join(room), reply(roomsOf(socket))),
    leave: (room, reply) => (socket.leave(room), reply(roomsOf(socket))),
    to: (room, text) => told(socket.to(room), room, text),
    within: (room, text) => told(space.to(room), room, text),
    except: (room, without, text) => told(space.to(room).except(without), room, text),
    others: (text) => told(socket.broadcast, '', text),
    all: (text) => told(space, '', text),
    volatile: (count, reply) => {
      for (let n = 1; n <= count; n++) socket.volatile.emit('tick', n)
      reply(count)
    },
    count: (n, value, filler) => tally.take(n, value, filler),
    tally: (reply) => reply(tally.json()),
    burst: (from, to, filler) => {
      for (let n = from; n <= to; n++) socket.emit('counted', n, numbered(n, filler))
    },
    watch: (reply) => (socket.join('watch'), reply()),
    kick: () => socket.disconnect(),
    'kick-all': () => socket.disconnect(true),
    cut: () => socket.conn.close(true)
  }
  for (const [event, handler] of Object.entries(handlers)) socket.on(event, handler)
}

for (const space of [io.of('/'), io.of('/admin'), io.of('/custom'), io.of(/^\/doc-.+$/)]) space.use(enter).on('connection', talk)

const raw = engine.attach(http, { ...settings, path: '/engine.io' })
raw.on('connection', (socket) => {
  const tally = new Tally()
  const commands = {
    check: () => socket.send(JSON.stringify(tally.json())),
    close: () => socket.close(),
    abort: () => socket.close(true)
  }
  socket.on('message', (data = '') => {
    const text = data.toString()
    if (text.startsWith('#')) tally.take(Number(text.slice(1).split(' ')[0]), data)
    else if (text.startsWith('!burst ')) for (let n = 1; n <= Number(text.slice(7)); n++) socket.send(numbered(n))
    else if (text.startsWith('!')) commands[text.slice(1)]()
    else socket.send(data)
  })
})

// Each of the servers lets the requests of other paths pass.
http.on('request', (request, response) => {
  if (request.url !== '/page') return
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
  response.end(PAGE)
})
http.listen(Number(flags.port ?? 0), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${http.address().port}`))
