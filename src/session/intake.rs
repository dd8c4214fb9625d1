//! Takes messages, gaps and closes into the inbox, no faster than the rate limit allows.

use super::{
    frame::{CloseReason, MAX_NUMBER},
    inbox::Taken,
    machine::{Machine, Role},
    rate::{COME_BACK, Rate, RateEvent},
    reason,
};
use crate::{broadcast::OutMessage, config::RateLimit, packet::Packet};

impl Machine {
    pub(super) fn take_message(&mut self, now: u64, number: u64, message: OutMessage) -> Result<(), CloseReason> {
        let number = if self.is_numbered() { number } else { self.inbox.received() + 1 };
        if number == 0 || number > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        let length = message.len();
        self.check_rate(now, number, number, length);
        if self.closed.is_none() {
            if self.inbox.take(number, message.into_payload()) == Taken::New {
                self.taken_at_rate(now, length);
            }
        } else if number <= self.inbox.received() {
            self.inbox.request_ack();
        }
        Ok(())
    }

    /// Sets aside what has just come, if it is a packet that does not wait for the session's handler: an answer,
    /// or anything of a channel; with `all`, any packet. Its bytes count as not received until they are
    /// [released](Self::release_aside).
    pub(crate) fn set_aside(&mut self, all: bool) -> Option<Packet> {
        self.inbox.set_aside(all)
    }

    /// Counts a packet of this length that is set aside, though it did not come from the client.
    pub(crate) fn keep_aside(&mut self, length: usize) {
        self.inbox.keep_aside(length);
    }

    /// A packet that is set aside has become shorter by so many bytes.
    pub(crate) fn shrink_aside(&mut self, bytes: usize) {
        self.inbox.shrink_aside(bytes);
    }

    /// A packet of this length that was set aside is handled.
    pub(crate) fn release_aside(&mut self, length: usize) {
        self.inbox.release_aside(length);
    }

    pub(super) fn take_gap(&mut self, now: u64, from: u64, to: u64) -> Result<(), CloseReason> {
        if from == 0 || from > to || to > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        self.check_rate(now, from, to, 0);
        if self.closed.is_none() && self.inbox.take_gap(from, to) == Taken::New {
            self.taken_at_rate(now, 0);
        }
        Ok(())
    }

    pub(super) fn take_close(&mut self, now: u64, number: u64, reason: CloseReason) -> Result<(), CloseReason> {
        let number = if self.is_numbered() { number } else { self.inbox.received() + 1 };
        if number == 0 || number > MAX_NUMBER {
            return Err(reason::MALFORMED);
        }
        if self.config.role == Role::Server && !reason.may_come_from_a_client() {
            return Err(reason::NO_CLOSE_CODE);
        }
        if self.closed.is_none() {
            if self.inbox.take_close(number) == Taken::New {
                self.say_farewell();
                self.cut(now, reason);
            }
        } else if number <= self.inbox.received() {
            self.inbox.request_ack();
        }
        Ok(())
    }
}

// The rate limit.
impl Machine {
    /// From now on messages are taken no faster than this.
    pub(crate) fn limit_rate(&mut self, limit: RateLimit) {
        self.rate = Some(Box::new(Rate::new(limit)));
    }

    /// The last effect of the rate limit since the last call.
    pub(crate) fn take_rate_event(&mut self) -> Option<RateEvent> {
        self.rate.as_mut()?.event.take()
    }

    /// A message of this length has come, or a gap. If it is next in order and above the limit, the inbox takes
    /// nothing until it is not.
    pub(super) fn check_rate(&mut self, now: u64, from: u64, to: u64, length: usize) {
        let Some(rate) = &mut self.rate else { return };
        if self.closed.is_some() || !self.inbox.is_next(from, to) {
            return;
        }
        let (length, paused) = (length as u64, self.inbox.is_held());
        if !paused && rate.fits_at(length) <= now {
            return;
        }
        if !paused {
            self.inbox.hold();
            rate.event = Some(RateEvent::Paused);
            self.deadline_is_nearer = true;
        }
        rate.until = rate.resumes_at(length);
        if rate.over_for(now, paused) < rate.limit.patience || self.closing.is_some() {
            return;
        }
        rate.event = Some(RateEvent::Ended);
        if let Some((code, text)) = rate.limit.close.clone() {
            self.close(CloseReason::new(code, text));
            self.links_need_wake = true;
        } else {
            rate.until = now + COME_BACK;
            let reason = rate.reason(length);
            self.abort(now, reason);
        }
    }

    /// A message of this length was taken.
    pub(super) fn taken_at_rate(&mut self, now: u64, length: usize) {
        let Some(rate) = &mut self.rate else { return };
        rate.take(now, length as u64);
        if self.inbox.is_held() {
            rate.until = rate.resumes_at(0);
        }
    }

    /// A message that was taken has held one more than it counted as.
    pub(crate) fn taken_more(&mut self, now: u64) {
        self.taken_at_rate(now, 0);
    }

    /// When the pause ends that the limit has caused.
    pub(super) fn rate_deadline(&self) -> Option<u64> {
        self.rate.as_ref().filter(|_| self.inbox.is_held() && self.closed.is_none()).map(|rate| rate.until)
    }

    pub(super) fn end_rate_pause(&mut self, now: u64) {
        if self.rate_deadline().is_some_and(|deadline| deadline <= now)
            && let Some(rate) = &mut self.rate
        {
            self.inbox.release();
            rate.resumed_at = now;
            self.links_need_wake = true;
        }
    }

    /// Whether the session ended because it was too fast, and its client has waited since.
    pub(super) fn may_open_anew(&self, now: u64, reason: &CloseReason) -> bool {
        reason.code == reason::TOO_FAST.code && self.rate.as_ref().is_none_or(|rate| rate.until <= now)
    }
}
