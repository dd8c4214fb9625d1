//! The model of the queues, as plain as can be: lists that are searched from the front.

use std::collections::BTreeMap;

use super::super::{Handed, QueueError, QueueLimits};

/// How often each thing happened.
pub(super) type Facts = BTreeMap<&'static str, u64>;

pub(super) fn note(facts: &mut Facts, fact: &'static str) {
    *facts.entry(fact).or_default() += 1;
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) pushed: u64,
    pub(super) done: u64,
    pub(super) dropped: u64,
    /// All tags that were seen.
    pub(super) tags: Vec<(String, u64)>,
}

/// The messages of a queue in the order in which they came, wherever they are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) messages: Vec<Message>,
    pub(super) consumers: BTreeMap<u32, Consumer>,
}

#[derive(Debug)]
pub(super) struct Message {
    text: String,
    deliveries: u32,
    failures: u32,
    refused_by: Option<u32>,
    was_given_back: bool,
    pub(super) with: Option<Delivery>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) consumer: u32,
    pub(super) tag: u64,
}

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) needs_ack: bool,
    pub(super) credit: usize,
    pub(super) blocked: bool,
    /// How many messages each other consumer got while this one was ready and waited.
    overtaken_by: BTreeMap<u32, u32>,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.text.len()).sum()
    }

    fn has(&self, consumer: u32) -> usize {
        self.messages.iter().filter(|message| message.with.is_some_and(|with| with.consumer == consumer)).count()
    }

    pub(super) fn is_ready(&self, key: u32) -> bool {
        let consumer = &self.consumers[&key];
        !consumer.blocked && (!consumer.needs_ack || self.has(key) < consumer.credit)
    }

    fn is_any_ready(&self, but: Option<u32>) -> bool {
        self.consumers.keys().any(|key| Some(*key) != but && self.is_ready(*key))
    }

    fn at(&self, tag: u64) -> Option<usize> {
        self.messages.iter().position(|message| message.with.is_some_and(|with| with.tag == tag))
    }
}

impl Model {
    pub(super) fn may_push(&self, name: &str, text: &str, limits: &QueueLimits) -> Result<(), QueueError> {
        let (messages, bytes) = self.queues.get(name).map_or((0, 0), |queue| (queue.messages.len(), queue.bytes()));
        if messages + 1 > limits.messages || bytes + text.len() > limits.bytes {
            return Err(QueueError::Full { messages: limits.messages, bytes: limits.bytes });
        }
        self.may_open(name, limits)
    }

    pub(super) fn may_open(&self, name: &str, limits: &QueueLimits) -> Result<(), QueueError> {
        match self.queues.contains_key(name) || self.queues.len() < limits.queues {
            true => Ok(()),
            false => Err(QueueError::TooManyQueues { most: limits.queues }),
        }
    }

    pub(super) fn push(&mut self, name: &str, text: String) {
        self.pushed += 1;
        let message = Message { text, deliveries: 0, failures: 0, refused_by: None, was_given_back: false, with: None };
        self.queues.entry(name.to_owned()).or_default().messages.push(message);
    }

    pub(super) fn subscribe(&mut self, name: &str, key: u32, needs_ack: bool, credit: usize) {
        let consumer = Consumer { needs_ack, credit, blocked: false, overtaken_by: BTreeMap::new() };
        self.queues.entry(name.to_owned()).or_default().consumers.insert(key, consumer);
    }

    /// Judges what the queue handed out.
    pub(super) fn next(&mut self, name: &str, handed: Option<&Handed<u32>>, facts: &mut Facts) -> Result<(), String> {
        let Some(queue) = self.queues.get_mut(name) else {
            return if handed.is_some() { Err("a message of no queue".to_owned()) } else { Ok(()) };
        };
        let place = queue.messages.iter().position(|message| message.with.is_none());
        let (Some(place), true) = (place, queue.is_any_ready(None)) else {
            note(facts, if place.is_some() { "a message waits and nobody is ready" } else { "nothing waits" });
            return if handed.is_some() { Err("nothing was due".to_owned()) } else { Ok(()) };
        };
        let handed = handed.ok_or("a message was due")?;
        let (key, message) = (handed.consumer, &queue.messages[place]);
        if handed.message.as_text() != Some(&message.text) {
            return Err("not the first message that waits".to_owned());
        } else if handed.redelivered != (message.deliveries > 0) {
            return Err("marked wrongly".to_owned());
        } else if self.tags.iter().any(|(_, tag)| *tag == handed.tag) {
            return Err("a tag comes twice".to_owned());
        } else if !queue.consumers.contains_key(&key) || !queue.is_ready(key) {
            return Err("the consumer is not ready".to_owned());
        }
        let refused_by = message.refused_by;
        if refused_by == Some(key) && queue.is_any_ready(Some(key)) {
            return Err("another consumer is ready".to_owned());
        }
        for (fact, holds) in [
            ("handed", true),
            ("redelivered", message.deliveries > 0),
            ("refused, to another", refused_by.is_some_and(|by| by != key)),
            ("refused, to the same", refused_by == Some(key)),
            ("given back, then taken", message.was_given_back),
            ("a message comes back before newer ones", message.deliveries > 0 && place + 1 < queue.messages.len()),
        ] {
            if holds {
                note(facts, fact);
            }
        }
        take_turns(queue, key, refused_by)?;
        self.hand(name, place, handed);
        Ok(())
    }

    fn hand(&mut self, name: &str, place: usize, handed: &Handed<u32>) {
        self.tags.push((name.to_owned(), handed.tag));
        let message = &mut self.queues.get_mut(name).expect("it exists").messages[place];
        message.deliveries += 1;
        message.was_given_back = false;
        message.with = Some(Delivery { consumer: handed.consumer, tag: handed.tag });
    }

    /// A delivery ends well. Returns whether there is such a delivery.
    pub(super) fn ack(&mut self, name: &str, tag: u64) -> bool {
        let Some((queue, at)) = self.find(name, tag) else { return false };
        queue.messages.remove(at);
        self.done += 1;
        self.tidy(name);
        true
    }

    /// A delivery is refused. Returns whether there is such a delivery.
    pub(super) fn nack(&mut self, name: &str, tag: u64, most: u32, facts: &mut Facts) -> bool {
        let Some((queue, at)) = self.find(name, tag) else { return false };
        let message = &mut queue.messages[at];
        message.refused_by = message.with.take().map(|with| with.consumer);
        message.failures += 1;
        if message.failures >= most {
            queue.messages.remove(at);
            self.dropped += 1;
            note(facts, "dropped when refused");
        }
        self.tidy(name);
        true
    }

    pub(super) fn give_back(&mut self, name: &str, tag: u64, facts: &mut Facts) -> bool {
        let Some((queue, at)) = self.find(name, tag) else { return false };
        let message = &mut queue.messages[at];
        let with = message.with.take().expect("it was found by its delivery");
        message.deliveries -= 1;
        message.was_given_back = true;
        let consumer = queue.consumers.get_mut(&with.consumer).expect("deliveries end with their consumer");
        consumer.blocked = true;
        consumer.overtaken_by.clear();
        note(facts, if consumer.needs_ack { "given back" } else { "given back, without acknowledgements" });
        true
    }

    pub(super) fn unblock(&mut self, name: &str, key: u32) {
        let consumer = self.queues.get_mut(name).and_then(|queue| queue.consumers.get_mut(&key));
        let consumer = consumer.expect("only consumers are unblocked");
        consumer.blocked = false;
    }

    pub(super) fn unsubscribe(&mut self, name: &str, key: u32, most: u32, facts: &mut Facts) {
        let queue = self.queues.get_mut(name).expect("a consumer has a queue");
        let consumer = queue.consumers.remove(&key).expect("only consumers leave");
        if queue.has(key) > 1 {
            note(facts, "somebody leaves with several messages");
        }
        let (before, mut dropped) = (queue.messages.len(), 0);
        let of_it = queue.messages.iter().filter_map(|message| message.with).filter(|with| with.consumer == key);
        let first = of_it.map(|with| with.tag).min();
        queue.messages.retain_mut(|message| {
            if message.with.is_none_or(|with| with.consumer != key) {
                return true;
            }
            let fails = message.with.take().map(|with| with.tag) == first;
            message.failures += u32::from(fails);
            let too_often = consumer.needs_ack && fails && message.failures >= most;
            dropped += u64::from(too_often);
            consumer.needs_ack && !too_often
        });
        if dropped > 0 {
            note(facts, "dropped when its consumer left");
        }
        self.done += (before - queue.messages.len()) as u64 - dropped;
        self.dropped += dropped;
        self.tidy(name);
    }

    /// A delivery without acknowledgements is done with when the next one is asked for.
    pub(super) fn confirm(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Queue { messages, consumers } = queue;
        let before = messages.len();
        messages.retain(|message| message.with.is_none_or(|with| consumers[&with.consumer].needs_ack));
        self.done += (before - messages.len()) as u64;
    }

    fn find(&mut self, name: &str, tag: u64) -> Option<(&mut Queue, usize)> {
        let queue = self.queues.get_mut(name)?;
        let at = queue.at(tag)?;
        Some((queue, at))
    }

    fn tidy(&mut self, name: &str) {
        self.queues.retain(|other, queue| other != name || !queue.messages.is_empty() || !queue.consumers.is_empty());
    }
}

/// Nobody gets two messages while another that is ready waits, but for one that had refused the message.
fn take_turns(queue: &mut Queue, taker: u32, refused_by: Option<u32>) -> Result<(), String> {
    let ready: Vec<u32> = queue.consumers.keys().copied().filter(|key| queue.is_ready(*key)).collect();
    for (key, consumer) in &mut queue.consumers {
        if *key == taker || !ready.contains(key) {
            consumer.overtaken_by.clear();
        } else if refused_by != Some(*key) {
            let times = consumer.overtaken_by.entry(taker).or_default();
            *times += 1;
            if *times > 1 {
                return Err("out of turn".to_owned());
            }
        }
    }
    Ok(())
}
