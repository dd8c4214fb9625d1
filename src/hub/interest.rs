//! The rooms that this node begins or ceases to need the messages of. Only a node of a cluster keeps them.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use crate::sync::lock;

/// The rooms that were noted since they were last taken, and the task that waits for one.
#[derive(Debug, Default)]
pub(super) struct Interest {
    /// Whether there may be any.
    noted: AtomicBool,
    rooms: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    keys: HashSet<Arc<str>>,
    /// The rooms that have more members than before, or fewer.
    counted: HashSet<Arc<str>>,
    waker: Option<Waker>,
}

impl Interest {
    /// The room has its first member, or a history, or has lost its last member.
    pub(super) fn note(&self, room: &Arc<str>) {
        let mut noted = lock(&self.rooms);
        noted.keys.insert(room.clone());
        self.noted.store(true, Ordering::Release);
        if let Some(waker) = noted.waker.take() {
            waker.wake();
        }
    }

    /// The number of the room's members has changed.
    pub(super) fn note_count(&self, room: &Arc<str>) {
        let counted = &mut lock(&self.rooms).counted;
        if !counted.contains(room) {
            counted.insert(room.clone());
        }
    }

    #[cfg(feature = "cluster")]
    pub(super) fn take_counted(&self) -> HashSet<Arc<str>> {
        std::mem::take(&mut lock(&self.rooms).counted)
    }

    #[cfg(feature = "cluster")]
    pub(super) fn take(&self) -> HashSet<Arc<str>> {
        if !self.noted.load(Ordering::Acquire) {
            return HashSet::new();
        }
        let mut noted = lock(&self.rooms);
        self.noted.store(false, Ordering::Release);
        std::mem::take(&mut noted.keys)
    }

    #[cfg(feature = "cluster")]
    pub(super) fn poll(&self, cx: &std::task::Context<'_>) -> std::task::Poll<()> {
        let mut noted = lock(&self.rooms);
        if !noted.keys.is_empty() {
            return std::task::Poll::Ready(());
        }
        noted.waker = Some(cx.waker().clone());
        std::task::Poll::Pending
    }
}
