//! The counts of the links, and warnings that are not repeated each time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use crate::{clock::Clock, server::counters::Count};

/// The time between two warnings of one kind, in milliseconds.
const WARNING_INTERVAL: u64 = 60_000;

/// The figures of a node's links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server::nodes) struct PeerFigures {
    /// Requests that other nodes have answered for this one.
    pub(in crate::server::nodes) forwarded: u64,
    /// Those of them that were calls.
    pub(in crate::server::nodes) calls: u64,
    /// Requests that this node has answered for others.
    pub(in crate::server::nodes) served: u64,
    /// Requests whose node could not be reached, or was cut off before it had answered.
    pub(in crate::server::nodes) unreachable: u64,
    /// Connections that were refused: a wrong secret, another version, too many at a time, or no node.
    pub(in crate::server::nodes) refused: u64,
    /// WebSockets that were passed on to other nodes.
    pub(in crate::server::nodes) tunnels: u64,
    /// Those of them that are open.
    pub(in crate::server::nodes) tunnels_open: usize,
}

/// The counts of a node's links.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) forwarded: Count,
    pub(super) calls: Count,
    pub(super) served: Count,
    pub(super) unreachable: Count,
    pub(super) refused: Count,
    pub(super) tunnels: Count,
    pub(super) tunnels_open: Arc<AtomicUsize>,
}

impl Counts {
    pub(super) fn figures(&self) -> PeerFigures {
        PeerFigures {
            forwarded: self.forwarded.get(),
            calls: self.calls.get(),
            served: self.served.get(),
            unreachable: self.unreachable.get(),
            refused: self.refused.get(),
            tunnels: self.tunnels.get(),
            tunnels_open: self.tunnels_open.load(Relaxed),
        }
    }
}

/// One of those that a number counts, for as long as this is held.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(number: &Arc<AtomicUsize>) -> Self {
        number.fetch_add(1, Relaxed);
        Counted(number.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A warning that is logged once in a minute at most.
#[derive(Debug)]
pub(super) struct Warning {
    clock: Clock,
    next: AtomicU64,
}

impl Warning {
    pub(super) fn new(clock: Clock) -> Self {
        Warning { clock, next: AtomicU64::new(0) }
    }

    /// Whether it may be logged now.
    pub(super) fn may(&self) -> bool {
        let (now, next) = (self.clock.now(), self.next.load(Relaxed));
        now >= next && self.next.compare_exchange(next, now + WARNING_INTERVAL, Relaxed, Relaxed).is_ok()
    }
}
