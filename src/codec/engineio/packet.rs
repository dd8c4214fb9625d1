//! One packet of the client becomes a frame, and a message of the session becomes packets.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::{Kind, LAST_PING, Packer, Revision, WRONG_DIRECTION, parse_error};
use crate::{
    codec::largest::Largest,
    message::{Message, Text},
    payload::Payload,
    session::{
        frame::{CloseReason, Frame},
        reason,
    },
};

/// The type of a message, in a text and before bytes.
pub(super) const MESSAGE: &str = "4";
pub(super) const MESSAGE_BYTE: u8 = 4;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A packet as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Its type, and the text behind that.
    Text(u8, ByteString),
    Binary(Bytes),
}

impl Packet {
    /// A packet of text.
    ///
    /// # Errors
    /// Fails if it is empty, or not UTF-8.
    pub(super) fn text(mut packet: Bytes) -> Result<Self, CloseReason> {
        let kind = *packet.first().ok_or_else(|| parse_error("parse error: an empty packet"))?;
        if kind.is_ascii() {
            // A slice would need an allocation that counts how many there are.
            packet.advance(1);
        }
        let text = ByteString::try_from(packet);
        text.map(|text| Packet::Text(kind, text)).map_err(|_| parse_error("parse error: a text is not UTF-8"))
    }
}

/// A message as it goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// Gives `put` the messages that the content of one number becomes. A client that knows events knows nothing else,
/// and gets a message as the event `message`.
pub(super) fn each_message(payload: &Payload, kind: Kind, packer: Option<&Packer>, mut put: impl FnMut(Content<'_>)) {
    if let Kind::Events(offset) = kind {
        let mut packet = payload.to_event();
        if let Some(offset) = offset {
            packet = Cow::Owned(packet.with_offset(offset));
        }
        if let Some(packer) = packer {
            return put(Content::Binary(&(packer.write)(&packet)));
        }
        put(Content::Text(packet.text()));
        return packet.attachments().iter().for_each(|attachment| put(Content::Binary(attachment)));
    }
    match payload {
        Payload::Message(Message::Text(text)) => put(Content::Text(text)),
        Payload::Message(Message::Binary(bytes)) => put(Content::Binary(bytes)),
        Payload::Event(packet) => put(Content::Text(packet.plain())),
    }
}

/// Whether bytes are among these messages.
pub(super) fn has_bytes(payload: &Payload, kind: Kind) -> bool {
    match payload {
        Payload::Message(message) => message.as_text().is_none(),
        Payload::Event(packet) => kind != Kind::Plain && !packet.attachments().is_empty(),
    }
}

/// Reads packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketReader {
    pub(super) revision: Revision,
    /// The packets are messages of a WebSocket.
    pub(super) socket: bool,
    /// The largest message that is taken.
    pub(super) limit: usize,
    pub(super) largest: Largest,
    /// The spelling of packets in messages of bytes, if that is what messages are.
    pub(super) packer: Option<&'static Packer>,
}

impl PacketReader {
    /// The frame that a packet is; `None` if it means nothing where it came.
    ///
    /// # Errors
    /// Fails if the packet does not follow the grammar, is a ping or pong in the wrong direction, or a message
    /// above the limit.
    pub(super) fn read(&self, packet: Packet) -> Result<Option<Frame>, CloseReason> {
        match packet {
            Packet::Text(kind, text) => self.text(kind, text),
            Packet::Binary(bytes) => self.binary(bytes).map(Some),
        }
    }

    fn text(&self, kind: u8, text: ByteString) -> Result<Option<Frame>, CloseReason> {
        Ok(match kind {
            b'1' => Some(Frame::Close { number: 0, reason: reason::CLOSED }),
            b'2' if self.socket && text == *"probe" => Some(Frame::Probe),
            b'2' if self.revision == Revision::V3 => Some(Frame::Ping { id: LAST_PING, received: None }),
            b'3' if self.revision == Revision::V4 => Some(Frame::Pong { id: LAST_PING, received: 0 }),
            b'2' | b'3' => return Err(CloseReason::malformed(WRONG_DIRECTION)),
            b'4' => {
                self.check(text.len())?;
                if self.packer.is_some() {
                    return Err(parse_error("parse error: a text where packets are bytes"));
                }
                Some(message(Text(self.largest.release_text(text))))
            }
            b'5' if self.socket => Some(Frame::Confirm),
            b'0' | b'6' if self.socket => Some(Frame::Noop),
            b'0' | b'5' | b'6' => None,
            b'b' => Some(self.base64(&text)?),
            _ => return Err(parse_error("parse error: a packet begins with its type")),
        })
    }

    /// A message as base64. Revision 3 states its type before.
    fn base64(&self, mut text: &str) -> Result<Frame, CloseReason> {
        if self.revision == Revision::V3 {
            text = text.strip_prefix(MESSAGE).ok_or_else(|| parse_error("parse error: only messages have bytes"))?;
        }
        // Two of the last four digits may be padding.
        self.check((text.len() / 4 * 3).saturating_sub(2))?;
        let bytes = BASE64.decode(text).map_err(|_| parse_error("parse error: bad base64"))?;
        self.message(bytes.into())
    }

    /// A packet of bytes. Revision 3 states its type before, as a number.
    pub(super) fn binary(&self, mut bytes: Bytes) -> Result<Frame, CloseReason> {
        if self.revision == Revision::V3 {
            if bytes.first() != Some(&MESSAGE_BYTE) {
                return Err(parse_error("parse error: only messages have bytes"));
            }
            bytes.advance(1);
        }
        let bytes = self.largest.release(bytes);
        self.message(bytes)
    }

    fn message(&self, bytes: Bytes) -> Result<Frame, CloseReason> {
        self.check(bytes.len())?;
        match self.packer {
            None => Ok(message(bytes)),
            Some(packer) => {
                let packet = (packer.read)(&bytes, self.limit)?;
                Ok(Frame::Message { number: 0, message: Payload::from(packet).into() })
            }
        }
    }

    fn check(&self, length: usize) -> Result<(), CloseReason> {
        if length > self.limit { Err(reason::TOO_LARGE) } else { Ok(()) }
    }
}

fn message(message: impl Into<Message>) -> Frame {
    Frame::Message { number: 0, message: message.into().into() }
}
