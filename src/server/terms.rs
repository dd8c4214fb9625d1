//! The terms in which the sessions of families of clients differ, besides their codecs.

use crate::session::rules::{Rules, Takes};

/// The rules of a session and the times that differ with them. Times are milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) rules: &'static Rules,
    /// Between two pings.
    pub(crate) interval: u64,
    /// Within this time a ping is answered.
    pub(crate) timeout: u64,
    /// Within this time a link is confirmed.
    pub(crate) confirm_timeout: u64,
    /// For so long a session is kept without a link, and an ended one remembered.
    pub(crate) grace: u64,
    /// The messages that the client can be sent.
    pub(crate) takes: Takes,
}

impl Terms {
    pub(super) fn is(self, other: Self) -> bool {
        let times = |terms: Self| (terms.interval, terms.timeout, terms.confirm_timeout, terms.grace);
        std::ptr::eq(self.rules, other.rules) && times(self) == times(other) && self.takes == other.takes
    }
}
