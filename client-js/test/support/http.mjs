/** The test's server half behind real HTTP on the loopback. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import { Server } from './server.mjs'

export const listen = async () => {
  const server = new Server()
  const http = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost')
    const bytes = url.searchParams.get('bytes') === '1'
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => {
      const answer = {
        status: (code, headers = {}) => response.writeHead(code, headers),
        write: (text) => response.write(Buffer.from(text, bytes ? 'latin1' : 'utf8')),
        end: () => response.end(),
        cut: () => response.destroy()
      }
      response.on('close', () => answer.gone?.())
      server.serve(url.pathname.split('/').pop(), Buffer.concat(pieces).toString(bytes ? 'latin1' : 'utf8'), bytes, answer)
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  server.url = `http://127.0.0.1:${http.address().port}/live`
  server.stop = () => {
    http.closeAllConnections()
    http.close()
  }
  return server
}

/** Resolves with the arguments of the next `event`. */
export const next = (session, event) =>
  new Promise((resolve) => {
    const listener = (...details) => {
      session.off(event, listener)
      resolve(details)
    }
    session.on(event, listener)
  })
