//! Sessions in the order in which they came into a state, in which the oldest are the first that end.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

use crate::sync::lock;

/// The place of a session among others: 0 is none.
pub(super) type Ticket = u64;

/// The sessions of a state, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct ByAge {
    last: AtomicU64,
    sessions: Mutex<BTreeMap<Ticket, Uuid>>,
}

impl ByAge {
    pub(super) fn add(&self, id: Uuid) -> Ticket {
        let ticket = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&self.sessions).insert(ticket, id);
        ticket
    }

    pub(super) fn remove(&self, ticket: Ticket) {
        lock(&self.sessions).remove(&ticket);
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.sessions).is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Removes and returns the oldest.
    pub(crate) fn pop(&self) -> Option<Uuid> {
        lock(&self.sessions).pop_first().map(|(_, id)| id)
    }

    /// Removes and returns the oldest, if there are more than so many.
    pub(super) fn pop_beyond(&self, most: usize) -> Option<Uuid> {
        let mut sessions = lock(&self.sessions);
        if sessions.len() > most { sessions.pop_first().map(|(_, id)| id) } else { None }
    }
}
