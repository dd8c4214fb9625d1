//! The messages that arrived, counted, and when an acknowledgement is due.

use std::collections::VecDeque;

use super::{
    outbox::{ENTRY_COST, reserve_first},
    rules::Delivery,
};
use crate::{packet::Packet, payload::Payload};

/// An acknowledgement is due after this many messages ...
const ACK_MESSAGES: u32 = 128;
/// ... or this many bytes ...
const ACK_BYTES: usize = 32 * 1024;
/// ... or, on a server, this many milliseconds after the first message that is not acknowledged. Until half of
/// them have passed, nothing that the server sends takes the acknowledgement along: one for each message would
/// cost more than the message.
pub(in crate::session) const ACK_DELAY: u64 = 1_000;
/// ... or, on a client, this many milliseconds after the last message: a client that keeps receiving does not
/// acknowledge each message of one a second.
pub(in crate::session) const ACK_QUIET: u64 = 1_250;

/// A message or a gap that came in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Message(Payload),
    /// The other half dropped these numbers.
    Gap {
        from: u64,
        to: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    New,
    /// It had come before.
    Repeat,
    /// Something before it is missing.
    Hole,
    /// There is no room. The other half is asked to pause.
    Full,
}

/// The state of flow control in one direction. Each pause and each resume is one step further, so that a
/// state which arrives late, twice or on another link is recognised by comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowState(u64);

impl FlowState {
    /// Nothing was ever paused.
    pub(crate) const START: FlowState = FlowState(1);

    pub(crate) fn new(epoch: u64, paused: bool) -> Self {
        FlowState(epoch * 2 + u64::from(!paused))
    }

    pub(crate) fn epoch(self) -> u64 {
        self.0 / 2
    }

    pub(crate) fn is_paused(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

/// The messages that were taken and not yet consumed. It allocates when it is first used. The fields come in the order in
/// which a message to a room needs them; see [`Machine`](super::machine::Machine).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Inbox {
    pub(super) bytes: usize,
    pub(super) received: u64,
    /// The number of pauses so far. The last one is in force while `paused`.
    pub(super) epoch: u64,
    unacked_bytes: usize,
    unacked_messages: u32,
    delivery: Delivery,
    ack_due: bool,
    pub(super) paused: bool,
    /// Nothing is taken, however much room there is: messages come too fast.
    pub(super) held: bool,
    /// The highest number that was ever acknowledged, on any link.
    pub(super) last_ack_sent: u64,
    pub(super) queue: VecDeque<Arrival>,
    limit: usize,
    /// A lower limit for as long as memory is short.
    pub(super) pressed: usize,
}

impl Inbox {
    /// An inbox whose first message has the number `base + 1`, and that is full at `limit` bytes.
    pub(crate) fn new(base: u64, limit: usize, delivery: Delivery) -> Self {
        Inbox {
            queue: VecDeque::new(),
            received: base,
            bytes: 0,
            limit,
            pressed: usize::MAX,
            delivery,
            unacked_messages: 0,
            unacked_bytes: 0,
            ack_due: false,
            last_ack_sent: base,
            epoch: 0,
            paused: false,
            held: false,
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn take(&mut self, number: u64, message: Payload) -> Taken {
        let length = message.len();
        let taken = self.admit(number, number, length);
        if taken == Taken::New {
            self.unacked_messages += 1;
            self.unacked_bytes += length;
            self.bytes += length + ENTRY_COST;
            reserve_first(&mut self.queue);
            self.queue.push_back(Arrival::Message(message));
        }
        taken
    }

    pub(crate) fn take_gap(&mut self, from: u64, to: u64) -> Taken {
        let from = from.max(self.received + 1);
        let taken = self.admit(from, to, 0);
        if taken == Taken::New {
            self.unacked_messages += 1;
            match self.queue.back_mut() {
                // An answer that came between two gaps is not in the queue any more.
                Some(Arrival::Gap { to: last, .. }) if *last + 1 == from => *last = to,
                _ => {
                    self.bytes += ENTRY_COST;
                    self.queue.push_back(Arrival::Gap { from, to });
                }
            }
        }
        taken
    }

    /// Takes a close. There is always room for it.
    pub(crate) fn take_close(&mut self, number: u64) -> Taken {
        let taken = self.place(number, number);
        if taken == Taken::New {
            self.received = number;
        }
        self.ack_due = true;
        taken
    }

    pub(crate) fn pop(&mut self) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        self.bytes -= ENTRY_COST;
        if let Arrival::Message(message) = &arrival {
            self.bytes -= message.len();
        }
        self.resume();
        Some(arrival)
    }

    /// Sets aside what came last, if it is a packet that is not an event of the session itself; with `all`, any
    /// packet. It still counts, until it is [released](Self::release_aside).
    pub(crate) fn set_aside(&mut self, all: bool) -> Option<Packet> {
        match self.queue.back() {
            Some(Arrival::Message(Payload::Event(packet))) if all || !packet.is_event() || packet.is_of_channel() => {}
            _ => return None,
        }
        let Some(Arrival::Message(Payload::Event(packet))) = self.queue.pop_back() else { return None };
        Some(packet)
    }

    /// Counts a packet of this length that is set aside, though it did not come from the other half.
    pub(crate) fn keep_aside(&mut self, length: usize) {
        self.bytes += ENTRY_COST + length;
    }

    /// A packet that is set aside has become shorter.
    pub(crate) fn shrink_aside(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// A packet of this length that was set aside is gone.
    pub(crate) fn release_aside(&mut self, length: usize) {
        // The messages that were not consumed may have been dropped meanwhile.
        self.bytes = self.bytes.saturating_sub(ENTRY_COST + length);
        self.resume();
    }

    /// Whether something with these numbers is next in order.
    pub(super) fn is_next(&self, from: u64, to: u64) -> bool {
        from <= self.received + 1 && to > self.received
    }

    /// From now on nothing is taken, and the other half must pause.
    pub(super) fn hold(&mut self) {
        self.held = true;
        self.pause();
    }

    /// Ends a [`hold`](Self::hold). The pause ends with it, if there is room.
    pub(super) fn release(&mut self) {
        self.held = false;
        self.resume();
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Whether the other half must pause.
    pub(crate) fn flow(&self) -> FlowState {
        FlowState::new(self.epoch, self.paused)
    }

    pub(crate) fn ack_due(&self) -> bool {
        if self.delivery == Delivery::UntilWritten {
            return false;
        }
        self.ack_due || self.unacked_messages >= ACK_MESSAGES || self.unacked_bytes >= ACK_BYTES
    }

    /// Whether something was taken of which no acknowledgement is due yet.
    pub(crate) fn owes_ack(&self) -> bool {
        self.unacked_messages > 0 && self.delivery == Delivery::UntilAcknowledged && !self.ack_due()
    }

    pub(crate) fn request_ack(&mut self) {
        self.ack_due = true;
    }

    pub(crate) fn last_ack_sent(&self) -> u64 {
        self.last_ack_sent
    }

    /// An acknowledgement of all that was taken is sent.
    pub(crate) fn ack_sent(&mut self) {
        self.last_ack_sent = self.received;
        self.ack_due = false;
        self.unacked_messages = 0;
        self.unacked_bytes = 0;
    }

    /// Gives unused memory back.
    pub(crate) fn shrink(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
    }

    /// Drops what was not consumed.
    pub(super) fn drop_arrivals(&mut self) {
        self.queue = VecDeque::new();
        self.bytes = 0;
    }

    /// Above so many bytes no further message is taken, but into an empty inbox.
    fn room(&self) -> usize {
        self.pressed.min(self.limit)
    }

    fn pause(&mut self) {
        self.epoch += u64::from(!self.paused);
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused &= self.held || self.bytes * 2 > self.room();
    }

    fn place(&mut self, from: u64, to: u64) -> Taken {
        if to <= self.received {
            // The other half repeats it, so it has not received the acknowledgement.
            self.ack_due = true;
            Taken::Repeat
        } else if from > self.received + 1 {
            Taken::Hole
        } else {
            Taken::New
        }
    }

    fn admit(&mut self, from: u64, to: u64, length: usize) -> Taken {
        let taken = self.place(from, to);
        if taken != Taken::New {
            return taken;
        }
        if self.held || (self.bytes > 0 && self.bytes + length + ENTRY_COST > self.room()) {
            self.pause();
            if self.delivery == Delivery::UntilAcknowledged {
                return Taken::Full;
            }
        }
        self.received = to;
        Taken::New
    }
}
