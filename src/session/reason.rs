//! Why sessions and links end: each reason of the library, sorted by code. The hundreds of a code are its
//! class (PROTOCOL.md, section 7).

use bytestring::ByteString;

use crate::config::SlowMember;

/// Why a session or a link ended: a code and a text for people.
///
/// Codes: 1000 is an ordinary close, 1001 means that the client's page went away, 1011 that the handler
/// returned an error or panicked, 3000 to 3999 are the application's, 4000 to 4499 are the library's, in classes
/// of a hundred; [`protocol`](crate::protocol), section 7, lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    pub(crate) code: u16,
    pub(crate) text: ByteString,
}

impl CloseReason {
    /// A reason from a code and a text.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        CloseReason { code, text: text.into().into() }
    }

    /// The code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text for people; may be empty.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the client's page went away: it was closed, left or loaded again. The page sends this as it
    /// goes, and it may not arrive; then the session ends with the [grace](crate::Builder::grace) time.
    pub fn is_page_gone(&self) -> bool {
        self.code == 1001
    }

    /// Whether the session is gone, so that its client opens a new one.
    pub(crate) fn is_session_gone(&self) -> bool {
        self.code / 100 == 41
    }

    /// Why the session of a client ends that is too slow.
    pub(crate) fn of_slow_client(policy: SlowMember) -> Self {
        match policy {
            SlowMember::Stop => TOO_SLOW,
            SlowMember::Reopen | SlowMember::Gap => FELL_BEHIND,
        }
    }

    /// The reason that the client of a session which is gone learns, of which only the code is known.
    pub(crate) fn of_ended(code: u16) -> Self {
        match code / 100 {
            41 | 43 => CloseReason { code, ..ENDED },
            _ => ENDED,
        }
    }

    /// Whether a client may close with this code: the others are the server's, RFC 6455's or nobody's.
    pub(super) fn may_come_from_a_client(&self) -> bool {
        matches!(self.code, 1000 | 1001 | 3000..=3999)
    }

    /// A violation of the protocol; the text describes it.
    pub(crate) fn malformed(text: &'static str) -> Self {
        CloseReason::fixed(MALFORMED.code, text)
    }

    /// A reason with a text that costs no allocation.
    const fn fixed(code: u16, text: &'static str) -> Self {
        CloseReason { code, text: ByteString::from_static(text) }
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// Declares a code, its status on HTTP, and the reasons that have it with their texts.
macro_rules! reasons {
    ($($code:literal = $status:literal { $($name:ident: $text:literal,)+ })+) => {
        $($(pub(crate) const $name: CloseReason = CloseReason::fixed($code, $text);)+)+

        /// Each code of the library and its status on HTTP.
        pub(super) const CODES: &[(u16, u16)] = &[$(($code, $status)),+];
    };
}

// A code from 1002 to 1010 is RFC 6455's and occurs only on a bare WebSocket; all others are in PROTOCOL.md's
// table.
reasons! {
    1000 = 410 { CLOSED: "", }
    1001 = 410 { GOING_AWAY: "the server is going away", }
    1002 = 400 { BAD_FRAMING: "broken WebSocket framing", }
    1003 = 400 { WRONG_KIND: "a message of a kind that is not accepted here", }
    1005 = 410 { NO_STATUS: "", }
    1006 = 410 { CUT: "the connection was cut", }
    1007 = 400 { NOT_UTF8: "text that is not UTF-8", }
    1009 = 413 { TOO_BIG: "message too large", }
    1011 = 410 {
        HANDLER_PANICKED: "the handler panicked",
        HANDLER_FAILED: "the handler failed",
    }

    4000 = 409 {
        REPLACED: "replaced by a newer link",
        MOVED: "the client goes on with the session that it had before",
    }
    4001 = 409 {
        DUPLICATE: "duplicate of a link that is attached",
        OVERLAP: "a request while another one of its kind waits",
    }
    4002 = 409 { LATE: "late: a newer link is attached", }
    4003 = 409 { HEARTBEAT_TIMEOUT: "heartbeat timeout", }
    4004 = 400 {
        MALFORMED: "malformed",
        BAD_STOMP: "a frame of STOMP that cannot be obeyed",
        NO_CLOSE_CODE: "a client closes with 1000, 1001 or 3000 to 3999",
        ACK_BEYOND_SENT: "acknowledges what was never sent",
        UNEXPECTED: "not sent by this half",
        WRONG_HEAD: "not the head record of this request",
        AUTH_IN_URL: "auth data must not stand in a URL: open by a POST",
        BODY_BROKEN: "the body broke off",
        NO_DATA: "no data",
        FORM_NOT_ENCODED: "a form's data must be percent-encoded: forms change the ends of lines",
        BAD_CALLBACK: "no callback, or not a name of letters, digits and _",
        SHORT_ATTEMPT: "an attempt id has at least 20 characters, drawn at random",
        BAD_CHUNK: "a chunk of an upload has part, upload, session and secret",
        CHUNK_OUT_OF_ORDER: "not the next chunk of this upload",
        NO_UPGRADE: "this connection cannot upgrade",
    }
    4005 = 409 { SHUT_DOWN: "the server is going away", }
    4006 = 413 {
        TOO_LARGE: "message too large",
        BODY_TOO_LARGE: "body too large",
        OPENING_TOO_LARGE: "an opening has at most 96 KiB",
        AUTH_TOO_LARGE: "auth data have at most 64 KiB",
        FIRST_FLIGHT_TOO_LARGE: "an opening brings at most 16 KiB of messages",
        CHUNKS_TOO_LARGE: "the chunks are too large together",
    }
    4007 = 408 {
        NOT_CONFIRMED: "the link was not confirmed in time",
        TOOK_TOO_LONG: "took too long",
        NOT_OPENED: "no opening with this attempt id came",
        NO_NAMESPACE: "no namespace was opened in time",
        NO_CONNECT: "no CONNECT came in time",
        ATTACHMENT_MISSING: "an attachment of a packet did not come in time",
    }
    4008 = 409 { HELD: "held back on the way", }
    4009 = 409 { OPEN_BY_HTTP: "open by HTTP first: a WebSocket does not prove whose page this is", }

    4010 = 404 { NOT_SERVED: "this transport is not served here", }

    4100 = 410 { UNKNOWN: "unknown session", }
    4101 = 410 {
        WRONG_SECRET: "wrong secret",
        NOT_AUTHORIZED: "the login of this session does not hold any more",
    }
    4102 = 410 {
        ATTEMPT_USED: "this opening has been used",
        ANOTHER_OPENER: "opened with other cookies or another Authorization: open anew, by one transport at a time",
    }
    4103 = 410 {
        ENDED: "the session has ended",
        EXPIRED: "no link within the grace time",
        UNUSED: "the session was opened and not used, and others needed its place (max_sessions)",
    }
    4104 = 410 { TAKEN_OVER: "taken over by another page", }
    4105 = 410 {
        FELL_BEHIND: "fell behind: the outbox is full",
        STALLED: "fell behind: nothing of the outbox was acknowledged for too long",
        EVICTED: "held too much that was not acknowledged: all sessions together hold max_bytes",
    }
    4106 = 410 { LOGIN_EXPIRED: "the login has expired", }

    4200 = 503 { TOO_MANY_SESSIONS: "as many sessions as there may be (max_sessions)", }
    4201 = 503 { SHORT_OF_MEMORY: "short of memory: all sessions together hold too much of max_bytes", }
    4202 = 503 {
        DRAINING: "the server is going away",
        UNREACHABLE: "the session's node cannot be reached; come back",
        MOVING: "the session moves to another node; come back",
        NOT_HERE: "another node was asked for an opening that it does not know",
    }
    4203 = 503 { TOO_FAST: "too fast: more than the rate limit allows (rate_limit)", }

    4300 = 403 {
        ORIGIN_REFUSED: "this origin may not open sessions here",
        NO_ORIGIN: "no Origin header: the server must allow programs, with Origins::and_programs",
    }
    4301 = 403 { REJECTED: "rejected", }
    4310 = 410 { ABORTED: "aborted", }
    4311 = 410 {
        TOO_SLOW: "too slow: the outbox is full",
        CLOSE_UNANSWERED: "too slow: the close was not acknowledged",
    }
    4312 = 410 { EXHAUSTED: "numbers exhausted", }

    4400 = 400 { VERSION_NOT_SPOKEN: "protocol version not spoken", }
}

/// The HTTP status of a refusal with this code. A session that has ended with a code of its application is
/// gone.
pub(crate) fn status_of(code: u16) -> u16 {
    CODES.iter().find(|(known, _)| *known == code).map_or(410, |(_, status)| *status)
}
