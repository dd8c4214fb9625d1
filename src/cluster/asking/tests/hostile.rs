//! One node asks three others, whose engine and links do what they like: what comes in which order, late, twice or never, is
//! drawn by a seed, and so is who dies, and who says what cannot be.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Desk, Fate, MOST_NAMED, Part, Said, Tally, Told, Why, Words};
use crate::{packet::Packet, simulation::random::Random};

const SEEDS: u64 = 3_000;
const NODES: usize = 3;
const ROOMS: [&str; 2] = ["a", "b"];
const KEY: (u64, u64) = (9, 5);
/// The time that the request has.
pub(super) const TIME: u64 = 3_000;
/// All is forgotten by then.
const END: u64 = 200_000;

/// A mistake that the oracle must find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    /// A node does not say that a part was lost.
    HidesLosses,
    /// It says too early that it has named all.
    WholeTooEarly,
    /// A node that dies is not noticed, and the time that is up neither.
    WaitsForTheDead,
    /// Members are asked although nobody waits.
    AsksForNobody,
}

pub(super) enum Event {
    /// The request comes to a room of a node.
    Comes(usize, usize, bool),
    Question(usize),
    /// It is known at a node that the request has passed by a room.
    Passed(usize, usize),
    Joins(usize, usize, u32),
    Leaves(usize, usize, u32),
    /// A member answers, or ends.
    Ends(usize, usize, bool),
    Look(usize),
    Dies(usize),
    /// Bytes come to the node that asks; the end if there are none.
    Says(usize, Vec<u8>),
    /// The node that asks does not want to know any more.
    Forgotten(usize),
    TimeIsUp,
}

#[derive(Default)]
pub(super) struct Gather {
    pub(super) expected: Option<usize>,
    pub(super) done: usize,
    pub(super) lost: bool,
    pub(super) asked: Vec<String>,
    pub(super) named: usize,
    pub(super) ended: BTreeMap<usize, bool>,
    pub(super) told: BTreeSet<usize>,
    pub(super) whole: bool,
}

pub(super) struct Node {
    pub(super) desk: Desk<(), ()>,
    pub(super) gather: Gather,
    pub(super) rooms: [BTreeSet<u32>; 2],
    /// The request went by a room, or was lost.
    pub(super) passed: [bool; 2],
    pub(super) awaited: bool,
    pub(super) dead: bool,
    /// When its last word comes.
    pub(super) said_at: u64,
    pub(super) looks: u64,
    pub(super) words: Words,
    /// Nothing bad befell it before it had its say.
    pub(super) honest: bool,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) wrong: Wrong,
    pub(super) now: u64,
    pub(super) count: u64,
    pub(super) events: BTreeMap<(u64, u64), Event>,
    pub(super) nodes: Vec<Node>,
    pub(super) tally: Tally,
    pub(super) over: bool,
    pub(super) told: Vec<Told>,
    pub(super) parts: Vec<Part>,
}

impl World {
    fn new(seed: u64, wrong: Wrong) -> Self {
        let mut random = Random::new(seed);
        let rooms = 1 + random.below(2) as usize;
        let parts = (0..rooms).map(|room| Part { room: ROOMS[room].into(), n: 3 }).collect();
        let node = || Node {
            desk: Desk::new(),
            gather: Gather::default(),
            rooms: Default::default(),
            passed: [false; 2],
            awaited: false,
            dead: false,
            said_at: 0,
            looks: u64::MAX,
            words: Words::new(1_000),
            honest: true,
        };
        let nodes = std::iter::repeat_with(node).take(NODES).collect();
        let tally = Tally::new(NODES, false);
        let events = BTreeMap::new();
        let mut world =
            World { random, wrong, now: 0, count: 0, events, nodes, tally, over: false, told: Vec::new(), parts };
        (0..NODES).for_each(|node| world.plan(node, rooms));
        world.at(TIME, Event::TimeIsUp);
        world
    }

    fn at(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.events.insert((time, self.count), event);
    }

    fn plan(&mut self, node: usize, rooms: usize) {
        for room in 0..rooms {
            for member in 0..self.random.below(4) as u32 {
                let joins = if self.random.one_in(4) { self.random.below(600) } else { 0 };
                self.at(joins, Event::Joins(node, room, member));
                if self.random.one_in(4) {
                    let leaves = joins + self.random.below(600);
                    self.at(leaves, Event::Leaves(node, room, member));
                }
            }
            let comes = 1 + if self.random.one_in(8) { self.random.below(9_000) } else { self.random.below(400) };
            if self.random.one_in(6) {
                self.nodes[node].honest = false;
                let noticed = comes + self.random.below(2_000);
                self.at(noticed, Event::Passed(node, room));
            } else {
                let late = comes > 1_000 && self.random.one_in(2);
                self.at(comes, Event::Comes(node, room, late));
                if self.random.one_in(10) {
                    let again = comes + self.random.below(300);
                    self.at(again, Event::Comes(node, room, late));
                }
            }
        }
        let asks = if self.random.one_in(8) { self.random.below(7_000) } else { self.random.below(400) };
        match self.random.one_in(10) {
            true => {
                self.nodes[node].honest = false;
                self.at(asks, Event::Says(node, Vec::new()));
            }
            false => self.at(asks, Event::Question(node)),
        }
        if self.random.one_in(6) {
            self.nodes[node].honest = false;
            let dies = self.random.below(1_500);
            self.at(dies, Event::Dies(node));
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(((time, _), event)) = self.events.pop_first() {
            self.now = time;
            if time > END {
                return Err("it never ends".into());
            }
            self.step(event)?;
            self.told.extend(std::iter::from_fn(|| self.tally.poll()));
            if self.tally.is_over() && !std::mem::replace(&mut self.over, true) {
                for node in 0..NODES {
                    let heard = self.now + self.random.below(50);
                    self.at(heard, Event::Forgotten(node));
                }
            }
        }
        self.judge()
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Joins(node, room, member) => drop(self.nodes[node].rooms[room].insert(member)),
            Event::Leaves(node, room, member) => drop(self.nodes[node].rooms[room].remove(&member)),
            Event::Comes(node, room, late) => self.comes(node, room, late)?,
            Event::Passed(node, room) => self.nodes[node].passed[room] = true,
            Event::Question(node) => self.question(node),
            Event::Ends(node, place, answers) => {
                self.nodes[node].gather.ended.entry(place).or_insert(answers);
                self.say(node);
            }
            Event::Look(node) => self.look(node),
            Event::Dies(node) => {
                self.nodes[node].dead = true;
                let noticed = self.now + self.random.below(500);
                if self.wrong != Wrong::WaitsForTheDead {
                    self.at(noticed, Event::Says(node, Vec::new()));
                }
            }
            Event::Says(node, bytes) => self.hear(node, &bytes),
            Event::Forgotten(node) => {
                let now = self.now;
                let node = &mut self.nodes[node];
                node.awaited = false;
                node.desk.leave(now, KEY);
            }
            Event::TimeIsUp => {
                if self.wrong != Wrong::WaitsForTheDead {
                    self.tally.times_up();
                }
            }
        }
        (0..NODES).for_each(|node| self.schedule(node));
        Ok(())
    }

    fn schedule(&mut self, node: usize) {
        let next = self.nodes[node].desk.next_timeout().map(|next| next.max(self.now + 1));
        if let Some(next) = next.filter(|next| *next < self.nodes[node].looks) {
            self.nodes[node].looks = next;
            self.at(next, Event::Look(node));
        }
    }

    fn comes(&mut self, at: usize, room: usize, late: bool) -> Result<(), String> {
        let node = &mut self.nodes[at];
        if node.dead {
            return Ok(());
        }
        let mut asks = node.desk.reached(self.now, KEY, ROOMS[room], late, || ((), ())).is_some();
        node.passed[room] = true;
        asks |= self.wrong == Wrong::AsksForNobody;
        if !asks {
            return Ok(());
        }
        let is_known = node.gather.expected.is_some() || (late && node.gather.done == 0);
        if !node.awaited && is_known {
            return Err(format!("node {at} asks its members although nobody waits"));
        }
        let members: Vec<String> = node.rooms[room].iter().map(|member| format!("{at}.{member}")).collect();
        for member in members {
            if self.nodes[at].gather.asked.contains(&member) {
                continue;
            }
            self.nodes[at].gather.asked.push(member);
            let place = self.nodes[at].gather.asked.len() - 1;
            if !self.random.one_in(6) {
                let ends = self.now + self.random.below(800);
                let answers = !self.random.one_in(5);
                self.at(ends, Event::Ends(at, place, answers));
            }
        }
        self.nodes[at].gather.done += 1;
        self.say(at);
        Ok(())
    }

    fn fate(&self, at: usize, part: &Part) -> Fate {
        let room = ROOMS.iter().position(|room| *room == &*part.room).unwrap();
        match (self.nodes[at].rooms[room].is_empty(), self.nodes[at].passed[room]) {
            (true, _) => Fate::Nobody,
            (false, true) => Fate::Lost,
            (false, false) => Fate::Coming,
        }
    }

    fn question(&mut self, at: usize) {
        if self.nodes[at].dead {
            return;
        }
        let (mut desk, parts) = (std::mem::replace(&mut self.nodes[at].desk, Desk::new()), self.parts.clone());
        let begun = desk.wait(self.now, KEY, parts, |part| self.fate(at, part), || ((), ()));
        self.nodes[at].desk = desk;
        let Some(begun) = begun else {
            self.nodes[at].honest = false;
            return self.send(at, Vec::new());
        };
        let gather = &mut self.nodes[at].gather;
        gather.expected = Some(begun.sends + begun.lost);
        gather.done += begun.lost;
        gather.lost |= begun.lost > 0;
        self.nodes[at].awaited = true;
        self.say(at);
    }

    fn look(&mut self, at: usize) {
        self.nodes[at].looks = u64::MAX;
        let mut desk = std::mem::replace(&mut self.nodes[at].desk, Desk::new());
        let unasked = desk.expire(self.now);
        let decided = desk.look(self.now, |_, part| self.fate(at, part));
        self.nodes[at].desk = desk;
        let gather = &mut self.nodes[at].gather;
        if !unasked.is_empty() {
            *gather = Gather::default();
        }
        for ((), lost) in decided {
            gather.done += 1;
            gather.lost |= lost;
        }
        self.say(at);
    }

    /// A node says what is new.
    fn say(&mut self, at: usize) {
        let wrong = self.wrong;
        let Node { gather, awaited: true, dead: false, .. } = &mut self.nodes[at] else { return };
        let mut out = Vec::new();
        for few in gather.asked[gather.named..].chunks(MOST_NAMED) {
            Said::Asked(few.iter().map(|id| (id.as_str().into(), None)).collect()).put(&mut out);
        }
        gather.named = gather.asked.len();
        let is_whole = gather.expected.is_some_and(|expected| gather.done >= expected);
        if (is_whole || wrong == Wrong::WholeTooEarly) && !std::mem::replace(&mut gather.whole, true) {
            if gather.lost && wrong != Wrong::HidesLosses {
                Said::Lost.put(&mut out);
            }
            Said::Whole.put(&mut out);
        }
        for (&place, &answers) in &gather.ended {
            if gather.told.insert(place) {
                let place = place as u64;
                match answers {
                    true => Said::Answered { place, packet: Packet::new("31[1]", Vec::new()) },
                    false => Said::Missing { place, why: Why::Closed },
                }
                .put(&mut out);
            }
        }
        let is_done = gather.whole && gather.told.len() == gather.asked.len();
        if !out.is_empty() && self.random.one_in(40) {
            // It says what cannot be.
            self.nodes[at].honest = false;
            let place = self.random.below(100);
            Said::Missing { place: place + 50, why: Why::Closed }.put(&mut out);
        }
        if !out.is_empty() {
            self.send(at, out);
        }
        if is_done {
            self.nodes[at].awaited = false;
            self.nodes[at].desk.leave(self.now, KEY);
            self.send(at, Vec::new());
        }
    }

    /// Its words come in pieces and in order, later.
    fn send(&mut self, at: usize, mut words: Vec<u8>) {
        loop {
            let size = self.random.below(words.len() as u64 + 1) as usize;
            let rest = words.split_off(size);
            let comes = self.nodes[at].said_at.max(self.now) + self.random.below(30);
            self.nodes[at].said_at = comes;
            if !words.is_empty() || rest.is_empty() {
                self.at(comes, Event::Says(at, words));
            }
            if rest.is_empty() {
                return;
            }
            words = rest;
        }
    }
}

#[test]
fn whatever_happens_each_member_that_was_asked_is_told_or_its_node_is() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut world = World::new(seed, Wrong::Nothing);
        world.run().unwrap_or_else(|complaint| panic!("seed {seed}: {complaint}"));
        let unreached = world.told.iter().filter(|told| matches!(told, Told::Unreached(_))).count();
        let whys = world.told.iter().filter_map(|told| match told {
            Told::Missing { why, .. } => Some(format!("{why:?}")),
            Told::Answered { .. } => Some("answered".to_owned()),
            Told::Unreached(_) => None,
        });
        outcomes.extend(whys);
        outcomes.insert(format!("{unreached} unreached"));
        let early = world.nodes.iter().any(|node| node.gather.lost);
        outcomes.extend(early.then(|| "lost".to_owned()));
    }
    let all = [
        "0 unreached",
        "1 unreached",
        "2 unreached",
        "3 unreached",
        "Closed",
        "Timeout",
        "Unreachable",
        "answered",
        "lost",
    ];
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), all, "everything has happened");
}

#[test]
fn every_wrong_node_is_caught() {
    for (wrong, name) in [
        (Wrong::HidesLosses, "hides losses"),
        (Wrong::WholeTooEarly, "says too early that it has named all"),
        (Wrong::WaitsForTheDead, "waits for the dead"),
        (Wrong::AsksForNobody, "asks although nobody waits"),
    ] {
        let caught = (0..SEEDS).find(|seed| World::new(*seed, wrong).run().is_err());
        assert!(caught.is_some(), "a node that {name} is not caught");
    }
}
