//! Ends sessions when all of them together hold more than `max_bytes`.

use std::sync::{Arc, atomic::Ordering};

use super::{core::Core, eviction::sort};
use crate::{
    hub::Member,
    session::{CloseReason, reason},
};

/// Sessions end until all of them hold at most three quarters of the limit: new ones may open again then.
const TARGET: (usize, usize) = (3, 4);

/// New sessions may open while all sessions hold at most four fifths of the limit. The rest is reserved for
/// those that exist.
const NEWCOMERS: (usize, usize) = (4, 5);

/// A session that has made no progress for so many milliseconds ends for the sake of a new one.
const STALLED: u64 = 15_000;

/// When too little could be freed, the next try is after so many milliseconds.
const RETRY: u64 = 200;

fn part_of(limit: usize, (part, whole): (usize, usize)) -> usize {
    limit / whole * part
}

impl Core {
    /// Ends the sessions that hold most if all sessions together hold too much. Returns when to call again,
    /// if that was not enough. It must not be called under a lock.
    pub(crate) fn relieve(&self) -> Option<u64> {
        self.runtime.pool().is_over().then(|| self.evict(0))?
    }

    /// Fails if what exists may not take more memory now.
    pub(crate) fn admit_more(&self) -> Result<(), CloseReason> {
        self.relieve();
        if self.runtime.pool().is_over() { Err(reason::SHORT_OF_MEMORY) } else { Ok(()) }
    }

    /// Whether new sessions may open. Sessions that make no progress end for their sake.
    pub(super) fn has_room_for_newcomers(&self) -> bool {
        let pool = self.runtime.pool();
        let full = || pool.bytes() > part_of(pool.limit(), NEWCOMERS);
        if full() {
            self.evict(STALLED);
        }
        !full()
    }

    /// Ends sessions that have made no progress for so long, until there is room. Returns when to try again
    /// if there is not enough.
    fn evict(&self, stalled: u64) -> Option<u64> {
        let not_before = &self.eviction.not_before[usize::from(stalled > 0)];
        let (now, next) = (self.runtime.clock().now(), not_before.load(Ordering::Relaxed));
        if now < next {
            return Some(next);
        }
        if self.eviction.searching.swap(true, Ordering::Acquire) {
            return None; // The one who searches finds for all.
        }
        let pool = self.runtime.pool();
        let target = part_of(pool.limit(), TARGET);
        // Of those whose client is away few come back.
        while stalled == 0 && pool.bytes() > target && self.end_parked() {}
        let weighed = |member: Arc<Member>| Some((member.shared.weigh()?, member));
        let mut sessions: Vec<_> = self.hub.all().into_iter().filter_map(weighed).collect();
        sort(&mut sessions, pool.floor(), stalled);
        let (mut ended, mut freed, mut later) = (0, 0, 0);
        for (weight, member) in sessions {
            if pool.bytes().saturating_sub(later) <= target {
                break;
            }
            member.shared.evict(reason::EVICTED);
            (ended, freed, later) = (ended + 1, freed + weight.bytes, later + weight.later);
        }
        self.counters.evicted.add(ended);
        self.counters.evicted_bytes.add(freed);
        if ended > 0 && self.may_warn() {
            tracing::warn!(ended, freed, "all sessions together held max_bytes: those that held most have ended");
        }
        let retry = (pool.bytes() > target).then_some(now + RETRY);
        not_before.store(retry.unwrap_or(0), Ordering::Relaxed);
        self.eviction.searching.store(false, Ordering::Release);
        retry
    }
}
