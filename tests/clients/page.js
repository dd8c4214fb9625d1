// The scenario of the browser builds of socket.io-client: runs in a page that has their global `io`.

'use strict'

/** Values as they can leave the page: bytes as a list of numbers. */
function shown(value) {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] }
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(shown)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shown(each)]))
}

/** Values with bytes in the places where `shown` has lists. */
function told(value) {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(told)
  if (value.bytes) return new Uint8Array(value.bytes).buffer
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, told(each)]))
}

const ask = (socket, ...event) => new Promise((resolve) => socket.emit(...event, (...answer) => resolve(shown(answer))))
const next = (socket, name) => new Promise((resolve) => socket.once(name, (...values) => resolve(shown(values))))
const turn = () => new Promise((resolve) => setTimeout(resolve))

/** The text of a number, or every tenth time its bytes. */
function numbered(n, filler) {
  const text = `#${n} ${filler.repeat(n % 13)}`
  return n % 10 === 0 ? new TextEncoder().encode(text).buffer : text
}

/** Opens sockets as the client's generation wants its data, and does once what a page does. */
self.exchange = async ({ options, isOld, values, events, filler, upgrades }) => {
  const shows = (data) => (isOld ? { query: new URLSearchParams(data).toString() } : { auth: data })
  const report = { reasons: [] }
  const fresh = (data) => io(location.origin, { ...options, ...shows(data), forceNew: true, reconnectionDelay: 20 })
  const socket = fresh({ name: 'page' })
  socket.on('disconnect', (reason) => report.reasons.push(reason))
  report.auth = await next(socket, 'auth')

  const tally = { received: 0, wrong: [] }
  socket.on('counted', (n, value) => {
    tally.received++
    const expected = shown(numbered(tally.received, filler))
    if (n !== tally.received || JSON.stringify(shown(value)) !== JSON.stringify(expected)) tally.wrong.push(n)
  })
  const upgraded = upgrades && socket.io.engine.transport.name === 'polling' && new Promise((resolve) => socket.io.engine.once('upgrade', resolve))
  for (let n = 1; n <= events; n++) {
    socket.emit('count', n, numbered(n, filler), filler)
    if (n % 20 === 0) {
      socket.emit('burst', n - 19, n, filler)
      await turn()
    }
    if (n === events - 100) await upgraded
  }
  report.taken = await ask(socket, 'tally')
  report.heard = tally
  report.transport = socket.io.engine.transport.name

  report.echoes = []
  for (const each of values) {
    const echo = next(socket, 'echo')
    socket.emit('echo', ...told(each))
    report.echoes.push(await echo)
  }
  report.answers = await Promise.all(values.map((each) => ask(socket, 'message-with-ack', ...told(each))))
  socket.on('question', (value, reply) => reply([value, new Uint8Array([1, 2]).buffer]))
  report.asked = await ask(socket, 'ask', 'who?')

  const room = Math.random().toString(36)
  const other = fresh({ name: 'other' })
  await next(other, 'connect')
  await Promise.all([ask(socket, 'join', room), ask(other, 'join', room)])
  const heard = next(other, 'told')
  socket.emit('to', room, 'hello')
  report.told = (await heard).slice(1)

  const admin = socket.io.socket('/admin', shows({ token: 'sesame' }))
  await next(admin, 'connect')
  report.admin = await ask(admin, 'where')
  const gone = next(admin, 'disconnect')
  admin.emit('kick')
  report.kicked = (await gone)[0]
  const nobody = socket.io.socket('/nobody')
  const [refusal] = await new Promise((resolve) => nobody.once(isOld ? 'error' : 'connect_error', (error) => resolve([error.message])))
  report.nobody = refusal

  const again = next(socket, 'connect')
  socket.emit('cut')
  await again
  report.after = await ask(socket, 'where')
  socket.disconnect()
  other.disconnect()
  return report
}
