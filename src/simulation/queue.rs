//! The events that are to come, by their times.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// A queue of events. Those of one time happen in the order of their ties, and then in that of queueing.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    heap: BinaryHeap<Reverse<Queued<W>>>,
    queued: u64,
}

#[derive(Debug)]
struct Queued<W> {
    /// The time, the order at the same time, the order of queueing.
    key: (u64, u8, u64),
    what: W,
}

impl<W> Queue<W> {
    pub(crate) fn new() -> Self {
        Queue { heap: BinaryHeap::new(), queued: 0 }
    }

    pub(crate) fn push(&mut self, time: u64, tie: u8, what: W) {
        self.queued += 1;
        self.heap.push(Reverse(Queued { key: (time, tie, self.queued), what }));
    }

    /// The next event and its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, W)> {
        self.heap.pop().map(|Reverse(queued)| (queued.key.0, queued.what))
    }
}

impl<W> PartialEq for Queued<W> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<W> Eq for Queued<W> {}

impl<W> PartialOrd for Queued<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Queued<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}
