/** Sends a text; resolves to the answer when the session has been closed in good order. */
export const exchange = (session) =>
  new Promise((resolve, reject) => {
    let answer
    session.on('message', (message) => {
      answer = message
      session.close()
    })
    session.on('closed', ({ code, reason }) => (code === 1000 ? resolve(answer) : reject(Error(`closed with ${code} ${reason}`))))
    session.send('é€😀')
  })
