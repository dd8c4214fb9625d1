//! The calls of a session's channels, and the packets that are theirs.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use bytestring::ByteString;

use super::{
    CloseReason, Inner, Place, SharedSession,
    channels::{Arrived, Asked, ChannelSet, Channels},
    questions::Waiter,
    wake_batch,
};
use crate::{
    broadcast::OutMessage,
    dialect::{Fault, Head, Kind, control, not_opened, refused, socketio::plain_message},
    message::Message,
    packet::Packet,
    payload::Payload,
    session::Arrival,
};

impl Inner {
    /// Takes a packet that is no event of the session itself: an answer, or anything of a channel.
    pub(super) fn take_packet(&mut self, packet: &Packet, session: &SharedSession) {
        let length = packet.len();
        let Ok(head) = Head::parse(packet.text()) else {
            tracing::debug!("a packet came that is malformed, or of a type that is not known");
            return self.machine.release_aside(length);
        };
        let kept = match head.kind {
            Kind::Ack | Kind::BinaryAck | Kind::Refused => {
                match self.questions.as_mut().map_or(Waiter::Nobody, |questions| questions.answer(packet.clone())) {
                    Waiter::Handler => self.turn.woken(),
                    Waiter::Other => {}
                    Waiter::Nobody => tracing::debug!(id = head.id, "an answer came that nobody waits for"),
                }
                false
            }
            // The session itself is open.
            Kind::Connect if head.namespace == "/" && !self.root_is_channel() => false,
            Kind::Connect => self.open_channel(&head, packet, session),
            Kind::Event | Kind::BinaryEvent => self.take_channel_event(&head, packet, session),
            Kind::Disconnect => {
                self.leave_channel(head.namespace);
                false
            }
            Kind::ConnectError => false,
        };
        if !kept {
            self.machine.release_aside(length);
        }
    }

    /// The client asks for a channel. Returns whether the packet is kept.
    pub(super) fn open_channel(&mut self, head: &Head<'_>, packet: &Packet, session: &SharedSession) -> bool {
        let Some(channels) = self.channels.as_mut().filter(|channels| !channels.ended) else {
            self.send_packet(not_opened(head.namespace, &Fault::unknown_namespace()), session);
            return false;
        };
        if let Some(open) = channels.current(head.namespace) {
            // Another page has taken the session over, and its channels with it.
            if open.accepted {
                self.send_packet(accepted(head.namespace, &session.public_id()), session);
            }
            return false;
        }
        if channels.are_full(head.namespace) {
            let text = format!("a session has at most {} namespaces", channels.most);
            self.send_packet(not_opened(head.namespace, &Fault::new("full", text)), session);
            return false;
        }
        let namespace = match head.namespace {
            "/" => ByteString::from_static("/"), // It does not stand in the text.
            // A part of the packet would keep all of it, with its auth data.
            other => ByteString::from(other),
        };
        channels.add(namespace, packet.clone());
        if let Some(opener) = channels.opener.take() {
            opener.wake();
            self.turn.woken();
        }
        true
    }

    /// An event of a channel has come. Returns whether it is kept.
    fn take_channel_event(&mut self, head: &Head<'_>, packet: &Packet, session: &SharedSession) -> bool {
        let socketio = self.speaks_socketio();
        let Some(channel) = self.channels.as_mut().and_then(|channels| channels.current(head.namespace)) else {
            if let Some(id) = head.id {
                self.send_packet(refused(head.namespace, id, &Fault::unknown_namespace()), session);
            }
            return false;
        };
        let mut payload = Payload::Event(packet.clone());
        if socketio && let Some(message) = plain_message(packet) {
            self.machine.shrink_aside(packet.len().saturating_sub(message.len()));
            payload = message.into();
        }
        channel.queue.push_back(Arrived { arrival: Arrival::Message(payload), page: self.page });
        if channel.receivers.wake_first() {
            self.turn.woken();
        }
        true
    }

    fn leave_channel(&mut self, namespace: &str) {
        let Some(channels) = &mut self.channels else { return };
        let Some(channel) = channels.current(namespace) else { return };
        channel.over = true;
        channel.drop_early();
        if channel.receivers.wake_all() {
            self.turn.woken();
        }
        // One that nobody has looked at is gone at once.
        if channel.asked.is_some() {
            let number = channel.number;
            self.forget_channel(number);
        }
        self.wake_senders();
    }

    /// Whether the client opens `/` too, as a channel.
    pub(super) fn root_is_channel(&self) -> bool {
        self.channels.as_ref().is_some_and(|channels| channels.has_root)
    }

    pub(super) fn wake_channels(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.wake_all();
        }
    }

    /// Drops what nobody has received in channels.
    pub(super) fn drop_channel_events(&mut self) {
        for channel in self.channels.iter_mut().flat_map(|channels| &mut channels.all) {
            channel.queue = VecDeque::new();
        }
    }

    /// The session is over: drops what its channels hold for a client that is gone, and packets that nobody will take.
    /// Handlers can still receive what came before.
    pub(super) fn drop_unfinished(&mut self) {
        let Some(channels) = &mut self.channels else { return };
        if let Some(connection) = &mut channels.connection {
            connection.clear();
        }
        for channel in &mut channels.all {
            channel.drop_early();
            if let Some(asked) = channel.asked.take() {
                channel.over = true;
                self.machine.release_aside(asked.len());
            }
        }
    }

    /// Removes a channel, and what nobody has received of it.
    fn forget_channel(&mut self, number: u64) {
        let Some(channels) = &mut self.channels else { return };
        let Some(at) = channels.all.iter().position(|channel| channel.number == number) else { return };
        let channel = channels.all.remove(at);
        let asked = channel.asked.map(|packet| packet.len());
        let events = channel.queue.iter().map(|arrived| length(&arrived.arrival));
        for length in asked.into_iter().chain(events) {
            self.machine.release_aside(length);
        }
    }

    /// Sends an answer of the server's own.
    fn send_packet(&mut self, packet: Packet, session: &SharedSession) {
        if let Ok(Some(message)) = self.outgoing(Payload::from(packet).into()) {
            self.send_as_it_is(session.runtime.clock.now(), message);
        }
    }

    pub(super) fn send_as_it_is(&mut self, now: u64, message: OutMessage) {
        match self.machine.send_answer(now, message) {
            Ok(()) => self.wake_carriers(),
            Err(error) => tracing::debug!(?error, "an answer was not sent"),
        }
    }
}

/// The answer to a channel that is open.
fn accepted(namespace: &str, id: &ByteString) -> Packet {
    control(Kind::Connect, namespace, &format!("{{\"sid\":\"{id}\"}}"))
}

fn length(arrival: &Arrival) -> usize {
    match arrival {
        Arrival::Message(payload) => payload.len(),
        Arrival::Gap { .. } => 0,
    }
}

impl SharedSession {
    /// From now on these namespaces are channels, at most so many at a time.
    pub(crate) fn have_channels(&self, set: ChannelSet, most: usize) {
        let channels = || Box::new(Channels::new(most, set == ChannelSet::All));
        self.lock().channels = (set != ChannelSet::None).then(channels);
    }

    /// Waits until the client asks for a channel. `None` if no channel opens any more.
    pub(crate) fn poll_channel_asked(&self, cx: &Context<'_>) -> Poll<Option<Asked>> {
        let mut inner = self.lock();
        let over = inner.turn.is_ended() || inner.machine.close_reason().is_some();
        let Some(channels) = inner.channels.as_mut().filter(|channels| !over && !channels.ended) else {
            return Poll::Ready(None);
        };
        let Some((asked, length)) = channels.next_asked() else {
            match &channels.opener {
                Some(known) if known.will_wake(cx.waker()) => {}
                _ => channels.opener = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        };
        self.release_received(&mut inner, length);
        Poll::Ready(Some(asked))
    }

    /// Waits until the session has a channel that is open, or ends.
    pub(crate) fn poll_any_channel(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        let open = inner.channels.iter().any(|channels| channels.all.iter().any(|channel| channel.accepted));
        if open || inner.machine.close_reason().is_some() {
            return Poll::Ready(());
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Opens a channel: the client gets the packet that says so, and behind it what was sent in the channel before.
    /// Returns false if it has left meanwhile.
    pub(crate) fn accept_channel(&self, number: u64) -> bool {
        let mut inner = self.lock();
        let found = inner.channels.as_mut().and_then(|channels| channels.find(number));
        let Some(channel) = found.filter(|channel| !channel.over) else { return false };
        channel.accepted = true;
        channel.early_bytes = 0;
        let (early, packet) = (std::mem::take(&mut channel.early), accepted(&channel.namespace, &self.public_id()));
        inner.send_control(packet);
        for message in early {
            // There was room for it when it was sent.
            if let Err(error) = inner.machine.send_over_limit(message) {
                tracing::debug!(?error, "a message was not sent");
            }
        }
        inner.wake_carriers();
        inner.wake_senders();
        self.account(&mut inner);
        true
    }

    /// A channel is refused, or its handler has returned: what was not received is dropped. Returns whether the
    /// client thinks that it is open, or will be.
    pub(crate) fn remove_channel(&self, number: u64) -> bool {
        let mut inner = self.lock();
        let channel = inner.channels.as_mut().and_then(|channels| channels.find(number));
        let open = channel.is_some_and(|channel| !channel.over);
        inner.forget_channel(number);
        // The next one of its namespace may open.
        if let Some(opener) = inner.channels.as_mut().and_then(|channels| channels.opener.take()) {
            opener.wake();
        }
        inner.wake_carriers();
        inner.wake_senders();
        self.account(&mut inner);
        open
    }

    /// Ends a channel behind everything that was sent in it. Returns whether it was open.
    pub(crate) fn close_channel(&self, number: u64, reason: &CloseReason) -> bool {
        let mut inner = self.lock();
        let Some(channel) = inner.channels.as_mut().and_then(|channels| channels.find(number)) else { return false };
        if std::mem::replace(&mut channel.over, true) {
            return false;
        }
        let data = serde_json::json!({ "code": reason.code, "message": &*reason.text }).to_string();
        let packet = control(Kind::Disconnect, &channel.namespace, &data);
        if channel.receivers.wake_all() {
            inner.turn.woken();
        }
        inner.send_control(packet);
        inner.wake_senders();
        self.account(&mut inner);
        true
    }

    /// The session's handler has returned: its channels end, and no other opens.
    pub(crate) fn end_channels(&self) {
        let mut inner = self.lock();
        let Some(channels) = &mut inner.channels else { return };
        channels.ended = true;
        for channel in &mut channels.all {
            channel.over = true;
        }
        if channels.wake_all() {
            inner.turn.woken();
        }
        inner.wake_senders();
    }

    /// Whether a channel is over.
    pub(crate) fn channel_is_over(&self, number: u64) -> bool {
        let mut inner = self.lock();
        inner.channels.as_mut().and_then(|channels| channels.find(number)).is_none_or(|channel| channel.over)
    }

    /// Waits for the end of a channel.
    pub(crate) fn poll_channel_over(&self, cx: &Context<'_>, number: u64) -> Poll<()> {
        let mut inner = self.lock();
        let open = inner.channels.as_mut().and_then(|channels| channels.find(number)).is_some_and(|it| !it.over);
        if !open || inner.machine.close_reason().is_some() {
            return Poll::Ready(());
        }
        inner.wait(cx.waker());
        Poll::Pending
    }

    /// Waits for the next event of a channel, as [`poll_arrival`](Self::poll_arrival) does for one of the session.
    pub(crate) fn poll_channel_arrival(
        &self,
        number: u64,
        cx: &Context<'_>,
        place: &mut Option<Place>,
    ) -> Poll<Option<Arrived>> {
        let mut inner = self.lock();
        let ended = inner.turn.is_ended() || inner.machine.closed().is_some();
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
    fn release_received(&self, inner: &mut Inner, length: usize) {
        let paused = inner.machine.is_paused();
        if paused {
            inner.machine.press(self.runtime.pressed());
        }
        inner.machine.release_aside(length);
        if paused && !inner.machine.is_paused() {
            inner.wake_carriers();
        }
        self.account(inner);
    }
}
