//! Rooms and their members.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    task::Waker,
};

use uuid::Uuid;

use super::{
    histories::{Histories, Kept},
    key::{ROOT, everybody_key},
    log::Position,
    room::Room,
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
    histories: Histories,
}

/// The receivers of a room send.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) audience: Audience,
    pub(crate) except: Vec<Uuid>,
    pub(crate) except_rooms: Vec<String>,
    pub(crate) when_behind: WhenBehind,
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

/// The outcome of a room send, in numbers of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Members whose outbox took the message. It is on its way to them.
    pub sent: usize,
    /// Members that miss the message: it was [droppable](crate::To::droppable) and they are behind, or their
    /// outbox was full under [`SlowMember::Gap`](crate::SlowMember::Gap). Their clients are informed of the
    /// gap. So do clients of SockJS if it is [binary](crate::SockJs::binary_as_base64), and they are not informed.
    pub skipped: usize,
    /// Members whose outbox was full, and whose sessions ended for it, as [`SlowMember`](crate::SlowMember)
    /// has it.
    pub slow: usize,
    /// The message is above the [limit](crate::Builder::message_limit), and was sent to nobody.
    pub too_large: bool,
    /// Another message has taken the position of this one, which was sent to nobody.
    pub(crate) overtaken: bool,
}

/// How a session has joined a room with a history, as [`Session::join_since`](crate::Session::join_since)
/// returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// The position behind the messages that were replayed. What comes then is behind it.
    pub position: Position,
    /// The number of messages that were replayed: they are in the session's outbox.
    pub replayed: usize,
    /// No message since the given position is missing. Otherwise some are not kept any more, or the position
    /// is not one of this room: it is of another process, for example.
    pub complete: bool,
}

/// The reason why [`Session::join_since`](crate::Session::join_since) did not join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The room has no history: no pattern of [`Builder::rooms`](crate::Builder::rooms) fits its name.
    NoHistory,
    /// The messages to replay do not fit into the session's outbox.
    Full,
    /// The session is closed or closing.
    Closed,
    /// The session is in the room already.
    Member,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinError::NoHistory => "the room has no history",
            JoinError::Full => "the history does not fit into the outbox",
            JoinError::Closed => "the session is closed",
            JoinError::Member => "the session is in the room already",
        })
    }
}

impl std::error::Error for JoinError {}

impl From<SendError> for JoinError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full | SendError::NoBytes => JoinError::Full,
            SendError::Closed | SendError::Exhausted => JoinError::Closed,
        }
    }
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
    pub(super) fn new(histories: Histories) -> Self {
        Rooms { shards: Default::default(), histories }
    }

    /// Whether a room may have a history.
    pub(super) fn have_histories(&self) -> bool {
        !self.histories.are_none()
    }

    /// Calls `change` with the room of this name, and its name. Makes the room if there is none; afterwards
    /// one that is not needed is removed.
    fn with_room<R>(&self, name: &str, change: impl FnOnce(&Arc<str>, &mut Room) -> R) -> R {
        let mut made = None;
        let mut shard = lock(self.shard(name));
        let name = match shard.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => {
                let name: Arc<str> = name.into();
                let log;
                (log, made) = self.histories.begin(&name);
                shard.insert(name.clone(), Arc::new(Mutex::new(Room::new(log))));
                name
            }
        };
        let room = shard[&name].clone();
        let mut room = lock(&room);
        let result = change(&name, &mut room);
        if room.log.is_none() && room.is_deserted() {
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
            let log = room.log.as_mut().ok_or(JoinError::NoHistory)?;
            let position = log.position();
            let (missed, mut complete) = log.since(now, since);
            let mut missed: Vec<OutMessage> = missed.cloned().collect();
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
        self.with_room(room, |_, room| room.log.as_ref().map(|log| log.next_position()))
    }

    /// Removes a member that is in the room.
    pub(super) fn leave(&self, id: Uuid, room: &str) -> Occupancy {
        let mut shard = lock(self.shard(room));
        let Some(found) = shard.get(room) else { return Occupancy::Same };
        let (empty, remove) = {
            let mut found = lock(found);
            found.leave(id);
            (found.members.all.is_empty(), found.log.is_none() && found.is_deserted())
        };
        if remove {
            shard.remove(room);
        }
        if empty { Occupancy::Last } else { Occupancy::Same }
    }

    pub(super) fn members(&self, room: &str) -> Vec<Uuid> {
        let ids = |room: Arc<Mutex<Room>>| lock(&room).members.all.iter().map(|shared| shared.id()).collect();
        self.room(room).map(ids).unwrap_or_default()
    }

    /// Sends to the members of one room. All get its messages in one order, because they are sent under the
    /// room's lock.
    pub(super) fn deliver(&self, room: &str, target: &Target, message: &OutMessage, slow: &CloseReason) -> Delivered {
        let except = self.except(target);
        let Some(room) = self.room_to_send_to(room) else { return Delivered::default() };
        let mut room = lock(&room);
        if target.at.is_some() && target.at != room.log.as_ref().map(|log| log.next_position()) {
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
    pub(super) fn except(&self, target: &Target) -> Vec<Uuid> {
        let mut except = target.except.clone();
        for room in &target.except_rooms {
            except.extend(self.members(room));
        }
        except.sort_unstable();
        except
    }

    fn room(&self, room: &str) -> Option<Arc<Mutex<Room>>> {
        lock(self.shard(room)).get(room).cloned()
    }

    /// The room of this name. One that has a history keeps a message also when it has no members.
    fn room_to_send_to(&self, room: &str) -> Option<Arc<Mutex<Room>>> {
        let found = self.room(room);
        if found.is_some() || !self.histories.has(room) {
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
                Some(true) => drop(shard.remove(&name)),
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
    let Some(log) = &mut room.log else { return };
    if target.gathering.is_none() && matches!(target.when_behind, WhenBehind::Keep | WhenBehind::KeepOrSkip) {
        log.record(target.now, message.clone());
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
