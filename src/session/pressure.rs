//! The part of the shared memory that a session holds, and how long it may hold it without progress.

use super::{
    frame::CloseReason,
    heartbeat::slow_line,
    machine::{Machine, NEVER},
    reason,
};

/// For so many milliseconds, or for the grace time if that is longer, a client may acknowledge nothing of an
/// outbox that is above the floor. A slow line has the time besides that it takes for the outbox.
const PATIENCE: u64 = 60_000;

// Memory.
impl Machine {
    /// The bytes that are not acknowledged, with those of the values that wait.
    pub(crate) fn outbox_bytes(&self) -> usize {
        self.outbox.bytes() + self.values_bytes()
    }

    /// The bytes that this session alone holds. Messages that it shares with others do not count here.
    pub(crate) fn held(&self) -> usize {
        let values = self.droppables.as_ref().map_or(0, |droppables| droppables.values.own());
        self.inbox.bytes() + self.outbox.own() + values
    }

    /// The bytes that this session holds, with its part of each message that it shares. The parts of all who
    /// share a message are the whole of it.
    pub(crate) fn share(&self) -> usize {
        let values = self.droppables.as_ref().map_or(0, |droppables| droppables.values.share());
        self.held() + self.outbox.share() + values
    }

    /// From now on the inbox takes no further message above so many bytes, if that is less than its limit.
    pub(crate) fn press(&mut self, most: usize) {
        self.inbox.pressed = most;
    }

    /// Ends the session at once, and drops what it holds, in both directions.
    pub(crate) fn evict(&mut self, now: u64, reason: CloseReason) {
        self.abort(now, reason);
        self.inbox.drop_arrivals();
    }
}

// The clock of a client that is too slow. It runs while the outbox is above the floor, and progress restarts
// it.
impl Machine {
    /// Whether the clock must be [started](Self::start_stall_clock).
    pub(crate) fn stall_clock_is_due(&self) -> bool {
        self.stalled_since == NEVER && self.may_stall()
    }

    pub(crate) fn start_stall_clock(&mut self, now: u64) {
        self.stalled_since = now;
    }

    /// Since when the client has made no progress, if the clock runs.
    pub(crate) fn stalled_since(&self) -> Option<u64> {
        (self.stalled_since != NEVER).then_some(self.stalled_since)
    }

    /// The client has acknowledged something, or its connection has taken bytes that had waited.
    pub(super) fn progressed(&mut self, now: u64) {
        if self.stalled_since != NEVER {
            self.stalled_since = if self.may_stall() { now } else { NEVER };
        }
    }

    pub(super) fn stall_deadline(&self) -> Option<u64> {
        let patience = self.config.grace.max(PATIENCE) + slow_line(self.outbox_bytes());
        self.stalled_since().filter(|_| self.may_stall()).map(|since| since + patience)
    }

    pub(super) fn check_stall(&mut self, now: u64) {
        if self.stall_clock_is_due() {
            self.start_stall_clock(now);
        } else if self.stall_deadline().is_some_and(|deadline| deadline <= now) {
            self.abort(now, reason::STALLED);
        }
    }

    /// How long the next piece of a message may take where messages are not acknowledged: what was sent since the last
    /// whole one may come before it, on a slow line.
    pub(crate) fn piece_patience(&self) -> u64 {
        self.config.grace.max(PATIENCE) + slow_line(self.unanswered)
    }

    fn may_stall(&self) -> bool {
        self.outbox_bytes() > self.config.floor && self.closing.is_none() && self.closed.is_none()
    }
}
