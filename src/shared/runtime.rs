//! The clock, the deadlines and the byte count that all sessions of a server share.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::{clock::Clock, deadlines::Deadlines, sync::lock};

/// The state that all sessions of a server share.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(super) clock: Clock,
    deadlines: Mutex<Deadlines<Uuid>>,
    bell: Notify,
    pub(super) bytes: AtomicUsize,
}

impl Runtime {
    pub(crate) fn new() -> Self {
        Runtime {
            clock: Clock::start(),
            deadlines: Mutex::new(Deadlines::new()),
            bell: Notify::new(),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Bytes in all inboxes and outboxes, to within a few kilobytes a session.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The sessions whose deadline has passed.
    pub(crate) fn due(&self) -> Option<Vec<Uuid>> {
        lock(&self.deadlines).pop(self.clock.now())
    }

    pub(crate) fn next(&self) -> Option<u64> {
        lock(&self.deadlines).next()
    }

    /// Waits until a deadline was queued that is sooner than all others. Cancel-safe.
    pub(crate) async fn sooner(&self) {
        self.bell.notified().await;
    }

    /// Wakes the task that waits in [`sooner`](Self::sooner).
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    pub(super) fn push(&self, deadline: u64, id: Uuid) {
        if lock(&self.deadlines).push(deadline, id) {
            self.bell.notify_one();
        }
    }
}
