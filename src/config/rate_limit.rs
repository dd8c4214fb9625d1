//! How much one session may send in a second.

use std::time::Duration;

use bytestring::ByteString;

use super::values::{check_close_code, millis};

/// How many messages and bytes a client may send in a session. See [`rate_limit`](crate::Builder::rate_limit).
///
/// Each is a token bucket that holds what comes in one second: after a pause so much may come at once. Beyond it
/// the client is asked to pause, and what it has sent meanwhile is not taken, so that it sends that again when
/// the pause ends: nothing is lost, and the handler receives no more than the rate. A client whose pauses follow
/// each other within a second, for longer than [`patience`](Self::patience), loses its session.
///
/// ```
/// use std::time::Duration;
/// use anywire::RateLimit;
///
/// let limit = RateLimit::none().messages(100).bytes(1 << 20).patience(Duration::from_secs(30));
/// # let _ = limit;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RateLimit {
    /// A second; `u64::MAX` if there is no limit.
    pub(crate) messages: u64,
    /// A second; `u64::MAX` if there is no limit.
    pub(crate) bytes: u64,
    /// Milliseconds.
    pub(crate) patience: u64,
    /// The code and the text with which the session closes. Without them it ends with 4203.
    pub(crate) close: Option<(u16, ByteString)>,
}

impl RateLimit {
    /// No limits yet.
    pub fn none() -> Self {
        RateLimit { messages: u64::MAX, bytes: u64::MAX, patience: 10_000, close: None }
    }

    /// Sets the number of messages a second. A range of messages that the client dropped counts as one. 0 counts
    /// as 1. Default: no limit.
    pub fn messages(mut self, a_second: u32) -> Self {
        self.messages = u64::from(a_second.max(1));
        self
    }

    /// Sets the number of bytes of messages a second. A message of more than that comes when nothing came for a
    /// second, and the next ones wait for as long as it takes at this rate. 0 counts as 1. Default: no limit.
    pub fn bytes(mut self, a_second: usize) -> Self {
        self.bytes = (a_second as u64).max(1);
        self
    }

    /// Sets the time for which a client may be above the limit. It is above it from one pause on until it was
    /// not asked to pause for a second. Then the session ends with 4203, and its client opens a new one after a
    /// wait; or as [`close`](Self::close) says. With [`Duration::ZERO`] it ends at the first message above the
    /// limit, with [`Duration::MAX`] never. Default: 10 s.
    ///
    /// A client that has gathered messages while it had no connection sends them as fast as the limit lets it.
    /// Give it the time for that.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = millis(patience);
        self
    }

    /// Closes the session of a client that was above the limit for too long as
    /// [`Session::close`](crate::Session::close) does, so that the client does not come back by itself. Default:
    /// it ends with 4203.
    ///
    /// # Panics
    /// Panics if the code is neither 1000 nor one of your own from 3000 to 3999.
    pub fn close(mut self, code: u16, text: impl Into<String>) -> Self {
        check_close_code(code);
        self.close = Some((code, text.into().into()));
        self
    }
}
