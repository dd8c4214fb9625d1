// What the lab does for the recovery figures, on Socket.IO with its connection state recovery.
//
//   node socketio-server.mjs [PORT]

import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { spell } from './client.mjs'

/** Of each client, by its name: what came up. */
const tallies = new Map()

class Tally {
  seen = new Set()
  last = 0
  received = 0
  lost = 0
  repeated = 0
  disordered = 0

  take(text) {
    const n = Number(text.slice(1).split(' ')[0])
    this.received++
    if (this.seen.has(n)) this.repeated++
    else if (n > this.last) {
      this.lost += n - this.last - 1
      this.last = n
    } else {
      this.disordered++
      this.lost--
    }
    this.seen.add(n)
  }

  json() {
    const { received, lost, repeated, disordered } = this
    return JSON.stringify({ received, lost, repeated, disordered })
  }
}

/** Numbered messages to a room, so that they are kept while the client is away. */
function burst(room, total, time) {
  const began = performance.now()
  const send = (n) => {
    io.to(room).emit('message', spell(n))
    if (n < total) setTimeout(send, began + ((n + 1) * time) / total - performance.now(), n + 1)
  }
  setTimeout(send, time / total, 1)
}

const http = createServer()
const io = new Server(http, { connectionStateRecovery: {} })

http.on('request', (request, response) => {
  if (request.url !== '/drain') return
  response.end()
  io.close(() => process.exit())
})

io.on('connection', (socket) => {
  const { name } = socket.handshake.auth
  if (!tallies.has(name)) tallies.set(name, new Tally())
  const tally = tallies.get(name)
  socket.join(name)
  socket.on('message', (data) => {
    const text = typeof data === 'string' ? data : data.toString()
    const command = /^!burst (\d+) over (\d+)$/.exec(text)
    if (command) burst(name, Number(command[1]), Number(command[2]))
    else if (text.startsWith('#')) tally.take(text)
    else socket.send(data)
  })
  socket.on('check', (answer) => answer(tally.json()))
})

http.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${http.address().port}`))
