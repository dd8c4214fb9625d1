// The types of `Socket`; `tsc` checks that each line is as they promise.
import { Socket, connect } from '../dist/socket.js'

const socket: Socket = new Socket('/stomp')
new Socket(new URL('wss://host/stomp'), ['v12.stomp'], { transports: ['websocket'] })
new Socket('/stomp', null, { buffer: 1000 })
socket.onopen = () => socket.send('text')
socket.onmessage = ({ data, target }) => [data.length, target.readyState === Socket.OPEN]
socket.onclose = ({ code, reason, wasClean, unacknowledged }) => [code.toFixed(), reason.length, wasClean, unacknowledged?.toFixed()]
socket.onerror = null
socket.addEventListener('close', ({ code }) => code.toFixed(), { once: true })
socket.addEventListener('open', function () {
  this.send(new Uint8Array(2))
})
socket.removeEventListener('message', ({ data }) => data)
socket.binaryType = 'blob'
socket.close(3000, 'done')
socket.session.on('interrupted', () => socket.session.transport.length)
connect('/live').send('text')

// The face that `@stomp/stompjs` asks for.
interface StompSocket {
  url?: string
  onclose: ((event?: any) => any) | undefined | null
  onerror: ((event: any) => any) | undefined | null
  onmessage: ((event: any) => any) | undefined | null
  onopen: ((event?: any) => any) | undefined | null
  terminate?: (() => any) | undefined | null
  binaryType?: string
  close(): void
  send(data: string | ArrayBuffer): void
  readyState: number
  protocol?: string
}
const webSocketFactory = (): StompSocket => new Socket('/stomp')
webSocketFactory().close()

// @ts-expect-error a Blob has to be read first
socket.send(new Blob([]))
// @ts-expect-error there is no such event
socket.addEventListener('closed', () => {})
// @ts-expect-error only a constructor
Socket('/stomp')
// @ts-expect-error a code is a number
socket.close('1000')
