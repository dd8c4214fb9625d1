//! What the two halves of a session say to each other.

use bytestring::ByteString;

pub use super::reason::CloseReason;
use crate::message::OutMessage;

/// The largest number that a message can have: 2^53 - 1, the last integer that JavaScript counts exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What one half says to the other on a link.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The server's answer to an attach.
    Attached(Attached),
    Message {
        number: u64,
        message: OutMessage,
    },
    /// These numbers will not come.
    Gap {
        from: u64,
        to: u64,
    },
    Ack {
        received: u64,
    },
    /// Acknowledge now, please.
    AckRequest,
    /// The inbox is full.
    Pause {
        received: u64,
        epoch: u64,
    },
    /// Ends the hold of this epoch and those before it.
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
    /// The start on this link was received.
    Confirm,
    Close {
        number: u64,
        reason: CloseReason,
    },
    /// The server is going away; come back after this many milliseconds.
    GoAway {
        delay: u64,
    },
    /// Begin the next turn this many milliseconds after the end of this one. The codec reads and writes it; the machine never says it.
    PollDelay {
        delay: u64,
    },
    /// So much padding, to be ignored: it pushes what was said before it through whatever keeps it back.
    Padding {
        length: u64,
    },
    /// The link ends; the reason's class says whether the session does too.
    LinkClose(CloseReason),
}

/// The first frame of a link that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) outcome: Outcome,
    pub(crate) received: u64,
    /// Told once, when the session opens. The server's machine leaves it empty; its carrier fills it in.
    pub(crate) grant: Option<Box<Grant>>,
}

/// What became of the session at an attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The session goes on and nothing is missing.
    Full,
    /// This is a new session.
    New,
}

/// What the server grants with a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: ByteString,
    pub(crate) secret: ByteString,
    pub(crate) params: SessionParams,
}

/// The parameters of a server's sessions, which the client must know. Times in milliseconds, sizes in bytes.
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
