//! The rooms of this node among those of all nodes, behind one lock.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::watch;

use super::{
    due::Due,
    target::{Own, options_of},
};
use crate::{
    cluster::rooms::{ClusterRooms, Options, Publisher},
    hub::Target,
    server::{core::Core, nodes::membership::Living},
};

/// A process that no node is. It stands for those that this node may not know of.
const SOMEBODY: Publisher = 0;

/// The machine, and what is around it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: ClusterRooms<Own>,
    /// The things to be done, in order.
    pub(super) due: VecDeque<Due>,
    /// The rooms whose messages are wanted for sessions that are not there yet, and of how many.
    wanted: HashMap<Arc<str>, usize>,
    /// The rooms of each such session, by its number.
    wanted_for: HashMap<u64, Vec<Arc<str>>>,
    /// Somebody does it.
    pub(super) delivering: bool,
    /// The time for which the timekeeper waits.
    pub(super) timeout: u64,
    /// The engine did not take the last batch, which was logged.
    pub(super) failing: bool,
    pub(super) me: Publisher,
    living: watch::Receiver<Arc<Living>>,
    /// The options of most sends, which say nothing more.
    plain: Arc<Options>,
    /// Those of the last send that had some. The sends of one session often have the same.
    options: Arc<Options>,
    /// The number of those that wanted the histories of rooms so far.
    followers: u64,
}

/// The tasks that have something to do, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// The timekeeper waits for too late a time, or there is something to deliver.
    pub(super) sooner: bool,
    pub(super) publish: bool,
    /// There are topics to ask the engine for, or to drop.
    pub(super) ask: bool,
    /// There are histories to ask the engine for.
    pub(super) recall: bool,
}

impl Work {
    pub(super) const SOONER: Work = Work { sooner: true, publish: false, ask: false, recall: false };
    pub(super) const ALL: Work = Work { sooner: true, publish: true, ask: true, recall: true };
}

/// The numbers from here on are of those that want the histories of rooms.
const FOLLOWERS: u64 = 1 << 63;

impl State {
    pub(super) fn new(me: Publisher, machine: ClusterRooms<Own>, living: watch::Receiver<Arc<Living>>) -> Self {
        let mut living = living;
        living.mark_changed();
        State {
            machine,
            due: VecDeque::new(),
            wanted: HashMap::new(),
            wanted_for: HashMap::new(),
            delivering: false,
            timeout: u64::MAX,
            failing: false,
            me,
            living,
            plain: Arc::default(),
            options: Arc::default(),
            followers: 0,
        }
    }

    /// Tells the machine who the others are, and what rooms have members here: as of now, since it is told under the lock
    /// under which it is used. Returns whether there was something to tell.
    pub(super) fn refresh(&mut self, core: &Core, now: u64) -> bool {
        let mut told = false;
        if self.living.has_changed().unwrap_or(false) {
            let living = self.living.borrow_and_update().clone();
            let others = living.nodes.iter().map(|node| node.incarnation).filter(|process| *process != self.me);
            // Until this node has joined, and while the directory is away, there may be nodes that it does not know.
            let unknown = (!living.joined || living.away).then_some(SOMEBODY);
            let others: Vec<Publisher> = others.chain(unknown).collect();
            self.machine.set_others(now, &others);
            told = true;
        }
        for (room, needed) in core.hub.take_interest() {
            let needed = needed || self.wanted.contains_key(&room);
            self.machine.set_interest(now, &room, needed);
            told = true;
        }
        told
    }

    /// The options that other nodes are told of a send.
    pub(super) fn options_of(&mut self, target: &Target) -> Arc<Options> {
        let Some(options) = options_of(target) else { return self.plain.clone() };
        if *self.options != options {
            self.options = Arc::new(options);
        }
        self.options.clone()
    }

    /// The messages of these rooms are wanted for a session that is not there, which has this number.
    pub(super) fn want(&mut self, now: u64, number: u64, rooms: Vec<Arc<str>>) {
        for room in &rooms {
            *self.wanted.entry(room.clone()).or_insert(0) += 1;
            self.machine.set_interest(now, room, true);
        }
        self.wanted_for.insert(number, rooms);
    }

    /// The history of a room is wanted. Returns the number by which it is until it is not.
    pub(super) fn want_history(&mut self, now: u64, room: Arc<str>) -> u64 {
        self.followers += 1;
        let number = FOLLOWERS | self.followers;
        self.want(now, number, vec![room]);
        number
    }

    /// They are not wanted any more for that session.
    pub(super) fn want_no_more(&mut self, core: &Core, now: u64, number: u64) {
        for room in self.wanted_for.remove(&number).unwrap_or_default() {
            let Some(sessions) = self.wanted.get_mut(&room) else { continue };
            *sessions -= 1;
            if *sessions == 0 {
                self.wanted.remove(&room);
                self.machine.set_interest(now, &room, core.hub.needs(&room));
            }
        }
    }

    /// Takes what the machine has to do.
    pub(super) fn settle(&mut self, now: u64) -> Work {
        while let Some(event) = self.machine.poll_event() {
            self.due.push_back(Due::Event(event));
        }
        let next = self.machine.next_timeout().unwrap_or(u64::MAX);
        let sooner = next < self.timeout;
        if sooner {
            self.timeout = next;
        }
        Work {
            sooner,
            publish: self.machine.has_publications(),
            ask: self.machine.has_topics(now),
            recall: self.machine.has_questions(),
        }
    }

    /// Whether own members get a message at once, and nothing that came before it waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.delivering && self.due.is_empty()
    }
}
