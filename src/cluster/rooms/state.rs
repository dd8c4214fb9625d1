//! A node's knowledge of the rooms of all nodes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    line::Line,
    positions::Reached,
    recording::{Asked, Recording},
    types::{EVERYBODY, Event, MemberId, Options, Publisher, RoomCounters, RoomSettings},
};
use crate::{
    cluster::engine::{Publication, RECORDED, Record, Retention},
    payload::Payload,
};

/// The topic by which a node speaks to itself and to all others.
pub(super) const CONTROL: &str = "\0control";

/// The bytes that a waiting message takes besides its own.
pub(super) const OVERHEAD: usize = 64;

/// The rooms of one node among those of all nodes.
#[derive(Debug)]
pub(crate) struct ClusterRooms<M> {
    pub(super) settings: RoomSettings,
    pub(super) rooms: HashMap<Arc<str>, Room<M>>,
    pub(super) line: Line,
    pub(super) interest: Interest,
    pub(super) outgoing: Outgoing,
    pub(super) asked: Asked,
    pub(super) events: VecDeque<Event<M>>,
    /// The time at which each room is to be looked at.
    pub(super) timers: BTreeSet<(u64, Arc<str>)>,
    /// The other processes, sorted.
    pub(super) others: Vec<Publisher>,
    /// Those that have gone, and when.
    pub(super) gone: Vec<(Publisher, u64)>,
    /// Numbers below this one may have been used in rooms that are forgotten.
    pub(super) floor: u64,
    /// The messages in all rooms that are kept until they come back.
    pub(super) kept: usize,
    /// The bytes of those among them that are not published.
    pub(super) kept_refused: usize,
    /// The order in which messages were kept.
    pub(super) sequence: u64,
    /// The rooms whose own messages are in doubt, or were.
    pub(super) settling: BTreeSet<Arc<str>>,
    pub(super) asking: Asking,
    /// The others are waited for behind an outage.
    pub(super) absent: Option<Absent>,
    /// The other processes at the time of the last cut.
    pub(super) before_cut: Vec<Publisher>,
    /// The time at which the others are told the positions.
    pub(super) answer_due: Option<u64>,
    pub(super) answered: Option<u64>,
    pub(super) sweep_due: u64,
    pub(super) counters: RoomCounters,
    /// The options of most messages.
    pub(super) plain: Arc<Options>,
}

/// The state of a topic at the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    Off,
    /// A call that asks for it is under way.
    Adding,
    /// A call has failed. The engine asks for it behind its next connection.
    Failed,
    /// Publications come, if the line is up.
    On,
    /// A call that drops it is under way.
    Dropping,
}

#[derive(Debug)]
pub(super) struct Room<M> {
    pub(super) name: Arc<str>,
    pub(super) topic: Bytes,
    /// It has members on this node.
    pub(super) members: bool,
    /// Its topic is wanted: there are members, or there were some a moment ago.
    pub(super) wanted: bool,
    /// Its topic is wanted for ever.
    pub(super) pinned: bool,
    pub(super) subscription: Subscription,
    /// It is among the changes that the engine is to be told.
    pub(super) changed: bool,
    /// The time at which it lost its last member.
    pub(super) idle_since: u64,
    pub(super) live_since: u64,
    pub(super) sending: Sending<M>,
    pub(super) receiving: Receiving<M>,
    /// The engine keeps its history.
    pub(super) recording: Option<Box<Recording>>,
    /// Members that came from other nodes, and have more of some publishers than this node has received.
    pub(super) followers: Vec<Follower>,
    /// The time under which it is in the timers.
    pub(super) timer: Option<u64>,
}

/// A member that has more than this node.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) member: MemberId,
    pub(super) has: BTreeMap<Publisher, Reached>,
    /// It is followed up to this time.
    pub(super) until: u64,
}

/// The half of a room that this node publishes.
#[derive(Debug)]
pub(super) struct Sending<M> {
    pub(super) numbers: Option<Numbers>,
    /// The messages to be published, in order.
    pub(super) waiting: VecDeque<Waiting>,
    /// It is in the queue of rooms that have something to publish.
    pub(super) queued: bool,
    /// Its position is to be published behind what waits.
    pub(super) position: bool,
    /// Its position has not been published since its last message.
    pub(super) position_owed: bool,
    /// The messages that the members here get when they come back.
    pub(super) kept: VecDeque<Kept<M>>,
}

/// Own messages that are published and have not come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    /// Those with numbers below this one.
    pub(super) below: u64,
    /// They are lost if they have not come when a marker with this number, or a later one, is back.
    pub(super) marker: u64,
    /// They may have come while the line was cut. Otherwise they are late.
    pub(super) was_cut: bool,
}

/// This node's numbers in a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// The first one that was used.
    pub(super) base: u64,
    pub(super) base_at: u64,
    /// The next one to be used.
    pub(super) next: u64,
    /// The next one to be published.
    pub(super) taken: u64,
    /// Something has been published.
    pub(super) said: bool,
    /// The time at which the last one was used.
    pub(super) last_at: u64,
    /// The time at which the last one went to the engine.
    pub(super) taken_at: u64,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) n: u64,
    pub(super) late: bool,
    pub(super) now: bool,
    pub(super) options: Arc<Options>,
    pub(super) payload: Payload,
}

#[derive(Debug)]
pub(super) struct Kept<M> {
    pub(super) n: u64,
    pub(super) sequence: u64,
    pub(super) at: u64,
    /// Its bytes, if it is not published, since too much waited. It keeps its place all the same.
    pub(super) refused: Option<usize>,
    pub(super) message: M,
}

/// The half of a room that this node receives.
#[derive(Debug)]
pub(super) struct Receiving<M> {
    pub(super) heard: HashMap<Publisher, Heard>,
    /// Something was missed, perhaps, while the line was cut.
    pub(super) doubt: Option<Doubt>,
    /// Own messages below this number may have come while the line was cut. Until that is known, all that comes is held.
    pub(super) settling: Option<Settling>,
    pub(super) held: VecDeque<Event<M>>,
}

/// Publications may have been missed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// Those of this time, and later ones.
    pub(super) from: u64,
    /// Publishers that were not heard up to this time have forgotten theirs.
    pub(super) until: u64,
}

/// The numbers that were heard of a publisher in a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The first number that the publisher used, as far as it remembers.
    pub(super) base: u64,
    pub(super) next: u64,
    pub(super) at: u64,
    /// Something may be missing since the line was cut.
    pub(super) doubt: bool,
}

/// The topics that the engine is to be asked for.
#[derive(Debug, Default)]
pub(super) struct Interest {
    pub(super) changes: VecDeque<Arc<str>>,
    /// The time since which a topic waits to be asked for.
    pub(super) since: Option<u64>,
    pub(super) call: Option<Call>,
    /// The time at which a failed call is made again.
    pub(super) retry_at: Option<u64>,
    pub(super) failures: u32,
}

/// The question to the others for their positions, when something may be missing.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The others that have not answered.
    pub(super) unanswered: Vec<Publisher>,
    /// They are asked with the next marker. The first time all are, by no name.
    pub(super) wanted: bool,
    pub(super) again: bool,
    /// The time at which they are asked again, and the time from that one to the next.
    pub(super) due: Option<u64>,
    pub(super) wait: u64,
}

/// The others, which are waited for with what rooms have to say.
#[derive(Debug)]
pub(super) struct Absent {
    /// Those that have not said a word since the line is whole.
    pub(super) silent: Vec<Publisher>,
    /// They are not waited for any longer.
    pub(super) until: u64,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) rooms: Vec<Arc<str>>,
    pub(super) since: Option<u64>,
}

/// The publications that the engine is to be given.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The rooms that have something to publish.
    pub(super) ready: VecDeque<Arc<str>>,
    /// The bytes that wait, those of the batch included.
    pub(super) bytes: usize,
    pub(super) batch: Option<Batch>,
    /// A batch that has failed, and is held. It comes before all that waits.
    pub(super) failed: Option<Batch>,
    /// The time at which the engine had taken a batch which had failed before, or was under way for long.
    pub(super) slow_at: u64,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) publications: Vec<Publication>,
    /// The messages of rooms whose histories the engine keeps.
    pub(super) records: Vec<(Arc<str>, Record)>,
    pub(super) bytes: usize,
    pub(super) messages: u64,
    pub(super) since: u64,
    pub(super) under_way: bool,
    pub(super) failures: u32,
    /// The time at which it is published again.
    pub(super) retry_at: u64,
}

impl<M> ClusterRooms<M> {
    pub(crate) fn new(settings: RoomSettings, now: u64) -> Self {
        let sweep_due = now + settings.forget_after;
        let mut rooms = ClusterRooms {
            settings,
            rooms: HashMap::new(),
            line: Line::new(now),
            interest: Interest::default(),
            outgoing: Outgoing::default(),
            asked: Asked::default(),
            events: VecDeque::new(),
            timers: BTreeSet::new(),
            others: Vec::new(),
            gone: Vec::new(),
            floor: 0,
            kept: 0,
            kept_refused: 0,
            sequence: 0,
            settling: BTreeSet::new(),
            asking: Asking::default(),
            absent: None,
            before_cut: Vec::new(),
            answer_due: None,
            answered: None,
            sweep_due,
            counters: RoomCounters::default(),
            plain: Arc::default(),
        };
        for pinned in [CONTROL, EVERYBODY] {
            rooms.room(pinned).pinned = true;
            rooms.set_interest(now, pinned, true);
        }
        rooms
    }

    /// The room with this name, new if there is none.
    pub(super) fn room(&mut self, name: &str) -> &mut Room<M> {
        if !self.rooms.contains_key(name) {
            let name: Arc<str> = name.into();
            let keep = self.settings.keeping.of(&name);
            self.rooms.insert(name.clone(), Room::new(name, keep));
        }
        self.rooms.get_mut(name).expect("it is there, or was added above")
    }

    /// The names of all rooms that fit, in an order that does not depend on chance.
    pub(super) fn names(&self, fits: impl Fn(&Room<M>) -> bool) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.rooms.values().filter(|room| fits(room)).map(|room| room.name.clone()).collect();
        names.sort_unstable();
        names
    }
}

impl<M> Room<M> {
    pub(super) fn new(name: Arc<str>, keep: Option<Retention>) -> Self {
        let beginning = if keep.is_some() { RECORDED } else { &[] };
        Room {
            topic: [beginning, name.as_bytes()].concat().into(),
            recording: keep.map(|keep| Box::new(Recording::new(keep))),
            name,
            members: false,
            wanted: false,
            pinned: false,
            subscription: Subscription::Off,
            changed: false,
            idle_since: 0,
            live_since: 0,
            sending: Sending {
                numbers: None,
                waiting: VecDeque::new(),
                queued: false,
                position: false,
                position_owed: false,
                kept: VecDeque::new(),
            },
            receiving: Receiving { heard: HashMap::new(), doubt: None, settling: None, held: VecDeque::new() },
            followers: Vec::new(),
            timer: None,
        }
    }

    /// Whether publications come back from now on.
    pub(super) fn is_live(&self, line: &Line) -> bool {
        line.is_up() && self.subscription == Subscription::On
    }

    /// Looks at the room at this time, or earlier.
    pub(super) fn look_at(&mut self, timers: &mut BTreeSet<(u64, Arc<str>)>, due: u64) {
        match self.timer {
            Some(timer) if timer <= due => return,
            Some(timer) => {
                timers.remove(&(timer, self.name.clone()));
            }
            None => {}
        }
        timers.insert((due, self.name.clone()));
        self.timer = Some(due);
    }
}

impl Outgoing {
    /// The room has something to publish.
    pub(super) fn enqueue<M>(&mut self, room: &mut Room<M>) {
        if !room.sending.queued {
            room.sending.queued = true;
            self.ready.push_back(room.name.clone());
        }
    }
}

impl<M> Receiving<M> {
    /// Puts an event of the room behind those before it.
    pub(super) fn tell(&mut self, events: &mut VecDeque<Event<M>>, event: Event<M>) {
        match self.settling {
            Some(_) => self.held.push_back(event),
            None => events.push_back(event),
        }
    }
}
