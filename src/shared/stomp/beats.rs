//! The heart-beats of STOMP: a line feed whenever nothing else was sent for the time that was agreed.

use super::super::{Inner, SharedSession, reason};
use crate::{message::Message, payload::Payload};

impl Inner {
    /// When [`check_beats`](Self::check_beats) has something to do.
    pub(in crate::shared) fn beat_deadline(&self) -> Option<u64> {
        let beats = &self.channels.as_ref()?.stomp.as_ref()?.beats;
        if self.machine.close_reason().is_some() {
            return None;
        }
        [beats.next_sent(), beats.silent_at()].into_iter().flatten().min()
    }

    /// Sends the heart-beat that is due, and ends the session of a client that is silent.
    pub(in crate::shared) fn check_beats(&mut self, now: u64, session: &SharedSession) {
        if self.beat_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let (waits, busy) =
            (self.machine.unacknowledged() > 0, self.machine.arrivals() > 0 || self.machine.reading_stops());
        let Some(stomp) = self.stomp() else { return };
        let beats = &mut stomp.beats;
        if beats.silent_at().is_some_and(|silent| silent <= now) {
            // There is something of the client that was not looked at yet.
            if !busy {
                self.machine.abort(now, reason::HEARTBEAT_TIMEOUT);
                return;
            }
            beats.received_at = now;
        }
        if beats.next_sent().is_some_and(|next| next <= now) {
            beats.sent_at = now;
            // Something else is on its way.
            if !waits {
                self.send_as_it_is(session, Payload::from(Message::from("\n")).into());
            }
        }
    }

    pub(in crate::shared) fn note_stomp_sent(&mut self, now: u64) {
        if let Some(stomp) = self.stomp() {
            stomp.beats.sent_at = now;
        }
    }
}

impl SharedSession {
    /// A message of the client has come.
    pub(crate) fn note_stomp_received(&self) {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        if let Some(stomp) = inner.stomp().filter(|stomp| stomp.beats.wants > 0) {
            stomp.beats.received_at = now;
        }
    }
}
