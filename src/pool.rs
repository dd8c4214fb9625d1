//! The bytes that the sessions of a server hold together. What several of them share counts once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Upper bound on the bytes that nobody can take from a session.
const MOST_FLOOR: usize = 64 * 1024;

/// The byte count of one server, and its bounds. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Count>);

#[derive(Debug)]
struct Count {
    bytes: AtomicUsize,
    limit: usize,
    floor: usize,
}

impl Pool {
    /// A pool that is full at `limit` bytes, for so many sessions at a time.
    pub(crate) fn new(limit: usize, sessions: usize) -> Self {
        // The floors of all sessions together are a quarter of the limit.
        let floor = (limit / 4 / sessions.max(1)).min(MOST_FLOOR);
        Pool(Arc::new(Count { bytes: AtomicUsize::new(0), limit, floor }))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    /// The bytes of a session that nobody can take from it.
    pub(crate) fn floor(&self) -> usize {
        self.0.floor
    }

    pub(crate) fn is_over(&self) -> bool {
        self.bytes() > self.0.limit
    }

    /// Bytes that counted as `before` are `now`.
    pub(crate) fn change(&self, before: usize, now: usize) {
        self.0.bytes.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Counts bytes until the guard is dropped.
    pub(crate) fn hold(&self, bytes: usize) -> Held {
        self.change(0, bytes);
        Held { pool: self.clone(), bytes }
    }
}

/// Bytes that count in a pool until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pool: Pool,
    bytes: usize,
}

impl Held {
    /// They are so many now.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.pool.change(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.change(self.bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_part_of_a_quarter_of_the_limit() {
        for (limit, sessions, floor) in [
            (1 << 30, 100_000, 2_684),
            (1 << 30, 1, 65_536),
            (64 << 20, 256, 65_536),
            (64 << 20, 512, 32_768),
            (1 << 20, 0, 65_536),
            (0, 10, 0),
        ] {
            assert_eq!(Pool::new(limit, sessions).floor(), floor, "{limit} for {sessions}");
        }
    }

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let pool = Pool::new(100, 1);
        let mut held = pool.hold(70);
        let other = pool.clone().hold(30);
        assert!(!pool.is_over());
        held.set(71);
        assert_eq!((pool.bytes(), pool.is_over()), (101, true));
        drop(other);
        held.set(5);
        assert_eq!(pool.bytes(), 5);
        drop(held);
        assert_eq!(pool.bytes(), 0);
    }
}
