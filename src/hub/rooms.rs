//! Rooms and their members.

use std::{
    collections::{HashMap, HashSet},
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
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) audience: Audience,
    pub(crate) except: Vec<Uuid>,
    pub(crate) except_rooms: Vec<String>,
    pub(crate) when_behind: WhenBehind,
}

/// Those whom a send reaches if nobody is excluded.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    Room(String),
    /// The members of several rooms, each once. The names are sorted, and none is there twice.
    AnyOf(Vec<String>),
    Everybody,
}

impl Audience {
    pub(crate) fn any_of(mut rooms: Vec<String>) -> Self {
        rooms.sort_unstable();
        rooms.dedup();
        Audience::AnyOf(rooms)
    }
}

/// The outcome of a room send, in numbers of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Members whose outbox took the message. It is on its way to them.
    pub sent: usize,
    /// Members that miss the message: it was [droppable](crate::To::droppable) and they are behind, or their
    /// outbox was full under [`SlowMember::Gap`](crate::SlowMember::Gap). Their clients are informed of the
    /// gap.
    pub skipped: usize,
    /// Members whose outbox was full, and whose sessions ended for it, as [`SlowMember`](crate::SlowMember)
    /// has it.
    pub slow: usize,
    /// The message is above the [limit](crate::Builder::message_limit), and was sent to nobody.
    pub too_large: bool,
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

    /// Sends to the members of one room. All get its messages in one order, because they are sent under the
    /// room's lock.
    pub(super) fn deliver(&self, room: &str, target: &Target, message: &OutMessage, slow: &CloseReason) -> Delivered {
        let except = self.except(target);
        let Some(members) = self.room(room) else { return Delivered::default() };
        let members = lock(&members);
        deliver_to(&members.all, &except, target, message, slow)
    }

    /// Sends to the members of several rooms, each once. The rooms are locked together, in the order of their
    /// names, so that their messages have one order for all members of each.
    pub(super) fn deliver_to_any(
        &self,
        rooms: &[String],
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
    ) -> Delivered {
        let except = self.except(target);
        let rooms: Vec<_> = rooms.iter().filter_map(|room| self.room(room)).collect();
        let rooms: Vec<_> = rooms.iter().map(|members| lock(members)).collect();
        let mut seen = HashSet::new();
        let members = rooms.iter().flat_map(|members| &members.all).filter(|shared| seen.insert(shared.id()));
        deliver_to(members, &except, target, message, slow)
    }

    /// The sessions that a send excludes, sorted.
    pub(super) fn except(&self, target: &Target) -> Vec<Uuid> {
        let mut except = target.except.clone();
        for room in &target.except_rooms {
            except.extend(self.members(room));
        }
        except.sort_unstable();
        except
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

/// Sends to each of these sessions but the excluded ones, which are sorted.
pub(super) fn deliver_to<'a>(
    sessions: impl IntoIterator<Item = &'a Arc<SharedSession>>,
    except: &[Uuid],
    target: &Target,
    message: &OutMessage,
    slow: &CloseReason,
) -> Delivered {
    let mut delivered = Delivered::default();
    for shared in sessions {
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
