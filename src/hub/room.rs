//! One room: its members, who is there by name, and its last messages.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{log::Log, presence::Presence};
use crate::shared::SharedSession;

/// A room. What few rooms have is behind a pointer.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) members: Members,
    pub(super) log: Option<Box<Log>>,
    presence: Option<Box<Presence>>,
}

impl Room {
    pub(super) fn new(log: Option<Box<Log>>) -> Self {
        Room { log, ..Room::default() }
    }

    pub(super) fn presence(&mut self) -> &mut Presence {
        self.presence.get_or_insert_default()
    }

    pub(super) fn leave(&mut self, member: Uuid) {
        self.members.remove(member);
        if let Some(presence) = &mut self.presence {
            presence.exit(member);
        }
    }

    /// Whether nobody is in the room, and nobody watches it.
    pub(super) fn is_deserted(&self) -> bool {
        self.members.all.is_empty() && self.presence.as_ref().is_none_or(|presence| presence.is_idle())
    }
}

/// The members of one room, in no order. A vector suits it because every send visits all members, and a leave
/// finds one of them by `places`.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) all: Vec<Arc<SharedSession>>,
    /// The index of each member in `all`.
    places: HashMap<Uuid, usize>,
}

impl Members {
    pub(super) fn insert(&mut self, shared: Arc<SharedSession>) {
        self.places.insert(shared.id(), self.all.len());
        self.all.push(shared);
    }

    fn remove(&mut self, id: Uuid) {
        let Some(at) = self.places.remove(&id) else { return };
        self.all.swap_remove(at);
        if let Some(moved) = self.all.get(at) {
            self.places.insert(moved.id(), at);
        }
    }
}
