//! PURE. The queues of STOMP's broker: each message goes to one consumer and waits for its acknowledgement.
//!
//! There is no lock, no clock and no I/O here. The caller asks [`Queues::next`] whom it has to serve, until that
//! returns `None`.

mod queue;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::message::Message;

pub(crate) use queue::Handed;
use queue::Queue;

/// The bounds of the queues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// Queues at a time.
    pub(crate) queues: usize,
    /// Messages of one queue, those included that wait for their acknowledgement.
    pub(crate) messages: usize,
    /// Bytes of the messages of one queue, counted in the same way.
    pub(crate) bytes: usize,
    /// A message is dropped and counted when so many consumers have refused it, or have left while it was the first that
    /// they had not acknowledged.
    pub(crate) failures: u32,
}

/// A bound that is reached. The numbers are those of [`QueueLimits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueError {
    /// The queue has no room for the message.
    Full { messages: usize, bytes: usize },
    /// There is no such queue, and no room for a further one.
    TooManyQueues { most: usize },
}

/// All queues of a server, by name. `K` is the key of a consumer: a session and its subscription. A queue exists
/// while it has messages or consumers.
///
/// The messages of a queue are handed out in the order in which they came. One that comes back takes its old
/// place, before all that came later. No call takes longer than one consumer has unacknowledged messages.
#[derive(Debug)]
pub(crate) struct Queues<K> {
    limits: QueueLimits,
    queues: HashMap<Arc<str>, Queue<K>>,
    /// The last number that a message or a delivery got.
    last_number: u64,
    messages: usize,
    bytes: usize,
    dropped: u64,
}

impl<K: Copy + Eq + Hash> Queues<K> {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Queues { limits, queues: HashMap::new(), last_number: 0, messages: 0, bytes: 0, dropped: 0 }
    }

    /// Adds a message at the end of a queue.
    ///
    /// # Errors
    /// Fails if the queue is full, or does not exist and there are too many. Then nothing changes.
    pub(crate) fn push(&mut self, name: &str, message: Message) -> Result<(), QueueError> {
        let QueueLimits { messages, bytes, .. } = self.limits;
        let size = message.len();
        let held = self.queues.get(name).map_or((0, 0), |queue| (queue.len(), queue.bytes()));
        if held.0 >= messages || size > bytes.saturating_sub(held.1) {
            return Err(QueueError::Full { messages, bytes });
        }
        self.open(name)?;
        let number = self.new_number();
        self.with(name, |queue| queue.push(number, message));
        Ok(())
    }

    /// Adds a consumer, which has at most `credit` unacknowledged messages at a time; with a credit of 0 it gets
    /// none. One that needs no acknowledgements has no credit: what it was handed is done with. Returns the name of
    /// the queue, which all its consumers share.
    ///
    /// # Errors
    /// Fails if the queue does not exist and there are too many. Then nothing changes.
    ///
    /// # Panics
    /// With debug assertions, if the consumer is in the queue already.
    pub(crate) fn subscribe(
        &mut self,
        name: &str,
        consumer: K,
        needs_ack: bool,
        credit: usize,
    ) -> Result<Arc<str>, QueueError> {
        let shared = self.open(name)?;
        let turn = self.new_number();
        self.with(name, |queue| queue.add_consumer(consumer, needs_ack.then_some(credit), turn));
        Ok(shared)
    }

    /// Removes a consumer. Its unacknowledged messages take their old places and will be delivered again.
    pub(crate) fn unsubscribe(&mut self, name: &str, consumer: K) {
        let failures = self.limits.failures;
        let dropped = self.with(name, |queue| queue.remove_consumer(consumer, failures));
        self.dropped += dropped.unwrap_or(0);
    }

    /// Takes the first message of a queue and the consumer whose turn it is. Returns `None` if no message waits, or
    /// nobody may have it.
    ///
    /// The message of a consumer that needs no acknowledgements is kept until the next call for this queue, so that
    /// it can be given back before that.
    pub(crate) fn next(&mut self, name: &str) -> Option<Handed<K>> {
        let tag = self.new_number();
        self.with(name, |queue| queue.next(tag)).flatten()
    }

    /// The consumer could not take a delivery: the message takes its old place and does not count as delivered, and
    /// the consumer gets nothing more until it is unblocked. Returns false, and changes nothing, if the delivery is
    /// done with.
    pub(crate) fn give_back(&mut self, name: &str, tag: u64) -> bool {
        self.with(name, |queue| queue.give_back(tag)).unwrap_or(false)
    }

    /// A consumer that gave a delivery back may get messages again.
    pub(crate) fn unblock(&mut self, name: &str, consumer: K) {
        let turn = self.new_number();
        self.with(name, |queue| queue.unblock(consumer, turn));
    }

    /// A delivery is done with. Returns false, and changes nothing, if it is not known or has ended.
    pub(crate) fn ack(&mut self, name: &str, tag: u64) -> bool {
        let turn = self.new_number();
        self.with(name, |queue| queue.ack(tag, turn)).unwrap_or(false)
    }

    /// A delivery was refused: the message takes its old place, and goes to another consumer if one is ready.
    /// Returns false, and changes nothing, if the delivery is not known or has ended.
    pub(crate) fn nack(&mut self, name: &str, tag: u64) -> bool {
        let (turn, failures) = (self.new_number(), self.limits.failures);
        let dropped = self.with(name, |queue| queue.nack(tag, turn, failures)).flatten();
        self.dropped += dropped.unwrap_or(0);
        dropped.is_some()
    }

    /// The messages of all queues, those included that wait for their acknowledgement.
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    /// The bytes of the same messages.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages that were dropped, since they failed too often.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn new_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The name of a queue, which exists from now on.
    fn open(&mut self, name: &str) -> Result<Arc<str>, QueueError> {
        if let Some((known, _)) = self.queues.get_key_value(name) {
            return Ok(known.clone());
        }
        if self.queues.len() >= self.limits.queues {
            return Err(QueueError::TooManyQueues { most: self.limits.queues });
        }
        let name: Arc<str> = name.into();
        self.queues.insert(name.clone(), Queue::default());
        Ok(name)
    }

    /// Changes a queue, if it exists, and counts it anew. It ends if it is idle then.
    fn with<R>(&mut self, name: &str, change: impl FnOnce(&mut Queue<K>) -> R) -> Option<R> {
        let queue = self.queues.get_mut(name)?;
        let before = (queue.len(), queue.bytes());
        let result = change(queue);
        self.messages = self.messages - before.0 + queue.len();
        self.bytes = self.bytes - before.1 + queue.bytes();
        if queue.is_idle() {
            self.queues.remove(name);
        }
        Some(result)
    }
}
