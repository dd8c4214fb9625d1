//! Sessions whose clients speak STOMP. `/` is a channel, for which the client asks by CONNECT, and what is sent to the
//! session reaches the subscriptions that it is for, each as a MESSAGE.

mod beats;
mod outgoing;
pub(super) mod state;

use std::task::{Context, Poll};

use bytestring::ByteString;

use super::{
    Inner, SharedSession,
    channels::{Arrived, Channels},
};
use crate::{
    dialect::{
        Head, Kind, control,
        stomp::{Delivery, Refusal, Settle, Source, Subscribe, Subscription, Subscriptions, Version},
    },
    message::Message,
    payload::Payload,
    session::{Arrival, reserve_first},
};

use state::{Beats, COST, Stomp};

/// The state in which the client's channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Open,
    /// It was refused, and the client has been told why.
    Refused,
}

/// The next step of the task of a session whose client speaks STOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Take the client's next message.
    Receive,
    /// There is room in the outbox for messages of queues, which these subscriptions could not take before.
    Deliver(Vec<u64>),
    /// Nothing: the channel is over.
    End,
}

/// Why a message of a queue was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The outbox is full, or too many messages are not acknowledged. The session's task learns when there is room.
    Full,
    /// The subscription or the session is over.
    Gone,
    /// The message is binary, and the client takes texts alone.
    Binary,
}

impl SharedSession {
    /// From now on the client speaks STOMP. The session must have [all](super::ChannelSet::All) namespaces as channels.
    pub(crate) fn speak_stomp(&self, subscriptions: usize, unacknowledged: usize) {
        let _ = self.dialect.set(super::Dialect::Stomp);
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        let Some(channels) = &mut *inner.channels else { return };
        channels.stomp = Some(Box::new(Stomp::new(Subscriptions::new(subscriptions, unacknowledged), now)));
    }

    pub(crate) fn speaks_stomp(&self) -> bool {
        matches!(self.dialect.get(), Some(super::Dialect::Stomp))
    }

    /// The client has sent CONNECT with these auth data, which are JSON. It gets CONNECTED or an ERROR when somebody has
    /// judged them. `sends` and `wants` are its heart-beats as agreed, in milliseconds.
    pub(crate) fn connect_stomp(&self, version: Version, auth: &str, (sends, wants): (u64, u64)) {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        let Some(stomp) = inner.stomp() else { return };
        stomp.version = Some(version);
        stomp.beats = Beats::new(now, sends, wants);
        let packet = control(Kind::Connect, "/", auth);
        if let Ok(head) = Head::parse(packet.text()) {
            inner.machine.keep_aside(packet.len());
            if !inner.open_channel(&head, &packet, self) {
                inner.machine.release_aside(packet.len());
            }
        }
        self.settle(&mut inner);
    }

    /// Waits until the channel is open, or was refused.
    pub(crate) fn poll_stomp_opened(&self, cx: &Context<'_>) -> Poll<Opened> {
        let mut inner = self.lock();
        match inner.channels.as_ref().and_then(|channels| channels.all.first()) {
            Some(channel) if channel.accepted && !channel.over => Poll::Ready(Opened::Open),
            Some(channel) if !channel.over && inner.machine.close_reason().is_none() => {
                inner.note_stomp_task(cx);
                Poll::Pending
            }
            _ => Poll::Ready(Opened::Refused),
        }
    }

    /// Waits for a reason to do something. A message is to be received only while the handler has received most events.
    pub(crate) fn poll_stomp(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        if inner.channels.as_ref().is_none_or(|channels| channels.all.iter().all(|channel| channel.over)) {
            return Poll::Ready(Next::End);
        }
        let limit = usize::try_from(self.params.session.limit).unwrap_or(usize::MAX);
        let Some(stomp) = inner.stomp() else { return Poll::Ready(Next::End) };
        let (receives, blocked) = (stomp.queued < limit, std::mem::take(&mut stomp.blocked));
        let (ready, blocked): (Vec<_>, Vec<_>) = blocked.into_iter().partition(|(_, length)| inner.fits(*length));
        let waits_for_room = !blocked.is_empty();
        if let Some(stomp) = inner.stomp() {
            stomp.blocked = blocked;
        }
        if !ready.is_empty() {
            return Poll::Ready(Next::Deliver(ready.into_iter().map(|(subscription, _)| subscription).collect()));
        }
        inner.note_stomp_task(cx);
        if waits_for_room {
            inner.wait(cx.waker());
        }
        if receives { Poll::Ready(Next::Receive) } else { Poll::Pending }
    }

    /// Waits until the handler has received most events, or the channel is over.
    pub(crate) fn poll_stomp_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        let over = inner.channels.as_ref().is_none_or(|channels| channels.all.iter().all(|channel| channel.over));
        let limit = self.params.session.limit;
        if over || inner.stomp().is_none_or(|stomp| (stomp.queued as u64) < limit) {
            return Poll::Ready(());
        }
        inner.note_stomp_task(cx);
        Poll::Pending
    }

    /// Whether there is a subscription to the room with this key.
    pub(crate) fn subscribes(&self, key: &str) -> bool {
        self.lock().stomp().is_some_and(|stomp| stomp.subscriptions.of_room(&[key]).next().is_some())
    }

    /// An event of the client is a request, and its answer is this receipt. Returns the request's id.
    pub(crate) fn begin_stomp_request(&self, receipt: ByteString) -> u64 {
        self.lock().stomp().map_or(0, |stomp| stomp.new_request(receipt))
    }

    /// The request is none.
    pub(crate) fn drop_stomp_request(&self, id: u64) {
        if let Some(stomp) = self.lock().stomp() {
            drop(stomp.take_receipt(id));
        }
    }

    /// Hands an event of the client, or a message, to the handler.
    pub(crate) fn hand_stomp_event(&self, event: Payload) {
        let mut inner = self.lock();
        let page = inner.page;
        let length = event.len();
        let Some(channel) = inner.channels.as_mut().and_then(|channels| channels.current("/")) else { return };
        reserve_first(&mut channel.queue);
        channel.queue.push_back(Arrived { arrival: Arrival::Message(event), page });
        let woken = channel.receivers.wake_first();
        if woken {
            inner.turn.woken();
        }
        inner.machine.keep_aside(length);
        if let Some(stomp) = inner.stomp() {
            stomp.queued += length;
        }
        self.account(&mut inner);
    }

    /// Adds a subscription, and returns its number.
    ///
    /// # Errors
    /// Fails if its id is taken, or there are too many.
    pub(crate) fn subscribe(&self, subscribe: Subscribe, source: Source) -> Result<u64, Refusal> {
        let mut inner = self.lock();
        let Some(stomp) = inner.stomp() else { return Ok(0) };
        let bytes = COST + subscribe.id.len() + subscribe.destination.len();
        let number = stomp.subscriptions.add(subscribe, source)?;
        stomp.held += bytes;
        self.account(&mut inner);
        Ok(number)
    }

    /// Removes a subscription. Returns it with its messages that were not acknowledged; `None` if there is none.
    pub(crate) fn unsubscribe(&self, id: &str) -> Option<(Subscription, Vec<Delivery>)> {
        let mut inner = self.lock();
        let stomp = inner.stomp()?;
        let (subscription, deliveries) = stomp.subscriptions.remove(id)?;
        stomp.held -= COST + subscription.id.len() + subscription.destination.len();
        stomp.blocked.retain(|(number, _)| *number != subscription.number);
        stomp.unacknowledged.retain(|number| *number != subscription.number);
        if !deliveries.is_empty() {
            let waiting = std::mem::take(&mut stomp.unacknowledged);
            stomp.blocked.extend(waiting.into_iter().map(|number| (number, 0)));
        }
        self.account(&mut inner);
        Some((subscription, deliveries))
    }

    /// Whether the client may acknowledge or refuse this.
    ///
    /// # Errors
    /// Fails if it was sent no such message.
    pub(crate) fn check_settle(&self, settle: &Settle) -> Result<(), Refusal> {
        self.lock().stomp().map_or(Ok(()), |stomp| stomp.subscriptions.check(settle))
    }

    /// The client has acknowledged messages, or refused them. Returns which.
    ///
    /// # Errors
    /// Fails if it was sent no such message, or has acknowledged it before.
    pub(crate) fn settle_deliveries(&self, settle: &Settle) -> Result<Vec<Delivery>, Refusal> {
        let mut inner = self.lock();
        let Some(stomp) = inner.stomp() else { return Ok(Vec::new()) };
        let settled = stomp.subscriptions.settle(settle)?;
        if !settled.is_empty() {
            let waiting = std::mem::take(&mut stomp.unacknowledged);
            stomp.blocked.extend(waiting.into_iter().map(|number| (number, 0)));
        }
        Ok(settled)
    }

    /// A message of the client has held one more frame, which counts for the rate limit as a message does.
    pub(crate) fn count_stomp_frame(&self) {
        self.lock().machine.taken_more(self.runtime.clock.now());
    }

    /// Sends a frame of the server's own, which answers one of the client's.
    pub(crate) fn answer_stomp(&self, frame: Message) {
        let mut inner = self.lock();
        inner.send_as_it_is(self, Payload::from(frame).into());
        inner.note_stomp_sent(self.runtime.clock.now());
        self.account(&mut inner);
    }
}

impl Inner {
    pub(super) fn stomp(&mut self) -> Option<&mut Stomp> {
        // Access that can change the channels has its price, which sessions of other clients need not pay.
        self.channels.as_ref()?.stomp.as_ref()?;
        self.channels.as_mut()?.stomp.as_deref_mut()
    }

    fn note_stomp_task(&mut self, cx: &Context<'_>) {
        if let Some(stomp) = self.stomp() {
            match &mut stomp.task {
                Some(known) if known.will_wake(cx.waker()) => {}
                slot => *slot = Some(cx.waker().clone()),
            }
        }
    }

    /// The state of the channel has changed, or the handler has received events.
    pub(super) fn wake_stomp_task(&mut self) {
        if let Some(task) = self.stomp().and_then(|stomp| stomp.task.take()) {
            task.wake();
            self.turn.woken();
        }
    }

    /// The handler has received so many bytes of events.
    pub(super) fn stomp_events_received(&mut self, bytes: usize, limit: u64) {
        let Some(stomp) = self.stomp() else { return };
        let was_full = stomp.queued as u64 >= limit;
        stomp.queued = stomp.queued.saturating_sub(bytes);
        if was_full && (stomp.queued as u64) < limit {
            self.wake_stomp_task();
        }
    }
}

impl Channels {
    /// The bytes of a client's subscriptions and receipts.
    pub(super) fn held_by_stomp(&self) -> usize {
        self.stomp.as_ref().map_or(0, |stomp| stomp.bytes())
    }
}
