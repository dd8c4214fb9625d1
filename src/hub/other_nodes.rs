//! The rooms as a node of a cluster needs them.

use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use uuid::Uuid;

use super::{
    Delivered, Hub, Remote,
    common_log::{Name, PastMessage, Place, position_in},
    interest::Interest,
    key::parts_of,
    log::Position,
    member::{Member, Membership},
    rooms::{Audience, Target, deliver_to},
};
use crate::{
    broadcast::OutMessage,
    config::History,
    shared::{ChannelSet, CloseReason, SendError, SharedSession, reason},
    sync::lock,
};

/// A longer run counts as this long: numbers of sessions must not run out by what another node says.
const LONGEST: u64 = 1 << 32;

/// The key of a room that a session has left, and its name there.
pub(crate) type Left = (Arc<str>, Option<Arc<str>>);

impl Hub {
    /// From now on rooms are noted.
    pub(crate) fn note_interest(&self) {
        self.rooms.interest.get_or_init(Interest::default);
    }

    /// From now on an engine keeps the histories of rooms, for all nodes.
    pub(crate) fn share_histories(&self) {
        self.rooms.histories.make_common();
    }

    /// Whether an engine keeps them.
    pub(crate) fn shares_histories(&self) -> bool {
        self.rooms.histories.are_common()
    }

    /// The history of the room with this key, if it has one.
    pub(crate) fn history_of(&self, room: &str) -> Option<History> {
        self.rooms.histories.of(room)
    }

    /// The position of a message in the room with this key, on all nodes.
    pub(crate) fn position_in(room: &str, publisher: u64, n: u64) -> Position {
        position_in(room, publisher, n)
    }

    /// The past of a room with this key is there, by a load with this number: all that is behind a place.
    pub(crate) fn load(&self, room: &str, now: u64, number: u64, behind: Option<Place>, past: Vec<PastMessage>) {
        self.rooms.with_room(room, |_, room| {
            if let Some(log) = room.common() {
                log.load(now, number, behind, past);
            }
        });
    }

    /// The load that has filled the room's log.
    pub(crate) fn loaded(&self, room: &str) -> Option<u64> {
        self.rooms.with_room(room, |_, room| room.common()?.loaded())
    }

    /// A message that members on this node have got has its place in the history.
    pub(crate) fn settle(&self, room: &str, now: u64, name: Name, message: OutMessage) {
        self.rooms.with_room(room, |_, room| {
            if let Some(log) = room.common() {
                log.settle(now, name, message);
            }
        });
    }

    /// Messages of a room are missing on this node.
    pub(crate) fn miss_past(&self, room: &str) {
        self.rooms.with_room(room, |_, room| {
            if let Some(log) = room.common() {
                log.miss();
            }
        });
    }

    /// The room is not followed any more.
    pub(crate) fn forget_past(&self, room: &str) {
        self.rooms.with_room(room, |_, room| {
            if let Some(log) = room.common() {
                log.clear();
            }
        });
    }

    /// The rooms that were noted, and whether their messages are needed as of now. They may change at the same time, and
    /// are noted again then: the caller looks and uses what it saw under one lock of its own, which comes before all
    /// others.
    pub(crate) fn take_interest(&self) -> impl Iterator<Item = (Arc<str>, bool)> {
        let noted = self.rooms.interest.get().map(Interest::take).unwrap_or_default();
        noted.into_iter().map(|room| {
            let needed = self.rooms.are_needed(&room);
            (room, needed)
        })
    }

    /// The rooms whose numbers of members have changed since they were last taken.
    pub(crate) fn take_counted(&self) -> impl Iterator<Item = Arc<str>> {
        self.rooms.interest.get().map(Interest::take_counted).unwrap_or_default().into_iter()
    }

    /// Waits until a room is noted. Only one task can wait for this.
    pub(crate) fn poll_interest(&self, cx: &Context<'_>) -> Poll<()> {
        self.rooms.interest.get().map_or(Poll::Pending, |interest| interest.poll(cx))
    }

    /// The members of an audience on this node miss so many messages, but for some. Their clients are told, if they count
    /// messages. Returns how many members miss them.
    pub(crate) fn miss(&self, audience: &Audience, count: u64, except: &[Uuid]) -> usize {
        let mut sessions: Vec<Arc<SharedSession>> = match audience {
            Audience::Everybody => self.all_in_root().iter().map(|member| member.shared.clone()).collect(),
            Audience::Room(room) => self.rooms.sessions(room),
            Audience::AnyOf(rooms) => rooms.iter().flat_map(|room| self.rooms.sessions(room)).collect(),
        };
        sessions.retain(|session| !except.contains(&session.id()));
        sessions.iter().for_each(|session| Self::miss_one(session, count));
        sessions.len()
    }

    /// One session misses so many messages.
    pub(crate) fn miss_one(session: &SharedSession, count: u64) {
        if let Err(SendError::Exhausted) = session.miss(count.min(LONGEST)) {
            session.abort(reason::EXHAUSTED);
        }
    }

    /// Sends to one session what was sent to its room, unless it is excluded.
    pub(crate) fn deliver_to_one(
        &self,
        session: &Arc<SharedSession>,
        target: &Target,
        message: &OutMessage,
        slow: &CloseReason,
    ) -> Delivered {
        deliver_to([session], &self.rooms.except(target), target, message, slow)
    }

    /// Whether messages of other nodes to this room are for somebody here.
    pub(crate) fn needs(&self, room: &str) -> bool {
        self.rooms.are_needed(room)
    }

    /// Adds a session as [`insert`](Self::insert) does, but apart from the others: it comes from another node, and gets
    /// nothing that is sent to everybody before it is [together](Self::together) with them.
    ///
    /// # Errors
    /// Fails if the id is taken. Then nothing changes, and `remote` is given back.
    pub(crate) fn insert_apart(
        &self,
        shared: Arc<SharedSession>,
        remote: Remote,
        set: ChannelSet,
    ) -> Result<Arc<Member>, Remote> {
        self.apart.fetch_add(1, Ordering::Relaxed);
        let inserted = self.insert_with(shared, remote, set, Membership { apart: true, ..Membership::default() });
        if inserted.is_err() {
            self.apart.fetch_sub(1, Ordering::Relaxed);
        }
        inserted
    }

    /// The keys of the rooms that a session is in. `None` if it is over, or has channels, which do not move.
    pub(crate) fn keys(member: &Member) -> Option<Vec<Arc<str>>> {
        let membership = lock(&member.rooms);
        (!membership.gone && membership.channels.as_ref().is_none_or(|channels| channels.0.is_empty()))
            .then(|| membership.rooms.iter().cloned().collect())
    }

    /// Takes a session out of its rooms, and apart from the others. Returns the keys of the rooms and its names in them;
    /// `None`, without a change, if it is over or has channels.
    pub(crate) fn take_apart(&self, member: &Member) -> Option<Vec<Left>> {
        let mut membership = lock(&member.rooms);
        if membership.gone || membership.channels.as_ref().is_some_and(|channels| !channels.0.is_empty()) {
            return None;
        }
        if !std::mem::replace(&mut membership.apart, true) {
            self.apart.fetch_add(1, Ordering::Relaxed);
        }
        let rooms = membership.rooms.take().into_iter();
        Some(
            rooms
                .map(|room| {
                    let name = self.rooms.name_in(member.id(), &room);
                    self.rooms.leave(member.id(), &room);
                    (room, name)
                })
                .collect(),
        )
    }

    /// A session is together with the others again, and gets what is sent to everybody.
    pub(crate) fn together(&self, member: &Member) {
        if std::mem::take(&mut lock(&member.rooms).apart) {
            self.apart.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Adds a session to the room with this key, with a name if it has one there.
    pub(crate) fn rejoin(&self, member: &Arc<Member>, room: &str, name: Option<&str>) {
        if self.join_key(member, room).is_some()
            && let Some(name) = name
        {
            self.rooms.enter(member.id(), room, name);
        }
    }

    /// The namespace and the name of the room with this key: no name if all are in it. `None` if it is a topic.
    pub(crate) fn name_room(key: &str) -> Option<(&str, Option<&str>)> {
        parts_of(key)
    }
}
