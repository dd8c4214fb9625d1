// The types say what a program may write; `tsc` checks that each line is as they promise.
import { connect, type Session } from '../dist/anywire.js'

const session: Session = connect('/live', { auth: async () => 'token', transports: ['websocket', 'jsonp-poll', 'jsonp-send'], buffer: 1000, resume: true })
session.on('message', (message) => {
  const text: string = typeof message === 'string' ? message : new TextDecoder().decode(message)
  const taken: boolean = session.send(text)
  if (!taken) session.flush().then((all: boolean) => session.close(all ? 1000 : 3001, 'done'))
})
session.on('closed', ({ code, reason, unacknowledged }) => session.trace()[0]?.transport === 'websocket' && [code + unacknowledged, reason.length])
session.on('resumed', (resumed) => {
  if (resumed.outcome === 'new') return resumed.unknown.concat(resumed.dropped).length
  if (resumed.outcome === 'gap') return resumed.gap.to - resumed.gap.from
  const outcome: 'full' = resumed.outcome
  // @ts-expect-error only a new session has unknown messages
  return [outcome, resumed.unknown]
})
session.on('open', async ({ first, waiting }) => session.send(`${first} ${waiting.toFixed()}`))
session.on('connect_error', ({ status, code, message, transport }) => [status?.toFixed(), code.toFixed(), message.length, transport === 'xhr-poll'])
session.on('error', ({ message, data }) => [message.length, typeof data === 'string' && data.length])
const off: () => void = session.on('interrupted', () => {})
off()
session.off('message')
session.connect()
connect(new URL('http://host/live'), { auth: { token: 'a' }, waiting: 'drop', WebSocket: null })
connect('/live', { auth: () => ({ token: 'a' }) })
// @ts-expect-error a number is no auth data
connect('/live', { auth: 5 })
// @ts-expect-error there is no such option
connect('/live', { reconnection: true })
session.on('transport', (name) => name === 'fetch-stream')
session.off('open', () => {})
const wait: number = session.nextAttempt - Date.now()
if (wait > 1000) session.retry()
connect('/live', { backoff: { max: 5000 } })
// @ts-expect-error a time is a number
connect('/live', { backoff: { first: '1s' } })
session.send(new Uint8Array(3))
session.send(new DataView(new ArrayBuffer(3)))
// @ts-expect-error a Blob must be read first
session.send(new Blob([]))
session.on('said', (from, text) => [from, text])
session.on('*', (name, ...values) => name.length + values.length)
const sent: boolean = session.emit('say', 'hi', new Uint8Array(3)) && session.emit.droppable('cursor', 1, 2)
session.timeout(500).request('sum', sent, 2).then((sum) => sum)
session.request('sum', 1, (fault: unknown, sum: number) => [fault, sum])

// Typed both ways: an interface, or a type.
interface FromServer {
  said(from: string, text: string): void
  'overwrite?'(revision: number): boolean
}
type ToServer = { say: (text: string) => void; save: (doc: { id: number }) => { revision: number } }
const typed = connect<FromServer, ToServer>('/live')
typed.on('said', (from, text) => from.length + text.length)
typed.on('overwrite?', (revision, reply) => (revision > 1 ? reply(true) : reply.fail({ code: 'old' })))
typed.emit('say', 'hi')
typed.request('save', { id: 1 }).then(({ revision }) => revision.toFixed())
typed.on('open', ({ first }) => first)
// @ts-expect-error there is no such event
typed.on('opened', () => {})
// @ts-expect-error the value is a text
typed.emit('say', 5)
// @ts-expect-error a value is missing
typed.emit('say')
// @ts-expect-error this name is not sent
typed.emit('said', 'a', 'b')
// @ts-expect-error the answer is a boolean
typed.on('overwrite?', (revision, reply) => reply(revision))
// Channels, typed by a pair of their own.
const admin = typed.channel<{ kicked(id: string): void }, { kick(id: string): boolean }>('/admin', () => ({ token: 'a' }))
admin.on('kicked', (id) => id.length)
admin.on('open', ({ first }) => first && admin.emit('kick', admin.namespace))
admin.on('connect_error', ({ code, message, data }) => [code.length, message.length, data])
admin.on('closed', ({ code, reason }) => [code.toFixed(), reason.length])
admin.timeout(5).request('kick', 'ann').then((kicked: boolean) => kicked && admin.leave())
session.channel('/any', 'token').on('*', (name) => name.length)
// @ts-expect-error this is an event of the session
admin.on('said', () => {})
// @ts-expect-error the value is a text
admin.emit('kick', 5)
// @ts-expect-error auth is no number
session.channel('/admin', 5)
// @ts-expect-error there is no such transport
connect('/live', { transports: ['carrier-pigeon'] })
