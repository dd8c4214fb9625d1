//! The sessions whose clients have not shown that they received the secret. They are the first that end when
//! others need their place.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

use crate::sync::lock;

/// The place of a session among them: 0 is none.
pub(super) type Ticket = u64;

/// The unproven sessions, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Unproven {
    last: AtomicU64,
    sessions: Mutex<BTreeMap<Ticket, Uuid>>,
}

impl Unproven {
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

    /// Removes and returns the oldest.
    pub(crate) fn pop(&self) -> Option<Uuid> {
        lock(&self.sessions).pop_first().map(|(_, id)| id)
    }
}
