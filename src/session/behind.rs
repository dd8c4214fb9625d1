//! Decides whether a droppable message goes out, waits or is skipped, and when what waits gets its number.
//! The data is in `droppable.rs`, which also tells why.

use bytestring::ByteString;

use super::{
    droppable::{Droppables, WhenBehind},
    machine::{Machine, SendError},
    outbox::ENTRY_COST,
};
use crate::broadcast::OutMessage;

/// The number of messages that may be unacknowledged whatever was acknowledged before, unless they are large.
const FEW: usize = 4;

/// A session over HTTP has no link between two turns. For so long that is no interruption.
const BETWEEN_TURNS: u64 = 3_000;

// Commands.
impl Machine {
    /// Sends a message in one of four ways. Returns whether it was taken, and not skipped.
    pub(crate) fn send_as(&mut self, now: u64, how: &WhenBehind, message: OutMessage) -> Result<bool, SendError> {
        self.check_kind(&message)?;
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
        let taken = self.values_waiting() == 0 && self.takes_droppable(now, message.len());
        match taken {
            true => self.push_droppable(now, message),
            false => self.skip(),
        }
        Ok(taken)
    }

    /// Sends the newest value of a key. While the client is behind or without a link it waits, and a newer
    /// value replaces it. Returns false if it was skipped, because too many values wait.
    pub(crate) fn send_latest(&mut self, now: u64, key: &ByteString, message: OutMessage) -> Result<bool, SendError> {
        self.may_send()?;
        if self.values_waiting() == 0 && self.takes_droppable(now, message.len()) {
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

    /// Notes that `count` messages for the client are lost. It is told of the gap, where messages are numbered: in front of
    /// the next message, or at once unless it is behind.
    #[cfg(feature = "cluster")]
    pub(crate) fn miss(&mut self, now: u64, count: u64) -> Result<(), SendError> {
        self.may_send()?;
        if count == 0 || !self.is_numbered() {
            return Ok(());
        } else if self.outbox.uses_up(self.skipped() + count) {
            return Err(SendError::Exhausted);
        }
        let count = self.outbox.lost(count, self.skipped());
        self.droppables().skipped += count;
        self.number_waiting(now);
        Ok(())
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
        self.droppables.as_ref().map_or(0, |droppables| droppables.values.len())
    }

    /// The bytes of the values that wait.
    pub(super) fn values_bytes(&self) -> usize {
        self.droppables.as_ref().map_or(0, |droppables| droppables.values.bytes())
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
            self.push(message);
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
        while let Some((length, behind)) = self.droppables.as_ref().and_then(|droppables| droppables.values.next()) {
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

    /// Whether a value has waited for as long as an ordinary message in its place: all that was sent before
    /// is acknowledged, and so is the last droppable message. Ordinary messages that keep the client above
    /// the mark must not hold values back for ever.
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
        let cost = message.len() + ENTRY_COST;
        self.push(message);
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
