//! The words between the rooms and their callers.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    cluster::engine::{Order, Place, Retention},
    payload::Payload,
};

/// The key of the room in which everybody is.
pub(crate) const EVERYBODY: &str = "\0all";

/// A process that publishes.
pub(crate) type Publisher = u64;

/// A member, by the number of its session.
pub(crate) type MemberId = [u8; 16];

/// The members that do not get something, since they have it: they came from another node.
pub(crate) type Exempt = Option<Arc<[MemberId]>>;

/// Says how long the engine keeps the history of the room with a key; `None` if the room has none.
type Keep = dyn Fn(&str) -> Option<Retention> + Send + Sync;

/// The rooms whose histories the engine keeps.
#[derive(Clone, Default)]
pub(crate) struct Keeping(Option<Arc<Keep>>);

impl Keeping {
    pub(crate) fn new(keep: impl Fn(&str) -> Option<Retention> + Send + Sync + 'static) -> Self {
        Keeping(Some(Arc::new(keep)))
    }

    /// Whether there may be such rooms.
    pub(super) fn any(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn of(&self, room: &str) -> Option<Retention> {
        self.0.as_ref().and_then(|keep| keep(room))
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeping").field(&self.0.is_some()).finish()
    }
}

/// The bounds and times of a node's rooms, in bytes and milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct RoomSettings {
    /// This process.
    pub(crate) publisher: Publisher,
    pub(crate) order: Order,
    pub(crate) keeping: Keeping,
    /// The most bytes that wait to be published. What does not fit is a hole for the other nodes.
    pub(crate) pending: usize,
    /// The most bytes of one envelope, unless it has a single message.
    pub(crate) envelope: usize,
    /// The longest message that is taken of others.
    pub(crate) message_limit: usize,
    /// The time for which the engine may be away before rooms go on without it.
    pub(crate) split_after: u64,
    /// The time after a room's last publication at which its position is published once more.
    pub(crate) position_after: u64,
    /// The time after its last publication at which a room's numbers are forgotten.
    pub(crate) forget_after: u64,
    /// The time for which a topic is kept behind the last member of its room.
    pub(crate) linger: u64,
    /// The time of silence after which a node publishes to itself, to find out whether it still hears anything.
    pub(crate) probe_after: u64,
    /// The time within which it must hear that.
    pub(crate) probe_timeout: u64,
}

impl RoomSettings {
    /// The defaults.
    pub(crate) fn new(publisher: Publisher, order: Order, message_limit: usize) -> Self {
        RoomSettings {
            publisher,
            order,
            keeping: Keeping::default(),
            pending: 8 << 20,
            envelope: 64 << 10,
            message_limit,
            split_after: 1_000,
            position_after: 1_000,
            forget_after: 300_000,
            linger: 5_000,
            probe_after: 5_000,
            probe_timeout: 5_000,
        }
    }
}

/// The options of a send to a room, which hold on all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The sessions that do not get it.
    pub(crate) except: Vec<[u8; 16]>,
    /// The keys of rooms whose members do not get it.
    pub(crate) except_rooms: Vec<String>,
    pub(crate) when_behind: Behind,
}

/// The fate of a message for a member that is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behind {
    #[default]
    Keep,
    Skip,
    /// The newest value of this key waits.
    Latest(String),
}

/// When the members on this node get what this node sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// In the one order that all nodes have, if the engine has one.
    InOrder,
    /// At once.
    Now,
}

/// The outcome of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The members on this node get it now, from the caller.
    pub(crate) deliver_now: bool,
    /// It goes to the other nodes, as far as the engine takes it.
    pub(crate) published: bool,
    /// Its number, if it has one: otherwise no other node gets it.
    pub(crate) n: Option<u64>,
}

/// Something to be done, in order. `M` is what the caller gave with a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<M> {
    /// The members of the room on this node get what this node sent. It has a number if other nodes get it.
    /// `settled`: it has come back, at its place in the order of all.
    Own { room: Arc<str>, n: Option<u64>, message: M, exempt: Exempt, settled: bool },
    /// They get what another node sent.
    Foreign { room: Arc<str>, message: Foreign, exempt: Exempt },
    /// A message that this node sent, and that its members have got, has come back to a room whose history the engine keeps.
    Returned { room: Arc<str>, message: Foreign },
    /// The past of a room whose history the engine keeps. All that comes behind this event is behind it.
    Past { room: Arc<str>, past: Loaded },
    /// A room whose history the engine keeps is not followed any more.
    Forgotten { room: Arc<str> },
    /// They miss so many messages of a publisher, at least, the first of which has the number `n`. Its numbers began with
    /// `base`.
    Gap { room: Arc<str>, publisher: Publisher, n: u64, base: u64, count: u64, exempt: Exempt },
    /// A member that came from another node misses so many, and the others do not.
    Missed { room: Arc<str>, member: MemberId, count: u64 },
    /// The rooms of each node go on alone (`true`), or together again.
    Split(bool),
    /// Bytes came that are no envelope of ours.
    Malformed,
    /// The engine takes what is published, and this node hears nothing of it: what it may have missed is in doubt, and
    /// its connection should be made anew.
    Deaf,
}

impl<M> Event<M> {
    /// The room that it is about, if it is about one.
    pub(crate) fn room(&self) -> Option<&str> {
        match self {
            Event::Own { room, .. }
            | Event::Foreign { room, .. }
            | Event::Returned { room, .. }
            | Event::Past { room, .. }
            | Event::Forgotten { room }
            | Event::Gap { room, .. }
            | Event::Missed { room, .. } => Some(room),
            Event::Split(_) | Event::Malformed | Event::Deaf => None,
        }
    }
}

/// A message of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) publisher: Publisher,
    pub(crate) n: u64,
    /// The first number that the publisher used, as far as it remembers.
    pub(crate) base: u64,
    pub(crate) options: Arc<Options>,
    pub(crate) payload: Payload,
    /// It was sent while its node could not publish.
    pub(crate) late: bool,
}

/// The past of a room, as the engine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// The number of this load, which no other one of this node has.
    pub(crate) number: u64,
    /// The place behind which all are here; `None` if the engine could not be asked.
    pub(crate) behind: Option<Place>,
    /// Each with its place in the history, and its age in milliseconds.
    pub(crate) messages: Vec<(u64, u64, Foreign)>,
}

/// A question for the history of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryAsk {
    pub(crate) room: Arc<str>,
    pub(crate) topic: Bytes,
    pub(crate) keep: Retention,
    pub(crate) after: Option<Place>,
    /// By this it is known when it is answered.
    pub(crate) number: u64,
}

/// The counts of a node's rooms so far, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoomCounters {
    /// Those that the engine has taken.
    pub(crate) published: u64,
    /// Those of other nodes that came.
    pub(crate) received: u64,
    /// Those among them that were sent while their node could not publish.
    pub(crate) late: u64,
    /// Those of other nodes that are known to be missing, at least.
    pub(crate) holes: u64,
    /// Those that were not published, since too much waited already (`pending`).
    pub(crate) refused: u64,
    /// The publications that were no envelopes.
    pub(crate) malformed: u64,
    /// Those of other nodes that came more than once.
    pub(crate) duplicates: u64,
}
