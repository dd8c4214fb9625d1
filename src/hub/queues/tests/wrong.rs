//! Queues as the simulation sees them, and wrong ones that it must catch.

use super::super::{Handed, QueueError, QueueLimits, Queues};
use crate::message::Message;

/// A way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A message that was given back goes to the end.
    GivenBackIsLast,
    /// A message that was given back counts as delivered.
    GivenBackCounts,
    /// A consumer that gave a message back is asked again at once.
    NeverBlocked,
    /// A refused message is gone.
    RefusedIsGone,
    /// A consumer that leaves takes its unacknowledged messages with it.
    LeaverTakesAll,
    /// A consumer may have any number of messages.
    NoCredit,
    /// A message may be delivered for ever.
    NoEnd,
    /// A message that comes again is not marked.
    Unmarked,
    /// A message goes to two consumers now and then.
    Twice,
    /// The first consumer that came gets all that it can.
    NoTurns,
    /// An acknowledgement that is not due is believed.
    BelievesAll,
}

/// Queues, perhaps with a fault.
pub(super) struct Subject {
    queues: Queues<u32>,
    fault: Option<Fault>,
    /// All deliveries so far, with the names of their queues.
    handed: Vec<(String, Handed<u32>)>,
    calls: u64,
}

impl Subject {
    pub(super) fn new(limits: QueueLimits, fault: Option<Fault>) -> Self {
        let failures = if fault == Some(Fault::NoEnd) { u32::MAX } else { limits.failures };
        let queues = Queues::new(QueueLimits { failures, ..limits });
        Subject { queues, fault, handed: Vec::new(), calls: 0 }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn push(&mut self, name: &str, message: Message) -> Result<(), QueueError> {
        self.queues.push(name, message)
    }

    pub(super) fn subscribe(&mut self, name: &str, key: u32, needs_ack: bool, credit: usize) -> Result<(), QueueError> {
        let credit = if self.is(Fault::NoCredit) { usize::MAX } else { credit };
        self.queues.subscribe(name, key, needs_ack, credit).map(|shared| assert_eq!(&*shared, name))
    }

    pub(super) fn unsubscribe(&mut self, name: &str, key: u32) {
        if self.is(Fault::LeaverTakesAll) {
            for (queue, handed) in self.handed.iter().filter(|(queue, handed)| queue == name && handed.consumer == key)
            {
                self.queues.ack(queue, handed.tag);
            }
        }
        self.queues.unsubscribe(name, key);
    }

    pub(super) fn next(&mut self, name: &str) -> Option<Handed<u32>> {
        self.calls += 1;
        if self.is(Fault::Twice) && self.calls.is_multiple_of(7) {
            let twin = self.handed.iter().find(|(queue, _)| queue == name);
            return twin.map(|(_, handed)| handed.clone());
        }
        let mut handed = self.queues.next(name)?;
        if self.is(Fault::Unmarked) {
            handed.redelivered = false;
        } else if self.is(Fault::NoTurns) && self.calls.is_multiple_of(2) {
            // The turns of two messages are one consumer's.
            let last = self.handed.iter().rev().find(|(queue, _)| queue == name);
            handed.consumer = last.map_or(handed.consumer, |(_, last)| last.consumer);
        }
        self.handed.push((name.to_owned(), handed.clone()));
        Some(handed)
    }

    pub(super) fn give_back(&mut self, name: &str, tag: u64) -> bool {
        let handed = self.handed.iter().find(|(queue, handed)| queue == name && handed.tag == tag).cloned();
        match (self.fault, handed) {
            (Some(Fault::GivenBackIsLast), Some((_, handed))) => {
                self.queues.give_back(name, tag) && self.make_last(name, &handed)
            }
            (Some(Fault::GivenBackCounts), Some(_)) => self.queues.nack(name, tag),
            (Some(Fault::NeverBlocked), Some((_, handed))) => {
                let given_back = self.queues.give_back(name, tag);
                self.queues.unblock(name, handed.consumer);
                given_back
            }
            _ => self.queues.give_back(name, tag),
        }
    }

    /// Moves the first message of a queue to its end, by a consumer of its own.
    fn make_last(&mut self, name: &str, handed: &Handed<u32>) -> bool {
        const MOVER: u32 = u32::MAX;
        let mut before = Vec::new();
        self.queues.subscribe(name, MOVER, true, usize::MAX).expect("the queue exists");
        while let Some(next) = self.queues.next(name) {
            if next.consumer == MOVER && next.message == handed.message {
                self.queues.ack(name, next.tag);
                self.queues.push(name, next.message).expect("there is room");
                break;
            }
            before.push(next);
        }
        for next in before {
            self.queues.give_back(name, next.tag);
            self.queues.unblock(name, next.consumer);
        }
        self.queues.unsubscribe(name, MOVER);
        true
    }

    pub(super) fn unblock(&mut self, name: &str, key: u32) {
        self.queues.unblock(name, key);
    }

    pub(super) fn ack(&mut self, name: &str, tag: u64) -> bool {
        self.queues.ack(name, tag) || self.is(Fault::BelievesAll)
    }

    pub(super) fn nack(&mut self, name: &str, tag: u64) -> bool {
        match self.fault {
            Some(Fault::RefusedIsGone) => self.queues.ack(name, tag),
            _ => self.queues.nack(name, tag),
        }
    }

    /// Messages, bytes, and how many were dropped.
    pub(super) fn counts(&self) -> (usize, usize, u64) {
        (self.queues.len(), self.queues.bytes(), self.queues.dropped())
    }

    pub(super) fn queues(&self) -> usize {
        self.queues.queues.len()
    }
}
