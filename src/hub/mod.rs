//! Who is here. Knows sessions and rooms; calls nobody back.

mod rooms;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use uuid::Uuid;

use crate::{message::OutMessage, shared::SharedSession, sync::lock};

pub use rooms::Delivered;
use rooms::Rooms;
pub(crate) use rooms::Target;

/// Locks are split so many ways.
const SHARDS: usize = 16;

/// A session and the rooms that it is in.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) shared: Arc<SharedSession>,
    rooms: Mutex<Joined>,
}

#[derive(Debug, Default)]
struct Joined {
    rooms: Vec<Arc<str>>,
    /// The session is over: it joins no more, since nobody would take it out again.
    gone: bool,
}

impl Member {
    pub(crate) fn id(&self) -> Uuid {
        self.shared.id()
    }

    pub(crate) fn rooms(&self) -> Vec<Arc<str>> {
        lock(&self.rooms).rooms.clone()
    }
}

/// All sessions of a server, and its rooms. Lock order: a member's list of rooms, a shard, a room, a session.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    sessions: [Mutex<HashMap<Uuid, Arc<Member>>>; SHARDS],
    count: AtomicUsize,
    rooms: Rooms,
}

impl Hub {
    /// How many sessions there are, those that are ending included.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<Member>> {
        lock(self.shard(id)).get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Member>> {
        self.sessions.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
    }

    pub(crate) fn insert(&self, shared: Arc<SharedSession>) -> Arc<Member> {
        let member = Arc::new(Member { shared, rooms: Mutex::default() });
        lock(self.shard(member.id())).insert(member.id(), member.clone());
        self.count.fetch_add(1, Ordering::Relaxed);
        member
    }

    pub(crate) fn remove(&self, id: Uuid) -> Option<Arc<Member>> {
        let member = lock(self.shard(id)).remove(&id)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        lock(&member.rooms).gone = true;
        self.leave_all(&member);
        Some(member)
    }

    /// Returns whether the member was not in the room before.
    pub(crate) fn join(&self, member: &Arc<Member>, room: &str) -> bool {
        let mut joined = lock(&member.rooms);
        if joined.gone || joined.rooms.iter().any(|name| **name == *room) {
            return false;
        }
        joined.rooms.push(self.rooms.join(member, room));
        true
    }

    /// Returns whether the member was in the room.
    pub(crate) fn leave(&self, member: &Member, room: &str) -> bool {
        let mut joined = lock(&member.rooms);
        let Some(at) = joined.rooms.iter().position(|name| **name == *room) else { return false };
        joined.rooms.swap_remove(at);
        self.rooms.leave(member.id(), room);
        true
    }

    pub(crate) fn leave_all(&self, member: &Member) {
        let mut joined = lock(&member.rooms);
        for room in joined.rooms.drain(..) {
            self.rooms.leave(member.id(), &room);
        }
    }

    /// The members of a room, in no order.
    pub(crate) fn members(&self, room: &str) -> Vec<Arc<Member>> {
        self.rooms.members(room).into_iter().filter_map(|id| self.get(id)).collect()
    }

    /// Sends to a room. All members get the messages of one room in the same order.
    pub(crate) fn deliver(&self, target: &Target, message: &OutMessage) -> Delivered {
        self.rooms.deliver(target, message)
    }

    fn shard(&self, id: Uuid) -> &Mutex<HashMap<Uuid, Arc<Member>>> {
        &self.sessions[usize::from(id.as_bytes()[0]) % SHARDS]
    }
}
