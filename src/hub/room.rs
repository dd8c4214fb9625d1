//! One room: its members, who is there by name, and its last messages.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{
    common_log::{CommonLog, Name},
    log::{Log, Position},
    presence::Presence,
};
use crate::{broadcast::OutMessage, shared::SharedSession};

/// A room. What few rooms have is behind a pointer.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) members: Members,
    pub(super) past: Option<Past>,
    presence: Option<Box<Presence>>,
}

/// The last messages of a room.
#[derive(Debug)]
pub(super) enum Past {
    /// This node keeps them.
    Local(Box<Log>),
    /// An engine keeps them for all nodes, and this one has them while it follows the room.
    Common(Box<CommonLog>),
}

impl Past {
    /// The position behind the last message.
    pub(super) fn position(&self) -> Position {
        match self {
            Past::Local(log) => log.position(),
            Past::Common(log) => log.position(),
        }
    }

    /// The position of the next message, if this node says what comes next.
    pub(super) fn next_position(&self) -> Option<Position> {
        match self {
            Past::Local(log) => Some(log.next_position()),
            Past::Common(_) => None,
        }
    }

    /// Keeps a message. One that the other nodes do not know is in no common history.
    pub(super) fn record(&mut self, now: u64, name: Option<Name>, message: OutMessage) {
        match (self, name) {
            (Past::Local(log), _) => log.record(now, message),
            (Past::Common(log), Some(name)) => log.record(now, name, message),
            (Past::Common(_), None) => {}
        }
    }

    /// The messages behind a position, or all if it is `None` or not one of this room, and whether none is missing in
    /// between.
    pub(super) fn since(&mut self, now: u64, position: Option<&str>) -> (Vec<OutMessage>, bool) {
        match self {
            Past::Local(log) => {
                let (missed, complete) = log.since(now, position);
                (missed.cloned().collect(), complete)
            }
            Past::Common(log) => {
                let (missed, complete) = log.since(now, position);
                (missed.cloned().collect(), complete)
            }
        }
    }
}

impl Room {
    pub(super) fn new(past: Option<Past>) -> Self {
        Room { past, ..Room::default() }
    }

    /// The log that an engine keeps for all nodes.
    #[cfg(feature = "cluster")]
    pub(super) fn common(&mut self) -> Option<&mut CommonLog> {
        match &mut self.past {
            Some(Past::Common(log)) => Some(log),
            _ => None,
        }
    }

    /// Whether nothing is lost when the room is forgotten.
    pub(super) fn is_forgettable(&self) -> bool {
        let has_past = match &self.past {
            None => false,
            Some(Past::Local(_)) => true,
            Some(Past::Common(log)) => log.loaded().is_some(),
        };
        !has_past && self.is_deserted()
    }

    pub(super) fn presence(&mut self) -> &mut Presence {
        self.presence.get_or_insert_default()
    }

    #[cfg(feature = "cluster")]
    pub(super) fn name_of(&self, member: Uuid) -> Option<std::sync::Arc<str>> {
        self.presence.as_ref()?.name_of(member)
    }

    pub(super) fn leave(&mut self, member: Uuid) {
        self.members.remove(member);
        if let Some(presence) = &mut self.presence {
            presence.exit(member);
        }
    }

    /// Whether messages to the room are for somebody: a member, or its history.
    pub(super) fn is_needed(&self) -> bool {
        !self.members.all.is_empty() || matches!(self.past, Some(Past::Local(_)))
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
