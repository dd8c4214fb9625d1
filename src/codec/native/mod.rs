//! The records of the native protocol. PROTOCOL.md beside this folder specifies them.

mod codec;
mod read;
mod write;

#[cfg(test)]
pub(crate) mod tests;

use bytestring::ByteString;

use crate::{
    broadcast::Cell,
    codec::ContentType,
    session::{
        frame::{CloseReason, Frame, Names},
        reason,
    },
};

pub(crate) use codec::NativeCodec;
pub(crate) use read::Reader;
pub(crate) use write::{Writer, write_refusal};

/// The version that this library speaks.
pub(crate) const VERSION: u64 = 1;

/// The largest number of bytes of a record up to its colon: letter, fields and colon.
const MAX_HEAD: usize = 1024;

/// The longest attempt, id or secret.
const MAX_TOKEN: usize = 128;

/// The longest list of names.
const MAX_NAMES: usize = 256;

/// How records are written, which depends on what carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// A body that is a string.
    Text,
    /// A body that is bytes.
    Bytes,
    /// The messages of a WebSocket.
    WebSocket,
}

impl Spelling {
    /// The cell of a broadcast's encoding: records of a body, or whole WebSocket frames. A client that knows no
    /// events has another encoding of them.
    pub(crate) const fn cell(self, events: bool) -> Cell {
        Cell(match (self, events) {
            (Spelling::Text, true) => 0,
            (Spelling::Bytes, true) => 1,
            (Spelling::WebSocket, true) => 2,
            (Spelling::Text, false) => 4,
            (Spelling::Bytes, false) => 5,
            (Spelling::WebSocket, false) => 6,
        })
    }

    /// The length of a text payload: in bytes, or in UTF-16 units where the carrier is a string.
    fn length(self, text: &str) -> u64 {
        if self == Spelling::Bytes || text.is_ascii() { text.len() as u64 } else { text.encode_utf16().count() as u64 }
    }

    pub(crate) const fn content_type(self) -> ContentType {
        match self {
            Spelling::Bytes => ContentType::BYTES,
            Spelling::Text | Spelling::WebSocket => ContentType::TEXT,
        }
    }
}

/// A record that was read.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Frame(Frame),
    Head(Head),
}

/// The first record of a request or of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Open { version: u64, ordinal: u64, attempt: ByteString, names: Names, auth: ByteString },
    Join { version: u64, ordinal: u64, attempt: ByteString },
    Resume { version: u64, ordinal: u64, turn: u64, seen: bool, token: ResumeToken, names: Names },
    Upload { version: u64, token: ResumeToken },
    TakeOver { version: u64, ordinal: u64, instance: ByteString, token: ResumeToken, names: Names },
}

impl Head {
    /// The id of the session that it names, if it names one.
    pub(crate) fn session(&self) -> Option<&str> {
        match self {
            Head::Open { .. } | Head::Join { .. } => None,
            Head::Resume { token, .. } | Head::Upload { token, .. } | Head::TakeOver { token, .. } => Some(&token.id),
        }
    }
}

/// The credentials with which a request enters a session, and the last number that the client has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResumeToken {
    pub(crate) id: ByteString,
    pub(crate) secret: ByteString,
    pub(crate) received: u64,
}

/// Why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Malformed(&'static str),
    /// A message is larger than the limit.
    TooLarge,
}

impl From<Unreadable> for CloseReason {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Malformed(what) => CloseReason::malformed(what),
            Unreadable::TooLarge => reason::TOO_LARGE,
        }
    }
}
