//! The engine that the nodes of one process share.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::wires::{Cutter, Link};
use crate::{
    clock::Clock,
    cluster::{
        engine::{BusEvent, Claim, Past, Place, Publication, Record, Recorded, Retention},
        records::{Histories, MOST_READ, milliseconds},
    },
    sync::lock,
};

/// The engine.
pub(super) struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

/// A part of what connects a node with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bus,
    Directory,
    Links,
}

pub(super) struct State {
    clock: Clock,
    added: u64,
    nodes: BTreeMap<u64, NodeState>,
    leases: HashMap<Bytes, Held>,
    claims: HashMap<Bytes, Held>,
    /// By topic and by the id of the node.
    notes: BTreeMap<(Bytes, Bytes), Held>,
    histories: Histories,
    is_cut: bool,
    lose: u64,
    /// The time after which the engine does what it is asked for.
    pub(super) delay: Duration,
}

/// A delay in milliseconds that no process lives to see the end of.
const NEVER: u64 = 1 << 40;

/// An event for a node, and when the node gets it, on the engine's clock.
pub(super) type Due = (u64, BusEvent);

/// A value until its end, on the engine's clock.
struct Held {
    until: u64,
    value: Bytes,
}

/// A node as the engine sees it. It stays when its server is dropped, since another one may be built in its place.
#[derive(Default)]
struct NodeState {
    /// The server that is this node now, counted.
    generation: u64,
    topics: HashSet<Bytes>,
    /// Leads to the node; `None` while it does not listen.
    queue: Option<UnboundedSender<Due>>,
    /// The time after which it gets what is published.
    delay: Duration,
    /// The last thing that it was told is that it is connected.
    is_whole: bool,
    cut: [bool; 3],
    lose: u64,
    listener: Option<UnboundedSender<Link>>,
    links: Vec<Cutter>,
}

impl Default for Shared {
    fn default() -> Self {
        let clock = Clock::start();
        Shared { clock, state: Mutex::new(State::new(clock)) }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    pub(super) fn instant(&self, time: u64) -> Instant {
        self.clock.instant(time)
    }
}

impl NodeState {
    fn tell(&self, now: u64, event: BusEvent) {
        if let Some(queue) = &self.queue {
            let _ = queue.send((now + milliseconds(self.delay).min(NEVER), event));
        }
    }
}

impl State {
    fn new(clock: Clock) -> Self {
        State {
            clock,
            added: 0,
            nodes: BTreeMap::new(),
            leases: HashMap::new(),
            claims: HashMap::new(),
            notes: BTreeMap::new(),
            histories: Histories::default(),
            is_cut: false,
            lose: 0,
            delay: Duration::ZERO,
        }
    }

    pub(super) fn add(&mut self) -> u64 {
        let number = self.added;
        self.added += 1;
        self.nodes.insert(number, NodeState::default());
        number
    }

    fn node(&mut self, number: u64) -> &mut NodeState {
        self.nodes.entry(number).or_default()
    }

    /// A server is built as this node. Returns its generation.
    pub(super) fn start(&mut self, number: u64) -> u64 {
        self.vanish(number);
        let node = self.node(number);
        node.generation += 1;
        node.generation
    }

    /// The server of this generation is gone.
    pub(super) fn end(&mut self, number: u64, generation: u64) {
        if self.node(number).generation == generation {
            self.vanish(number);
        }
    }

    fn vanish(&mut self, number: u64) {
        let node = self.node(number);
        let NodeState { generation, cut, lose, delay, .. } = *node;
        *node = NodeState { generation, cut, lose, delay, ..NodeState::default() };
    }

    pub(super) fn cut_all(&mut self, cut: bool) {
        self.is_cut = cut;
        self.tell();
    }

    pub(super) fn cut(&mut self, number: u64, part: Part, cut: bool) {
        let node = self.node(number);
        node.cut[part as usize] = cut;
        if node.cut[Part::Links as usize] {
            node.links.clear();
        }
        self.tell();
    }

    pub(super) fn is_cut(&mut self, number: u64, part: Part) -> bool {
        (self.is_cut && part != Part::Links) || self.node(number).cut[part as usize]
    }

    /// Tells the nodes that listen whether they are connected, if that has changed.
    fn tell(&mut self) {
        let now = self.clock.now();
        for node in self.nodes.values_mut() {
            let is_whole = !self.is_cut && !node.cut[Part::Bus as usize];
            if node.queue.is_some() && node.is_whole != is_whole {
                node.tell(now, if is_whole { BusEvent::Whole } else { BusEvent::Cut });
                node.is_whole = is_whole;
            }
        }
    }

    pub(super) fn listen_to_bus(&mut self, number: u64, queue: UnboundedSender<Due>) {
        let node = self.node(number);
        node.queue = Some(queue);
        node.is_whole = false;
        self.tell();
    }

    pub(super) fn interest(&mut self, number: u64, add: Vec<Bytes>, drop: &[Bytes]) {
        let topics = &mut self.node(number).topics;
        topics.extend(add);
        for topic in drop {
            topics.remove(topic);
        }
    }

    pub(super) fn lose_all(&mut self, publications: u64) {
        self.lose = publications;
    }

    pub(super) fn delay_of(&mut self, number: u64, delay: Duration) {
        self.node(number).delay = delay;
    }

    pub(super) fn lose(&mut self, number: u64, publications: u64) {
        self.node(number).lose = publications;
    }

    pub(super) fn publish(&mut self, batch: Vec<Publication>) {
        for Publication { topic, body } in batch {
            self.carry(&topic, &BusEvent::Received(topic.clone(), body));
        }
    }

    fn carry(&mut self, topic: &Bytes, event: &BusEvent) {
        if self.lose > 0 {
            self.lose -= 1;
            return;
        }
        let now = self.clock.now();
        for node in self.nodes.values_mut().filter(|node| node.is_whole && node.topics.contains(topic)) {
            if node.lose > 0 {
                node.lose -= 1;
            } else {
                node.tell(now, event.clone());
            }
        }
    }

    pub(super) fn append(&mut self, now: u64, batch: Vec<Record>) {
        for record in batch {
            if let Some(place) = self.histories.append(now, &record) {
                let Record { topic, body, .. } = record;
                self.carry(
                    &topic.clone(),
                    &BusEvent::Recorded(Recorded { topic, body, place, before: place.offset - 1 }),
                );
            }
        }
    }

    pub(super) fn history(&self, now: u64, topic: &[u8], keep: Retention, after: Option<Place>) -> Past {
        self.histories.past(now, topic, keep, after, MOST_READ)
    }

    pub(super) fn forget(&mut self) {
        self.leases.clear();
        self.claims.clear();
        self.notes.clear();
        self.histories.forget();
    }

    pub(super) fn beat(&mut self, now: u64, id: Bytes, value: Bytes, lease: Duration) -> Vec<Bytes> {
        self.leases.insert(id, Held { until: now.saturating_add(milliseconds(lease)), value });
        self.leases.retain(|_, held| held.until > now);
        self.leases.values().map(|held| held.value.clone()).collect()
    }

    pub(super) fn leave(&mut self, id: &[u8]) {
        self.leases.remove(id);
    }

    /// Gives a key this value if it is free, or has this value or the other one.
    pub(super) fn claim(&mut self, now: u64, key: &Bytes, from: &[u8], to: &Bytes, keep: Duration) -> Claim {
        self.claims.retain(|_, held| held.until > now);
        match self.claims.get(key) {
            Some(held) if held.value != *from && held.value != *to => Claim::Held(held.value.clone()),
            _ => {
                let until = now.saturating_add(milliseconds(keep));
                self.claims.insert(key.clone(), Held { until, value: to.clone() });
                Claim::Mine
            }
        }
    }

    pub(super) fn look(&self, now: u64, key: &[u8]) -> Option<Bytes> {
        self.claims.get(key).filter(|held| held.until > now).map(|held| held.value.clone())
    }

    pub(super) fn release(&mut self, key: &[u8], value: &[u8]) {
        if self.claims.get(key).is_some_and(|held| held.value == value) {
            self.claims.remove(key);
        }
    }

    pub(super) fn note(&mut self, now: u64, id: &Bytes, notes: Vec<(Bytes, Bytes)>, keep: Duration) {
        self.notes.retain(|_, held| held.until > now);
        let until = now.saturating_add(milliseconds(keep));
        for (topic, value) in notes {
            let key = (topic, id.clone());
            match value.is_empty() {
                true => drop(self.notes.remove(&key)),
                false => drop(self.notes.insert(key, Held { until, value })),
            }
        }
    }

    pub(super) fn notes(&self, now: u64, topic: &Bytes) -> Vec<(Bytes, Bytes)> {
        let of_topic = self.notes.range((topic.clone(), Bytes::new())..).take_while(|((of, _), _)| of == topic);
        let living = of_topic.filter(|(_, held)| held.until > now);
        living.map(|((_, id), held)| (id.clone(), held.value.clone())).collect()
    }

    pub(super) fn listen(&mut self, number: u64, listener: UnboundedSender<Link>) {
        self.node(number).listener = Some(listener);
    }

    /// Connects two nodes; `None` if nobody listens there, or if one of them is cut off.
    pub(super) fn connect(&mut self, from: u64, to: u64) -> Option<Link> {
        if !self.nodes.contains_key(&to) || self.is_cut(from, Part::Links) || self.is_cut(to, Part::Links) {
            return None;
        }
        let (here, there, cutters) = Link::pair();
        self.node(to).listener.as_ref()?.send(there).ok()?;
        for (number, cutter) in [from, to].into_iter().zip(cutters) {
            let links = &mut self.node(number).links;
            links.retain(|link| !link.is_done());
            links.push(cutter);
        }
        Some(here)
    }
}
