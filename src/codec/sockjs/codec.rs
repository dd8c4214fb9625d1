//! SockJS as a [`Codec`].

use bytes::Bytes;

use super::{OPEN, SOCKET, STRING, TEXT, close_frame, ending, read::Strings, strings::put_payload};
use crate::{
    broadcast::OutMessageRef,
    codec::{
        BodyCodec, Codec, ContentType, Violation,
        close_codes::registered,
        largest::Largest,
        standard,
        websocket_frames::{SocketBuffer, encode},
    },
    message::{Message, Text},
    payload::Payload,
    session::{
        frame::{Attached, CloseReason, Frame, Outbound, Outcome},
        reason,
    },
};

/// The bytes around a message alone in a body: two brackets, a letter, two quotes, and the end of the line that a
/// transport appends.
const AROUND: usize = 6;

#[derive(Debug)]
pub(crate) struct SockJsCodec {
    /// The largest message that is taken.
    limit: usize,
    largest: Largest,
    strings: Strings,
    /// The client has sent what cannot be read: its WebSocket is closed without a frame of the protocol, as clients
    /// expect it.
    unreadable: bool,
    written: Written,
}

/// The part of a flush that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    /// An array of messages, to which others may be added.
    Array,
    /// A frame.
    Frame,
}

impl SockJsCodec {
    /// Messages of more than `limit` bytes are not read.
    pub(crate) fn new(limit: usize) -> Self {
        let (largest, strings) = Default::default();
        SockJsCodec { limit, largest, strings, unreadable: false, written: Written::Nothing }
    }

    fn put_message(&mut self, message: OutMessageRef<'_>, body: &mut Vec<u8>) {
        body.reserve(message.len() + AROUND);
        body.extend_from_slice(if self.written == Written::Nothing { b"a[" } else { b"," });
        self.written = Written::Array;
        match message {
            OutMessageRef::Own(payload) => put_payload(payload, body),
            OutMessageRef::Shared(broadcast) => {
                body.extend_from_slice(broadcast.encoded(STRING, |payload| {
                    let mut string = Vec::new();
                    put_payload(payload, &mut string);
                    string.into_boxed_slice().into()
                }));
            }
        }
    }
}

impl Codec for SockJsCodec {
    fn read(&mut self, input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        self.largest.saw(input.as_ref().map_or(0, Bytes::len));
        let Ok(string) = self.strings.next(input) else {
            self.unreadable = true;
            return Err(CloseReason::malformed("broken JSON encoding"));
        };
        let Some(string) = string else { return Ok(None) };
        if string.len() > self.limit {
            return Err(reason::TOO_LARGE);
        }
        let message: Message = Text(self.largest.release_text(string)).into();
        Ok(Some(Frame::Message { number: 0, message: message.into() }))
    }

    fn read_binary(&mut self, _payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        self.unreadable = true;
        Err(reason::WRONG_KIND)
    }

    fn read_ping(&mut self, _payload: &[u8]) -> Option<Frame> {
        Some(standard::SIGN_OF_LIFE)
    }

    fn read_pong(&mut self, payload: &[u8]) -> Option<Frame> {
        Some(standard::pong(payload))
    }

    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>) {
        if let Some(reason) = ending(&frame) {
            if !self.unreadable {
                out.text(&[&close_frame(reason)]);
            }
            out.close(reason.clone());
            return;
        }
        match frame {
            Outbound::Message { message: OutMessageRef::Own(payload), .. } => send(payload, out),
            Outbound::Message { message: OutMessageRef::Shared(broadcast), .. } => {
                out.encoded(broadcast.encoded(SOCKET, |payload| encode(payload, send)), broadcast);
            }
            Outbound::Frame(Frame::Attached(_)) => out.text(&[OPEN.as_bytes()]),
            Outbound::Frame(Frame::Ping { id, .. }) => out.ping(id.to_string().as_bytes()),
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

impl BodyCodec for SockJsCodec {
    /// Behind messages there is no room for another frame: a heartbeat is not needed there, and the session repeats
    /// its end.
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>) {
        match &frame {
            Outbound::Message { message, .. } => return self.put_message(*message, body),
            _ if self.written != Written::Nothing => return,
            Outbound::Frame(Frame::Attached(Attached { outcome: Outcome::New, .. })) => {
                body.extend_from_slice(OPEN.as_bytes());
            }
            Outbound::Frame(Frame::Ping { .. }) => body.push(b'h'),
            ends => match ending(ends) {
                Some(reason) => body.extend_from_slice(&close_frame(reason)),
                None => return,
            },
        }
        self.written = Written::Frame;
    }

    fn is_full(&self) -> bool {
        self.written == Written::Frame
    }

    fn finish(&mut self, body: &mut Vec<u8>) -> ContentType {
        match std::mem::replace(&mut self.written, Written::Nothing) {
            Written::Nothing => body.push(b'h'),
            Written::Array => body.push(b']'),
            Written::Frame => {}
        }
        TEXT
    }
}

/// Appends a message as a frame of its own.
fn send(payload: &Payload, out: &mut SocketBuffer<'_>) {
    // Without an escape the length is that of the text and what is around it.
    out.text_by(payload.len() + "a[\"\"]".len(), |out| {
        out.extend_from_slice(b"a[");
        put_payload(payload, out);
        out.push(b']');
    });
}
