//! The parts that codecs share which leave pings, pongs and closes to RFC 6455.

use super::Violation;
use crate::session::{
    frame::{CloseReason, Frame},
    reason,
};

/// Stands for a ping, and for a pong that answers none of ours: they mean only that the client lives.
pub(super) const SIGN_OF_LIFE: Frame = Frame::Ack { received: 0 };

/// The frame that a pong is. The payload of our pings is their id in decimal digits.
pub(super) fn pong(payload: &[u8]) -> Frame {
    let id = std::str::from_utf8(payload).ok().and_then(|digits| digits.parse().ok());
    id.map_or(SIGN_OF_LIFE, |id| Frame::Pong { id, received: 0 })
}

pub(super) fn violation(violation: Violation) -> CloseReason {
    match violation {
        Violation::Framing => reason::BAD_FRAMING,
        Violation::WrongKind => reason::WRONG_KIND,
        Violation::NotUtf8 => reason::NOT_UTF8,
        Violation::TooLarge => reason::TOO_BIG,
    }
}
