//! How fast a session's messages are taken, where the application has set a limit.

use super::{frame::CloseReason, reason};
use crate::config::RateLimit;

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// A client that was not asked to pause for so many milliseconds is below the limit.
const CALM: u64 = 1_000;

/// The time since which a client is above the limit, while it is not.
const NEVER: u64 = u64::MAX;

/// For so many milliseconds the session's end is the answer to links, with the time after which to come back;
/// from then on the session is gone.
pub(super) const COME_BACK: u64 = 5_000;

/// A token bucket that holds what comes in a second. It keeps when it is full, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    a_second: u64,
    full_at: u64,
}

impl Bucket {
    fn new(a_second: u64) -> Self {
        Bucket { a_second, full_at: 0 }
    }

    /// The time in which so much comes.
    fn time(&self, amount: u64) -> u64 {
        u64::try_from(u128::from(amount) * u128::from(SECOND) / u128::from(self.a_second)).unwrap_or(u64::MAX)
    }

    /// From when on the bucket holds so much, or is full if it never holds as much.
    fn holds_at(&self, amount: u64) -> u64 {
        self.full_at.saturating_sub(SECOND - self.time(amount).min(SECOND))
    }

    fn half_full_at(&self) -> u64 {
        self.full_at.saturating_sub(SECOND / 2)
    }

    /// Takes so much out, although it may not hold it.
    fn take(&mut self, now: u64, amount: u64) {
        self.full_at = self.full_at.max(now).saturating_add(self.time(amount));
    }
}

/// The part of its rate that a session has used, and for how long it is above it.
#[derive(Debug)]
pub(super) struct Rate {
    pub(super) limit: RateLimit,
    messages: Bucket,
    bytes: Bucket,
    /// When the pause ends; after the end of the session, until when it is the answer to links.
    pub(super) until: u64,
    /// When the last pause has ended.
    pub(super) resumed_at: u64,
    /// Since when the client is above the limit.
    over_since: u64,
    pub(super) event: Option<RateEvent>,
}

/// The part of a limit that a session has used, as times from now on, in nanoseconds; and for how many milliseconds the
/// client has been above it, if it is.
#[cfg(any(feature = "cluster", test))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateLeft {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// The pause ends in so many milliseconds.
    pub(super) until: u64,
    pub(super) over_for: Option<u64>,
}

#[cfg(any(feature = "cluster", test))]
impl Rate {
    pub(super) fn left(&self, now: u64) -> RateLeft {
        let nanoseconds = now.saturating_mul(MILLISECOND);
        RateLeft {
            messages: self.messages.full_at.saturating_sub(nanoseconds),
            bytes: self.bytes.full_at.saturating_sub(nanoseconds),
            until: self.until.saturating_sub(now),
            over_for: (self.over_since != NEVER).then(|| now.saturating_sub(self.over_since)),
        }
    }

    /// Goes on where a session of another node was.
    pub(super) fn go_on(&mut self, now: u64, left: RateLeft) {
        let nanoseconds = now.saturating_mul(MILLISECOND);
        self.messages.full_at = nanoseconds.saturating_add(left.messages);
        self.bytes.full_at = nanoseconds.saturating_add(left.bytes);
        self.until = now.saturating_add(left.until);
        self.resumed_at = now;
        self.over_since = left.over_for.map_or(NEVER, |time| now.saturating_sub(time));
    }
}

/// An effect of a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateEvent {
    /// The client is asked to pause.
    Paused,
    /// The session ended, or was closed.
    Ended,
}

/// The first millisecond that is not before this time.
fn millisecond(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(MILLISECOND)
}

impl Rate {
    pub(super) fn new(limit: RateLimit) -> Self {
        let (messages, bytes) = (Bucket::new(limit.messages), Bucket::new(limit.bytes));
        Rate { limit, messages, bytes, until: 0, resumed_at: 0, over_since: NEVER, event: None }
    }

    /// From when on a message of this length is within the limit.
    pub(super) fn fits_at(&self, length: u64) -> u64 {
        millisecond(self.messages.holds_at(1).max(self.bytes.holds_at(length)))
    }

    /// When the client may go on: at once, it would have to pause again for each message.
    pub(super) fn resumes_at(&self, length: u64) -> u64 {
        self.fits_at(length).max(millisecond(self.messages.half_full_at().max(self.bytes.half_full_at())))
    }

    pub(super) fn take(&mut self, now: u64, length: u64) {
        let now = now.saturating_mul(MILLISECOND);
        self.messages.take(now, 1);
        self.bytes.take(now, length);
    }

    /// A message is above the limit. Returns for how long the client has been.
    pub(super) fn over_for(&mut self, now: u64, paused: bool) -> u64 {
        if self.over_since == NEVER || (!paused && now > self.resumed_at + CALM) {
            self.over_since = now;
        }
        now - self.over_since
    }

    /// Why the session ends whose next message has this length.
    pub(super) fn reason(&self, length: u64) -> CloseReason {
        let of_bytes = self.bytes.holds_at(length) > self.messages.holds_at(1);
        let (rate, unit) = if of_bytes { (self.limit.bytes, "bytes") } else { (self.limit.messages, "messages") };
        let seconds = self.limit.patience / 1000;
        CloseReason::new(
            reason::TOO_FAST.code,
            format!("too fast: more than {rate} {unit} a second for {seconds} s (rate_limit)"),
        )
    }
}
