import { io } from 'anywire/io'

const { origin, pathname } = new URL(process.argv[2])
const socket = io(origin, { path: pathname })
socket.on('message', (message) => {
  console.log(message, socket.connected)
  socket.disconnect()
})
socket.on('disconnect', (reason) => console.log(reason))
socket.send('é€😀')
