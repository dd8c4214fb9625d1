//! The connection of a client is lost: its channels are parked, and end if it does not come back.

use std::collections::HashSet;

use crate::{
    config::RecoveryTerms,
    session::CloseReason,
    shared::{
        Inner, SharedSession,
        by_age::Ticket,
        channels::{Channel, Channels},
    },
};

impl SharedSession {
    /// The connection is lost for this reason: the session is parked if its channels can be recovered, and ends
    /// otherwise.
    pub(crate) fn lose(&self, reason: CloseReason) {
        if self.lock().recovery().is_none() {
            return self.abort(reason);
        }
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        inner.machine.cut(now, reason);
        self.note_parked(&mut inner, now);
        inner.wake_receivers();
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
    }

    /// Parks the channels if the machine has parked the session. Their client knows no others, and if there are none
    /// the session ends.
    pub(in crate::shared) fn note_parked(&self, inner: &mut Inner, now: u64) {
        if !inner.machine.is_parked() {
            return;
        }
        let Inner { machine, channels, .. } = &mut *inner;
        let Some(channels) = channels.as_mut() else { return };
        let Some(recovery) = channels.recovery.as_deref_mut().filter(|it| machine.is_parked() && it.ticket == 0) else {
            return;
        };
        let RecoveryTerms { time, sessions, .. } = recovery.terms;
        if channels.all.iter().any(|channel| channel.accepted && !channel.over) {
            recovery.ticket = self.runtime.park(self.id, sessions);
        }
        if let Some(connection) = &mut channels.connection {
            connection.reset();
        }
        for channel in &mut channels.all {
            if channel.accepted && !channel.over {
                channel.parked.get_or_insert(now + time);
            } else {
                channel.give_up();
            }
        }
        if recovery.ticket > 0 {
            // Sessions that wait have a bound of their own, so that no client keeps itself from coming back.
            self.runtime.session_waits(std::mem::take(&mut inner.counted));
            inner.held = None;
        }
        // The answers to what came before are for nobody.
        inner.page += 1;
        let unwritten = inner.machine.take_unwritten();
        let unwritten = unwritten.into_iter().filter_map(|(key, message)| inner.keep_unwritten(key.as_ref(), message));
        let asked: HashSet<u64> = unwritten.collect();
        if let Some(questions) = &mut inner.questions {
            questions.give_up_but(&asked);
        }
        inner.wake_channels();
        inner.wake_senders();
        tracing::debug!(session = %self.id, "parked");
        self.end_if_deserted(inner, now);
    }

    /// Ends a session that is parked and has no channel any more.
    pub(in crate::shared) fn end_if_deserted(&self, inner: &mut Inner, now: u64) {
        let deserted = |channels: &Channels| channels.all.iter().all(|channel| channel.over);
        if inner.machine.is_parked() && inner.channels.as_deref().is_none_or(deserted) {
            inner.machine.give_up(now);
            inner.wake_receivers();
            inner.wake_senders();
            self.settle(inner);
        }
    }

    /// Ends the session if it is parked: others need its place or its memory. Returns whether it was.
    pub(crate) fn give_up_parked(&self) -> bool {
        let mut inner = self.lock();
        let parked = inner.machine.is_parked();
        if parked {
            inner.give_up_channels(|_| true);
            self.end_if_deserted(&mut inner, self.runtime.clock.now());
        }
        parked
    }

    /// Ends the channels whose clients have not come back in time.
    pub(in crate::shared) fn end_overdue(&self, inner: &mut Inner, now: u64) {
        if inner.channels.as_ref().and_then(|channels| channels.parked_until()).is_some_and(|until| until <= now) {
            inner.give_up_channels(|until| until <= now);
            self.end_if_deserted(inner, now);
        }
    }
}

impl Inner {
    /// Ends the channels that are parked until such a time.
    fn give_up_channels(&mut self, until: impl Fn(u64) -> bool) {
        for channel in self.channels.iter_mut().flat_map(|channels| &mut channels.all) {
            if channel.parked.is_some_and(&until) {
                channel.give_up();
                if channel.receivers.wake_all() {
                    self.turn.woken();
                }
            }
        }
        self.wake_senders();
    }

    pub(super) fn give_up_channel(&mut self, number: u64) {
        let Some(channel) = self.channels.as_mut().and_then(|channels| channels.find(number)) else { return };
        channel.give_up();
        if channel.receivers.wake_all() {
            self.turn.woken();
        }
        self.wake_senders();
    }

    /// Whether the session has a place among those that are parked.
    pub(in crate::shared) fn is_waiting(&self) -> bool {
        self.recovery().is_some_and(|recovery| recovery.ticket > 0)
    }

    /// Takes the session's place among those that are parked; 0 if it has none.
    pub(in crate::shared) fn take_ticket(&mut self) -> Ticket {
        let recovery = self.channels.as_deref_mut().and_then(|channels| channels.recovery.as_deref_mut());
        recovery.map_or(0, |recovery| std::mem::take(&mut recovery.ticket))
    }
}

impl Channels {
    /// When the first of the channels that are parked ends.
    pub(in crate::shared) fn parked_until(&self) -> Option<u64> {
        self.all.iter().filter(|channel| !channel.over).filter_map(|channel| channel.parked).min()
    }
}

impl Channel {
    /// Its client does not come back.
    fn give_up(&mut self) {
        (self.over, self.parked, self.log) = (true, None, None);
        self.drop_early();
    }
}
