//! Engine.IO, revisions 3 and 4: the server's half. One packet is one frame of a session.
//!
//! | packet | from the client | from the server |
//! |---|---|---|
//! | `0` open | ignored | [`OpenPacket`], which the route writes |
//! | `1` close | [`Frame::Close`] | [`Frame::Close`], [`Frame::LinkClose`]; a WebSocket is closed by RFC 6455's frame instead |
//! | `2` ping | revision 3: [`Frame::Ping`]; revision 4: a violation | revision 4: [`Frame::Ping`] |
//! | `3` pong | revision 4: [`Frame::Pong`]; revision 3: a violation | revision 3: [`Frame::Pong`] |
//! | `2probe`, `3probe` | [`Frame::Probe`] on a WebSocket | [`Frame::Probe`] |
//! | `4` message | [`Frame::Message`] | a message; an event, see below |
//! | `5` upgrade | [`Frame::Confirm`] on a WebSocket | never |
//! | `6` noop | [`Frame::Noop`] on a WebSocket | [`Frame::Noop`], and a body that would be empty |
//!
//! Nothing is numbered: messages have the number 0. To a client of plain Engine.IO a message is a message, and an
//! event the text of its list. A client that knows events is one of Socket.IO, and knows nothing else: an event is
//! its packet, with the attachments behind it as binary messages, and a message is the event `message`. All packets
//! that come are messages, those of Socket.IO too: its attachments may come on another link than their head.
//!
//! The rest differs by revision and carrier:
//!
//! | | revision 3 | revision 4 |
//! |---|---|---|
//! | body | `payload3.rs`: a length before each packet | `payload4.rs`: U+001E between packets |
//! | bytes in a body | as they are, or `b4` and base64 | `b` and base64 |
//! | bytes on a WebSocket | the byte 4 and the message | the message |
//!
//! A text that has U+001E cannot be a text in a body of revision 4: the client would take it for two packets.
//! It is written as the binary message of its UTF-8 there, so that it arrives whole. JSON texts never have it.
//!
//! Source: engine.io-protocol, revisions 3 and 4, and what the reference server and its clients send.

mod codec;
mod form;
mod open;
mod packet;
mod payload3;
mod payload4;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use codec::EngineCodec;
pub(crate) use form::form_payload;
pub(crate) use open::OpenPacket;

use super::ContentType;
use crate::{broadcast::Cell, session::frame::CloseReason};

#[cfg(doc)]
use crate::session::frame::Frame;

/// The type of a body of texts, in the reference server's letters.
pub(crate) const TEXT: ContentType = ContentType("text/plain; charset=UTF-8");

/// The id of a pong: it answers the last ping, whose id it does not have.
pub(crate) const LAST_PING: u64 = u64::MAX;

/// A client sends what only the server may: revision 4's pings, revision 3's pongs.
pub(crate) const WRONG_DIRECTION: &str = "invalid heartbeat direction";

/// The version of the protocol that a client asks for, the parameter `EIO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    V3,
    V4,
}

/// The carrier of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A packet is a message of a WebSocket.
    WebSocket,
    /// The packets of a request or an answer are a payload.
    Body {
        /// Revision 3: the client reads no bytes, since it said `b64=1` or polls by scripts. What it sends is
        /// read in either form.
        base64: bool,
    },
}

/// The form of an encoding that the clients of a broadcast share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Frames of a WebSocket. Without bytes both revisions write the same, and share revision 4's.
    Socket3,
    Socket4,
    /// Packets of a body.
    Text3,
    Bytes3,
    Body4,
}

impl Form {
    /// The cell of a broadcast's encoding. `events` means that the clients know events.
    pub(super) const fn cell(self, events: bool) -> Cell {
        Cell(8 + 2 * self as u8 + events as u8)
    }
}

/// The reason for input that is not what the protocol says.
fn parse_error(text: &'static str) -> CloseReason {
    CloseReason::malformed(text)
}
