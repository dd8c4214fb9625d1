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
//! A [`Packer`] stands for another spelling of Socket.IO's packets. A binary message is then a packet with its
//! attachments, in both directions, and a text is a violation.
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

use bytes::Bytes;

use super::ContentType;
use crate::{
    broadcast::{Cell, OutMessageRef},
    packet::{Offset, Packet},
    session::frame::CloseReason,
};

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

/// Another spelling of Socket.IO's packets than JSON and attachments: each packet is one binary message.
#[derive(Debug)]
pub(crate) struct Packer {
    /// Reads a message. The packet has at most so many bytes.
    pub(crate) read: fn(&Bytes, usize) -> Result<Packet, CloseReason>,
    pub(crate) write: fn(&Packet) -> Vec<u8>,
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
    /// The messages of a [`Packer`], of which there is one: frames, and packets of a body.
    SocketPacked,
    BodyPacked,
}

/// The content that clients get of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text or bytes.
    Plain,
    /// An event, which may have its offset as its last argument.
    Events(Option<Offset>),
}

impl Kind {
    /// The content of a message for a client that knows events or not, and that gets offsets or not. A message of
    /// the client's own has its offset already.
    pub(super) fn of(message: OutMessageRef<'_>, events: bool, offsets: bool) -> Self {
        match message {
            _ if !events => Kind::Plain,
            OutMessageRef::Shared(broadcast) if offsets => Kind::Events(broadcast.offset()),
            _ => Kind::Events(None),
        }
    }
}

impl Form {
    /// The cell of a broadcast's encoding for clients of this kind.
    pub(super) const fn cell(self, kind: Kind) -> Cell {
        let kind = match kind {
            Kind::Plain => 0,
            Kind::Events(None) => 1,
            Kind::Events(Some(_)) => 2,
        };
        Cell(8 + 3 * self as u8 + kind)
    }
}

/// The reason for input that is not what the protocol says.
fn parse_error(text: &'static str) -> CloseReason {
    CloseReason::malformed(text)
}
