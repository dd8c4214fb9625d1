const { connect } = require('anywire')

const session = connect(process.argv[2])
let answer
session.on('message', (message) => {
  answer = message
  session.close()
})
session.on('closed', ({ code }) => console.log(answer, code))
session.send('é€😀')
