//! Takes messages, gaps and closes into the inbox.

use super::{
    frame::{CloseReason, MAX_NUMBER},
    inbox::Taken,
    machine::{Machine, Role},
    reason,
};
use crate::{broadcast::OutMessage, message::Message};

impl Machine {
    pub(super) fn take_message(&mut self, number: u64, message: OutMessage) -> Result<(), CloseReason> {
        let number = if self.is_numbered() { number } else { self.inbox.received() + 1 };
        if number == 0 || number > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.closed.is_none() {
            let message: Message = match message {
                OutMessage::Own(message) => message,
                OutMessage::Shared(_) => message.as_message().clone(),
            };
            self.inbox.take(number, message);
        } else if number <= self.inbox.received() {
            self.inbox.request_ack();
        }
        Ok(())
    }

    pub(super) fn take_gap(&mut self, from: u64, to: u64) -> Result<(), CloseReason> {
        if from == 0 || from > to || to > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.closed.is_none() {
            self.inbox.take_gap(from, to);
        }
        Ok(())
    }

    pub(super) fn take_close(&mut self, now: u64, number: u64, reason: CloseReason) -> Result<(), CloseReason> {
        if number == 0 || number > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.config.role == Role::Server && !reason.may_come_from_a_client() {
            return Err(reason::NO_CLOSE_CODE);
        }
        if self.closed.is_none() {
            if self.inbox.take_close(number) == Taken::New {
                self.finish(now, reason);
            }
        } else if number <= self.inbox.received() {
            self.inbox.request_ack();
        }
        Ok(())
    }
}
