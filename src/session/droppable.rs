//! Messages that may be skipped: they wait or are left out while the client is behind.
//!
//! A WebSocket takes at once whatever the kernel's buffers hold, so "not yet on a link" tells nothing about
//! the client. What tells is the acknowledgement: while more than a *mark* is unacknowledged, a droppable
//! message is skipped, and the newest value of a key waits here and replaces the older one.
//!
//! The mark is what the client acknowledged within the last half second and round trip, at least four
//! messages, and at most [`Config::droppable_mark`](super::Config) bytes. What is skipped or waits has no
//! number, so it costs nothing on a link; a run of skipped messages is numbered as one gap, in front of the
//! next message or once the client has caught up.

use std::collections::{BTreeMap, VecDeque};

use bytestring::ByteString;

use super::outbox::ENTRY_COST;
use crate::broadcast::OutMessage;

/// Upper bound on the length of a key, in bytes.
pub(crate) const LONGEST_KEY: usize = 256;

/// Upper bound on the values that wait in one session.
const MOST_VALUES: usize = 1_024;

/// The client may be behind by what it acknowledged within this many milliseconds and a round trip:
/// a line that is only long must not be taken for a slow one.
const WINDOW: u64 = 500;

/// A longer round trip counts as this long: a part of it is the queue that the mark is to bound.
const LONGEST_TRIP: u64 = 1_000;

/// The fate of a message while its receiver is behind.
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
    Latest(ByteString),
}

/// The state of one session that sends droppable messages. Most sessions have none.
#[derive(Debug, Default)]
pub(super) struct Droppables {
    acknowledged: Window,
    pub(super) values: Values,
    /// How many messages were skipped since the last number was given.
    pub(super) skipped: u64,
    /// The number of the last droppable message.
    pub(super) last: u64,
    /// The bytes of droppable messages since the last of them that requested an acknowledgement.
    pub(super) unrequested: usize,
    /// The acknowledgement that was requested on a link: the number, and when.
    request: Option<(u64, u64)>,
    /// The shortest time from a request to its answer; 0 before the first.
    trip: u64,
}

impl Droppables {
    /// The bytes that were acknowledged within the window of time that counts.
    pub(super) fn recent(&mut self, now: u64) -> usize {
        let window = self.window();
        self.acknowledged.sum(now, window)
    }

    fn window(&self) -> u64 {
        WINDOW + self.trip.min(LONGEST_TRIP)
    }

    /// A request for the acknowledgement of this number is sent on a link.
    pub(super) fn request_sent(&mut self, now: u64, number: u64) {
        self.request.get_or_insert((number, now));
    }

    pub(super) fn acknowledged(&mut self, now: u64, number: u64, bytes: usize) {
        if let Some((requested, sent)) = self.request
            && requested <= number
        {
            self.request = None;
            let trip = now.saturating_sub(sent).max(1);
            self.trip = if self.trip == 0 { trip } else { self.trip.min(trip) };
        }
        let window = self.window();
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
    pub(super) places: BTreeMap<ByteString, usize>,
    bytes: usize,
    /// How many of them are payloads that others share.
    shared: usize,
}

#[derive(Debug)]
struct Value {
    key: ByteString,
    message: OutMessage,
    /// The last number that was given before the key began to wait.
    behind: u64,
}

impl Value {
    fn cost(&self) -> usize {
        self.key.len() + self.message.len() + ENTRY_COST
    }
}

impl Values {
    /// Keeps the value of a key until its turn comes. A newer one takes the place of the older one: at the
    /// end of the queue a value that changes often would never come first. Returns false, and changes
    /// nothing, if there is no room.
    pub(super) fn put(&mut self, key: &ByteString, message: OutMessage, behind: u64, room: usize) -> bool {
        let at = self.places.get(key).map(|place| place - self.gone);
        let old = at.map_or(0, |at| self.queue[at].cost());
        let shared = at.map_or(0, |at| self.queue[at].message.shared_len());
        let value = Value { key: key.clone(), message, behind };
        let bytes = self.bytes - old + value.cost();
        let alone = self.queue.len() == usize::from(at.is_some());
        if (bytes > room && !alone) || (at.is_none() && self.queue.len() >= MOST_VALUES) {
            return false;
        }
        self.bytes = bytes;
        self.shared = self.shared - shared + value.message.shared_len();
        match at {
            Some(at) => self.queue[at].message = value.message,
            None => {
                self.places.insert(value.key.clone(), self.gone + self.queue.len());
                self.queue.push_back(value);
            }
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes that these values alone hold.
    pub(super) fn own(&self) -> usize {
        self.bytes - self.shared
    }

    /// The part of the messages that others share.
    pub(super) fn share(&self) -> usize {
        self.queue.iter().map(|value| value.message.share()).sum()
    }

    /// The values with their keys and the last numbers that were given before these began to wait, in their order.
    #[cfg(any(feature = "cluster", test))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ByteString, &OutMessage, u64)> {
        self.queue.iter().map(|value| (&value.key, &value.message, value.behind))
    }

    /// The length of the value whose turn is next, and the last number that was given before its key began to
    /// wait.
    pub(super) fn next(&self) -> Option<(usize, u64)> {
        self.queue.front().map(|value| (value.message.len(), value.behind))
    }

    pub(super) fn pop(&mut self) -> Option<OutMessage> {
        self.pop_with_key().map(|(_, message)| message)
    }

    pub(super) fn pop_with_key(&mut self) -> Option<(ByteString, OutMessage)> {
        let value = self.queue.pop_front()?;
        self.bytes -= value.cost();
        self.shared -= value.message.shared_len();
        self.places.remove(&value.key);
        self.gone += 1;
        if self.queue.is_empty() {
            *self = Values::default();
        }
        Some((value.key, value.message))
    }
}
