/**
 * The machine and the codecs under plain names, for programs that pair them with another implementation. The
 * build makes this file as it makes the client. `LEGACY` is true inside modules that are imported with
 * `?legacy`.
 */
import { createMachine } from './session.js'
import * as current from './codec.js'
import * as legacy from './codec.js?legacy'

/** A spelling: its bodies are strings or Uint8Arrays. */
const spelling = (codec, socket) => ({
  decode: (data, at, receive) => codec.decode(data, at, receive, (code, reason) => receive(['x', code, reason]), socket),
  encode: (frames) => codec.encode(frames, socket)
})

export const spellings = {
  text: spelling(legacy, 0),
  bytes: spelling(current, 0),
  /** The spelling in a WebSocket's text messages, by the codec of each bundle. */
  websocket: spelling(legacy, 1),
  socket: spelling(current, 1)
}

export const machine = (capacity, base) => {
  const half = createMachine(capacity, base)
  return {
    attach: half.attach_,
    detach: (now, link) => half.detach_(link),
    handleFrame: half.handleFrame_,
    handleTimeout: half.handleTimeout_,
    send: (frame, size, droppable, now) => {
      frame.size_ = size
      return half.send_(frame, droppable, now)
    },
    flush: half.flush_,
    close: half.close_,
    abort: half.abort_,
    finish: half.finish_,
    lose() {
      half.lose_()
      half.release_()
    },
    probe: half.probe_,
    pollTransmit: half.pollTransmit_,
    pollEvent: half.pollEvent_,
    pollTimeout: half.pollTimeout_,
    rewind: half.rewind_,
    pending: half.pending_,
    unacknowledged: () => half.unacknowledged_,
    /** The number that the head of a request acknowledges. */
    ackNumber: half.ackNumber_,
    received: () => half.received_,
    acked: () => half.acked_,
    closing: () => half.closing_,
    params: () => half.params_,
    carrier: () => half.carrier_,
    bytes: () => half.bytes_
  }
}

/** A link as the machine needs it. */
export const link = ({ ordinal, duplex, opening, poll, room }) => ({
  ordinal_: ordinal,
  duplex_: duplex,
  opening_: opening,
  poll_: poll,
  room_: room
})

link.poll = (one, poll) => {
  one.poll_ = poll
}
link.room = (one, room) => {
  if (!one.confirmed_) one.room_ = room
}
link.duplex = (one) => one.duplex_
/** Moves the link's control frames to `frames`, for the request that begins a turn. */
link.queue = (one, frames) => {
  while (one.queue_.length) frames.push(one.queue_.shift())
}
