//! Some nodes, an engine with faults, and what members and handlers write down. All is decided by a seed.

use std::collections::BTreeMap;

use super::{
    super::envelope::{self, About},
    history::{self, History, Id, Note, ROOMS},
    mover::Mover,
    node::{Batch, Node, Told, Wrong},
    *,
};
use crate::simulation::random::Random;

/// Faults end by then, and sends a moment later.
pub(super) const HEALED: u64 = 20_000;
const END: u64 = 50_000;

pub(super) struct World {
    pub(super) now: u64,
    pub(super) order: Order,
    pub(super) nodes: Vec<Node>,
    pub(super) movers: Vec<Mover>,
    pub(super) history: History,
    pub(super) random: Random,
    pub(super) wrong: Wrong,
    pub(super) settings: RoomSettings,
    /// The times at which nodes learn who lives.
    pub(super) views: BTreeMap<(u64, usize), Vec<u64>>,
    pub(super) next_publisher: u64,
    /// A fault comes once in so many actions.
    pub(super) calm: u64,
    pub(super) next_action: u64,
    pub(super) pace: u64,
    pub(super) traces: bool,
    pub(super) trace: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64, wrong: Wrong, traces: bool) -> Self {
        let mut random = Random::new(seed);
        let order = if random.one_in(4) { Order::Sender } else { Order::Total };
        let mut settings = RoomSettings::new(0, order, 1 << 16);
        if random.one_in(4) {
            settings.pending = 1_500;
        }
        if random.one_in(4) {
            settings.envelope = 60;
        }
        let forgets = random.one_in(3);
        if forgets {
            settings.forget_after = 6_000;
        }
        if random.one_in(3) {
            settings.linger = 100;
        }
        let (calm, pace) = (random.pick(&[0, 5, 12, 50]), random.pick(&[50, 150, 500]));
        let count = random.range(1, 3);
        let mut world = World {
            now: 0,
            order,
            nodes: Vec::new(),
            movers: Vec::new(),
            history: History::new(forgets),
            random,
            wrong,
            settings,
            views: BTreeMap::new(),
            next_publisher: 1,
            calm,
            next_action: 0,
            pace,
            traces,
            trace: Vec::new(),
        };
        (0..count).for_each(|_| world.start());
        world.add_movers();
        world
    }

    /// The end of the trace, if one was kept.
    pub(super) fn trace(&self, tail: usize) -> String {
        self.trace[self.trace.len().saturating_sub(tail)..].join("\n")
    }

    pub(super) fn log(&mut self, text: impl FnOnce() -> String) {
        if self.traces {
            self.trace.push(format!("{:>6} {}", self.now, text()));
        }
    }

    /// Runs until all is over.
    pub(super) fn run(&mut self) {
        let mut idle = 0;
        while self.now < END {
            let due = self.next_due().min(END);
            idle = if due > self.now { 0 } else { idle + 1 };
            assert!(idle < 100_000, "time stands still at {}", self.now);
            self.now = self.now.max(due);
            if self.now >= self.next_action && self.now < HEALED + 2_000 {
                self.act();
                let wait = 1 + self.random.below(self.pace);
                self.next_action = self.now + wait;
            }
            self.step_movers();
            self.step();
        }
        self.history.end = self.now;
    }

    /// Whether nothing waits any more.
    pub(super) fn finished(&self) -> Result<(), String> {
        self.nodes.iter().filter(|node| node.alive).find_map(Node::unfinished).map_or(Ok(()), Err)
    }

    fn next_due(&self) -> u64 {
        let nodes = self.nodes.iter().filter(|node| node.alive);
        let nodes = nodes.filter_map(|node| {
            let inbox = node.inbox.front().map(|(due, _)| *due);
            let batch = node.batch.as_ref().map(|batch| batch.due);
            let call = node.call.as_ref().map(|call| call.0);
            [inbox, batch, call, node.whole_at, node.machine.next_timeout()].into_iter().flatten().min()
        });
        let view = self.views.keys().next().map(|(due, _)| *due);
        let action = Some(self.next_action).filter(|_| self.now < HEALED + 2_000);
        nodes.chain(view).chain(action).chain(self.movers_due()).min().unwrap_or(END)
    }

    /// Starts a node. The others learn of it before it serves.
    pub(super) fn start(&mut self) {
        let publisher = self.next_publisher;
        self.next_publisher += 1;
        let settings = RoomSettings { publisher, ..self.settings.clone() };
        let delay = self.delay(50);
        let whole_at = self.now + delay;
        let node = Node::new(settings, self.now, whole_at);
        self.nodes.push(node);
        self.history.begin(publisher);
        let all: Vec<u64> = self.nodes.iter().filter(|node| node.alive).map(|node| node.publisher).collect();
        for at in 0..self.nodes.len() {
            self.see(at, &all);
        }
        self.follow(self.nodes.len() - 1);
    }

    fn see(&mut self, at: usize, all: &[u64]) {
        let node = &mut self.nodes[at];
        let others: Vec<u64> = all.iter().copied().filter(|publisher| *publisher != node.publisher).collect();
        node.machine.set_others(self.now, &others);
    }

    pub(super) fn delay(&mut self, most: u64) -> u64 {
        self.random.below(most)
    }

    /// All that is due now happens.
    fn step(&mut self) {
        while let Some(entry) = self.views.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let ((_, at), _) = entry.remove_entry();
            if self.nodes[at].alive {
                // It learns who lives now, not who lived when the news was made.
                let all: Vec<u64> = self.nodes.iter().filter(|node| node.alive).map(|node| node.publisher).collect();
                self.see(at, &all);
                self.follow(at);
            }
        }
        for at in 0..self.nodes.len() {
            if self.nodes[at].alive {
                self.step_node(at);
            }
        }
    }

    fn step_node(&mut self, at: usize) {
        let now = self.now;
        while self.nodes[at].inbox.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, told)) = self.nodes[at].inbox.pop_front() else { break };
            self.tell(at, told);
        }
        if let Some(batch) = self.nodes[at].batch.take_if(|batch| batch.due <= now) {
            self.nodes[at].machine.publish_done(now, batch.ok);
            self.follow(at);
        }
        if let Some((_, ok, add, drop)) = self.nodes[at].call.take_if(|call| call.0 <= now) {
            let node = &mut self.nodes[at];
            let ok = ok && node.connected;
            if ok {
                node.topics.extend(add.iter().cloned());
                node.topics.retain(|topic| !drop.contains(topic));
            }
            if !std::mem::take(&mut node.told_early) {
                node.machine.interest_done(now, ok);
            }
            self.follow(at);
        }
        if self.nodes[at].whole_at.is_some_and(|due| due <= now) {
            let node = &mut self.nodes[at];
            node.whole_at = None;
            node.connected = true;
            node.topics = node.wanted.clone();
            let due = node.inbox.back().map_or(now, |(due, _)| *due).max(now + self.random.below(5));
            node.inbox.push_back((due, Told::Whole));
        }
        if self.nodes[at].machine.next_timeout().is_some_and(|due| due <= now) {
            self.nodes[at].machine.handle_timeout(now);
            self.follow(at);
        }
    }

    fn tell(&mut self, at: usize, told: Told) {
        self.log(|| format!("{at} <- {}", told.short()));
        let (now, node) = (self.now, &mut self.nodes[at]);
        let mut again = None;
        match told {
            Told::Received(publication) => {
                if self.wrong == Wrong::DeliversTwice {
                    again = late_own(node.publisher, &publication);
                }
                node.machine.received(now, &publication.topic, &publication.body);
                if node.knows(&publication.topic) {
                    self.history.received(node.publisher, &publication);
                }
            }
            Told::Cut => {
                node.machine.cut(now);
                self.history.cut(node.publisher, now);
                if self.wrong == Wrong::DropsAtCut {
                    node.dropped = self.history.unreturned(node.publisher);
                }
            }
            Told::Whole => {
                node.machine.whole(now);
                self.history.whole(node.publisher);
            }
        }
        self.follow(at);
        if let Some(id) = again {
            self.history.note(self.nodes[at].publisher, id.room, Note::Own(id));
        }
    }

    /// Does what the machine asks for.
    pub(super) fn follow(&mut self, at: usize) {
        self.deliver(at);
        let now = self.now;
        let node = &mut self.nodes[at];
        for room in ROOMS {
            let wanted = node.machine.rooms.get(room).is_some_and(|room| room.wanted);
            if !wanted && node.wants.remove(room) {
                self.history.note(node.publisher, room, Note::Dropped);
            } else if wanted {
                node.wants.insert(room);
            }
        }
        let has_topics = node.machine.has_topics(now);
        if let Some((add, drop)) = node.machine.poll_interest(now) {
            assert!(has_topics, "nobody would have looked for these topics");
            node.wanted.extend(add.iter().cloned());
            node.wanted.retain(|topic| !drop.contains(topic));
            if self.traces {
                self.trace.push(format!("{now:>6} {at} asks for {add:?}, drops {drop:?}"));
            }
            let takes = if self.random.one_in(20) && now < HEALED { 1_500 } else { 5 };
            let ok = node.connected;
            let due = now + self.random.below(takes);
            if ok && self.random.one_in(2) {
                // It works before the node knows.
                node.topics.extend(add.iter().cloned());
            }
            node.call = Some((due, ok, add, drop));
            if self.wrong == Wrong::PublishesEarly {
                node.told_early = true;
                node.machine.interest_done(now, true);
            }
        }
        let has_publications = self.nodes[at].machine.has_publications();
        if let Some(batch) = self.nodes[at].machine.poll_publish(now) {
            assert!(has_publications, "nobody would have looked for this batch");
            self.publish(at, batch);
        }
        self.deliver(at);
    }

    fn publish(&mut self, at: usize, batch: Vec<Publication>) {
        let now = self.now;
        let node = &self.nodes[at];
        let (fails, slow) = (now < node.failing_until, now < node.slow_until);
        self.history.publishing(node.publisher, &batch);
        // Some of a batch that fails may have arrived.
        let arrives = if fails { self.random.below(batch.len() as u64 + 1) as usize } else { batch.len() };
        let takes = if slow { self.random.range(100, 1_400) } else { self.random.range(1, 8) };
        let arrives = if fails && self.random.one_in(2) { 0 } else { arrives };
        let short: Vec<String> = if self.traces { batch.iter().map(history::short).collect() } else { Vec::new() };
        self.log(|| format!("{at} publishes ({arrives} arrive) in {takes}: {short:?}"));
        for publication in batch.into_iter().take(arrives) {
            self.check_interest(at, &publication);
            self.spread(at, &publication);
        }
        self.nodes[at].batch = Some(Batch { due: now + takes, ok: !fails });
    }

    /// A node does not publish what it waits for before the engine has confirmed that it will come back.
    fn check_interest(&mut self, at: usize, publication: &Publication) {
        let node = &self.nodes[at];
        let asked = node.call.as_ref().is_some_and(|call| call.2.contains(&publication.topic));
        let confirmed = !asked || !node.told_early;
        if !confirmed && self.history.is_awaited(node.publisher, publication) {
            let text = format!("{} published to {:?} without interest", node.publisher, publication.topic);
            self.history.fault.get_or_insert(text);
        }
    }

    /// The engine hands a publication to all nodes that want it.
    fn spread(&mut self, from: usize, publication: &Publication) {
        let now = self.now;
        for to in 0..self.nodes.len() {
            // With an order of each sender alone, what a node sends to itself is faster.
            let near = self.order == Order::Sender && to == from;
            let delay = match near {
                true => 0,
                false if now < self.nodes[to].late_until => self.random.range(200, 900),
                false => self.random.below(4),
            };
            let node = &mut self.nodes[to];
            if !node.alive || !node.connected || !node.topics.contains(&publication.topic) {
                if node.alive && node.wanted.contains(&publication.topic) {
                    self.history.lost(node.publisher, publication);
                }
                continue;
            }
            let loses = node.lose > 0 && now < HEALED && history::is_message(publication);
            if now < node.deaf_until || loses {
                node.lose -= u64::from(loses);
                self.history.lost_silently(node.publisher, publication);
                continue;
            }
            let due = node.inbox.back().map_or(0, |(due, _)| *due).max(now + delay);
            node.inbox.push_back((due, Told::Received(publication.clone())));
        }
    }

    fn deliver(&mut self, at: usize) {
        let mut is_splitting = false;
        while let Some(event) = self.nodes[at].machine.poll_event() {
            let node = &mut self.nodes[at];
            let (number, exempt) = moving(node.publisher, &event);
            let (room, note) = match event {
                Event::Own { message, .. } if is_splitting => (message.room, Note::OwnAtSplit(message)),
                Event::Own { message, .. } => (message.room, Note::Own(message)),
                Event::Foreign { message: Foreign { payload, late, options, .. }, .. } => {
                    assert!(options.except.len() <= 1);
                    let text = payload.into_message();
                    let id: Id = text.as_text().expect("tests send text").parse().expect("tests send ids");
                    if late && self.wrong == Wrong::CountsLate {
                        self.history.note(node.publisher, id.room, Note::Gap(1));
                    }
                    (id.room, Note::Foreign(id, late))
                }
                Event::Gap { count, .. } if self.wrong == Wrong::ForgetsGap && count == 1 => continue,
                Event::Gap { room, count, .. } => (self.history.room(&room), Note::Gap(count)),
                Event::Missed { member, count, .. } => {
                    self.tell_mover(member, Note::Gap(count));
                    continue;
                }
                Event::Past { .. } | Event::Returned { .. } | Event::Forgotten { .. } => {
                    panic!("no history is kept here")
                }
                Event::Split(split) => {
                    is_splitting = split;
                    continue;
                }
                Event::Deaf => {
                    self.history.deaf(node.publisher);
                    continue;
                }
                Event::Malformed => panic!("all that is published here is an envelope"),
            };
            if let Note::Own(id) | Note::OwnAtSplit(id) = note
                && node.dropped.remove(&id)
            {
                continue;
            }
            if self.traces {
                self.trace.push(format!("{:>6} {} {room:?} {note:?}", self.now, node.publisher));
            }
            self.history.note(node.publisher, room, note);
            self.tell_movers(at, room, number, note, exempt.as_deref());
        }
    }
}

/// The publisher and the number of what an event tells, and whom it is not for.
fn moving(me: u64, event: &Event<Id>) -> (Option<Number>, Exempt) {
    let number = |publisher, n, base| Number { publisher, n, base };
    match event {
        Event::Own { n, exempt, .. } => (n.map(|n| number(me, n, n)), exempt.clone()),
        Event::Foreign { message, exempt, .. } => {
            (Some(number(message.publisher, message.n, message.base)), exempt.clone())
        }
        Event::Gap { publisher, n, base, exempt, .. } => (Some(number(*publisher, *n, *base)), exempt.clone()),
        _ => (None, None),
    }
}

/// The first message of a late envelope of this publisher.
fn late_own(publisher: u64, publication: &Publication) -> Option<Id> {
    let (head, mut reader) = envelope::read(&publication.body).ok()?;
    let About::Room(about) = head.about else { return None };
    if head.publisher != publisher || !about.late || about.count == 0 {
        return None;
    }
    reader.options().ok()?;
    reader.message(1 << 16).ok()?.into_message().as_text()?.parse().ok()
}
