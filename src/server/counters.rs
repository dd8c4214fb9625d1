//! The counters of a server, for those who operate it. Nothing is counted for each message of one session.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{session::reason, sync::lock};

/// The time between two warnings of one code, in milliseconds.
const WARNING_INTERVAL: u64 = 60_000;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) const fn new() -> Self {
        Count(AtomicU64::new(0))
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of one server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) openings: Count,
    pub(crate) resumes: Count,
    /// Requests and connections for sessions that this server does not have, or has no more.
    pub(crate) lost_resumes: Count,
    pub(crate) take_overs: Count,
    pub(crate) handler_panics: Count,
    /// Events that ended with a fault.
    pub(crate) event_faults: Count,
    pub(crate) room_sends: Count,
    /// Messages in queues of STOMP, those included that wait for their acknowledgement.
    pub(crate) queued: AtomicUsize,
    /// Frames of clients of STOMP that were read and not sent on: a queue was full, for example.
    pub(crate) sends_refused: Count,
    /// Messages of queues of STOMP that were delivered too often, or to a client that could not take them.
    pub(crate) queues_dropped: Count,
    pub(crate) skipped: Count,
    /// Sessions that ended because their client was too slow.
    pub(crate) slow: Count,
    /// Sessions that ended because memory or places were short, and the bytes that they held.
    pub(crate) evicted: Count,
    pub(crate) evicted_bytes: Count,
    refusals: Mutex<Refusals>,
}

/// How often each code was the answer, and when it may next be logged.
#[derive(Debug, Default)]
struct Refusals {
    counts: BTreeMap<u16, u64>,
    quiet_until: BTreeMap<u16, u64>,
}

impl Counters {
    /// Counts an opening or a link that was refused. Returns whether it is to be logged as a warning: the
    /// server has too many sessions, or holds too many bytes, and no warning of this was logged for a minute.
    pub(crate) fn refused(&self, now: u64, code: u16) -> bool {
        let mut refusals = lock(&self.refusals);
        *refusals.counts.entry(code).or_default() += 1;
        if ![reason::TOO_MANY_SESSIONS.code, reason::SHORT_OF_MEMORY.code].contains(&code) {
            return false;
        }
        let quiet_until = refusals.quiet_until.entry(code).or_default();
        let due = now >= *quiet_until;
        if due {
            *quiet_until = now + WARNING_INTERVAL;
        }
        due
    }

    pub(crate) fn refusals(&self) -> BTreeMap<u16, u64> {
        lock(&self.refusals).counts.clone()
    }
}

/// Connections that could not be accepted, by all servers of [`serve`](crate::serve) of the process.
pub(crate) static ACCEPT_ERRORS: Count = Count::new();

/// Connections that were closed because there were too many.
pub(crate) static CONNECTIONS_REFUSED: Count = Count::new();

/// Connections that ended because the client took too little of what was written.
pub(crate) static WRITE_TIMEOUTS: Count = Count::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_counted_and_full_servers_are_logged_once_a_minute() {
        let counters = Counters::default();
        assert!(counters.refused(5, 4200) && counters.refused(6, 4201), "each has its own minute");
        assert!(!counters.refused(7, 4200) && !counters.refused(60_004, 4200));
        assert!(counters.refused(60_005, 4200));
        assert!(!counters.refused(0, 4101), "it is the client's");
        assert_eq!(counters.refusals(), BTreeMap::from([(4101, 1), (4200, 4), (4201, 1)]));
    }
}
