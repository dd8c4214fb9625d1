//! The sessions of a server and its rooms. The hub calls no other part of the server back.

mod aliases;
mod audience;
mod channel;
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "only the nodes of a cluster have it"))]
mod common_log;
mod histories;
mod interest;
mod joined;
mod key;
mod log;
mod member;
#[cfg(feature = "cluster")]
mod other_nodes;
mod outcomes;
mod presence;
pub(crate) mod queues;
mod remote;
mod room;
mod rooms;
#[cfg(test)]
mod tests;
mod users;
mod values;

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use uuid::Uuid;

use crate::{
    broadcast::OutMessage,
    shared::{ChannelSet, CloseReason, SharedSession},
    sync::lock,
};

use aliases::Aliases;
#[cfg(feature = "cluster")]
pub(crate) use common_log::{Name, PastMessage};
pub(crate) use histories::Histories;
use key::everybody_key;
pub(crate) use key::{ROOT, into_room_key, room_key, topic_key};
pub use log::Position;
pub(crate) use member::Member;
use member::Membership;
pub(crate) use outcomes::Occupancy;
pub use outcomes::{Delivered, JoinError, Joined};
pub(crate) use remote::Remote;
pub(crate) use rooms::{Audience, Target};
use rooms::{Rooms, SHARDS, deliver_to};
use users::Users;
pub(crate) use values::{Value, Values};

/// All sessions of a server, and its rooms. The order of locks is: a member's list of rooms, a shard, a room,
/// a session.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    sessions: [Mutex<HashMap<Uuid, Arc<Member>>>; SHARDS],
    count: AtomicUsize,
    rooms: Rooms,
    /// Held while a message is sent to everybody. It comes before all other locks.
    to_everybody: Mutex<()>,
    /// The sessions that are apart from the others: nothing that is sent to everybody is for them.
    apart: AtomicUsize,
    watchers: AtomicU64,
    users: Users,
    aliases: Aliases,
}

impl Hub {
    pub(crate) fn new(histories: Histories) -> Self {
        Hub { rooms: Rooms::new(histories), ..Hub::default() }
    }

    /// Returns the number of sessions, including those that have ended and are still remembered.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<Member>> {
        lock(self.shard(id)).get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Member>> {
        self.sessions.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Adds a session under its id.
    ///
    /// # Errors
    /// Fails if the id is taken. Then nothing changes, and `remote` is given back.
    pub(crate) fn insert(
        &self,
        shared: Arc<SharedSession>,
        remote: Remote,
        set: ChannelSet,
    ) -> Result<Arc<Member>, Remote> {
        self.insert_with(shared, remote, set, Membership::default())
    }

    fn insert_with(
        &self,
        shared: Arc<SharedSession>,
        remote: Remote,
        set: ChannelSet,
        membership: Membership,
    ) -> Result<Arc<Member>, Remote> {
        match lock(self.shard(shared.id())).entry(shared.id()) {
            Entry::Occupied(_) => Err(remote),
            Entry::Vacant(place) => {
                let member = Arc::new(Member {
                    shared,
                    remote,
                    channel: None,
                    root_is_channel: set == ChannelSet::All,
                    rooms: Mutex::new(membership),
                    values: Mutex::default(),
                });
                self.count.fetch_add(1, Ordering::Relaxed);
                Ok(place.insert(member).clone())
            }
        }
    }

    /// Removes a session. It leaves its rooms and joins no more. Returns the session and the rooms that
    /// became empty.
    pub(crate) fn remove(&self, id: Uuid) -> Option<(Arc<Member>, Vec<Arc<str>>)> {
        let member = lock(self.shard(id)).remove(&id)?;
        self.aliases.remove(id);
        self.count.fetch_sub(1, Ordering::Relaxed);
        let emptied = self.expel(&member);
        Some((member, emptied))
    }

    /// A session goes on with the connection of another one, whose id leads to it from now on.
    pub(crate) fn alias(&self, session: &Member, other: Uuid) {
        self.aliases.set(session.id(), other);
        // It may have been removed meanwhile.
        if self.get(session.id()).is_none() {
            self.aliases.remove(session.id());
        }
    }

    /// The session that has gone on with the connection of the one with this id.
    pub(crate) fn by_alias(&self, other: Uuid) -> Option<Arc<Member>> {
        self.get(self.aliases.session(other)?)
    }

    /// The member's handler has returned, or never runs: it leaves its rooms and joins no more, and its values are
    /// dropped. The handlers of its channels still have theirs.
    pub(crate) fn retire(&self, member: &Member) {
        self.expel(member);
        member.drop_values();
    }

    /// The same, but the channels of a session stay.
    pub(crate) fn retire_alone(&self, member: &Member) {
        self.expel_alone(member);
        member.drop_values();
    }

    /// The member is over: it and its channels leave their rooms and join no more. Handlers that still run have
    /// their values. Returns the rooms that became empty.
    fn expel(&self, member: &Member) -> Vec<Arc<str>> {
        self.remove_channel(member);
        let channels = lock(&member.rooms).channels.take();
        for channel in channels.into_iter().flat_map(|channels| channels.0) {
            self.rooms.leave(channel.id(), &everybody_key(channel.namespace()));
            self.expel_alone(&channel);
        }
        self.expel_alone(member)
    }

    fn expel_alone(&self, member: &Member) -> Vec<Arc<str>> {
        let user = {
            let mut membership = lock(&member.rooms);
            membership.gone = true;
            if std::mem::take(&mut membership.apart) {
                self.apart.fetch_sub(1, Ordering::Relaxed);
            }
            membership.user.take()
        };
        if let Some(user) = user {
            self.users.remove(&user, member.id());
        }
        self.leave_all(member)
    }

    /// Sets the user that a member belongs to, unless the member is gone.
    pub(crate) fn set_user(&self, member: &Member, user: &str) {
        let mut membership = lock(&member.rooms);
        if membership.gone {
            return;
        }
        if let Some(before) = membership.user.take() {
            self.users.remove(&before, member.id());
        }
        membership.user = Some(self.users.add(user, member.id()));
    }

    /// The members that belong to a user.
    pub(crate) fn of_user(&self, user: &str) -> Vec<Arc<Member>> {
        self.users.sessions(user).into_iter().filter_map(|id| self.get(id)).collect()
    }

    /// Adds a member to a room. Returns `None`, and changes nothing, if the member is in the room already or
    /// its session was removed.
    pub(crate) fn join(&self, member: &Arc<Member>, room: &str) -> Option<Occupancy> {
        self.join_key(member, &room_key(member.namespace(), room))
    }

    /// The same with the room's key.
    pub(crate) fn join_key(&self, member: &Arc<Member>, room: &str) -> Option<Occupancy> {
        let mut joined = lock(&member.rooms);
        if joined.gone || joined.rooms.contains(room) {
            return None;
        }
        let (name, occupancy) = self.rooms.join(member.shared.clone(), room);
        joined.rooms.add(name);
        Some(occupancy)
    }

    /// Adds a member to a room with a history, behind the messages since a position.
    pub(crate) fn join_since(
        &self,
        member: &Arc<Member>,
        room: &str,
        since: Option<&str>,
        now: u64,
    ) -> Result<Joined, JoinError> {
        let room = &*room_key(member.namespace(), room);
        let mut membership = lock(&member.rooms);
        if membership.gone {
            return Err(JoinError::Closed);
        } else if membership.rooms.contains(room) {
            return Err(JoinError::Member);
        }
        let (name, joined) = self.rooms.join_since(member.shared.clone(), room, since, now)?;
        membership.rooms.add(name);
        Ok(joined)
    }

    /// Adds a member to a room if it is not in it, and gives it a name there. Returns whether the name is
    /// new.
    pub(crate) fn enter(&self, member: &Arc<Member>, room: &str, name: &str) -> bool {
        let room = &*room_key(member.namespace(), room);
        let mut membership = lock(&member.rooms);
        if membership.gone {
            return false;
        }
        if !membership.rooms.contains(room) {
            let (room, _) = self.rooms.join(member.shared.clone(), room);
            membership.rooms.add(room);
        }
        self.rooms.enter(member.id(), room, name)
    }

    /// The names of a room's members, sorted.
    pub(crate) fn names(&self, room: &str) -> Vec<Arc<str>> {
        self.rooms.names(room)
    }

    /// The names of a room's members if they are not these any more; if they are, the watcher waits.
    pub(crate) fn poll_names(
        &self,
        room: &str,
        watcher: u64,
        known: &BTreeSet<String>,
        waker: &Waker,
    ) -> Option<BTreeSet<String>> {
        self.rooms.poll_names(room, watcher, known, waker)
    }

    /// A number for a new watcher.
    pub(crate) fn new_watcher(&self) -> u64 {
        self.watchers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn unwatch(&self, room: &str, watcher: u64) {
        self.rooms.unwatch(room, watcher);
    }

    /// Whether rooms may have histories, for which a send needs the time.
    pub(crate) fn has_histories(&self) -> bool {
        self.rooms.have_histories()
    }

    /// The position of the next message of a room that has a history.
    pub(crate) fn next_position(&self, room: &str) -> Option<Position> {
        self.rooms.next_position(room)
    }

    /// Removes a member from a room. Returns `None` if the member is not in the room.
    pub(crate) fn leave(&self, member: &Member, room: &str) -> Option<Occupancy> {
        self.leave_key(member, &room_key(member.namespace(), room))
    }

    /// The same with the room's key.
    pub(crate) fn leave_key(&self, member: &Member, room: &str) -> Option<Occupancy> {
        let mut joined = lock(&member.rooms);
        joined.rooms.remove(room).then(|| self.rooms.leave(member.id(), room))
    }

    /// Removes a member from all its rooms. Returns the rooms that became empty.
    pub(crate) fn leave_all(&self, member: &Member) -> Vec<Arc<str>> {
        // The lock is held to the end, so that a join of the same room comes before this or after it.
        let mut joined = lock(&member.rooms);
        let mut rooms = joined.rooms.take();
        rooms.retain(|room| self.rooms.leave(member.id(), room) == Occupancy::Last);
        rooms
    }

    /// The number of members of the room with this key.
    pub(crate) fn count(&self, room: &str) -> usize {
        self.rooms.count(room)
    }

    /// Returns the members of a room of a namespace, in no order.
    pub(crate) fn members(&self, namespace: &str, room: &str) -> Vec<Arc<Member>> {
        self.members_of(namespace, &room_key(namespace, room))
    }

    /// Returns the channels of a namespace, or all sessions if it is `/`.
    pub(crate) fn all_in(&self, namespace: &str) -> Vec<Arc<Member>> {
        match namespace {
            ROOT => self.all_in_root(),
            _ => self.members_of(namespace, &everybody_key(namespace)),
        }
    }

    /// The sessions, or their channels of `/` where that is a channel too.
    pub(super) fn all_in_root(&self) -> Vec<Arc<Member>> {
        let mut all = self.all();
        if self.apart.load(Ordering::Relaxed) > 0 {
            all.retain(|member| !lock(&member.rooms).apart);
        }
        all.retain_mut(|member| match member.root_is_channel {
            false => true,
            true => member.in_namespace(ROOT).map(|channel| *member = channel).is_some(),
        });
        all
    }

    pub(super) fn members_of(&self, namespace: &str, key: &str) -> Vec<Arc<Member>> {
        let sessions = self.rooms.members(key).into_iter().filter_map(|id| self.get(id));
        sessions.filter_map(|session| session.in_namespace(namespace)).collect()
    }

    /// Sends to an audience. All members get the messages of one room in the same order, and all sessions
    /// those to everybody. The session of a member whose outbox is full ends with the reason `slow`.
    pub(crate) fn deliver(&self, target: &Target, message: &OutMessage, slow: &CloseReason) -> Delivered {
        let delivered = match &target.audience {
            Audience::Room(room) => self.rooms.deliver(room, target, message, slow),
            Audience::AnyOf(rooms) => self.rooms.deliver_to_any(rooms, target, message, slow),
            Audience::Everybody => {
                let except = self.rooms.except(target);
                let _in_one_order = lock(&self.to_everybody);
                deliver_to(self.all_in_root().iter().map(|member| &member.shared), &except, target, message, slow)
            }
        };
        if let Some(gathering) = &target.gathering {
            gathering.delivered();
        }
        delivered
    }

    fn shard(&self, id: Uuid) -> &Mutex<HashMap<Uuid, Arc<Member>>> {
        &self.sessions[usize::from(id.as_bytes()[0]) % SHARDS]
    }
}

// Sessions that move.
#[cfg(feature = "cluster")]
impl Hub {
    /// Puts a session in the place of another with its id, which did not leave after all and is retired. At no moment is
    /// there none. `apart`: as by [`insert_apart`](Self::insert_apart).
    pub(crate) fn replace(&self, shared: Arc<SharedSession>, remote: Remote, apart: bool) -> Arc<Member> {
        let id = shared.id();
        let membership = Membership { apart, ..Membership::default() };
        self.apart.fetch_add(apart.into(), Ordering::Relaxed);
        let member = Arc::new(Member {
            shared,
            remote,
            channel: None,
            root_is_channel: false,
            rooms: Mutex::new(membership),
            values: Mutex::default(),
        });
        let before = lock(self.shard(id)).insert(id, member.clone());
        match before {
            Some(before) => self.retire(&before),
            None => drop(self.count.fetch_add(1, Ordering::Relaxed)),
        }
        member
    }
}
