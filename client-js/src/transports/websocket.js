/**
 * A WebSocket as a link: both directions on one connection. Sets the link's `write_`, `close_` and `socket_`. A
 * `spare` socket that is still open is used instead of a new one.
 */
import { decode, encode, fail } from '../codec.js'
import { ABNORMAL, MALFORMED } from '../codes.js'
import { later } from '../env.js'
import { each } from '../list.js'

export const openSocket = (link, Socket, url, opened, receive, done, spare) => {
  const socket = (link.socket_ = spare && spare.readyState === 1 ? spare : new Socket(url))
  socket.binaryType = 'arraybuffer'
  socket.onopen = opened
  socket.onmessage = ({ data }) => {
    try {
      if (!data.charAt) receive(['b', data])
      else if (decode(data, 0, receive, done, 1) < data.length) fail()
    } catch (error) {
      done(MALFORMED, error.message)
    }
  }
  socket.onclose = (event) => done(event.code, event.reason)
  // Chromium reports no end of a WebSocket that a policy forbids.
  socket.onerror = (event) => done(ABNORMAL, event.message)
  // Later events of the socket have no effect, because the link is gone.
  link.close_ = () => {
    try {
      socket.close()
    } catch (e) {
      // A constructor of the page's own may throw.
    }
  }
  link.write_ = (frames) => {
    try {
      each(frames, (frame) => {
        const letter = frame[0]
        socket.send(letter === 'b' ? frame[1] : /[em]/.test(letter) ? letter + frame[1] : encode([frame], 1))
        if (letter === 'e') each(frame[2], (data) => socket.send(data))
      })
    } catch (error) {
      later(() => done(ABNORMAL, error.message))
    }
  }
  if (socket === spare) opened()
}
