/** `run.test.mjs` runs this under jest, once with jsdom and once with Node as the environment. */
const { connect } = require('anywire')

test('a message goes to the server and back', () =>
  new Promise((resolve, reject) => {
    const session = connect(process.env.ANYWIRE_URL)
    let answer
    session.on('message', (message) => {
      answer = message
      session.close()
    })
    session.on('closed', ({ code }) => (code === 1000 && answer === 'é€😀' ? resolve() : reject(Error(`${code} ${answer}`))))
    session.send('é€😀')
  }))

test('the global is there', () => {
  require('anywire/global')
  expect(typeof globalThis.anywire.connect).toBe('function')
})

test('a socket of `anywire/io` sends and receives', () => {
  const { io } = require('anywire/io')
  const { origin, pathname } = new URL(process.env.ANYWIRE_URL)
  const socket = io(origin, { path: pathname })
  return new Promise((resolve) => {
    socket.on('message', (message) => {
      expect(message).toBe('é€😀')
      socket.disconnect()
    })
    socket.on('disconnect', resolve)
    socket.send('é€😀')
  })
})
