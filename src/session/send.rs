//! The messages that the application sends get their numbers.

use super::{
    machine::{Machine, SendError},
    outbox::{Body, ENTRY_COST},
    reason,
};
use crate::broadcast::OutMessage;

impl Machine {
    /// Numbers a message and keeps it until it is acknowledged.
    pub(crate) fn send(&mut self, message: OutMessage) -> Result<(), SendError> {
        self.can_send(message.len())?;
        self.push(Body::Message(message));
        Ok(())
    }

    /// Whether a message of this length can be sent now.
    pub(crate) fn can_send(&self, length: usize) -> Result<(), SendError> {
        self.may_send()?;
        if self.outbox.fits(length) { Ok(()) } else { Err(SendError::Full) }
    }

    /// Sends all of these messages, or none if they do not fit together.
    pub(crate) fn send_all(&mut self, messages: Vec<OutMessage>) -> Result<(), SendError> {
        self.may_send()?;
        let length: usize = messages.iter().map(|message| message.len() + ENTRY_COST).sum();
        if !messages.is_empty() && !self.outbox.fits(length - ENTRY_COST) {
            return Err(SendError::Full);
        }
        for message in messages {
            self.outbox.push(Body::Message(message));
        }
        Ok(())
    }

    /// Sends an answer for which the other half waits, though the outbox is full. The session ends instead if there are
    /// twice as many messages in it as have room: the other half asks again and again, and takes nothing.
    pub(crate) fn send_answer(&mut self, now: u64, message: OutMessage) -> Result<(), SendError> {
        if self.outbox.is_crowded() {
            self.abort(now, reason::TOO_SLOW);
        }
        self.send_over_limit(message)
    }

    /// Sends a message however full the outbox is. The caller bounds how many of these there are.
    pub(crate) fn send_over_limit(&mut self, message: OutMessage) -> Result<(), SendError> {
        self.may_send()?;
        self.push(Body::Message(message));
        Ok(())
    }
}
