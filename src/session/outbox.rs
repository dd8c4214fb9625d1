//! The messages that are not acknowledged yet.

mod slots;

use std::collections::VecDeque;

use super::frame::{CloseReason, MAX_NUMBER};
use crate::{
    broadcast::{OutMessage, OutMessageRef},
    packet::Packet,
    payload::Payload,
    seldom::Seldom,
};

use slots::low;
pub(crate) use slots::{Body, ENTRY_COST, Entry, reserve_first};
pub(super) use slots::{Freed, Own, Slot};

/// The most numbers that are not acknowledged.
pub(super) const MOST_AT_A_TIME: u64 = u32::MAX as u64;

/// Messages leave [`Own`] with their slots.
const IN_ORDER: &str = "each slot of a message of the session's own has one";

/// The messages of one direction from the first that is not acknowledged. It allocates when it is first used.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(super) slots: VecDeque<Slot>,
    pub(super) own: Seldom<Own>,
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
            slots: VecDeque::new(),
            own: Seldom::default(),
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
        let parts = self.slots.iter().map(|slot| match slot {
            Slot::Shared { message, .. } => message.share(),
            _ => 0,
        });
        parts.sum()
    }

    pub(crate) fn ack_requested(&self) -> u64 {
        self.ack_requested
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a message of this length fits. An outbox that is at most half full takes any message, so that
    /// none is refused before an acknowledgement of the others was requested.
    pub(crate) fn fits(&self, length: usize) -> bool {
        !self.is_half_full() || self.bytes + length + ENTRY_COST <= self.limit
    }

    /// Whether there are four times as many messages in it as would have room if all of them were empty. What was
    /// sent in a namespace before it was open may come at once, and fill it a second time.
    pub(super) fn is_crowded(&self) -> bool {
        self.slots.len() > 4 * self.limit.div_ceil(ENTRY_COST)
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

    /// Whether all numbers are used up, of which `more` are promised. One is reserved for the close. No more are in use
    /// at a time than a slot can tell apart.
    pub(crate) fn exhausted(&self, more: u64) -> bool {
        self.uses_up(more) || self.last + more + 1 - self.acked >= MOST_AT_A_TIME
    }

    /// Whether `more` numbers and that of the close are as many as there are.
    pub(crate) fn uses_up(&self, more: u64) -> bool {
        self.last + more + 1 >= MAX_NUMBER
    }

    /// The length of a run of lost messages, of which so many are said to be lost and `more` are promised. It leaves half of
    /// the numbers that slots can tell apart to messages. It is at least one, so that no loss is silent.
    #[cfg(feature = "cluster")]
    pub(crate) fn lost(&self, said: u64, more: u64) -> u64 {
        let in_use = self.last + more - self.acked;
        said.min((MOST_AT_A_TIME / 2).saturating_sub(in_use).max(1))
    }

    /// How many messages are not acknowledged, counted up to `most`.
    pub(crate) fn messages_up_to(&self, most: usize) -> usize {
        self.messages().take(most).count()
    }

    /// How many messages are not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.messages().count()
    }

    fn messages(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Shared { .. } | Slot::Alone { .. } | Slot::Own { .. }))
    }

    /// Uses the next numbers for messages that are dropped.
    pub(crate) fn push_gap(&mut self, count: u64) {
        let first = self.last + 1;
        self.last += count;
        match self.slots.back_mut() {
            _ if count == 0 => {}
            // A run that is already on a link may grow: the new part is sent as a gap of its own.
            Some(Slot::Gap { last, .. }) => *last = self.last,
            _ => self.slots.push_back(Slot::Gap { first: low(first), last: self.last }),
        }
    }

    pub(crate) fn push(&mut self, message: OutMessage) {
        self.last += 1;
        let first = low(self.last);
        self.bytes += message.len() + ENTRY_COST;
        self.shared += message.shared_len();
        let is_alone = self.slots.capacity() == 0;
        reserve_first(&mut self.slots);
        self.slots.push_back(match message {
            OutMessage::Shared(message) => Slot::Shared { first, message },
            OutMessage::Own(payload) if is_alone => Slot::Alone { first, payload: Box::new(payload) },
            OutMessage::Own(payload) => Slot::Own { first, index: self.own.make().push(payload) },
        });
        self.request_ack_if_half_full();
    }

    pub(crate) fn push_close(&mut self, reason: CloseReason) {
        self.last += 1;
        reserve_first(&mut self.slots);
        self.slots.push_back(Slot::Close { first: low(self.last), reason: Box::new(reason) });
        self.request_ack_if_half_full();
    }

    /// Requests an acknowledgement of all messages.
    pub(crate) fn request_ack(&mut self) {
        self.ack_requested = self.last;
    }

    /// All entries, in order.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.slots.iter().map(|slot| self.read(slot))
    }

    /// The entries from this [place](Self::place) on.
    pub(super) fn entries_at(&self, at: usize) -> impl Iterator<Item = Entry<'_>> {
        (at..).map_while(|at| self.slots.get(at)).map(|slot| self.read(slot))
    }

    /// The place of the entry that holds this number, or else of the next one.
    pub(super) fn place(&self, number: u64) -> usize {
        // The first slot holds the first number that is not acknowledged. It is not looked at: a burst in a room would bring
        // its memory to the processor for each session.
        let near = usize::try_from(number.saturating_sub(self.acked + 1)).unwrap_or(usize::MAX);
        match self.slots.get(near) {
            Some(slot) if self.number(slot.first()) == number => near,
            _ => self.slots.partition_point(|slot| self.last_of(slot) < number),
        }
    }

    /// The number whose lower half this is. None of the outbox is further from the last one than that can tell.
    fn number(&self, low_half: u32) -> u64 {
        self.last - u64::from(low(self.last).wrapping_sub(low_half))
    }

    fn last_of(&self, slot: &Slot) -> u64 {
        match *slot {
            Slot::Gap { last, .. } => last,
            _ => self.number(slot.first()),
        }
    }

    fn read<'a>(&'a self, slot: &'a Slot) -> Entry<'a> {
        let body = match slot {
            Slot::Shared { message, .. } => Body::Message(OutMessageRef::Shared(message)),
            Slot::Alone { payload, .. } => Body::Message(OutMessageRef::Own(payload)),
            Slot::Own { index, .. } => Body::Message(OutMessageRef::Own(self.own_message(*index))),
            Slot::Gap { .. } => Body::Gap,
            Slot::Close { reason, .. } => Body::Close(reason),
        };
        Entry { first: self.number(slot.first()), last: self.last_of(slot), body }
    }

    fn own_message(&self, index: u32) -> &Payload {
        self.own.get().and_then(|own| own.get(index)).expect(IN_ORDER)
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
        while let Some(front) = self.slots.front() {
            if self.last_of(front) <= received {
                self.free_first();
            } else {
                let first = self.number(front.first()).max(received + 1);
                if let Some(Slot::Gap { first: begin, .. }) = self.slots.front_mut() {
                    *begin = low(first);
                }
                break;
            }
        }
        self.request_ack_if_half_full();
        Ok(true)
    }

    fn free_first(&mut self) {
        match self.slots.pop_front() {
            Some(Slot::Shared { message, .. }) => self.uncount(message.payload().len(), message.payload().len()),
            Some(Slot::Alone { payload, .. }) => self.uncount(payload.len(), 0),
            Some(Slot::Own { .. }) => {
                let payload = self.own.make().pop().expect(IN_ORDER);
                self.uncount(payload.len(), 0);
            }
            _ => {}
        }
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self) -> Option<Freed> {
        let freed = match self.slots.pop_front()? {
            Slot::Shared { message, .. } => Freed::Message(OutMessage::Shared(message)),
            Slot::Alone { payload, .. } => Freed::Message(OutMessage::Own(*payload)),
            Slot::Own { .. } => Freed::Message(OutMessage::Own(self.own.make().pop().expect(IN_ORDER))),
            Slot::Gap { .. } => Freed::Gap,
            Slot::Close { reason, .. } => Freed::Close(reason),
        };
        if let Freed::Message(message) = &freed {
            self.uncount(message.len(), message.shared_len());
        }
        Some(freed)
    }

    fn uncount(&mut self, length: usize, shared: usize) {
        self.bytes -= length + ENTRY_COST;
        self.shared -= shared;
    }

    /// Takes the content out of the answers, and of what ends namespaces. They are for a page that is gone, and the
    /// page that takes over counts its requests anew and opens its namespaces: it would take them for its own. The
    /// numbers stand.
    pub(super) fn void_answers(&mut self) {
        let is_void = |payload: &Payload| matches!(payload, Payload::Event(packet) if packet.is_for_one_page());
        self.replace(|_, message| match message {
            message if is_void(message.payload()) => Payload::from(Packet::no_answer()).into(),
            message => message,
        });
    }

    /// Puts others in the place of messages. The numbers stand.
    pub(super) fn replace(&mut self, mut change: impl FnMut(u64, OutMessage) -> OutMessage) {
        let last = self.last;
        // Each entry goes from the front to the back, so that all come in order again.
        for _ in 0..self.slots.len() {
            let Some(Entry { first, last: end, .. }) = self.entries().next() else { break };
            let Some(freed) = self.pop() else { break };
            self.last = first - 1;
            match freed {
                Freed::Message(message) => self.push(change(first, message)),
                Freed::Close(reason) => self.push_close(*reason),
                Freed::Gap => self.slots.push_back(Slot::Gap { first: low(first), last: end }),
            }
            self.last = last;
        }
    }

    /// Takes the messages. Their numbers count as acknowledged, and so do all others that were given.
    pub(super) fn take_messages(&mut self) -> Vec<OutMessage> {
        let mut messages = Vec::new();
        while let Some(freed) = self.pop() {
            if let Freed::Message(message) = freed {
                messages.push(message);
            }
        }
        (self.acked, self.sent) = (self.last, self.last);
        messages
    }

    /// Drops the messages. The numbers stand.
    pub(crate) fn clear(&mut self) {
        self.slots = VecDeque::new();
        self.own.clear();
        (self.bytes, self.shared) = (0, 0);
    }

    /// Gives unused memory back. A busy outbox would only allocate it again, so this is for idle moments.
    pub(crate) fn shrink(&mut self) {
        if self.slots.is_empty() && self.slots.capacity() > 0 {
            self.slots = VecDeque::new();
            self.own.clear();
        }
    }
}
