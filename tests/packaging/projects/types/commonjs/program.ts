import { connect, type Session } from 'anywire'
import 'anywire/global'
import io, { type Socket } from 'anywire/io'

declare const process: { env: Record<string, string | undefined> }

const session: Session = connect(process.env.ANYWIRE_URL ?? '')
let answer = ''
session.on('message', (message) => {
  answer = typeof message === 'string' ? message : ''
  session.close()
})
session.on('closed', ({ code }) => {
  const number: number = code
  // The global has the same types, as a value and as a namespace.
  const other: anywire.Session = session
  console.log(`${number} ${answer} ${typeof anywire.connect} ${other.state}`)
})
session.send('é€😀')

const socket: Socket = io({ autoConnect: false })
if (socket.connected) console.log(socket.id?.length)

/** Uses that must not compile. */
export const wrong = () => {
  // @ts-expect-error the name of an event is a text
  session.on(5, () => {})
  // @ts-expect-error there is no such transport
  connect('/live', { transports: ['telegraph'] })
  // @ts-expect-error there is no such type
  let none: anywire.Telegraph
}
