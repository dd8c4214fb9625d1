//! How long the path may be silent: learned from links that were cut after about the same silence, several
//! times in succession.

use std::num::NonZeroU32;

use crate::seldom::Seldom;

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

/// The idle limit of a client's path. Times are milliseconds. Nothing is known of a path whose links were never cut.
#[derive(Debug, Default)]
pub(super) struct IdleLimit(Seldom<Learned>);

#[derive(Debug)]
struct Learned {
    /// No link is silent for longer; half of the silence after which links are cut.
    limit: u32,
    doubt_at: u64,
    /// The silence of the last cut that counts, and how many cuts in succession were similar.
    last_cut: u32,
    similar_cuts: u8,
    /// The ordinal of the link that was cut last, and how long it had been silent, until it is known whether
    /// the client cut it.
    unexplained: Option<(u64, NonZeroU32)>,
}

impl Default for Learned {
    fn default() -> Self {
        Learned { limit: u32::MAX, doubt_at: 0, last_cut: 0, similar_cuts: 0, unexplained: None }
    }
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
        let learned = self.0.get().filter(|learned| learned.limit < u32::MAX)?;
        Some(LearnedLimit { limit: learned.limit, doubt_in: learned.doubt_at.saturating_sub(now) })
    }

    /// The same path has had this limit for another machine.
    pub(super) fn learn(&mut self, now: u64, learned: LearnedLimit) {
        let LearnedLimit { limit, doubt_in } = learned;
        *self.0.make() = Learned { limit, doubt_at: now.saturating_add(doubt_in.min(DOUBT)), ..Learned::default() };
    }
}

impl IdleLimit {
    /// A link that carried has gone before its end, after this silence. Whether it counts is known when the
    /// next link comes.
    pub(super) fn cut(&mut self, ordinal: u64, silence: u64, polling: bool) {
        let Some(after) = u32::try_from(silence).ok().and_then(NonZeroU32::new) else { return };
        if silence >= if polling { POLL_SILENCE } else { SILENCE } {
            self.0.make().unexplained = Some((ordinal, after));
        }
    }

    /// A link comes. A client that goes on with the next turn of the link that has gone has ended that link
    /// itself, as when it was woken; a client whose link was cut makes another one.
    pub(super) fn attached(&mut self, now: u64, ordinal: u64) {
        let Some(learned) = self.0.get_mut() else { return };
        if let Some((_, after)) = learned.unexplained.take().filter(|(cut, _)| ordinal > *cut) {
            let after = after.get();
            let is_similar = after.abs_diff(learned.last_cut) < after / 5;
            learned.similar_cuts = if is_similar { learned.similar_cuts.saturating_add(1) } else { 1 };
            learned.last_cut = after;
            if learned.similar_cuts >= RULE {
                learned.limit = learned.limit.min(after / 2);
                learned.doubt_at = now + DOUBT;
            }
        } else if now >= learned.doubt_at {
            learned.limit = learned.limit.saturating_mul(2);
            learned.doubt_at = now + DOUBT;
        }
    }

    /// Another page has taken the session over, so the cut was its predecessor's end.
    pub(super) fn forget_cut(&mut self) {
        if let Some(learned) = self.0.get_mut() {
            learned.unexplained = None;
        }
    }

    /// How long a link may be silent, as far as is known.
    pub(super) fn get(&self) -> u64 {
        self.0.get().map_or(u32::MAX, |learned| learned.limit).into()
    }

    /// Whether the path keeps no idle request open, so that polls must not wait at all.
    pub(super) fn is_zero(&self) -> bool {
        self.get() < SHORTEST_WAIT
    }
}
