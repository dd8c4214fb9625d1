// sockjs-node with its defaults, as the benchmark's peer. It echoes each message, or with `fanout` sends it to all
// sessions; a message that begins with `?` it echoes in any case. Its log is off: by default it prints a line for
// each request. It ends with its standard input.
//
//   node sockjs-node.mjs echo|fanout

import { createServer } from 'node:http'
import { createRequire } from 'node:module'

const sockjs = createRequire(import.meta.url)('sockjs')
const isFanout = process.argv[2] === 'fanout'
const members = new Set()
const service = sockjs.createServer({ prefix: '/sockjs', log: () => {} })

service.on('connection', (session) => {
  members.add(session)
  session.on('close', () => members.delete(session))
  session.on('data', (text) => {
    if (!isFanout || text.startsWith('?')) session.write(text)
    else for (const member of members) member.write(text)
  })
})

const http = createServer()
service.installHandlers(http)
http.listen(0, '127.0.0.1', 1024, () => console.log(`127.0.0.1:${http.address().port}`))
process.stdin.on('end', () => process.exit()).resume()
