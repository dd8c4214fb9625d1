//! How long the path may be silent: learned from links that were cut after about the same silence, several
//! times in succession.

use std::num::NonZeroU32;

/// A cut after less silence than this proves nothing about the path, except for a poll, which is silent while
/// it waits.
const SILENCE: u64 = 1000;
const POLL_SILENCE: u64 = 200;

/// This many cuts in succession after about the same silence are no coincidence.
const RULE: u8 = 3;

/// Where a poll may not even wait this long, it is better not to wait at all.
const SHORTEST_WAIT: u64 = 500;

/// After this time the limit is doubted: the device may have moved to another network. Where the limit still
/// holds, one more cut confirms it.
const DOUBT: u64 = 10 * 60 * 1000;

/// The idle limit of a client's path. Times are milliseconds.
#[derive(Debug)]
pub(super) struct IdleLimit {
    /// No link is silent for longer; half of the silence after which links are cut.
    learned: u32,
    doubt_at: u64,
    /// The silence of the last cut that counts, and how many cuts in succession were similar.
    last_cut: u32,
    similar_cuts: u8,
    /// The ordinal of the link that was cut last, and how long it had been silent, until it is known whether
    /// the client cut it.
    unexplained: Option<(u64, NonZeroU32)>,
}

/// A limit that was learned, and the milliseconds after which it is doubted.
#[cfg(any(feature = "cluster", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LearnedLimit {
    pub(super) limit: u32,
    pub(super) doubt_in: u64,
}

#[cfg(any(feature = "cluster", test))]
impl IdleLimit {
    /// The limit, if one was learned.
    pub(super) fn learned(&self, now: u64) -> Option<LearnedLimit> {
        let (limit, doubt_in) = (self.learned, self.doubt_at.saturating_sub(now));
        (limit < u32::MAX).then_some(LearnedLimit { limit, doubt_in })
    }

    /// The same path has had this limit for another machine.
    pub(super) fn learn(&mut self, now: u64, learned: LearnedLimit) {
        (self.learned, self.doubt_at) = (learned.limit, now.saturating_add(learned.doubt_in.min(DOUBT)));
    }
}

impl IdleLimit {
    pub(super) fn new() -> Self {
        IdleLimit { learned: u32::MAX, doubt_at: 0, last_cut: 0, similar_cuts: 0, unexplained: None }
    }

    /// A link that carried has gone before its end, after this silence. Whether it counts is known when the
    /// next link comes.
    pub(super) fn cut(&mut self, ordinal: u64, silence: u64, polling: bool) {
        let Some(after) = u32::try_from(silence).ok().and_then(NonZeroU32::new) else { return };
        if silence >= if polling { POLL_SILENCE } else { SILENCE } {
            self.unexplained = Some((ordinal, after));
        }
    }

    /// A link comes. A client that goes on with the next turn of the link that has gone has ended that link
    /// itself, as when it was woken; a client whose link was cut makes another one.
    pub(super) fn attached(&mut self, now: u64, ordinal: u64) {
        if let Some((_, after)) = self.unexplained.take().filter(|(cut, _)| ordinal > *cut) {
            let after = after.get();
            let is_similar = after.abs_diff(self.last_cut) < after / 5;
            self.similar_cuts = if is_similar { self.similar_cuts.saturating_add(1) } else { 1 };
            self.last_cut = after;
            if self.similar_cuts >= RULE {
                self.learned = self.learned.min(after / 2);
                self.doubt_at = now + DOUBT;
            }
        } else if now >= self.doubt_at {
            self.learned = self.learned.saturating_mul(2);
            self.doubt_at = now + DOUBT;
        }
    }

    /// Another page has taken the session over, so the cut was its predecessor's end.
    pub(super) fn forget_cut(&mut self) {
        self.unexplained = None;
    }

    /// How long a link may be silent, as far as is known.
    pub(super) fn get(&self) -> u64 {
        u64::from(self.learned)
    }

    /// Whether the path keeps no idle request open, so that polls must not wait at all.
    pub(super) fn is_zero(&self) -> bool {
        self.get() < SHORTEST_WAIT
    }
}
