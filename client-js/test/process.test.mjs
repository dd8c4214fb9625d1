/** A program in Node ends by itself when its session has ended: nothing keeps the process. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { listen } from './support/http.mjs'

const bundle = new URL('../dist/anywire.mjs', import.meta.url).href

const END = {
  'close()': "session.on('open', () => session.close())",
  'abort()': "session.on('open', () => session.abort())",
  'a close by the server': "session.on('open', () => session.send('!close'))",
  'close() in the turn of connect()': 'session.close()',
  'close() while nothing can be reached': "session.on('connect_error', () => session.close())",
  'close() while auth is asked for': 'setTimeout(() => session.close(), 10)'
}

for (const [what, end] of Object.entries(END)) {
  for (const transport of ['fetch-stream', 'xhr-poll']) {
    test(`${what}, ${transport}`, async () => {
      const server = await listen()
      const url = /reached/.test(what) ? 'http://127.0.0.1:1/live' : server.url
      const auth = /auth/.test(what) ? 'auth: () => new Promise(() => {}),' : ''
      // This does not keep the process, and runs if something else does for longer than a request takes.
      const program = `
        const { connect } = await import(${JSON.stringify(bundle)})
        const session = connect(${JSON.stringify(url)}, { ${auth} transports: ['${transport}'] })
        session.on('closed', () => {
          console.log('closed')
          setTimeout(() => console.log(process.getActiveResourcesInfo().join()), 2000).unref()
        })
        ${end}`
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: fileURLToPath(new URL('.', import.meta.url)) })
      let out = ''
      child.stdout.on('data', (data) => (out += data))
      child.stderr.on('data', (data) => (out += data))
      const [code] = await once(child, 'exit')
      server.stop()
      assert.deepEqual([code, out], [0, 'closed\n'])
    })
  }
}

for (const [module, load] of [['module', "const { Socket } = await import"], ['commonjs', 'const { Socket } = require']]) {
  test(`a Socket in a program (${module}): a message comes back, and close() lets the process end`, async () => {
    const server = await listen()
    const file = new URL(`../dist/socket.${module === 'module' ? 'mjs' : 'cjs'}`, import.meta.url)
    const program = `
      ${load}(${JSON.stringify(module === 'module' ? file.href : fileURLToPath(file))})
      const socket = new Socket(${JSON.stringify(server.url.replace('http:', 'ws:'))})
      socket.onopen = () => socket.send('hello')
      socket.onmessage = ({ data }) => {
        console.log(data)
        socket.close(3000, 'done')
      }
      socket.onclose = ({ code, reason, wasClean }) => console.log(code, reason, wasClean)`
    const child = spawn(process.execPath, [`--input-type=${module}`, '-e', program])
    let out = ''
    child.stdout.on('data', (data) => (out += data))
    child.stderr.on('data', (data) => (out += data))
    const [code] = await once(child, 'exit')
    server.stop()
    assert.deepEqual([code, out], [0, 'hello\n3000 done true\n'])
  })
}

test('io() in a program: a message comes back, and disconnect() lets the process end', async () => {
  const server = await listen()
  const { origin } = new URL(server.url)
  const program = `
    const { io } = await import(${JSON.stringify(new URL('../dist/io.mjs', import.meta.url).href)})
    const socket = io(${JSON.stringify(origin)}, { transports: ['polling'] })
    socket.on('connect', () => console.log('connect', socket.connected, typeof socket.id))
    socket.on('message', (message) => {
      console.log(message)
      socket.disconnect()
    })
    socket.on('disconnect', (reason) => console.log(reason))
    socket.send('hello')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  let out = ''
  child.stdout.on('data', (data) => (out += data))
  child.stderr.on('data', (data) => (out += data))
  const [code] = await once(child, 'exit')
  server.stop()
  assert.deepEqual([code, out], [0, 'connect true string\nhello\nio client disconnect\n'])
})
