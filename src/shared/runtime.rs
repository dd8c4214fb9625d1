//! The clock, the deadlines and the byte count that all sessions of a server share.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;
use uuid::Uuid;

use super::by_age::{ByAge, Ticket};
use crate::{clock::Clock, deadlines::Deadlines, packet::Offset, pool::Pool, sync::lock};

/// The state that all sessions of a server share.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(super) clock: Clock,
    deadlines: Mutex<Deadlines<Uuid>>,
    bell: Notify,
    pub(super) pool: Pool,
    /// The sessions that are neither over nor closed here, nor parked.
    live: AtomicUsize,
    /// Those of them whose clients could open `/`, and have not.
    nobodies: AtomicUsize,
    /// The sessions that have ended, the oldest first. Some may be forgotten already.
    ended: Mutex<VecDeque<Uuid>>,
    /// The handlers that have a task.
    handlers: AtomicUsize,
    last_handler: Notify,
    /// The sessions whose clients have not shown that they received the secret.
    pub(crate) unproven: ByAge,
    /// The sessions that are parked.
    pub(crate) parked: ByAge,
    /// Those among which there was no place for another one. It is for somebody else to end them.
    overdue: Mutex<Vec<Uuid>>,
    /// The last offset.
    offsets: AtomicU64,
    /// The channels that went on with a new connection, and those that did not though their client wanted it.
    pub(crate) recoveries: [AtomicU64; 2],
    /// How often clients were asked to pause because they sent too fast.
    pub(crate) rate_pauses: AtomicU64,
    /// The sessions that ended because their clients went on sending too fast.
    pub(crate) rate_ends: AtomicU64,
    /// The sessions that ended because their clients took no answers.
    pub(crate) slow: AtomicU64,
}

impl Runtime {
    pub(crate) fn new(pool: Pool) -> Self {
        Runtime {
            clock: Clock::start(),
            deadlines: Mutex::new(Deadlines::new()),
            bell: Notify::new(),
            pool,
            live: AtomicUsize::new(0),
            nobodies: AtomicUsize::new(0),
            ended: Mutex::default(),
            handlers: AtomicUsize::new(0),
            last_handler: Notify::new(),
            unproven: ByAge::default(),
            parked: ByAge::default(),
            overdue: Mutex::default(),
            offsets: AtomicU64::new(0),
            recoveries: [AtomicU64::new(0), AtomicU64::new(0)],
            rate_pauses: AtomicU64::new(0),
            rate_ends: AtomicU64::new(0),
            slow: AtomicU64::new(0),
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The count of the bytes that all sessions hold, to within a few kilobytes a session.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The bound on inboxes: a low one while memory is short.
    pub(super) fn pressed(&self) -> usize {
        if self.pool.is_over() { self.pool.floor() } else { usize::MAX }
    }

    /// The number of sessions that are neither over nor closed here, nor parked.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// The number of those, and of parked ones, that are in the namespace `/`.
    pub(crate) fn in_root(&self) -> usize {
        (self.live() + self.parked.len()).saturating_sub(self.nobodies.load(Ordering::Relaxed))
    }

    /// A session is in no list any more, though it lives, or in the lists again.
    pub(super) fn count_nobody(&self, nobody: bool) {
        match nobody {
            true => self.nobodies.fetch_add(1, Ordering::Relaxed),
            false => self.nobodies.fetch_sub(1, Ordering::Relaxed),
        };
    }

    pub(super) fn session_begins(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// A session goes on elsewhere: it has not ended, and is not remembered as one that has.
    #[cfg(feature = "cluster")]
    pub(super) fn session_leaves(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn session_ends(&self, id: Uuid) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        lock(&self.ended).push_back(id);
    }

    /// A session that counted waits for its client, and counts no longer.
    pub(super) fn session_waits(&self, counted: bool) {
        self.live.fetch_sub(counted.into(), Ordering::Relaxed);
    }

    /// If more than `most` sessions that have ended are remembered, the oldest of them. It is for the caller
    /// to forget.
    pub(crate) fn too_old(&self, most: usize) -> Option<Uuid> {
        let mut ended = lock(&self.ended);
        if ended.len() > most { ended.pop_front() } else { None }
    }

    /// The offset of the next event.
    pub(super) fn next_offset(&self) -> Offset {
        Offset::new(self.offsets.fetch_add(1, Ordering::Relaxed) + 1).expect("nobody makes 2^64 events")
    }

    /// A session is parked, of which there may be so many. Beyond that the oldest are overdue.
    pub(super) fn park(&self, id: Uuid, most: usize) -> Ticket {
        let ticket = self.parked.add(id);
        while let Some(oldest) = self.parked.pop_beyond(most) {
            lock(&self.overdue).push(oldest);
            self.ring();
        }
        ticket
    }

    /// A session is not parked any more.
    pub(super) fn unpark(&self, ticket: Ticket) {
        if ticket > 0 {
            self.parked.remove(ticket);
        }
    }

    /// The parked sessions that must end, since there are too many.
    pub(crate) fn take_overdue(&self) -> Vec<Uuid> {
        std::mem::take(&mut lock(&self.overdue))
    }

    /// A client has come back for a channel, which went on or did not.
    pub(crate) fn count_recovery(&self, recovered: bool) {
        self.recoveries[usize::from(!recovered)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handler_starts(&self) {
        self.handlers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handler_ends(&self) {
        if self.handlers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.last_handler.notify_waiters();
        }
    }

    /// Waits until no handler has a task. Cancel-safe.
    pub(crate) async fn handlers_ended(&self) {
        loop {
            let mut last = pin!(self.last_handler.notified());
            last.as_mut().enable();
            if self.handlers.load(Ordering::Acquire) == 0 {
                return;
            }
            last.await;
        }
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
