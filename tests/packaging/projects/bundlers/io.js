import { io } from 'anywire/io'

self.exchange = (url) => {
  const { origin, pathname } = new URL(url)
  const socket = io(origin, { path: pathname })
  return new Promise((resolve) => {
    socket.on('message', (message) => {
      socket.disconnect()
      resolve(message)
    })
    socket.send('é€😀')
  })
}
