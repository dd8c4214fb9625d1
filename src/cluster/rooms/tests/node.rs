//! A node of the simulated cluster, and what the engine does for it.

use std::collections::{BTreeSet, HashSet, VecDeque};

use bytes::Bytes;

use super::{
    super::state::Subscription,
    history::{self, Id},
    *,
};

/// A machine that is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Not,
    /// It delivers its own message once more when it comes back late.
    DeliversTwice,
    /// It takes a late message for a sign that something is missing.
    CountsLate,
    ForgetsGap,
    /// It publishes before it would hear itself.
    PublishesEarly,
    /// It drops what has not come back when the line is cut.
    DropsAtCut,
    /// A member that comes is brought all that was collected.
    BringsAll,
    /// It gets again what the node receives later than the one that it came from.
    FollowsNobody,
    /// It is not told of what was delivered here before anything was collected for it.
    ForgetsTheEarly,
}

/// Something that an engine tells a node.
#[derive(Debug)]
pub(super) enum Told {
    Received(Publication),
    Cut,
    Whole,
}

impl Told {
    pub(super) fn short(&self) -> String {
        match self {
            Told::Received(publication) => history::short(publication),
            told => format!("{told:?}"),
        }
    }
}

/// A batch under way: what becomes of it, and when that is known.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) due: u64,
    pub(super) ok: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) machine: ClusterRooms<Id>,
    pub(super) publisher: u64,
    pub(super) alive: bool,
    pub(super) inbox: VecDeque<(u64, Told)>,
    /// The topics that the engine sends it now, and those that it would after a new connection.
    pub(super) topics: HashSet<Bytes>,
    pub(super) wanted: HashSet<Bytes>,
    pub(super) connected: bool,
    /// It is sent nothing, and is not told, up to this time.
    pub(super) deaf_until: u64,
    /// Publishing fails, or takes long, up to this time.
    pub(super) failing_until: u64,
    pub(super) slow_until: u64,
    /// Publications come late to it, up to this time.
    pub(super) late_until: u64,
    pub(super) lose: u64,
    pub(super) batch: Option<Batch>,
    pub(super) call: Option<(u64, bool, Vec<Bytes>, Vec<Bytes>)>,
    pub(super) whole_at: Option<u64>,
    pub(super) told_early: bool,
    /// The rooms whose topics it wants.
    pub(super) wants: BTreeSet<&'static str>,
    /// Own messages that were kept when the line was cut.
    pub(super) dropped: BTreeSet<Id>,
}

impl Node {
    pub(super) fn new(settings: RoomSettings, now: u64, whole_at: u64) -> Self {
        Node {
            publisher: settings.publisher,
            machine: ClusterRooms::new(settings, now),
            alive: true,
            inbox: VecDeque::new(),
            topics: HashSet::new(),
            wanted: HashSet::new(),
            connected: false,
            deaf_until: 0,
            failing_until: 0,
            slow_until: 0,
            late_until: 0,
            lose: 0,
            batch: None,
            call: None,
            whole_at: Some(whole_at),
            told_early: false,
            wants: BTreeSet::new(),
            dropped: BTreeSet::new(),
        }
    }

    /// Whether it learns from a publication on this topic now, and tells so at once.
    pub(super) fn knows(&self, topic: &[u8]) -> bool {
        let room = std::str::from_utf8(topic).ok().and_then(|name| self.machine.rooms.get(name));
        let ignores = [Subscription::Off, Subscription::Dropping];
        room.is_some_and(|room| {
            room.wanted && room.receiving.settling.is_none() && !ignores.contains(&room.subscription)
        })
    }

    /// Something that should be over by the end.
    pub(super) fn unfinished(&self) -> Option<String> {
        let machine = &self.machine;
        let open = machine.rooms.values().find(|room| {
            let is_settling = room.receiving.settling.is_some() || !room.receiving.held.is_empty();
            let is_open = room.wanted && room.subscription != Subscription::On;
            is_settling || is_open || !room.sending.kept.is_empty() || !room.sending.waiting.is_empty()
        });
        let is_held = machine.absent.is_some() || machine.outgoing.failed.is_some();
        let left = (machine.is_split() || is_held, machine.kept, machine.kept_refused, machine.outgoing.bytes);
        (open.is_some() || left != (false, 0, 0, 0)).then(|| format!("{}: {left:?}, {open:?}", self.publisher))
    }
}
