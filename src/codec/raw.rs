//! A bare WebSocket: a message of the session is a message of the WebSocket, text or binary as it is. Pings,
//! pongs and closes are those of RFC 6455. Nothing else is written, and nothing is numbered.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    Codec, Violation,
    close_codes::registered,
    largest::Largest,
    standard,
    websocket_frames::{SocketBuffer, encode},
};
use crate::{
    broadcast::{Cell, OutMessageRef},
    message::{Message, Text},
    payload::Payload,
    session::{
        frame::{CloseReason, Frame, Outbound},
        reason,
    },
};

/// The cell of a broadcast's encoding: a whole WebSocket frame.
pub(crate) const CELL: Cell = Cell(3);

#[derive(Debug)]
pub(crate) struct RawCodec {
    /// The largest message that is taken.
    limit: usize,
    largest: Largest,
}

impl RawCodec {
    /// Messages of more than `limit` bytes are not read.
    pub(crate) fn new(limit: usize) -> Self {
        RawCodec { limit, largest: Largest::default() }
    }

    fn message(&self, message: Message) -> Result<Option<Frame>, CloseReason> {
        match message.len() > self.limit {
            true => Err(reason::TOO_BIG),
            false => Ok(Some(Frame::Message { number: 0, message: message.into() })),
        }
    }
}

impl Codec for RawCodec {
    fn read(&mut self, input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        let Some(payload) = input.take() else { return Ok(None) };
        self.largest.saw(payload.len());
        let text = ByteString::try_from(self.largest.release(payload)).map_err(|_| reason::NOT_UTF8)?;
        self.message(Text(text).into())
    }

    fn read_binary(&mut self, payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        self.largest.saw(payload.len());
        self.message(self.largest.release(payload).into())
    }

    fn read_ping(&mut self, _payload: &[u8]) -> Option<Frame> {
        Some(standard::SIGN_OF_LIFE)
    }

    fn read_pong(&mut self, payload: &[u8]) -> Option<Frame> {
        Some(standard::pong(payload))
    }

    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>) {
        match frame {
            Outbound::Message { message: OutMessageRef::Own(payload), .. } => put_message(payload, out),
            Outbound::Message { message: OutMessageRef::Shared(broadcast), .. } => {
                out.encoded(broadcast.encoded(CELL, |payload| encode(payload, put_message)), broadcast);
            }
            Outbound::Frame(Frame::Ping { id, .. }) => out.ping(id.to_string().as_bytes()),
            Outbound::Frame(Frame::Pong { id, .. }) => out.pong(id.to_string().as_bytes()),
            Outbound::Frame(Frame::Close { reason, .. } | Frame::LinkClose(reason)) => out.close(reason),
            Outbound::Frame(_) => {}
        }
    }

    fn violation(violation: Violation) -> CloseReason {
        standard::violation(violation)
    }

    fn close_reason(reason: CloseReason) -> CloseReason {
        registered(reason)
    }
}

fn put_message(payload: &Payload, out: &mut SocketBuffer<'_>) {
    match payload {
        Payload::Message(Message::Text(text)) => out.text(&[text.as_bytes()]),
        Payload::Message(Message::Binary(bytes)) => out.binary(bytes),
        Payload::Event(packet) => out.text(&[packet.plain().as_bytes()]),
    }
}
