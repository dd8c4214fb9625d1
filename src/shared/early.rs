//! The messages that are sent in a channel before it is open. Its client gets them behind the packet that opens it, and
//! not at all if it is refused. Those that are sent in one that is over it does not get either.

use super::{
    Inner, SendError,
    channels::{Channel, Channels},
};
use crate::{broadcast::OutMessage, dialect::Head, payload::Payload};

/// The bytes that a message counts besides its own.
const COST: usize = 64;

/// The stage at which the channel of a message is.
enum Stage<'a> {
    /// It is open, or the message is of no channel.
    Open,
    Opening(&'a mut Channel),
    /// The client has left it, or the server has ended it. Its handler runs still.
    Over,
}

impl Inner {
    /// Whether a message goes to the client now and as it is, as nearly all do: all channels are open, nothing is kept for
    /// one or of one, and the message opens or ends none.
    pub(super) fn goes_as_it_is(&mut self, message: &OutMessage) -> bool {
        let is_control = matches!(message, OutMessage::Own(Payload::Event(packet)) if packet.is_control());
        !is_control && self.channels.look_whether_quiet()
    }

    /// Keeps a message of a channel that is being opened. Gives back any other.
    ///
    /// # Errors
    /// Gives it back with the reason if the outbox has no room for all that is kept, or the channel is over: the
    /// client may have asked for the next one of the namespace, and would take the message for one of that.
    pub(super) fn keep_early(&mut self, message: OutMessage) -> Result<Option<OutMessage>, (SendError, OutMessage)> {
        match self.opening(&message, message.len() + COST) {
            Err(error) => Err((error, message)),
            Ok(None) => Ok(Some(message)),
            Ok(Some(channel)) => {
                channel.early_bytes += message.len() + COST;
                channel.early.push(message);
                Ok(None)
            }
        }
    }

    /// The same of messages that are all of one channel: it keeps all or none.
    ///
    /// # Errors
    /// As [`keep_early`](Self::keep_early).
    pub(super) fn keep_all_early(&mut self, messages: Vec<OutMessage>) -> Result<Vec<OutMessage>, SendError> {
        let Some(first) = messages.first() else { return Ok(messages) };
        let length = messages.iter().map(|message| message.len() + COST).sum();
        let Some(channel) = self.opening(first, length)? else { return Ok(messages) };
        channel.early_bytes += length;
        channel.early.extend(messages);
        Ok(Vec::new())
    }

    /// The channel of a message, if it is being opened and has room for so many bytes.
    fn opening(&mut self, message: &OutMessage, length: usize) -> Result<Option<&mut Channel>, SendError> {
        let Some(channels) = &mut *self.channels else { return Ok(None) };
        let early = channels.early_bytes();
        match channels.stage(message) {
            Stage::Open => Ok(None),
            Stage::Over => Err(SendError::Closed),
            Stage::Opening(_) if self.machine.close_reason().is_some() => Err(SendError::Closed),
            Stage::Opening(_) if !self.machine.outbox_fits(early + length) => Err(SendError::Full),
            Stage::Opening(channel) => Ok(Some(channel)),
        }
    }

    /// Whether the outbox has room for a message of this length beside those that are kept.
    pub(super) fn fits(&self, length: usize) -> bool {
        let early = self.channels.as_ref().map_or(0, |channels| channels.early_bytes());
        self.machine.outbox_fits(length + early)
    }
}

impl Channels {
    pub(super) fn early_bytes(&self) -> usize {
        self.all.iter().map(|channel| channel.early_bytes).sum()
    }

    /// The stage of a message's channel. Packets that open and end channels, and answers, are of none.
    fn stage(&mut self, message: &OutMessage) -> Stage<'_> {
        // The message is not looked into where all channels are open, as they are nearly always.
        if self.are_open() {
            return Stage::Open;
        }
        let namespace = match message.payload() {
            Payload::Message(_) => "/",
            Payload::Event(packet) if packet.is_control() || packet.is_answer() => return Stage::Open,
            Payload::Event(packet) => Head::parse(packet.text()).map_or("/", |head| head.namespace),
        };
        if namespace == "/" && !self.has_root {
            return Stage::Open;
        }
        // The first one of the namespace is that whose handler runs.
        match self.all.iter_mut().find(|channel| channel.namespace == *namespace) {
            Some(channel) if channel.over => Stage::Over,
            Some(channel) if channel.is_opening() => Stage::Opening(channel),
            _ => Stage::Open,
        }
    }
}
