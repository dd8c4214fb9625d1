//! The functions that only a driver of a client half needs. The clients that are shipped are not written in
//! Rust, so these serve the tests.

use super::{
    droppable::Values,
    links::LinkId,
    machine::{Event, Machine, NO_PING},
    outbox::{Body, Outbox},
};
use crate::payload::Payload;

impl LinkId {
    pub(crate) fn numbered(number: u32) -> Self {
        LinkId(number)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

impl Machine {
    /// The first bytes of a machine, in which is what a message needs that is sent.
    pub(crate) const SENDING: usize = std::mem::offset_of!(Machine, inbox);

    /// Whether this ordinal has received the answer to its attach.
    pub(crate) fn seen(&self, ordinal: u64) -> bool {
        self.links.iter().any(|link| link.ordinal == ordinal && link.kind.carries_down() && link.confirmed)
    }

    /// Whether something waits for an upload.
    pub(crate) fn wants_upload(&self) -> bool {
        let data = self.outbox.acked() < self.outbox.last() && !self.flow_received.is_paused();
        let control = self.pong_due != NO_PING || self.probe_due || self.flow_sent < self.inbox.flow();
        let lives = self.closed.is_none() && (data || control);
        self.links.carrier_has_turns() && (lives || self.inbox.ack_due() || self.abort_due)
    }

    /// No further turn of this ordinal will come.
    pub(crate) fn retire(&mut self, ordinal: u64) {
        self.links.all.retain(|link| link.ordinal != ordinal || link.attached);
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.get_mut()?.pop_front()
    }

    /// The messages that are left of a lost session: first those that may or may not have arrived, then those
    /// that were never put on a link.
    pub(crate) fn salvage(self) -> (Vec<Payload>, Vec<Payload>) {
        self.outbox.salvage()
    }
}

impl Machine {
    /// Whether a value of this key waits.
    pub(crate) fn waits(&self, key: &str) -> bool {
        self.droppables.as_ref().is_some_and(|droppables| droppables.values.places.contains_key(key))
    }

    pub(crate) fn forget_values(&mut self) {
        self.droppables.iter_mut().for_each(|droppables| droppables.values = Values::default());
    }

    pub(crate) fn forget_skipped(&mut self) {
        self.droppables.iter_mut().for_each(|droppables| droppables.skipped = 0);
    }
}

impl Outbox {
    fn salvage(self) -> (Vec<Payload>, Vec<Payload>) {
        let sent = self.sent;
        let (mut unknown, mut unsent) = (Vec::new(), Vec::new());
        for entry in self.entries() {
            if let Body::Message(message) = entry.body {
                let messages = if entry.first <= sent { &mut unknown } else { &mut unsent };
                messages.push(message.payload().clone());
            }
        }
        (unknown, unsent)
    }
}
