//! The messages that are not acknowledged yet.

use std::collections::VecDeque;

use super::frame::{CloseReason, MAX_NUMBER};
use crate::{broadcast::OutMessage, packet::Packet, payload::Payload};

/// The bytes that an entry counts beyond its payload, so that empty messages are bounded too.
pub(crate) const ENTRY_COST: usize = 64;

/// Makes room for one element in a queue that has none. The second one makes room for four: most sessions never
/// have so many at a time, and there are many idle sessions.
pub(crate) fn reserve_first<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() == 0 {
        queue.reserve_exact(1);
    }
}

/// One number of the outbox, or a run of dropped ones.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(super) first: u64,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Message(OutMessage),
    /// It covers all numbers up to `last`.
    Gap {
        last: u64,
    },
    /// It is boxed since it comes once, while the size of an entry counts for every message.
    Close(Box<CloseReason>),
}

impl Entry {
    pub(crate) fn last(&self) -> u64 {
        match self.body {
            Body::Gap { last } => last,
            _ => self.first,
        }
    }

    pub(super) fn cost(&self) -> usize {
        match &self.body {
            Body::Message(message) => message.len() + ENTRY_COST,
            Body::Gap { .. } | Body::Close(_) => 0,
        }
    }

    /// How many bytes of the cost are a payload that others share.
    fn shared(&self) -> usize {
        match &self.body {
            Body::Message(message) => message.shared_len(),
            Body::Gap { .. } | Body::Close(_) => 0,
        }
    }
}

/// The messages of one direction from the first that is not acknowledged. It allocates when it is first used.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(super) entries: VecDeque<Entry>,
    /// The last number that the other half has acknowledged.
    pub(super) acked: u64,
    /// The last number in use.
    pub(super) last: u64,
    /// The last number that was ever put on a link. An acknowledgement beyond it is a violation.
    pub(super) sent: u64,
    /// An acknowledgement is requested once this number was sent.
    pub(super) ack_requested: u64,
    pub(super) bytes: usize,
    /// How many of them are payloads that others share.
    pub(super) shared: usize,
    limit: usize,
}

impl Outbox {
    /// An outbox whose first message gets the number `base + 1`, and that is full at `limit` bytes.
    pub(crate) fn new(base: u64, limit: usize) -> Self {
        Outbox {
            entries: VecDeque::new(),
            acked: base,
            last: base,
            sent: base,
            ack_requested: base,
            bytes: 0,
            shared: 0,
            limit,
        }
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes that this outbox alone holds.
    pub(super) fn own(&self) -> usize {
        self.bytes - self.shared
    }

    /// This outbox's part of the messages that others share.
    pub(super) fn share(&self) -> usize {
        let parts = self.entries.iter().map(|entry| match &entry.body {
            Body::Message(message) => message.share(),
            Body::Gap { .. } | Body::Close(_) => 0,
        });
        parts.sum()
    }

    pub(crate) fn ack_requested(&self) -> u64 {
        self.ack_requested
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a message of this length fits. An outbox that is at most half full takes any message, so that
    /// none is refused before an acknowledgement of the others was requested.
    pub(crate) fn fits(&self, length: usize) -> bool {
        !self.is_half_full() || self.bytes + length + ENTRY_COST <= self.limit
    }

    /// Whether there are four times as many messages in it as would have room if all of them were empty. What was
    /// sent in a namespace before it was open may come at once, and fill it a second time.
    pub(super) fn is_crowded(&self) -> bool {
        self.entries.len() > 4 * self.limit.div_ceil(ENTRY_COST)
    }

    fn is_half_full(&self) -> bool {
        self.bytes * 2 > self.limit
    }

    /// An outbox that is more than half full requests an acknowledgement, one at a time.
    fn request_ack_if_half_full(&mut self) {
        if self.is_half_full() && self.ack_requested <= self.acked {
            self.ack_requested = self.last;
        }
    }

    /// Whether all numbers are used up, of which `more` are promised. One is reserved for the close.
    pub(crate) fn exhausted(&self, more: u64) -> bool {
        self.last + more + 1 >= MAX_NUMBER
    }

    /// How many messages are not acknowledged, counted up to `most`.
    pub(crate) fn messages_up_to(&self, most: usize) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.body, Body::Message(_))).take(most).count()
    }

    /// How many messages are not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.body, Body::Message(_))).count()
    }

    /// Uses the next numbers for messages that are dropped.
    pub(crate) fn push_gap(&mut self, count: u64) {
        let first = self.last + 1;
        self.last += count;
        match self.entries.back_mut() {
            _ if count == 0 => {}
            // A run that is already on a link may grow: the new part is sent as a gap of its own.
            Some(Entry { body: Body::Gap { last }, .. }) => *last = self.last,
            _ => self.entries.push_back(Entry { first, body: Body::Gap { last: self.last } }),
        }
    }

    pub(crate) fn push(&mut self, body: Body) {
        self.last += 1;
        let entry = Entry { first: self.last, body };
        self.bytes += entry.cost();
        self.shared += entry.shared();
        reserve_first(&mut self.entries);
        self.entries.push_back(entry);
        self.request_ack_if_half_full();
    }

    /// Requests an acknowledgement of all messages.
    pub(crate) fn request_ack(&mut self) {
        self.ack_requested = self.last;
    }

    /// The entry that holds this number.
    pub(crate) fn entry(&self, number: u64) -> Option<&Entry> {
        if number > self.last {
            return None; // The common case: all was sent.
        }
        self.entries.get(self.place(number)).filter(|entry| entry.first <= number)
    }

    /// The entries from that on which holds this number.
    pub(super) fn entries_from(&self, number: u64) -> impl Iterator<Item = &Entry> {
        (self.place(number)..).map_while(|at| self.entries.get(at))
    }

    /// The place of the entry that holds this number, or else of the next one.
    fn place(&self, number: u64) -> usize {
        let first = self.entries.front().map_or(number, |front| front.first);
        let near = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        match self.entries.get(near) {
            Some(entry) if entry.first == number => near,
            _ => self.entries.partition_point(|entry| entry.last() < number),
        }
    }

    /// All up to `number` was put on a link.
    pub(crate) fn mark_sent(&mut self, number: u64) {
        self.sent = self.sent.max(number);
    }

    /// Frees what the other half has received, and returns whether that is anything. `Err`: it acknowledges
    /// what was never sent.
    pub(crate) fn acknowledge(&mut self, received: u64) -> Result<bool, ()> {
        if received > self.sent {
            return Err(());
        }
        if received <= self.acked {
            return Ok(false);
        }
        self.acked = received;
        while let Some(front) = self.entries.front_mut() {
            if front.last() <= received {
                self.bytes -= front.cost();
                self.shared -= front.shared();
                self.entries.pop_front();
            } else {
                front.first = front.first.max(received + 1);
                break;
            }
        }
        self.request_ack_if_half_full();
        Ok(true)
    }

    /// Takes the content out of the answers, and of what ends namespaces. They are for a page that is gone, and the
    /// page that takes over counts its requests anew and opens its namespaces: it would take them for its own. The
    /// numbers stand.
    pub(super) fn void_answers(&mut self) {
        for entry in &mut self.entries {
            let (cost, shared) = (entry.cost(), entry.shared());
            if let Body::Message(message) = &mut entry.body
                && matches!(message.payload(), Payload::Event(packet) if packet.is_for_one_page())
            {
                *message = Payload::from(Packet::no_answer()).into();
                self.bytes = self.bytes - cost + entry.cost();
                self.shared -= shared;
            }
        }
    }

    /// Takes the messages. Their numbers count as acknowledged, and so do all others that were given.
    pub(super) fn take_messages(&mut self) -> Vec<OutMessage> {
        let entries = std::mem::take(&mut self.entries);
        (self.bytes, self.shared, self.acked, self.sent) = (0, 0, self.last, self.last);
        let messages = entries.into_iter().filter_map(|entry| match entry.body {
            Body::Message(message) => Some(message),
            Body::Gap { .. } | Body::Close(_) => None,
        });
        messages.collect()
    }

    /// Drops the messages. The numbers stand.
    pub(crate) fn clear(&mut self) {
        self.entries = VecDeque::new();
        (self.bytes, self.shared) = (0, 0);
    }

    /// Gives unused memory back. A busy outbox would only allocate it again, so this is for idle moments.
    pub(crate) fn shrink(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > 0 {
            self.entries = VecDeque::new();
        }
    }
}
