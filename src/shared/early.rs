//! The messages that are sent in a channel before it is open. Its client gets them behind the packet that opens it, and
//! not at all if it is refused.

use super::{Inner, SendError};
use crate::{broadcast::OutMessage, dialect::Head, payload::Payload};

/// The bytes that a message counts besides its own.
const COST: usize = 64;

impl Inner {
    /// Keeps a message of a channel that is being opened. Gives back any other.
    ///
    /// # Errors
    /// Gives it back with the reason if the outbox has no room for all that is kept.
    pub(super) fn keep_early(&mut self, message: OutMessage) -> Result<Option<OutMessage>, (SendError, OutMessage)> {
        let Some(channels) = &mut self.channels else { return Ok(Some(message)) };
        let early = channels.early_bytes();
        let Some(channel) = channels.opening(&message) else { return Ok(Some(message)) };
        if self.machine.close_reason().is_some() {
            return Err((SendError::Closed, message));
        } else if !self.machine.outbox_fits(early + message.len() + COST) {
            return Err((SendError::Full, message));
        }
        channel.early_bytes += message.len() + COST;
        channel.early.push(message);
        Ok(None)
    }

    /// Whether the outbox has room for a message of this length beside those that are kept.
    pub(super) fn fits(&self, length: usize) -> bool {
        let early = self.channels.as_ref().map_or(0, |channels| channels.early_bytes());
        self.machine.outbox_fits(length + early)
    }
}

impl super::channels::Channels {
    pub(super) fn early_bytes(&self) -> usize {
        self.all.iter().map(|channel| channel.early_bytes).sum()
    }

    /// The channel of a message, if it is being opened.
    fn opening(&mut self, message: &OutMessage) -> Option<&mut super::channels::Channel> {
        let has_root = self.has_root;
        let mut opening = self.all.iter_mut().filter(|channel| channel.is_opening()).peekable();
        opening.peek()?;
        let namespace = match message.payload() {
            Payload::Message(_) => "/",
            Payload::Event(packet) if packet.is_control() || packet.is_answer() => return None,
            Payload::Event(packet) => Head::parse(packet.text()).ok()?.namespace,
        };
        opening.find(|channel| channel.namespace == *namespace && (namespace != "/" || has_root))
    }
}
