//! Rooms and their members.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use uuid::Uuid;

use crate::{
    broadcast::OutMessage,
    shared::{CloseReason, SendError, SharedSession, WhenBehind, reason},
    sync::lock,
};

/// The members of one room, in no order. A vector suits it because every send visits all members, and a leave
/// finds one of them by `places`.
#[derive(Debug, Default)]
struct Members {
    all: Vec<Arc<SharedSession>>,
    /// The index of each member in `all`.
    places: HashMap<Uuid, usize>,
}

impl Members {
    fn insert(&mut self, shared: Arc<SharedSession>) {
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

/// The number of locks among which sessions, and rooms, are spread.
pub(super) const SHARDS: usize = 16;

/// A part of all rooms, by name.
type Shard = HashMap<Arc<str>, Arc<Mutex<Members>>>;

/// All rooms by name. A room exists while it has members.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    shards: [Mutex<Shard>; SHARDS],
}

/// The receivers of a room send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) room: String,
    pub(crate) except: Vec<Uuid>,
    pub(crate) except_rooms: Vec<String>,
    pub(crate) when_behind: WhenBehind,
}

/// The outcome of a room send, in numbers of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Members whose outbox took the message. It is on its way to them.
    pub sent: usize,
    /// Members that miss the message: it was [droppable](crate::To::droppable) and they are behind, or their
    /// outbox was full under [`SlowMember::Gap`](crate::SlowMember::Gap). Their clients are informed of the gap.
    pub skipped: usize,
    /// Members whose outbox was full, and whose sessions ended for it, as [`SlowMember`](crate::SlowMember) has it.
    pub slow: usize,
}

/// The effect of a join or a leave on whether the room has members.
///
/// The effect is found under the room's lock and used after it. Where two calls race, their callers may act
/// on the effects in the other order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupancy {
    /// The room had no member before.
    First,
    /// The room has no member any more.
    Last,
    /// The room had other members before and has them still.
    Same,
}

impl Rooms {
    /// Adds a member that is not in the room. Returns the effect, and the room's name, which its members
    /// share.
    pub(super) fn join(&self, member: Arc<SharedSession>, room: &str) -> (Arc<str>, Occupancy) {
        let mut shard = lock(self.shard(room));
        let (name, occupancy) = match shard.get_key_value(room) {
            Some((name, _)) => (name.clone(), Occupancy::Same),
            None => (Arc::from(room), Occupancy::First),
        };
        let members = shard.entry(name.clone()).or_default();
        lock(members).insert(member);
        (name, occupancy)
    }

    /// Removes a member that is in the room.
    pub(super) fn leave(&self, id: Uuid, room: &str) -> Occupancy {
        let mut shard = lock(self.shard(room));
        let Some(members) = shard.get(room) else { return Occupancy::Same };
        let empty = {
            let mut members = lock(members);
            members.remove(id);
            members.all.is_empty()
        };
        if empty {
            shard.remove(room);
            return Occupancy::Last;
        }
        Occupancy::Same
    }

    pub(super) fn members(&self, room: &str) -> Vec<Uuid> {
        self.room(room).map(|members| lock(&members).all.iter().map(|shared| shared.id()).collect()).unwrap_or_default()
    }

    pub(super) fn deliver(&self, target: &Target, message: &OutMessage, slow: &CloseReason) -> Delivered {
        let mut except = target.except.clone();
        for room in &target.except_rooms {
            except.extend(self.members(room));
        }
        except.sort_unstable();
        let mut delivered = Delivered::default();
        let Some(members) = self.room(&target.room) else { return delivered };
        // All members get the room's messages in one order because they are sent under the room's lock.
        for shared in &lock(&members).all {
            if !except.is_empty() && except.binary_search(&shared.id()).is_ok() {
                continue;
            }
            match shared.send_as(&target.when_behind, message.clone()) {
                Ok(true) => delivered.sent += 1,
                Ok(false) => delivered.skipped += 1,
                Err(SendError::Full) => {
                    delivered.slow += 1;
                    shared.abort(slow.clone());
                }
                Err(SendError::Exhausted) => shared.abort(reason::EXHAUSTED),
                Err(SendError::Closed) => {}
            }
        }
        delivered
    }

    fn room(&self, room: &str) -> Option<Arc<Mutex<Members>>> {
        lock(self.shard(room)).get(room).cloned()
    }

    fn shard(&self, room: &str) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        &self.shards[usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)]
    }
}
