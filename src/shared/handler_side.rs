//! The calls of a session's handler: receiving, sending, closing, and the turns in which it runs.

use std::task::{Context, Poll};

use super::{CloseReason, Inner, Place, SendError, SharedSession, WhenBehind, channels::Arrived, reason, wake_batch};
use crate::{
    broadcast::OutMessage,
    message::Message,
    session::{Arrival, State},
};

impl SharedSession {
    /// Waits for the next arrival; for one that is no gap unless `gaps`. `None` if nothing more will come:
    /// the session is over and the inbox empty, or the handler has ended.
    ///
    /// `place` is the waiting task's place among those who wait. A task that gives up before it received must
    /// [leave](Self::leave) it.
    pub(crate) fn poll_arrival(
        &self,
        cx: &Context<'_>,
        place: &mut Option<Place>,
        gaps: bool,
    ) -> Poll<Option<Arrived>> {
        let mut inner = self.lock();
        let may_receive = inner.receivers.may_receive(*place, cx.waker());
        let arrival = if may_receive { self.take(&mut inner, gaps) } else { None };
        let ended = inner.receives_nothing() || (inner.machine.closed().is_some() && inner.machine.arrivals() == 0);
        if arrival.is_some() || ended {
            inner.leave(place.take());
            return Poll::Ready(arrival);
        }
        let is_handler = inner.turn.is_polling() && wake_batch::is_turn_of(self.address());
        inner.receivers.wait(place, cx.waker(), is_handler);
        inner.wake_idle();
        Poll::Pending
    }

    /// Waits until a task waits for an arrival and there is none, or the handler has ended. Only one task can
    /// wait for this.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        let waits = inner.receivers.any_waits() && inner.machine.arrivals() == 0;
        if waits || inner.turn.is_ended() {
            return Poll::Ready(());
        }
        inner.idle = Some(Box::new(cx.waker().clone()));
        Poll::Pending
    }

    /// Takes the next message if there is one, even before a task that waits.
    pub(crate) fn try_message(&self) -> Option<Message> {
        let arrived = self.take(&mut self.lock(), false)?;
        self.plain(arrived)
    }

    /// A task that has waited for an arrival waits no longer.
    pub(crate) fn leave(&self, place: Place) {
        self.lock().leave(Some(place));
    }

    fn take(&self, inner: &mut Inner, gaps: bool) -> Option<Arrived> {
        if inner.receives_nothing() {
            return None;
        }
        let paused = inner.machine.is_paused();
        if paused {
            inner.machine.press(self.runtime.pressed());
        }
        let arrival = loop {
            let page = inner.page - u64::from(inner.of_former_pages > 0);
            let arrival = inner.machine.poll_arrival();
            inner.of_former_pages = inner.of_former_pages.saturating_sub(1);
            match arrival {
                Some(Arrival::Gap { .. }) if !gaps => {}
                arrival => break arrival.map(|arrival| Arrived { arrival, page }),
            }
        };
        if paused && !inner.machine.is_paused() {
            inner.wake_carriers();
        }
        if arrival.is_some() && inner.machine.arrivals() == 0 {
            self.account(inner);
        }
        arrival
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Sends a message, or gives it back.
    pub(crate) fn send(&self, message: OutMessage) -> Result<(), (SendError, OutMessage)> {
        self.send_locked(&mut self.lock(), None, message)
    }

    /// The same in the channel of this number.
    pub(crate) fn send_in(&self, channel: u64, message: OutMessage) -> Result<(), (SendError, OutMessage)> {
        self.send_locked(&mut self.lock(), Some(channel), message)
    }

    pub(super) fn send_locked(
        &self,
        inner: &mut Inner,
        channel: Option<u64>,
        mut message: OutMessage,
    ) -> Result<(), (SendError, OutMessage)> {
        if channel.is_some_and(|number| inner.is_over(number)) {
            return Err((SendError::Closed, message));
        }
        if self.speaks_stomp() {
            return self.send_to_stomp(inner, &WhenBehind::Keep, message).map(|_| ());
        }
        let is_plain = inner.goes_as_it_is(&message);
        if !is_plain {
            message = match self.keep_parked(inner, &WhenBehind::Keep, message) {
                Ok(_) => return Ok(()),
                Err(message) => message,
            };
            let Some(now) = inner.keep_early(message)? else { return Ok(()) };
            message = now;
        }
        if let Err(error) = inner.machine.can_send(&message) {
            return Err((error, message));
        }
        if !is_plain {
            // Behind it a namespace counts as refused or ended, so it must be sent.
            let Some(spelled) = inner.spelled(message) else { return Ok(()) };
            message = self.with_offset(inner, spelled);
        }
        inner.machine.send_over_limit(message).expect("it can be sent");
        inner.wake_carriers();
        match is_plain {
            true => self.account_bytes(inner),
            false => self.account(inner),
        }
        Ok(())
    }

    /// Sends all of these messages, or none if they do not fit together.
    pub(crate) fn send_all(&self, messages: Vec<OutMessage>) -> Result<(), SendError> {
        let mut inner = self.lock();
        if self.speaks_stomp() {
            let mut each =
                messages.into_iter().map(|message| self.send_to_stomp(&mut inner, &WhenBehind::Keep, message));
            return each.try_for_each(|sent| sent.map(|_| ()).map_err(|(error, _)| error));
        }
        let mut messages = messages;
        if inner.recovery().is_some() {
            // The client may have got the same event before, and each has an offset of its own.
            messages = messages.into_iter().map(|message| OutMessage::Own(message.into_payload())).collect();
            let parked = |message| self.keep_parked(&mut inner, &WhenBehind::Keep, message).err();
            messages = messages.into_iter().filter_map(parked).collect();
        }
        let messages = inner.keep_all_early(messages)?;
        let messages = match inner.recovery() {
            Some(_) => messages.into_iter().map(|message| self.with_offset(&inner, message)).collect(),
            None => messages,
        };
        inner.machine.send_all(messages)?;
        inner.wake_carriers();
        self.account(&mut inner);
        Ok(())
    }

    /// Sends a message. Returns whether it was taken, and not skipped.
    pub(crate) fn send_as(&self, how: &WhenBehind, mut message: OutMessage) -> Result<bool, SendError> {
        let now = if *how == WhenBehind::Keep { 0 } else { self.runtime.clock.now() };
        let mut inner = self.lock();
        if self.speaks_stomp() {
            return self.send_to_stomp(&mut inner, how, message).map_err(|(error, _)| error);
        }
        let is_plain = inner.goes_as_it_is(&message);
        if !is_plain {
            message = match self.keep_parked(&mut inner, how, message) {
                Ok(kept) => return Ok(kept),
                Err(message) => message,
            };
            let Some(outgoing) = inner.outgoing(message).map_err(|(error, _)| error)? else { return Ok(true) };
            message = self.with_offset(&inner, outgoing);
        }
        let sent = inner.machine.send_as(now, how, message)?;
        inner.wake_carriers();
        match is_plain {
            true => self.account_bytes(&mut inner),
            false => self.account(&mut inner),
        }
        Ok(sent)
    }

    /// Notes that `count` messages for the client are lost.
    #[cfg(feature = "cluster")]
    pub(crate) fn miss(&self, count: u64) -> Result<(), SendError> {
        let now = self.runtime.clock.now();
        let mut inner = self.lock();
        inner.machine.miss(now, count)?;
        if inner.machine.take_links_need_wake() {
            inner.wake_carriers();
        }
        self.account(&mut inner);
        Ok(())
    }

    /// Whether the client takes messages of this kind.
    pub(crate) fn takes(&self, message: &OutMessage) -> bool {
        self.lock().machine.check_kind(message).is_ok()
    }

    /// Waits until a message of this length fits, or the session is closed.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, length: usize) -> Poll<()> {
        let mut inner = self.lock();
        if inner.fits(length) || inner.machine.state() >= State::Closing {
            return Poll::Ready(());
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Asks for an acknowledgement of all that was sent; returns the number to wait for.
    pub(crate) fn flush(&self) -> u64 {
        let mut inner = self.lock();
        inner.machine.flush();
        inner.wake_carriers();
        inner.machine.last_number()
    }

    /// Waits until the message of this number is acknowledged: `Ok`. `Err` if the session ends before.
    pub(crate) fn poll_acknowledged(&self, cx: &mut Context<'_>, number: u64) -> Poll<Result<(), CloseReason>> {
        let mut inner = self.lock();
        if inner.machine.acknowledged() >= number {
            return Poll::Ready(Ok(()));
        }
        if let Some(reason) = inner.machine.closed() {
            return Poll::Ready(Err(reason.clone()));
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Why the session is over or, after our close, why it will be.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.lock().machine.close_reason().cloned()
    }

    /// Waits for a [`close_reason`](Self::close_reason).
    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut inner = self.lock();
        if let Some(reason) = inner.machine.close_reason() {
            return Poll::Ready(reason.clone());
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Waits until the client has shown that it knows the secret, or has closed the session: `true`. `false` if it ends
    /// before.
    pub(crate) fn poll_proven(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut inner = self.lock();
        // A client may prove it, send, and close it at once, or close it before it was open: what it has sent counts.
        let proven = inner.machine.is_proven() || inner.machine.is_closed_there();
        if proven || inner.machine.close_reason().is_some() {
            return Poll::Ready(proven);
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Waits until the session is over.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.machine.closed().is_some() {
            return Poll::Ready(());
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        let mut inner = self.lock();
        inner.disconnect(self);
        if inner.machine.is_parked() {
            inner.machine.abort(self.runtime.clock().now(), reason);
            inner.wake_receivers();
        } else {
            inner.machine.close(reason);
        }
        if inner.closing.is_none() && inner.machine.closed().is_none() {
            inner.await_close(self.runtime.clock().now(), self.params.session.grace);
        }
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
    }

    pub(crate) fn abort(&self, reason: CloseReason) {
        let mut inner = self.lock();
        inner.machine.abort(self.runtime.clock().now(), reason);
        inner.wake_receivers();
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
    }

    /// Ends the session, which is the oldest that is not proven, since others need its place. Returns false if
    /// it is proven by now, or over.
    pub(crate) fn give_way(&self) -> bool {
        let unproven = std::mem::take(&mut self.lock().unproven) > 0;
        if unproven {
            self.abort(reason::UNUSED);
        }
        unproven
    }

    /// Sets when the client's login expires, or that it does not.
    pub(crate) fn expire_at(&self, time: Option<u64>) {
        let mut inner = self.lock();
        let expired = inner.machine.closed().is_some();
        inner.expires = time.filter(|_| !expired).unwrap_or(u64::MAX);
        self.settle(&mut inner);
    }

    /// Asks the client to make a new link after `delay` milliseconds, on a link of this ordinal or a higher one.
    pub(crate) fn go_away(&self, delay: u64, ordinal: u64) {
        let mut inner = self.lock();
        if inner.machine.is_parked() {
            // Its client cannot come back to a server that goes away.
            drop(inner);
            return self.close(reason::GOING_AWAY);
        }
        inner.machine.go_away(delay, ordinal);
        inner.wake_links();
    }

    /// The handler is about to be polled. Its links, and those of other sessions that it sends to, are not
    /// woken before [`end_turn`](Self::end_turn).
    pub(crate) fn begin_turn(&self) {
        wake_batch::begin(self.address());
        self.lock().turn.begin();
    }

    pub(crate) fn end_turn(&self) {
        let mut inner = self.lock();
        if inner.turn.end() {
            inner.wake_links();
        }
        drop(inner);
        wake_batch::end();
    }

    /// The handler has got its task.
    pub(crate) fn start_handler(&self) {
        self.lock().turn.start();
        self.runtime.handler_starts();
    }

    /// The handler's task is gone.
    pub(crate) fn finish_handler(&self) {
        let mut inner = self.lock();
        if inner.turn.finish() {
            inner.wake_links();
        }
        inner.receivers.wake_all();
        inner.wake_channels();
        inner.wake_idle();
        if inner.moving {
            inner.wake_senders(); // One of them waits for the handler's end.
        }
        drop(inner);
        self.runtime.handler_ends();
    }

    /// Ends the session if it is not over, since the server has removed it. The bytes that are still buffered
    /// count no longer.
    pub(crate) fn forget(&self) {
        let mut inner = self.lock();
        inner.forgotten = true;
        inner.chunked = None;
        if inner.machine.closed().is_none() {
            inner.machine.abort(self.runtime.clock().now(), reason::ENDED);
        }
        self.account(&mut inner);
        inner.wake_receivers();
        inner.wake_senders();
        inner.wake_links();
    }
}
