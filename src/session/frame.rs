//! The frames that the two halves of a session send each other.

use bytestring::ByteString;

pub use super::reason::CloseReason;
use crate::broadcast::OutMessage;

/// The largest number of a message: 2^53 - 1, the last integer that JavaScript counts exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// A unit that one half sends to the other on a link.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The server's answer to an attach.
    Attached(Attached),
    Message {
        number: u64,
        message: OutMessage,
    },
    /// These numbers were dropped and will not come.
    Gap {
        from: u64,
        to: u64,
    },
    Ack {
        received: u64,
    },
    /// The other half must acknowledge now.
    AckRequest,
    /// The inbox is full: nothing is taken until it resumes.
    Pause {
        received: u64,
        epoch: u64,
    },
    /// Ends the pause of this epoch and those before it.
    Resume {
        received: u64,
        epoch: u64,
    },
    Ping {
        id: u64,
    },
    Pong {
        id: u64,
        received: u64,
    },
    /// The client has received the answer to its attach on this link.
    Confirm,
    Close {
        number: u64,
        reason: CloseReason,
    },
    /// The server is going away. The client makes a new link after this many milliseconds.
    GoAway {
        delay: u64,
    },
    /// The client begins its next turn this many milliseconds after the end of this one. Codecs read and
    /// write it; the machine never sends it.
    PollDelay {
        delay: u64,
    },
    /// Bytes to be ignored. They push what was sent before them through whatever holds it back.
    Padding {
        length: u64,
    },
    /// The link ends. The class of the reason determines whether the session ends too.
    LinkClose(CloseReason),
}

/// A frame that a link sends next. A message is borrowed, since it stays in the outbox.
#[derive(Debug)]
pub(crate) enum Outbound<'a> {
    Message { number: u64, message: &'a OutMessage },
    Frame(Frame),
}

impl Outbound<'_> {
    pub(crate) fn into_frame(self) -> Frame {
        match self {
            Outbound::Message { number, message } => Frame::Message { number, message: message.clone() },
            Outbound::Frame(frame) => frame,
        }
    }
}

/// The first frame of a link that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) outcome: Outcome,
    pub(crate) received: u64,
    /// It is sent once, when the session opens. The server's machine leaves it empty, and its transport fills
    /// it in.
    pub(crate) grant: Option<Box<Grant>>,
}

/// The result of an attach for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The session goes on and nothing is missing.
    Full,
    /// This is a new session.
    New,
}

/// The id, the secret and the parameters that the server grants with a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: ByteString,
    pub(crate) secret: ByteString,
    pub(crate) params: SessionParams,
}

/// The parameters of a server's sessions that the client must know. Times are milliseconds, sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionParams {
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    pub(crate) grace: u64,
    /// The largest message.
    pub(crate) limit: u64,
    /// The largest body of an upload.
    pub(crate) batch: u64,
    /// The longest time for which a poll waits.
    pub(crate) hold: u64,
}
