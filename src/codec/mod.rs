//! Codecs: frames become bytes, and bytes become frames. Pure. Each family of clients has a file or a folder.

mod close_codes;
#[allow(dead_code, unused_imports, reason = "its route comes with another change")]
pub(crate) mod engineio;
mod largest;
pub(crate) mod native;
pub(crate) mod raw;
pub(crate) mod sockjs;
mod standard;
#[cfg(test)]
mod tests;
pub(crate) mod websocket_frames;

use bytes::Bytes;

use self::websocket_frames::SocketBuffer;
use crate::session::frame::{CloseReason, Frame, Outbound};

/// How one family of clients reads and writes frames. A value lives as long as its link and counts what it
/// must.
pub(crate) trait Codec: Send + 'static {
    /// Takes the next frame off `input`, which is a body or a text message of a WebSocket. Returns `None` and
    /// leaves `None` behind when the input is used up.
    fn read(&mut self, input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason>;

    /// The frame that a binary message of a WebSocket is or completes, if it does.
    fn read_binary(&mut self, payload: Bytes) -> Result<Option<Frame>, CloseReason>;

    /// The bytes of a frame of which messages of the WebSocket are still to come.
    fn partial(&self) -> usize {
        0
    }

    /// The frame that stands for a ping of the client, if the session must know of it. The transport
    /// answers the ping in any case.
    fn read_ping(&mut self, _payload: &[u8]) -> Option<Frame> {
        None
    }

    /// The frame that stands for a pong of the client, if the session must know of it.
    fn read_pong(&mut self, _payload: &[u8]) -> Option<Frame> {
        None
    }

    /// Appends a frame as messages of a WebSocket.
    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>);

    /// The reason that a client of this family is given for a violation that the transport found.
    fn violation(violation: Violation) -> CloseReason;

    /// The reason as a close frame of a WebSocket carries it.
    fn close_reason(reason: CloseReason) -> CloseReason {
        reason
    }
}

/// A family that HTTP carries too, in the bodies of polls and streams.
pub(crate) trait BodyCodec: Codec {
    /// Appends a frame to a body.
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>);

    /// Whether nothing may follow in this body, or this flush of a stream: its client reads one unit of each.
    fn is_full(&self) -> bool {
        false
    }

    /// Completes a body, or one flush of a stream, when all its frames are written.
    fn finish(&mut self, body: &mut Vec<u8>) -> ContentType;
}

/// The value of a `Content-Type` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentType(pub(crate) &'static str);

impl ContentType {
    pub(crate) const TEXT: Self = ContentType("text/plain; charset=utf-8");
    pub(crate) const BYTES: Self = ContentType("application/octet-stream");
}

/// A violation that a transport can find in what a WebSocket's client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The framing of RFC 6455 is broken.
    Framing,
    /// A text is not UTF-8.
    NotUtf8,
    /// A message or a frame is larger than the limit.
    TooLarge,
    /// A message is not of the kind, text or binary, that must come here.
    WrongKind,
}
