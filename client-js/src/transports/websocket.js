/** A WebSocket as a link: both directions on one connection. Sets the link's `write_` and `close_`. */
import { decode, encode, fail } from '../codec.js'

export const openSocket = (link, Socket, url, opened, take, done) => {
  const socket = new Socket(url)
  socket.binaryType = 'arraybuffer'
  socket.onopen = opened
  socket.onmessage = ({ data }) => {
    try {
      if (!data.charAt) take(['b', data])
      else if (decode(data, 0, take, done, 1) < data.length) fail()
    } catch (error) {
      done(4004, error.message)
    }
  }
  socket.onclose = (event) => done(event.code, event.reason)
  // Of one that a policy forbids Chromium tells no end.
  socket.onerror = () => done(1006)
  // What it says afterwards nobody hears: the link is gone.
  link.close_ = () => socket.close()
  link.write_ = (frames) => {
    for (const frame of frames) {
      const letter = frame[0]
      socket.send(letter === 'b' ? frame[1] : letter === 'm' ? letter + frame[1] : encode([frame], 1))
    }
  }
}
