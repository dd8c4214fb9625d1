//! How many connections there may be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The places for connections of one server.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    taken: AtomicUsize,
}

impl Places {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Places { most, taken: AtomicUsize::new(0) })
    }

    /// A place for one more connection, if there is one.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Place { of: self.clone() })
    }
}

/// The place of one connection. A connection that became a WebSocket keeps it.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(1, Relaxed);
    }
}
