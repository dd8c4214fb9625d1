//! Why sessions and links end: each reason of the library, sorted by code. The hundreds of a code are its class (PROTOCOL.md,
//! section 7).

use bytestring::ByteString;

/// Why a session or a link ended: a code and a text for people.
///
/// Codes: 1000 is an ordinary close, 1001 means that the client's page went away, 1011 that the handler panicked, 3000 to 3999 are the
/// application's, 4000 to 4499 are the library's, in classes of a hundred; [`protocol`](crate::protocol), section 7, lists them.
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

    /// Whether the client's page went away: it was closed, left or loaded again. The page sends this as it goes, and it may not arrive; then the
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

/// Declares a code, and the reasons that have it with their texts.
macro_rules! reasons {
    ($($code:literal { $($name:ident: $text:literal,)+ })+) => {
        $($(pub(crate) const $name: CloseReason = CloseReason::fixed($code, $text);)+)+
    };
}

reasons! {
    1000 { CLOSED: "", }
    1001 { GOING_AWAY: "the server is going away", }
    1006 { CUT: "the connection was cut", }
    4000 { REPLACED: "replaced by a newer link", }
    4001 { DUPLICATE: "duplicate of a link that is attached", }
    4002 { LATE: "late: a newer link is attached", }
    4003 { HEARTBEAT_TIMEOUT: "heartbeat timeout", }
    4004 {
        MALFORMED: "malformed",
        ACK_BEYOND_SENT: "acknowledges what was never sent",
        UNEXPECTED: "not said by this half",
    }
    4006 { TOO_LARGE: "message too large", }
    4007 { NOT_CONFIRMED: "the link was not proven in time", }
    4008 { HELD: "held back on the way", }
    4100 { UNKNOWN: "unknown session", }
    4101 { WRONG_SECRET: "wrong secret", }
    4102 { ATTEMPT_USED: "this opening has been used", }
    4103 {
        ENDED: "the session has ended",
        EXPIRED: "no link within the grace time",
    }
    4104 { TAKEN_OVER: "taken over by another page", }
    4310 { ABORTED: "aborted", }
    4311 { TOO_SLOW: "too slow: the outbox is full", }
    4312 { EXHAUSTED: "numbers exhausted", }
}
