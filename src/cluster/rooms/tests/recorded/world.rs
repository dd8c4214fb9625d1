//! Nodes that follow one room, an engine with faults, and what they are told.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::*,
    engine::Engine,
    node::{Id, Node, Note, Question, ROOM, Told, Wrong},
};
use crate::{
    cluster::{
        engine::{Past, RECORDED, Record, Retention},
        rooms::Keeping,
    },
    simulation::random::Random,
};

pub(super) const HEALED: u64 = 20_000;
const END: u64 = 45_000;
pub(super) struct World {
    pub(super) now: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) engine: Engine,
    /// All that was appended, in order.
    pub(super) order: BTreeMap<Id, usize>,
    appended: usize,
    /// Those that were appended once more, since the engine had lost them.
    pub(super) again: BTreeSet<Id>,
    /// The life of the history in which each was appended.
    pub(super) epochs: BTreeMap<Id, u64>,
    pub(super) reset: bool,
    /// A question was not answered for so long that it was given up.
    pub(super) patient: bool,
    random: Random,
    wrong: Wrong,
    next_action: u64,
    calm: u64,
    pub(super) filled: u64,
}

impl World {
    pub(super) fn new(seed: u64, wrong: Wrong) -> Self {
        let mut random = Random::new(seed);
        let (most, step) = (random.pick(&[5, 50, 1_000_000]), random.pick(&[1, 3]));
        let calm = random.pick(&[0, 5, 15]);
        let mut world = World {
            now: 0,
            nodes: Vec::new(),
            engine: Engine::new(usize::try_from(most).unwrap(), step),
            order: BTreeMap::new(),
            appended: 0,
            again: BTreeSet::new(),
            epochs: BTreeMap::new(),
            reset: false,
            patient: true,
            random,
            wrong,
            next_action: 0,
            calm,
            filled: 0,
        };
        for publisher in 1..=3 {
            let order = if step == 1 { Order::Total } else { Order::Sender };
            let keep = Retention::new(u32::try_from(most).unwrap(), std::time::Duration::from_secs(60));
            let keeping = Keeping::new(move |room| (room == ROOM).then_some(keep));
            let linger = world.random.pick(&[100, 5_000]);
            let settings = RoomSettings { keeping, linger, ..RoomSettings::new(publisher, order, 1 << 16) };
            world.nodes.push(Node::new(settings));
        }
        for at in 0..3 {
            let others: Vec<u64> = (1..=3).filter(|other| *other != at as u64 + 1).collect();
            world.nodes[at].machine.set_others(0, &others);
            world.set_members(at, true);
        }
        world
    }

    fn set_members(&mut self, at: usize, members: bool) {
        self.nodes[at].members = members;
        self.nodes[at].machine.set_interest(self.now, ROOM, members);
        self.follow(at);
    }

    pub(super) fn run(&mut self) {
        while self.now < END {
            self.now = self.next_due().clamp(self.now, END);
            if self.now >= self.next_action && self.now < HEALED + 1_000 {
                self.act();
                self.next_action = self.now + 1 + self.random.below(150);
            }
            (0..3).for_each(|at| self.step(at));
        }
    }

    fn next_due(&self) -> u64 {
        let nodes = self.nodes.iter().flat_map(|node| {
            let inbox = node.inbox.front().map(|(due, _)| *due);
            let questions = node.questions.iter().map(|question| question.due).min();
            let call = node.call.as_ref().map(|call| call.0);
            [inbox, questions, call, node.batch.map(|batch| batch.0), node.whole_at, node.machine.next_timeout()]
        });
        let action = Some(self.next_action).filter(|_| self.now < HEALED + 1_000);
        nodes.chain([action]).flatten().min().unwrap_or(END)
    }

    fn act(&mut self) {
        let at = usize::try_from(self.random.below(3)).unwrap();
        let settled = self.now >= HEALED;
        if settled {
            // All have members at the end, and say a last word.
            (0..3).for_each(|at| self.set_members(at, true));
            (0..3).for_each(|at| self.send(at));
        } else if self.calm > 0 && self.random.one_in(self.calm) {
            self.fault(at);
        } else if self.random.one_in(15) {
            let members = !self.nodes[at].members;
            self.set_members(at, members);
        } else {
            self.send(at);
        }
    }

    fn send(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let id = (node.publisher, node.sent);
        node.sent += 1;
        let text = payload(&format!("{} {}", id.0, id.1));
        let when = if self.random.one_in(8) { When::Now } else { When::InOrder };
        let sent = node.machine.send(self.now, ROOM, &Arc::default(), &text, || id, when);
        if sent.deliver_now {
            node.notes.push(Note::Told { id, settled: false });
        }
        self.follow(at);
    }

    fn fault(&mut self, at: usize) {
        let length = self.random.pick(&[5, 300, 2_000, 7_000]);
        let end = (self.now + length).min(HEALED);
        match self.random.below(6) {
            0 | 1 => self.cut(at, end),
            2 => self.nodes[at].failing_until = end,
            3 => self.nodes[at].lose = self.random.range(1, 3),
            4 => self.nodes[at].deaf_to_questions_until = end,
            _ if self.random.one_in(4) => {
                self.engine.lose_all();
                self.reset = true;
            }
            _ => (0..3).for_each(|at| {
                self.nodes[at].failing_until = end;
                self.cut(at, end);
            }),
        }
    }

    fn cut(&mut self, at: usize, end: u64) {
        let noticed = self.now + self.random.below(300);
        let node = &mut self.nodes[at];
        if !node.connected {
            return;
        }
        node.connected = false;
        node.topics.clear();
        let keep = usize::try_from(self.random.below(node.inbox.len() as u64 + 1)).unwrap();
        node.inbox.truncate(keep);
        let due = node.inbox.back().map_or(0, |(due, _)| *due).max(noticed);
        node.inbox.push_back((due, Told::Cut));
        node.whole_at = Some(due.max(end));
    }

    fn step(&mut self, at: usize) {
        let now = self.now;
        while self.nodes[at].inbox.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, told)) = self.nodes[at].inbox.pop_front() else { break };
            self.tell(at, told);
        }
        if let Some((_, ok)) = self.nodes[at].batch.take_if(|batch| batch.0 <= now) {
            self.nodes[at].machine.publish_done(now, ok);
            self.follow(at);
        }
        if let Some((_, ok, add, drop)) = self.nodes[at].call.take_if(|call| call.0 <= now) {
            let node = &mut self.nodes[at];
            let ok = ok && node.connected;
            if ok {
                node.topics.extend(add);
                node.topics.retain(|topic| !drop.contains(topic));
            }
            node.machine.interest_done(now, ok);
            self.follow(at);
        }
        if self.nodes[at].whole_at.take_if(|due| *due <= now).is_some() {
            let node = &mut self.nodes[at];
            node.connected = true;
            node.topics.clone_from(&node.wanted);
            let due = node.inbox.back().map_or(0, |(due, _)| *due).max(now);
            node.inbox.push_back((due, Told::Whole));
        }
        while let Some(place) = self.nodes[at].questions.iter().position(|question| question.due <= now) {
            let Question { number, past, .. } = self.nodes[at].questions.remove(place);
            self.answer(at, number, past);
        }
        if self.nodes[at].machine.next_timeout().is_some_and(|due| due <= now) {
            self.nodes[at].machine.handle_timeout(now);
            self.follow(at);
        }
    }

    fn tell(&mut self, at: usize, told: Told) {
        let (now, wrong) = (self.now, self.wrong);
        let machine = &mut self.nodes[at].machine;
        match told {
            Told::Plain(publication) => machine.received(now, &publication.topic, &publication.body),
            Told::Record(record) => {
                let room = machine.rooms.get_mut(ROOM).and_then(|room| room.recording.as_mut());
                if wrong == Wrong::FillsNothing
                    && let Some(place) = room.and_then(|recording| recording.place.as_mut())
                    && place.epoch == record.place.epoch
                {
                    place.offset = place.offset.max(record.before);
                }
                machine.recorded(now, record);
            }
            Told::Cut => machine.cut(now),
            Told::Whole => machine.whole(now),
        }
        self.follow(at);
    }

    fn answer(&mut self, at: usize, number: u64, past: Option<Past>) {
        let node = &mut self.nodes[at];
        let is_answer = past.is_some();
        let recording = node.machine.rooms.get_mut(ROOM).and_then(|room| room.recording.as_mut());
        let fills = recording.as_ref().is_some_and(|recording| recording.place.is_some()) && is_answer;
        if self.wrong == Wrong::ForgetsHeld
            && fills
            && let Some(recording) = recording
            && let Some(last) = recording.held.back()
        {
            let last = last.place;
            recording.held.clear();
            recording.place = Some(last);
        }
        let before = node.notes.len();
        node.machine.history_done(self.now, number, past);
        self.follow(at);
        let node = &mut self.nodes[at];
        let from = before.min(node.notes.len());
        let count = node.notes.len() - from;
        self.filled += u64::from(fills && count > 0);
        match self.wrong {
            Wrong::FillsBehind if fills => node.notes[from..].reverse(),
            Wrong::CountsFilled if fills && count > 0 => node.notes.push(Note::Gap(1)),
            Wrong::TakesTwice if fills && count > 0 => {
                let again = node.notes[from].clone();
                node.notes.push(again);
            }
            _ => {}
        }
    }

    /// Does what the machine wants.
    fn follow(&mut self, at: usize) {
        loop {
            let has_publications = self.nodes[at].machine.has_publications();
            let Some(batch) = self.nodes[at].machine.poll_publish(self.now) else { break };
            assert!(has_publications, "nobody would have looked for this batch");
            let records = self.nodes[at].machine.records();
            self.publish(at, batch, records);
        }
        if self.nodes[at].call.is_none()
            && let Some((add, drop)) = self.nodes[at].machine.poll_interest(self.now)
        {
            let due = self.now + 1 + self.random.below(20);
            let node = &mut self.nodes[at];
            node.wanted.extend(add.iter().cloned());
            node.wanted.retain(|topic| !drop.contains(topic));
            node.call = Some((due, node.connected, add, drop));
        }
        while let Some(ask) = self.nodes[at].machine.poll_history(self.now) {
            let node = &self.nodes[at];
            let fails = !node.connected || self.now < node.deaf_to_questions_until;
            let past = (!fails).then(|| self.engine.past(ask.after));
            let due = self.now + 1 + self.random.below(30);
            self.nodes[at].questions.push(Question { due, number: ask.number, past });
        }
        self.note(at);
    }

    fn publish(&mut self, at: usize, batch: Vec<Publication>, records: Vec<Record>) {
        let fails = self.now < self.nodes[at].failing_until;
        let arrives = |all: usize, random: &mut Random| match fails {
            true => usize::try_from(random.below(all as u64 + 1)).unwrap(),
            false => all,
        };
        let plain = arrives(batch.len(), &mut self.random);
        for publication in batch.into_iter().take(plain) {
            self.spread(&publication.topic.clone(), |_| Told::Plain(publication.clone()));
        }
        let kept = arrives(records.len(), &mut self.random);
        for record in records.into_iter().take(kept) {
            assert!(record.topic.starts_with(RECORDED));
            if let Some(told) = self.engine.append(&record) {
                let place = self.appended;
                self.appended += 1;
                let id = id_of(&record.body);
                self.epochs.insert(id, told.place.epoch);
                if *self.order.entry(id).or_insert(place) != place {
                    self.again.insert(id);
                }
                self.spread(&record.topic, |_| Told::Record(told.clone()));
            }
        }
        let due = self.now + 1 + self.random.below(8);
        self.nodes[at].batch = Some((due, !fails));
    }

    fn spread(&mut self, topic: &Bytes, told: impl Fn(usize) -> Told) {
        for to in 0..3 {
            let delay = self.random.below(4);
            let node = &mut self.nodes[to];
            if !node.connected || !node.topics.contains(topic) {
                continue;
            }
            if topic.starts_with(RECORDED) && node.lose > 0 && self.now < HEALED {
                node.lose -= 1;
                continue;
            }
            let due = node.inbox.back().map_or(0, |(due, _)| *due).max(self.now + delay);
            node.inbox.push_back((due, told(to)));
        }
    }

    fn note(&mut self, at: usize) {
        while let Some(event) = self.nodes[at].machine.poll_event() {
            let note = match event {
                Event::Own { message, settled, .. } => Note::Told { id: message, settled },
                Event::Foreign { message, .. } => Note::Told { id: id_in(&message.payload), settled: true },
                Event::Returned { message, .. } => Note::Returned(id_in(&message.payload)),
                Event::Past { past, .. } => {
                    self.patient &= past.behind.is_some();
                    Note::Past(past.messages.iter().map(|(.., message)| id_in(&message.payload)).collect())
                }
                Event::Forgotten { .. } => Note::Forgotten,
                Event::Gap { room, count, .. } if *room == *ROOM => Note::Gap(count),
                Event::Malformed => panic!("all that is published here is an envelope"),
                _ => continue,
            };
            self.nodes[at].notes.push(note);
        }
    }
}

fn id_in(payload: &Payload) -> Id {
    let text = payload.clone().into_message();
    let (publisher, n) = text.as_text().and_then(|text| text.split_once(' ')).expect("tests send ids");
    (publisher.parse().expect("an id"), n.parse().expect("an id"))
}

fn id_of(body: &Bytes) -> Id {
    let (_, mut reader) = super::super::super::envelope::read(body).expect("an envelope");
    assert_eq!(reader.options(), Ok(None));
    id_in(&reader.message(1 << 16).expect("a message"))
}
