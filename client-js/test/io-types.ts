// The types of `io`; `tsc` checks that each line is as they promise.
import io, { io as named, type Socket } from '../dist/io.js'

const socket: Socket = named()
named('/admin', { auth: (pass) => pass({ token: 'a' }), transports: ['websocket', 'polling'], autoConnect: false, reconnection: true }).connect()
socket.on('connect', () => socket.id?.length).once('disconnect', (reason, details) => [reason === 'ping timeout', details?.code.toFixed()])
socket.on('connect_error', ({ message, data }) => [message.length, data])
socket.emit('say', 'hi', new Uint8Array(3), (answer: string) => answer.length).compress(true).volatile.emit('cursor', 1)
socket.timeout(500).emitWithAck('sum', 1, 2).then((sum) => sum)
socket.onAny((name, ...values) => name.length + values.length).offAny()
socket.auth = { token: 'b' }
socket.send('text').disconnect().open()
const raw = socket.io.session
if (raw) raw.on('interrupted', () => {})

interface FromServer {
  said: (from: string, text: string) => void
}
interface ToServer {
  say: (text: string, answer: (id: number) => void) => void
}
const typed: Socket<FromServer, ToServer> = io('https://host')
typed.on('said', (from, text) => from.length + text.length)
typed.emit('say', 'hi', (id) => id.toFixed())
typed.off('said').listeners('said')
// @ts-expect-error the value is a text
typed.emit('say', 5, () => {})
// @ts-expect-error this name is not sent
typed.emit('said', 'a', 'b')
// @ts-expect-error there is no such event
typed.on('sed', () => {})
// @ts-expect-error the address is a text
io(5)
