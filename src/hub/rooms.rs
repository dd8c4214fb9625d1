//! Rooms and their members.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, OnceLock},
    task::Waker,
};

use uuid::Uuid;

use super::{
    common_log::Name,
    histories::{Histories, Kept},
    interest::Interest,
    key::{ROOT, everybody_key},
    log::Position,
    outcomes::{Delivered, JoinError, Joined, Occupancy},
    room::{Past, Room},
};

use crate::{
    broadcast::OutMessage,
    shared::{CloseReason, Gathering, SendError, SharedSession, WhenBehind, reason},
    sync::lock,
};

/// The number of rooms that are looked at, for each room that is made, to find one that can be forgotten.
const TRIES: usize = 16;

/// The number of locks among which sessions, and rooms, are spread.
pub(super) const SHARDS: usize = 16;

/// A part of all rooms, by name.
type Shard = HashMap<Arc<str>, Arc<Mutex<Room>>>;

/// All rooms by name. A room exists while it has members or is watched, and one with a history longer.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    shards: [Mutex<Shard>; SHARDS],
    pub(super) histories: Histories,
    /// The rooms that other nodes are told of, if there are such.
    pub(super) interest: OnceLock<Interest>,
}

/// The receivers of a room send.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) audience: Audience,
    pub(crate) except: Vec<Uuid>,
    pub(crate) except_rooms: Vec<String>,
    pub(crate) when_behind: WhenBehind,
    /// The name by which all nodes know the message.
    pub(crate) name: Option<Name>,
    /// Where the room's history must be for the message to be sent.
    pub(crate) at: Option<Position>,
    /// The time, for histories.
    pub(crate) now: u64,
    /// Where the answers go, if the message is a request. It stays out of histories: nobody waits for what a later
    /// member would answer.
    pub(crate) gathering: Option<Arc<Gathering>>,
}

/// Those whom a send reaches if nobody is excluded.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// The members of the room with this key.
    Room(String),
    /// The members of several rooms, each once. The keys are sorted, and none is there twice.
    AnyOf(Vec<String>),
    Everybody,
}

impl Audience {
    /// All channels of a namespace, or all sessions if it is `/`.
    pub(crate) fn all_in(namespace: &str) -> Self {
        match namespace {
            ROOT => Audience::Everybody,
            _ => Audience::Room(everybody_key(namespace)),
        }
    }

    pub(crate) fn any_of(mut rooms: Vec<String>) -> Self {
        rooms.sort_unstable();
        rooms.dedup();
        Audience::AnyOf(rooms)
    }
}

impl Rooms {
    pub(super) fn new(histories: Histories) -> Self {
        Rooms { histories, ..Rooms::default() }
    }

    /// Whether a room may have a history.
    pub(super) fn have_histories(&self) -> bool {
        !self.histories.are_none()
    }

    /// Calls `change` with the room of this name, and its name. Makes the room if there is none; afterwards
    /// one that is not needed is removed.
    pub(super) fn with_room<R>(&self, name: &str, change: impl FnOnce(&Arc<str>, &mut Room) -> R) -> R {
        let mut made = None;
        let mut shard = lock(self.shard(name));
        let name = match shard.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => {
                let name: Arc<str> = name.into();
                let past;
                (past, made) = self.histories.begin(&name);
                shard.insert(name.clone(), Arc::new(Mutex::new(Room::new(past))));
                name
            }
        };
        let room = shard[&name].clone();
        let mut room = lock(&room);
        let before = made.is_none() && room.is_needed();
        let members = room.members.all.len();
        let result = change(&name, &mut room);
        if room.is_needed() != before {
            self.note(&name);
        }
        if room.members.all.len() != members {
            self.note_count(&name);
        }
        if room.is_forgettable() {
            shard.remove(&name);
        }
        drop((room, shard));
        if let Some(kept) = made {
            self.forget_beyond(kept);
        }
        result
    }

    /// Adds a member that is not in the room. Returns the effect, and the room's name, which its members
    /// share.
    pub(super) fn join(&self, member: Arc<SharedSession>, room: &str) -> (Arc<str>, Occupancy) {
        self.with_room(room, |name, room| (name.clone(), insert(room, member)))
    }

    /// Adds a member that is not in the room, behind the messages since a position.
    pub(super) fn join_since(
        &self,
        member: Arc<SharedSession>,
        room: &str,
        since: Option<&str>,
        now: u64,
    ) -> Result<(Arc<str>, Joined), JoinError> {
        self.with_room(room, |name, room| {
            let past = room.past.as_mut().ok_or(JoinError::NoHistory)?;
            let position = past.position();
            let (mut missed, mut complete) = past.since(now, since);
            let all = missed.len();
            missed.retain(|message| member.takes(message));
            let replayed = missed.len();
            complete &= replayed == all;
            member.send_all(missed)?;
            insert(room, member);
            Ok((name.clone(), Joined { position, replayed, complete }))
        })
    }

    /// Gives a member that is in the room a name. Returns whether nobody had it there.
    pub(super) fn enter(&self, member: Uuid, room: &str, name: &str) -> bool {
        self.with_room(room, |_, room| room.presence().enter(member, name))
    }

    /// The name of a member in a room.
    #[cfg(feature = "cluster")]
    pub(super) fn name_in(&self, member: Uuid, room: &str) -> Option<Arc<str>> {
        lock(&*self.room(room)?).name_of(member)
    }

    /// The names of a room's members, sorted.
    pub(super) fn names(&self, room: &str) -> Vec<Arc<str>> {
        let Some(room) = self.room(room) else { return Vec::new() };
        lock(&room).presence().names().cloned().collect()
    }

    /// The names of a room's members if they are not these any more; if they are, the watcher waits for a
    /// change.
    pub(super) fn poll_names(
        &self,
        room: &str,
        watcher: u64,
        known: &BTreeSet<String>,
        waker: &Waker,
    ) -> Option<BTreeSet<String>> {
        self.with_room(room, |_, room| {
            let presence = room.presence();
            if presence.names().map(AsRef::as_ref).eq(known.iter().map(String::as_str)) {
                presence.watch(watcher, waker);
                return None;
            }
            presence.unwatch(watcher);
            Some(presence.names().map(ToString::to_string).collect())
        })
    }

    pub(super) fn unwatch(&self, room: &str, watcher: u64) {
        self.with_room(room, |_, room| room.presence().unwatch(watcher));
    }

    /// The position of the next message of a room that has a history.
    pub(super) fn next_position(&self, room: &str) -> Option<Position> {
        self.with_room(room, |_, room| room.past.as_ref().and_then(Past::next_position))
    }

    /// Removes a member that is in the room.
    pub(super) fn leave(&self, id: Uuid, room: &str) -> Occupancy {
        let mut shard = lock(self.shard(room));
        let Some((name, found)) = shard.get_key_value(room) else { return Occupancy::Same };
        let (empty, remove) = {
            let mut found = lock(found);
            found.leave(id);
            if !found.is_needed() {
                self.note(name);
            }
            self.note_count(name);
            (found.members.all.is_empty(), found.is_forgettable())
        };
        if remove {
            shard.remove(room);
        }
        if empty { Occupancy::Last } else { Occupancy::Same }
    }

    /// Whether messages of other nodes to this room are for somebody here, or for its history.
    #[cfg(feature = "cluster")]
    pub(super) fn are_needed(&self, room: &str) -> bool {
        self.room(room).is_some_and(|room| lock(&room).is_needed())
    }

    fn note(&self, room: &Arc<str>) {
        if let Some(interest) = self.interest.get() {
            interest.note(room);
        }
    }

    fn note_count(&self, room: &Arc<str>) {
        if let Some(interest) = self.interest.get() {
            interest.note_count(room);
        }
    }

    /// The number of a room's members.
    pub(super) fn count(&self, room: &str) -> usize {
        self.room(room).map_or(0, |room| lock(&room).members.all.len())
    }

    #[cfg(feature = "cluster")]
    pub(super) fn sessions(&self, room: &str) -> Vec<Arc<SharedSession>> {
        self.room(room).map(|room| lock(&room).members.all.clone()).unwrap_or_default()
    }

    pub(super) fn members(&self, room: &str) -> Vec<Uuid> {
        let ids = |room: Arc<Mutex<Room>>| lock(&room).members.all.iter().map(|shared| shared.id()).collect();
        self.room(room).map(ids).unwrap_or_default()
    }

    /// Sends to the members of one room. All get its messages in one order, because they are sent under the
    /// room's lock.
    pub(super) fn deliver(&self, room: &str, target: &Target, message: &OutMessage, slow: &CloseReason) -> Delivered {
        let Some(room) = self.room_to_send_to(room) else { return Delivered::default() };
        let except = self.except(target);
        let mut room = lock(&room);
        if target.at.is_some() && target.at != room.past.as_ref().and_then(Past::next_position) {
            return Delivered { overtaken: true, ..Delivered::default() };
        }
        record(&mut room, target, message);
        deliver_to(&room.members.all, &except, target, message, slow)
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
        let rooms: Vec<_> = rooms.iter().filter_map(|room| self.room_to_send_to(room)).collect();
        let mut rooms: Vec<_> = rooms.iter().map(|room| lock(room)).collect();
        for room in &mut rooms {
            record(room, target, message);
        }
        let mut seen = HashSet::new();
        let members = rooms.iter().flat_map(|room| &room.members.all).filter(|shared| seen.insert(shared.id()));
        deliver_to(members, &except, target, message, slow)
    }

    /// The sessions that a send excludes, sorted.
    pub(super) fn except<'a>(&self, target: &'a Target) -> Cow<'a, [Uuid]> {
        if target.except_rooms.is_empty() && target.except.len() <= 1 {
            return Cow::Borrowed(&target.except);
        }
        let mut except = target.except.clone();
        for room in &target.except_rooms {
            except.extend(self.members(room));
        }
        except.sort_unstable();
        Cow::Owned(except)
    }

    fn room(&self, room: &str) -> Option<Arc<Mutex<Room>>> {
        lock(self.shard(room)).get(room).cloned()
    }

    /// The room of this name. One that has a history keeps a message also when it has no members.
    fn room_to_send_to(&self, room: &str) -> Option<Arc<Mutex<Room>>> {
        let found = self.room(room);
        if found.is_some() || !self.histories.keep(room) {
            return found;
        }
        self.with_room(room, |_, _| ());
        self.room(room)
    }

    /// Forgets the oldest rooms that nobody is in, if more have a history than may.
    fn forget_beyond(&self, kept: &Kept) {
        for _ in 0..TRIES {
            let Some(name) = kept.oldest_beyond() else { return };
            let mut shard = lock(self.shard(&name));
            match shard.get(&name).map(|room| lock(room).is_deserted()) {
                Some(true) => {
                    shard.remove(&name);
                    self.note(&name);
                }
                Some(false) => kept.push(name),
                None => {}
            }
        }
    }

    fn shard(&self, room: &str) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        &self.shards[usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)]
    }
}

/// Adds a member. Returns the effect.
fn insert(room: &mut Room, member: Arc<SharedSession>) -> Occupancy {
    let first = room.members.all.is_empty();
    room.members.insert(member);
    if first { Occupancy::First } else { Occupancy::Same }
}

/// Keeps a message in the room's history, if it has one and the message may not be skipped.
fn record(room: &mut Room, target: &Target, message: &OutMessage) {
    let Some(past) = &mut room.past else { return };
    if target.gathering.is_none() && matches!(target.when_behind, WhenBehind::Keep | WhenBehind::KeepOrSkip) {
        past.record(target.now, target.name, message.clone());
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
        match target.send_to(shared, message.clone()) {
            Ok(true) => delivered.sent += 1,
            Ok(false) | Err(SendError::NoBytes) => delivered.skipped += 1,
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
