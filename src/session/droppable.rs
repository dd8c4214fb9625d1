//! Messages that may be skipped: they wait or are left out while the client is behind.
//!
//! A WebSocket takes at once whatever the kernel's buffers hold, so "not yet on a link" tells nothing about
//! the client. What tells is the acknowledgement: while more than a *mark* is unacknowledged, a droppable
//! message is skipped, and the newest value of a key waits here and replaces the older one.
//!
//! The mark is what the client acknowledged within the last half second, at least four messages, and at most
//! [`Config::droppable_mark`](super::Config) bytes. What is skipped or waits has no number, so it costs
//! nothing on a link; a run of skipped messages is numbered as one gap, in front of the next message or once
//! the client has caught up.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    machine::{Machine, SendError},
    outbox::{Body, ENTRY_COST},
};
use crate::broadcast::OutMessage;

/// Upper bound on the length of a key, in bytes.
pub(crate) const LONGEST_KEY: usize = 256;

/// Upper bound on the values that wait in one session.
const MOST_VALUES: usize = 1_024;

/// So many messages may be unacknowledged whatever was acknowledged before, unless they are large.
const FEW: usize = 4;

/// The client may be behind by this many milliseconds, besides the round trip.
const WINDOW: u64 = 500;

/// A longer round trip counts as this long: a part of it is the queue that the mark is to bound.
const LONGEST_TRIP: u64 = 1_000;

/// A session over HTTP has no link between two turns. For so long that is no interruption.
const BETWEEN_TURNS: u64 = 3_000;

/// What becomes of a message while its receiver is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum WhenBehind {
    /// It is kept until it is acknowledged; a full outbox refuses it.
    #[default]
    Keep,
    /// The same, but a full outbox leaves a gap.
    KeepOrSkip,
    /// It is skipped.
    Skip,
    /// It waits until a newer value of the same key replaces it.
    Latest(Arc<str>),
}

/// The state of one session that sends droppable messages. Most sessions have none.
#[derive(Debug, Default)]
pub(super) struct Droppables {
    acknowledged: Window,
    values: Values,
    /// How many messages were skipped since the last number was given.
    skipped: u64,
    /// The number of the last droppable message.
    last: u64,
    /// The bytes of droppable messages since the last of them that requested an acknowledgement.
    unrequested: usize,
    /// The acknowledgement that was requested on a link: the number, and when.
    request: Option<(u64, u64)>,
    /// The shortest time from a request to its answer; 0 before the first.
    trip: u64,
}

impl Droppables {
    /// The bytes that were acknowledged within the last half second and a round trip.
    fn recent(&mut self, now: u64) -> usize {
        self.acknowledged.sum(now, WINDOW + self.trip.min(LONGEST_TRIP))
    }

    /// A request for the acknowledgement of this number is sent on a link.
    pub(super) fn request_sent(&mut self, now: u64, number: u64) {
        self.request.get_or_insert((number, now));
    }

    fn acknowledged(&mut self, now: u64, number: u64, bytes: usize) {
        if let Some((requested, sent)) = self.request
            && requested <= number
        {
            self.request = None;
            let trip = now.saturating_sub(sent).max(1);
            self.trip = if self.trip == 0 { trip } else { self.trip.min(trip) };
        }
        let window = WINDOW + self.trip.min(LONGEST_TRIP);
        self.acknowledged.add(now, window, bytes);
    }
}

/// A sum over a window of time that slides, from two sums over windows that do not.
#[derive(Debug, Default)]
struct Window {
    since: u64,
    before: usize,
    current: usize,
}

impl Window {
    fn add(&mut self, now: u64, length: u64, bytes: usize) {
        self.roll(now, length);
        self.current += bytes;
    }

    /// The sum of the last `length` milliseconds. What came in the window before counts in proportion to the
    /// part of it that is not over yet.
    fn sum(&mut self, now: u64, length: u64) -> usize {
        self.roll(now, length);
        let left = length.saturating_sub(now - self.since);
        let share = self.before as u64 * left / length;
        self.current + usize::try_from(share).unwrap_or(usize::MAX / 2)
    }

    fn roll(&mut self, now: u64, length: u64) {
        let past = now.saturating_sub(self.since);
        if past >= length {
            self.before = if past < 2 * length { self.current } else { 0 };
            self.since = now - past % length;
            self.current = 0;
        }
    }
}

/// The newest value of each key, in the order in which the keys began to wait.
#[derive(Debug, Default)]
pub(super) struct Values {
    queue: VecDeque<Value>,
    /// How many values have left the queue.
    gone: usize,
    /// The place of each key, counted from the first value that ever waited.
    places: BTreeMap<Arc<str>, usize>,
    bytes: usize,
}

#[derive(Debug)]
struct Value {
    key: Arc<str>,
    message: OutMessage,
    /// The last number that was given before the key began to wait.
    behind: u64,
}

impl Value {
    fn cost(&self) -> usize {
        self.key.len() + self.message.as_message().len() + ENTRY_COST
    }
}

impl Values {
    /// Keeps the value of a key until its turn comes. A newer one takes the place of the older one: at the end
    /// of the queue a value that changes often would never come first. Returns false, and changes nothing, if
    /// there is no room.
    fn put(&mut self, key: &Arc<str>, message: OutMessage, behind: u64, room: usize) -> bool {
        let at = self.places.get(key).map(|place| place - self.gone);
        let old = at.map_or(0, |at| self.queue[at].cost());
        let value = Value { key: key.clone(), message, behind };
        let bytes = self.bytes - old + value.cost();
        let alone = self.queue.len() == usize::from(at.is_some());
        if (bytes > room && !alone) || (at.is_none() && self.queue.len() >= MOST_VALUES) {
            return false;
        }
        self.bytes = bytes;
        match at {
            Some(at) => self.queue[at].message = value.message,
            None => {
                self.places.insert(value.key.clone(), self.gone + self.queue.len());
                self.queue.push_back(value);
            }
        }
        true
    }

    fn pop(&mut self) -> Option<OutMessage> {
        let value = self.queue.pop_front()?;
        self.bytes -= value.cost();
        self.places.remove(&value.key);
        self.gone += 1;
        if self.queue.is_empty() {
            *self = Values::default();
        }
        Some(value.message)
    }
}

// Commands.
impl Machine {
    /// Sends a message in one of four ways. Returns whether it was taken, and not skipped.
    pub(crate) fn send_as(&mut self, now: u64, how: &WhenBehind, message: OutMessage) -> Result<bool, SendError> {
        match how {
            WhenBehind::Keep => self.send(message).map(|()| true),
            WhenBehind::KeepOrSkip => self.send_or_skip(message),
            WhenBehind::Skip => self.send_droppable(now, message),
            WhenBehind::Latest(key) => self.send_latest(now, key, message),
        }
    }

    /// As [`send`](Self::send), but skips the message while the client is behind or without a link, or if
    /// there is no room. Returns whether it was taken. A skipped one is reported as a gap where messages are
    /// numbered.
    pub(crate) fn send_droppable(&mut self, now: u64, message: OutMessage) -> Result<bool, SendError> {
        self.may_send()?;
        let taken = self.values_waiting() == 0 && self.takes_droppable(now, message.as_message().len());
        match taken {
            true => self.push_droppable(now, message),
            false => self.skip(),
        }
        Ok(taken)
    }

    /// Sends the newest value of a key. While the client is behind or without a link it waits, and a newer
    /// value replaces it. Returns false if it was skipped, because too many values wait.
    pub(crate) fn send_latest(&mut self, now: u64, key: &Arc<str>, message: OutMessage) -> Result<bool, SendError> {
        self.may_send()?;
        if self.values_waiting() == 0 && self.takes_droppable(now, message.as_message().len()) {
            self.push_droppable(now, message);
            return Ok(true);
        }
        let (behind, room) = (self.outbox.last(), self.config.outbox / 2);
        let taken = self.droppables().values.put(key, message, behind, room);
        match taken {
            true => self.request_ack_if_none(),
            false => self.skip(),
        }
        Ok(taken)
    }

    /// As [`send`](Self::send), but leaves a gap if there is no room. Returns whether there was.
    pub(crate) fn send_or_skip(&mut self, message: OutMessage) -> Result<bool, SendError> {
        match self.send(message) {
            Err(SendError::Full) => {
                self.skip();
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }
}

// The functions for the other files of the machine.
impl Machine {
    /// The values that wait, in number.
    pub(super) fn values_waiting(&self) -> usize {
        self.droppables.as_ref().map_or(0, |droppables| droppables.values.queue.len())
    }

    /// The bytes of the values that wait.
    pub(super) fn values_bytes(&self) -> usize {
        self.droppables.as_ref().map_or(0, |droppables| droppables.values.bytes)
    }

    /// How many skipped messages have no number yet.
    pub(super) fn skipped(&self) -> u64 {
        self.droppables.as_ref().map_or(0, |droppables| droppables.skipped)
    }

    /// Gives the skipped messages their numbers: whatever gets the next one comes behind them.
    pub(super) fn number_skipped(&mut self) {
        if let Some(droppables) = &mut self.droppables {
            self.outbox.push_gap(std::mem::take(&mut droppables.skipped));
        }
    }

    /// Gives numbers to all that waits, however much it is.
    pub(super) fn number_all(&mut self) {
        while !self.outbox.exhausted(self.skipped()) {
            let Some(message) = self.droppables.as_mut().and_then(|droppables| droppables.values.pop()) else { break };
            self.push(Body::Message(message));
        }
        self.number_skipped();
    }

    /// The client has acknowledged messages of so many bytes.
    pub(super) fn droppables_acknowledged(&mut self, now: u64, bytes: usize) {
        let acked = self.outbox.acked();
        if let Some(droppables) = &mut self.droppables {
            droppables.acknowledged(now, acked, bytes);
            self.number_waiting(now);
        }
    }

    /// Gives numbers to what waits, as far as the mark allows.
    pub(super) fn number_waiting(&mut self, now: u64) {
        if self.closing.is_some() || self.closed.is_some() || !self.is_reachable(now) {
            return;
        }
        while let Some(value) = self.droppables.as_ref().and_then(|droppables| droppables.values.queue.front()) {
            let (length, behind) = (value.message.as_message().len(), value.behind);
            if self.outbox.exhausted(self.skipped()) || !(self.takes_droppable(now, length) || self.is_due(behind)) {
                break;
            }
            if let Some(message) = self.droppables().values.pop() {
                self.push_droppable(now, message);
                self.links_need_wake = true;
            }
        }
        if self.values_waiting() == 0 && self.skipped() > 0 && self.is_below_mark(now, 0) {
            self.number_skipped();
            self.links_need_wake = true;
        } else if self.values_waiting() > 0 || self.skipped() > 0 {
            self.request_ack_if_none();
        }
    }

    fn droppables(&mut self) -> &mut Droppables {
        self.droppables.get_or_insert_default()
    }

    fn skip(&mut self) {
        if self.is_numbered() {
            self.droppables().skipped += 1;
            self.request_ack_if_none();
        }
    }

    fn takes_droppable(&mut self, now: u64, length: usize) -> bool {
        self.is_reachable(now) && self.outbox.fits(length) && self.is_below_mark(now, length)
    }

    /// Whether not more than the mark is unacknowledged together with a message of this length. A message
    /// that is larger than the mark goes out alone.
    fn is_below_mark(&mut self, now: u64, length: usize) -> bool {
        let bytes = self.outbox.bytes() + length + ENTRY_COST;
        let messages = self.outbox.messages_up_to(FEW);
        messages == 0
            || bytes <= self.config.droppable_mark && (messages < FEW || bytes <= self.droppables().recent(now))
    }

    /// Whether a value has waited for as long as an ordinary message in its place: all that was sent before is
    /// acknowledged, and so is the last droppable message. Ordinary messages that keep the client above the
    /// mark must not hold values back for ever.
    fn is_due(&self, behind: u64) -> bool {
        let last = self.droppables.as_ref().map_or(0, |droppables| droppables.last);
        self.outbox.acked() >= behind.max(last)
    }

    /// Without a link nothing piles up.
    fn is_reachable(&self, now: u64) -> bool {
        self.links.any_attached()
            || (self.links.between_turns() && now < self.detached_since.saturating_add(BETWEEN_TURNS))
    }

    /// Each message above half the mark requests an acknowledgement, but not before a quarter of the mark has
    /// followed the last request.
    fn push_droppable(&mut self, now: u64, message: OutMessage) {
        let cost = message.as_message().len() + ENTRY_COST;
        self.push(Body::Message(message));
        let (last, bytes) = (self.outbox.last(), self.outbox.bytes());
        let few = self.outbox.messages_up_to(FEW) <= FEW / 2;
        let most = self.config.droppable_mark;
        let droppables = self.droppables();
        let mark = droppables.recent(now).min(most);
        droppables.last = last;
        droppables.unrequested += cost;
        let above_half = bytes * 2 > most || (bytes * 2 > mark && !few);
        if above_half && droppables.unrequested * 4 >= mark {
            droppables.unrequested = 0;
            self.outbox.request_ack();
        }
    }

    /// The client is behind: its next acknowledgement makes room, so one must be under way.
    fn request_ack_if_none(&mut self) {
        if self.outbox.ack_requested() <= self.outbox.acked() {
            self.outbox.request_ack();
        }
    }
}

#[cfg(test)]
impl Machine {
    /// Whether a value of this key waits.
    pub(crate) fn waits(&self, key: &str) -> bool {
        self.droppables.as_ref().is_some_and(|droppables| droppables.values.places.contains_key(key))
    }

    pub(crate) fn forget_values(&mut self) {
        self.droppables().values = Values::default();
    }

    pub(crate) fn forget_skipped(&mut self) {
        self.droppables().skipped = 0;
    }
}
