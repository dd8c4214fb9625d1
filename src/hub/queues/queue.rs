//! One queue: its messages, and the consumers that take turns.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use crate::message::Message;

/// A message on its way to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handed<K> {
    pub(crate) consumer: K,
    /// The name of this delivery. A message that is delivered again gets a new one, and no tag is used twice.
    pub(crate) tag: u64,
    pub(crate) message: Message,
    /// The message was delivered before, and came back.
    pub(crate) redelivered: bool,
}

/// The messages and the consumers of one queue.
#[derive(Debug)]
pub(super) struct Queue<K> {
    /// The messages that wait for a consumer, by the numbers that they got when they came.
    waiting: BTreeMap<u64, Entry<K>>,
    /// The messages that were handed to consumers, by the tags of their deliveries.
    handed: HashMap<u64, InFlight<K>>,
    consumers: HashMap<K, Consumer>,
    /// The consumers that may have a message now, by their turns.
    ready: BTreeMap<u64, K>,
    /// The delivery to a consumer that needs no acknowledgements, until the next one.
    unconfirmed: Option<u64>,
    bytes: usize,
}

/// A message, and how it fared.
#[derive(Debug)]
struct Entry<K> {
    message: Message,
    deliveries: u32,
    /// How often a consumer has refused it, or left while it was the first that the consumer had not acknowledged.
    failures: u32,
    /// The consumer that refused it last.
    refused_by: Option<K>,
}

/// A message that was handed to a consumer.
#[derive(Debug)]
struct InFlight<K> {
    number: u64,
    consumer: K,
    entry: Entry<K>,
}

/// A consumer's side of the bargain.
#[derive(Debug)]
struct Consumer {
    /// The unacknowledged messages that it may have; `None` if it needs no acknowledgements.
    credit: Option<usize>,
    /// The tags of its unacknowledged messages.
    unacknowledged: BTreeSet<u64>,
    /// It gave a message back and was not unblocked since.
    blocked: bool,
    /// Its place among those that are ready, if it is.
    turn: Option<u64>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Queue {
            waiting: BTreeMap::new(),
            handed: HashMap::new(),
            consumers: HashMap::new(),
            ready: BTreeMap::new(),
            unconfirmed: None,
            bytes: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Queue<K> {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.handed.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_idle(&self) -> bool {
        self.consumers.is_empty() && self.len() == 0
    }

    /// Adds a message, whose number is above all others.
    pub(super) fn push(&mut self, number: u64, message: Message) {
        self.bytes += message.len();
        self.waiting.insert(number, Entry { message, deliveries: 0, failures: 0, refused_by: None });
    }

    pub(super) fn add_consumer(&mut self, consumer: K, credit: Option<usize>, turn: u64) {
        debug_assert!(!self.consumers.contains_key(&consumer), "a consumer subscribes once");
        let new = Consumer { credit, unacknowledged: BTreeSet::new(), blocked: false, turn: None };
        self.consumers.entry(consumer).or_insert(new);
        self.line_up(consumer, turn);
    }

    /// Removes a consumer. It may have left for the sake of the first of its messages, which fails; the others it may not
    /// have looked at. Returns how many failed too often.
    pub(super) fn remove_consumer(&mut self, consumer: K, most: u32) -> u64 {
        let Some(gone) = self.consumers.remove(&consumer) else { return 0 };
        if let Some(turn) = gone.turn {
            self.ready.remove(&turn);
        }
        if self.unconfirmed.is_some_and(|tag| self.handed[&tag].consumer == consumer) {
            self.confirm();
        }
        let mut unacknowledged = gone.unacknowledged.into_iter();
        let dropped = unacknowledged.next().map_or(0, |first| self.fail(first, most));
        unacknowledged.for_each(|tag| self.put_back(tag));
        dropped
    }

    /// Hands the first message to the consumer whose turn it is.
    pub(super) fn next(&mut self, tag: u64) -> Option<Handed<K>> {
        self.confirm();
        let (number, entry) = self.waiting.first_key_value()?;
        let consumer = self.choose(entry.refused_by)?;
        let number = *number;
        let mut entry = self.waiting.remove(&number).expect("it was the first");
        entry.deliveries = entry.deliveries.saturating_add(1);
        let (message, redelivered) = (entry.message.clone(), entry.deliveries > 1);
        self.handed.insert(tag, InFlight { number, consumer, entry });
        let chosen = self.consumers.get_mut(&consumer).expect("who is ready is a consumer");
        match chosen.credit {
            None => self.unconfirmed = Some(tag),
            Some(_) => {
                chosen.unacknowledged.insert(tag);
            }
        }
        self.step_back(consumer);
        self.line_up(consumer, tag);
        Some(Handed { consumer, tag, message, redelivered })
    }

    pub(super) fn give_back(&mut self, tag: u64) -> bool {
        let Some(InFlight { number, consumer, mut entry }) = self.take(tag) else { return false };
        entry.deliveries -= 1;
        self.waiting.insert(number, entry);
        if let Some(consumer) = self.consumers.get_mut(&consumer) {
            consumer.blocked = true;
        }
        self.step_back(consumer);
        true
    }

    pub(super) fn unblock(&mut self, consumer: K, turn: u64) {
        if let Some(known) = self.consumers.get_mut(&consumer) {
            known.blocked = false;
            self.line_up(consumer, turn);
        }
    }

    pub(super) fn ack(&mut self, tag: u64, turn: u64) -> bool {
        let Some(done) = self.take(tag) else { return false };
        self.bytes -= done.entry.message.len();
        self.line_up(done.consumer, turn);
        true
    }

    /// Returns how many messages were dropped; `None` if there is no such delivery.
    pub(super) fn nack(&mut self, tag: u64, turn: u64, most: u32) -> Option<u64> {
        let refused = self.handed.get_mut(&tag)?;
        let consumer = refused.consumer;
        refused.entry.refused_by = Some(consumer);
        let dropped = self.fail(tag, most);
        self.line_up(consumer, turn);
        Some(dropped)
    }

    /// The consumer whose turn it is; the one that refused the message only if no other is ready.
    fn choose(&self, refused_by: Option<K>) -> Option<K> {
        let mut ready = self.ready.values().copied();
        let first = ready.next()?;
        if refused_by == Some(first) { ready.next().or(Some(first)) } else { Some(first) }
    }

    /// The last delivery to a consumer that needs no acknowledgements is done with.
    fn confirm(&mut self) {
        if let Some(done) = self.unconfirmed.and_then(|tag| self.take(tag)) {
            self.bytes -= done.entry.message.len();
        }
    }

    /// Ends a delivery. The caller says what becomes of the message.
    fn take(&mut self, tag: u64) -> Option<InFlight<K>> {
        let ended = self.handed.remove(&tag)?;
        if self.unconfirmed == Some(tag) {
            self.unconfirmed = None;
        }
        if let Some(consumer) = self.consumers.get_mut(&ended.consumer) {
            consumer.unacknowledged.remove(&tag);
        }
        Some(ended)
    }

    /// Puts a delivered message back to its place.
    fn put_back(&mut self, tag: u64) {
        if let Some(InFlight { number, entry, .. }) = self.take(tag) {
            self.waiting.insert(number, entry);
        }
    }

    /// A delivery has failed: its message goes back to its place, or is dropped if it failed so often. Returns how many
    /// were dropped.
    fn fail(&mut self, tag: u64, most: u32) -> u64 {
        let Some(InFlight { number, mut entry, .. }) = self.take(tag) else { return 0 };
        entry.failures += 1;
        if entry.failures >= most {
            self.bytes -= entry.message.len();
            return 1;
        }
        self.waiting.insert(number, entry);
        0
    }

    /// Gives a consumer a place among those that are ready, if it may have a message and has none.
    fn line_up(&mut self, consumer: K, turn: u64) {
        let Some(known) = self.consumers.get_mut(&consumer) else { return };
        let has_credit = known.credit.is_none_or(|credit| known.unacknowledged.len() < credit);
        if has_credit && !known.blocked && known.turn.is_none() {
            known.turn = Some(turn);
            self.ready.insert(turn, consumer);
        }
    }

    /// Takes a consumer's place among those that are ready away.
    fn step_back(&mut self, consumer: K) {
        let turn = self.consumers.get_mut(&consumer).and_then(|known| known.turn.take());
        if let Some(turn) = turn {
            self.ready.remove(&turn);
        }
    }
}
