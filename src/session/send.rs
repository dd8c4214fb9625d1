//! The messages that the application sends get their numbers.

use super::{
    machine::{Machine, SendError},
    outbox::ENTRY_COST,
    reason,
    rules::Takes,
};
use crate::{broadcast::OutMessage, message::Message, payload::Payload};

impl Machine {
    /// Numbers a message and keeps it until it is acknowledged.
    pub(crate) fn send(&mut self, message: OutMessage) -> Result<(), SendError> {
        self.can_send(&message)?;
        self.push(message);
        Ok(())
    }

    /// Whether this message can be sent now.
    pub(crate) fn can_send(&self, message: &OutMessage) -> Result<(), SendError> {
        self.may_send()?;
        self.check_kind(message)?;
        if self.outbox.fits(message.len()) { Ok(()) } else { Err(SendError::Full) }
    }

    /// Fails if the client takes no message of this kind.
    pub(crate) fn check_kind(&self, message: &OutMessage) -> Result<(), SendError> {
        let takes = self.config.takes;
        if takes == Takes::All {
            return Ok(());
        }
        match message.payload() {
            Payload::Message(Message::Binary(_)) if takes == Takes::Texts => Err(SendError::NoBytes),
            Payload::Event(packet) if !packet.attachments().is_empty() => Err(SendError::NoBytes),
            _ => Ok(()),
        }
    }

    /// Sends all of these messages, or none if they do not fit together.
    pub(crate) fn send_all(&mut self, messages: Vec<OutMessage>) -> Result<(), SendError> {
        self.may_send()?;
        let length: usize = messages.iter().map(|message| message.len() + ENTRY_COST).sum();
        if !messages.is_empty() && !self.outbox.fits(length - ENTRY_COST) {
            return Err(SendError::Full);
        }
        messages.iter().try_for_each(|message| self.check_kind(message))?;
        for message in messages {
            self.outbox.push(message);
        }
        Ok(())
    }

    /// Sends an answer for which the other half waits, though the outbox is full. The session ends instead if there are
    /// far more messages in it than have room: the other half asks again and again, and takes nothing.
    pub(crate) fn send_answer(&mut self, now: u64, message: OutMessage) -> Result<(), SendError> {
        self.may_send()?;
        if self.outbox.is_crowded() {
            self.abort(now, reason::TOO_SLOW);
        }
        self.send_over_limit(message)
    }

    /// Sends a message however full the outbox is. The caller bounds how many of these there are.
    pub(crate) fn send_over_limit(&mut self, message: OutMessage) -> Result<(), SendError> {
        self.may_send()?;
        self.push(message);
        Ok(())
    }
}
