//! [`Subscriptions`] of one session, and the messages whose ACK is due.

use std::collections::VecDeque;

use bytestring::ByteString;

use super::{AckMode, MessageHead, Reference, Refusal, Settle, Subscribe, Version, message};
use crate::message::Message;

/// A session has at most so many subscriptions to one destination: each message makes a frame for each of them.
const MOST_ALIKE: usize = 16;

/// The origin of a subscription's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A room, by its key.
    Room(ByteString),
    /// A queue, by its key. Its messages wait for their ACK.
    Queue(ByteString),
    /// The session itself.
    User,
}

/// A subscription of a session.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// No other subscription of the session has ever had this number.
    pub(crate) number: u64,
    pub(crate) id: ByteString,
    /// Whether the client has given the id. Else it is the destination, and no MESSAGE names it.
    pub(crate) has_id: bool,
    pub(crate) destination: ByteString,
    pub(crate) ack: AckMode,
    pub(crate) source: Source,
    /// The messages of its queue whose ACK is due, in the order in which they were sent.
    due: VecDeque<Delivery>,
}

/// A message of a queue that was sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Its `message-id`.
    pub(crate) id: u64,
    /// The number of the subscription.
    pub(crate) subscription: u64,
    /// The queue's own word for it.
    pub(crate) tag: Option<u64>,
    /// The key of the queue.
    pub(crate) queue: Option<ByteString>,
}

/// The subscriptions of one session, and the messages whose ACK is due.
///
/// Only a queue's messages are remembered until their ACK. For all others an ACK changes nothing, so one is taken for
/// any message that was ever sent, as is one that comes twice.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
    max: usize,
    max_unacknowledged: usize,
    /// How many messages' ACKs are due.
    due: usize,
    last_number: u64,
    last_id: u64,
}

impl Subscriptions {
    /// At most `max` subscriptions, and together at most `max_unacknowledged` messages whose ACK is due.
    pub(crate) fn new(max: usize, max_unacknowledged: usize) -> Self {
        Subscriptions { all: Vec::new(), max, max_unacknowledged, due: 0, last_number: 0, last_id: 0 }
    }

    /// Adds a subscription. Returns its number.
    ///
    /// # Errors
    /// Fails if its id is taken, or there are too many, in all or to its destination.
    pub(crate) fn add(&mut self, subscribe: Subscribe, source: Source) -> Result<u64, Refusal> {
        let Subscribe { id, has_id, destination, ack, headers: _ } = subscribe;
        if self.find(&id).is_some() {
            return Err(Refusal::new("subscription exists", "another subscription of the session has this id"));
        }
        if self.all.len() >= self.max {
            let detail = format!("a session has at most {} subscriptions (Stomp::subscriptions)", self.max);
            return Err(Refusal::new("too many subscriptions", detail));
        }
        if self.all.iter().filter(|it| it.destination == destination).count() >= MOST_ALIKE {
            let detail = format!("a session has at most {MOST_ALIKE} subscriptions to one destination");
            return Err(Refusal::new("too many subscriptions", detail));
        }
        self.last_number += 1;
        let number = self.last_number;
        self.all.push(Subscription { number, id, has_id, destination, ack, source, due: VecDeque::new() });
        Ok(number)
    }

    /// Removes a subscription. Returns it, and its messages whose ACK is due. `None` if there is none of this id.
    pub(crate) fn remove(&mut self, id: &str) -> Option<(Subscription, Vec<Delivery>)> {
        let at = self.all.iter().position(|subscription| subscription.id == id)?;
        let mut subscription = self.all.remove(at);
        self.due -= subscription.due.len();
        let due = std::mem::take(&mut subscription.due).into();
        Some((subscription, due))
    }

    /// Removes all subscriptions. Returns their messages whose ACK is due.
    pub(crate) fn clear(&mut self) -> Vec<Delivery> {
        self.due = 0;
        std::mem::take(&mut self.all).into_iter().flat_map(|subscription| subscription.due).collect()
    }

    /// How many messages' ACKs are due.
    pub(crate) fn due(&self) -> usize {
        self.due
    }

    /// The subscription with an id.
    pub(crate) fn find(&self, id: &str) -> Option<&Subscription> {
        self.all.iter().find(|subscription| subscription.id == id)
    }

    /// The subscription with a number.
    pub(crate) fn get(&self, number: u64) -> Option<&Subscription> {
        // Numbers grow, and those in between may have gone.
        self.all.binary_search_by_key(&number, |subscription| subscription.number).ok().map(|at| &self.all[at])
    }

    /// The numbers of the subscriptions to any of some rooms, which grow.
    pub(crate) fn of_room(&self, keys: &[&str]) -> impl Iterator<Item = u64> {
        let is_of = move |source: &Source| matches!(source, Source::Room(room) if keys.contains(&&**room));
        self.all.iter().filter(move |subscription| is_of(&subscription.source)).map(|subscription| subscription.number)
    }

    /// The numbers of the subscriptions to a destination of the session itself, which grow.
    pub(crate) fn of_user(&self, destination: &str) -> impl Iterator<Item = u64> {
        let is_of = move |it: &Subscription| it.source == Source::User && it.destination == destination;
        self.all.iter().filter(move |subscription| is_of(subscription)).map(|subscription| subscription.number)
    }

    /// Whether a message may be sent to a subscription now: there is one of this number, and it is not a queue's that
    /// waits for too many ACKs.
    pub(crate) fn may_deliver(&self, number: u64) -> bool {
        self.get(number).is_some_and(|it| !it.remembers() || self.due < self.max_unacknowledged)
    }

    /// The MESSAGE for a subscription. It is remembered if it is a queue's, by its `tag`, and its ACK is due. `None` if
    /// the subscription has gone, or it may not be [sent](Self::may_deliver) now.
    pub(crate) fn deliver(
        &mut self,
        version: Version,
        number: u64,
        content: &Message,
        redelivered: Option<bool>,
        tag: Option<u64>,
        extra: &[(&str, &str)],
    ) -> Option<Message> {
        if !self.may_deliver(number) {
            return None;
        }
        let at = self.all.binary_search_by_key(&number, |subscription| subscription.number).ok()?;
        let subscription = &mut self.all[at];
        self.last_id += 1;
        if subscription.remembers() {
            let queue = subscription.queue().cloned();
            subscription.due.push_back(Delivery { id: self.last_id, subscription: number, tag, queue });
            self.due += 1;
        }
        let head = MessageHead {
            destination: &subscription.destination,
            subscription: subscription.has_id.then_some(&subscription.id),
            id: self.last_id,
            ack: subscription.ack != AckMode::Auto,
            redelivered,
            extra,
        };
        Some(message(version, head, content))
    }

    /// Takes an ACK or a NACK. Returns the messages that it settles: in the mode `client` all of the subscription up
    /// to the one that it names. There are none if that is settled already, or its ACK changes nothing.
    ///
    /// # Errors
    /// Fails if it names a message that was never sent, or one of another subscription.
    pub(crate) fn settle(&mut self, settle: &Settle) -> Result<Vec<Delivery>, Refusal> {
        let Some((subscription, at)) = self.place(settle)? else { return Ok(Vec::new()) };
        let Subscription { ack, due, .. } = &mut self.all[subscription];
        let settled: Vec<Delivery> = match ack {
            AckMode::Client => due.drain(..=at).collect(),
            AckMode::Auto | AckMode::ClientIndividual => due.remove(at).into_iter().collect(),
        };
        self.due -= settled.len();
        Ok(settled)
    }

    /// Checks an ACK or a NACK that is to be taken later, with its transaction.
    ///
    /// # Errors
    /// Fails as [`settle`](Self::settle) does. One that passes here is taken there: no message's id comes twice.
    pub(crate) fn check(&self, settle: &Settle) -> Result<(), Refusal> {
        self.place(settle).map(drop)
    }

    /// The places of the subscription and of the message that an ACK names, if that is due.
    fn place(&self, settle: &Settle) -> Result<Option<(usize, usize)>, Refusal> {
        let (text, named) = match &settle.reference {
            Reference::Ack(id) => (id, None),
            Reference::Message { id, subscription } => (id, subscription.as_ref()),
        };
        let id = number(text).filter(|id| (1..=self.last_id).contains(id)).ok_or_else(|| {
            Refusal::new("unknown message", "an ACK or NACK names a message that was never sent to this session")
        })?;
        let place = |it: &Subscription| it.due.binary_search_by_key(&id, |delivery| delivery.id).ok();
        let found = self.all.iter().enumerate().find_map(|(nth, it)| Some((nth, place(it)?)));
        match (found, named) {
            (Some((nth, _)), Some(named)) if self.all[nth].id != *named => {
                Err(Refusal::new("unknown message", "an ACK or NACK names a message of another subscription"))
            }
            _ => Ok(found),
        }
    }
}

impl Subscription {
    /// The key of its queue.
    pub(crate) fn queue(&self) -> Option<&ByteString> {
        match &self.source {
            Source::Queue(key) => Some(key),
            Source::Room(_) | Source::User => None,
        }
    }

    /// Whether its messages are remembered until their ACK.
    fn remembers(&self) -> bool {
        self.ack != AckMode::Auto && self.queue().is_some()
    }
}

/// A number as [`deliver`](Subscriptions::deliver) writes it.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}
