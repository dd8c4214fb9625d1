//! What the two halves of a session say to each other.

use bytestring::ByteString;

use crate::message::OutMessage;

/// The largest number that a message can have: 2^53 - 1, the last integer that JavaScript counts exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Why a session or a link ended: a code and a text for people.
///
/// Codes: 1000 is an ordinary close, 1001 says that the client's page went away, 1011 that the handler panicked, 3000 to 3999 are the application's, 4000 to 4499 are the library's, in
/// classes of a hundred; [`protocol`](crate::protocol), section 7, lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code.
    pub code: u16,
    /// The text; may be empty.
    pub text: ByteString,
}

impl CloseReason {
    /// A reason from a code and a text.
    pub fn new(code: u16, text: impl Into<ByteString>) -> Self {
        CloseReason { code, text: text.into() }
    }

    /// Whether the client's page went away: it was closed, left or loaded again. A best-effort word of the page's; where it does not arrive, the
    /// session ends with the [grace](crate::Builder::grace) time.
    pub fn is_page_gone(&self) -> bool {
        self.code == 1001
    }

    /// A reason with a text that costs no allocation.
    pub(crate) const fn fixed(code: u16, text: &'static str) -> Self {
        CloseReason { code, text: ByteString::from_static(text) }
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// The library's own reasons. The hundreds are the class (PROTOCOL.md, section 7).
pub(crate) mod reason {
    use super::CloseReason;

    pub(crate) const CLOSED: CloseReason = CloseReason::fixed(1000, "");
    pub(crate) const REPLACED: CloseReason = CloseReason::fixed(4000, "replaced by a newer link");
    pub(crate) const DUPLICATE: CloseReason = CloseReason::fixed(4001, "duplicate of a link that is attached");
    pub(crate) const LATE: CloseReason = CloseReason::fixed(4002, "late: a newer link is attached");
    pub(crate) const HEARTBEAT_TIMEOUT: CloseReason = CloseReason::fixed(4003, "heartbeat timeout");
    pub(crate) const MALFORMED: CloseReason = CloseReason::fixed(4004, "malformed");
    pub(crate) const ACK_BEYOND_SENT: CloseReason = CloseReason::fixed(4004, "acknowledges what was never sent");
    pub(crate) const UNEXPECTED: CloseReason = CloseReason::fixed(4004, "not said by this half");
    pub(crate) const TOO_LARGE: CloseReason = CloseReason::fixed(4006, "message too large");
    pub(crate) const NOT_CONFIRMED: CloseReason = CloseReason::fixed(4007, "the link was not proven in time");
    pub(crate) const HELD: CloseReason = CloseReason::fixed(4008, "held back on the way");
    pub(crate) const UNKNOWN: CloseReason = CloseReason::fixed(4100, "unknown session");
    pub(crate) const WRONG_SECRET: CloseReason = CloseReason::fixed(4101, "wrong secret");
    pub(crate) const ATTEMPT_USED: CloseReason = CloseReason::fixed(4102, "this opening has been used");
    pub(crate) const ENDED: CloseReason = CloseReason::fixed(4103, "the session has ended");
    pub(crate) const EXPIRED: CloseReason = CloseReason::fixed(4103, "no link within the grace time");
    pub(crate) const TAKEN_OVER: CloseReason = CloseReason::fixed(4104, "taken over by another page");
    pub(crate) const ABORTED: CloseReason = CloseReason::fixed(4310, "aborted");
    pub(crate) const TOO_SLOW: CloseReason = CloseReason::fixed(4311, "too slow: the outbox is full");
    pub(crate) const EXHAUSTED: CloseReason = CloseReason::fixed(4312, "numbers exhausted");
}

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
