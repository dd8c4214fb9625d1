//! The queues of channels, from which their handlers receive.

use std::task::{Context, Poll};

use super::{Inner, Place, SharedSession, channels::Arrived, wake_batch};
use crate::{message::Message, session::Arrival};

pub(super) fn length(arrival: &Arrival) -> usize {
    match arrival {
        Arrival::Message(payload) => payload.len(),
        Arrival::Gap { .. } => 0,
    }
}

impl SharedSession {
    /// Waits for the next event of a channel, as [`poll_arrival`](Self::poll_arrival) does for one of the session.
    pub(crate) fn poll_channel_arrival(
        &self,
        number: u64,
        cx: &Context<'_>,
        place: &mut Option<Place>,
    ) -> Poll<Option<Arrived>> {
        let mut inner = self.lock();
        // The frames of a client of STOMP become events as its task reads them, until that task has read all and ends.
        let reads_on = inner.stomp().is_some();
        let ended = inner.turn.is_ended() || (inner.machine.closed().is_some() && !reads_on);
        let is_handler = inner.turn.is_polling() && wake_batch::is_turn_of(self.address());
        let Some(channel) = inner.channels.as_mut().and_then(|channels| channels.find(number)) else {
            return Poll::Ready(None);
        };
        let may_receive = channel.receivers.may_receive(*place, cx.waker());
        let arrived = if may_receive { channel.queue.pop_front() } else { None };
        if arrived.is_none() && !((channel.over || ended) && channel.queue.is_empty()) {
            channel.receivers.wait(place, cx.waker(), is_handler);
            return Poll::Pending;
        }
        if let Some(place) = place.take() {
            channel.receivers.leave(place);
        }
        if !channel.queue.is_empty() || channel.over {
            channel.receivers.wake_first();
        }
        if let Some(arrived) = &arrived {
            self.release_received(&mut inner, length(&arrived.arrival));
        }
        Poll::Ready(arrived)
    }

    /// Takes the next event of a channel as a message if there is one, even before a task that waits.
    pub(crate) fn try_channel_message(&self, number: u64) -> Option<Message> {
        let mut inner = self.lock();
        let arrived = inner.channels.as_mut()?.find(number)?.queue.pop_front()?;
        self.release_received(&mut inner, length(&arrived.arrival));
        drop(inner);
        self.plain(arrived)
    }

    /// A task that has waited for an event of a channel waits no longer.
    pub(crate) fn leave_channel_queue(&self, number: u64, place: Place) {
        let mut inner = self.lock();
        let Some(channel) = inner.channels.as_mut().and_then(|channels| channels.find(number)) else { return };
        channel.receivers.leave(place);
        if !channel.queue.is_empty() || channel.over {
            channel.receivers.wake_first();
        }
    }

    /// The handler has received what was set aside.
    pub(super) fn release_received(&self, inner: &mut Inner, length: usize) {
        let paused = inner.machine.is_paused();
        if paused {
            inner.machine.press(self.runtime.pressed());
        }
        inner.machine.release_aside(length);
        inner.stomp_events_received(length, self.params.session.limit);
        if paused && !inner.machine.is_paused() {
            // Input that was not read meanwhile may have the attachment that is missing.
            inner.part_of_owed(self.runtime.clock.now());
            inner.wake_carriers();
        }
        self.account(inner);
    }
}
