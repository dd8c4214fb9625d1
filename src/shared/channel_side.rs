//! The calls of a session's channels, and the packets that are theirs.

use std::{
    collections::VecDeque,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use bytestring::ByteString;

use super::{
    CloseReason, Inner, SharedSession,
    channel_queues::length,
    channels::{Arrived, Asked, ChannelSet, Channels},
    questions::Waiter,
};
use crate::{
    broadcast::OutMessage,
    dialect::{Fault, Head, Kind, control, not_opened, refused, socketio::plain_message},
    packet::Packet,
    payload::Payload,
    session::{Arrival, reserve_first},
};

impl Inner {
    /// Takes a packet that is no event of the session itself: an answer, or anything of a channel.
    pub(super) fn take_packet(&mut self, packet: Packet, session: &SharedSession) {
        let length = packet.len();
        let Ok(head) = Head::parse(packet.text()) else {
            tracing::debug!("a packet came that is malformed, or of a type that is not known");
            return self.machine.release_aside(length);
        };
        let kept = match head.kind {
            Kind::Ack | Kind::BinaryAck | Kind::Refused => {
                let id = head.id;
                match self.questions.as_mut().map_or(Waiter::Nobody, |questions| questions.answer(packet)) {
                    Waiter::Handler => self.turn.woken(),
                    Waiter::Other => {}
                    Waiter::Nobody => tracing::debug!(id, "an answer came that nobody waits for"),
                }
                false
            }
            // The session itself is open.
            Kind::Connect if head.namespace == "/" && !self.root_is_channel() => false,
            Kind::Connect => self.open_channel(&head, &packet, session),
            Kind::Event | Kind::BinaryEvent => {
                let plain = if self.speaks_socketio() { plain_message(&head, &packet) } else { None };
                match self.channels.as_ref().and_then(|channels| channels.place(head.namespace)) {
                    None => {
                        self.refuse_event(&head, session);
                        false
                    }
                    // It is moved: a clone of a text would need an allocation that counts how many there are.
                    Some(place) => {
                        self.take_channel_event(place, plain.map_or(Payload::Event(packet), Payload::Message), length);
                        true
                    }
                }
            }
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
        let found = channels.current(head.namespace).map(|it| (it.number, it.accepted, it.parked.is_some()));
        match found {
            None => {}
            Some((number, _, true)) if session.recover_here(self, head, number) => return false,
            Some((_, _, true)) => {}
            Some((number, open, false)) => {
                // Another page has taken the session over, and its channels with it.
                if let Some(packet) = session.accepted(self, number).filter(|_| open) {
                    self.send_packet(packet, session);
                }
                return false;
            }
        }
        let Some(channels) = &mut *self.channels else { return false };
        if channels.are_full(head.namespace) {
            let most = channels.most;
            let text =
                format!("a session has at most {most} namespaces, and one that was left counts while its handler runs");
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

    /// An event of a namespace that is no channel has come.
    fn refuse_event(&mut self, head: &Head<'_>, session: &SharedSession) {
        if let Some(id) = head.id {
            self.send_packet(refused(head.namespace, id, &Fault::unknown_namespace()), session);
        }
    }

    /// An event of the channel at this place has come. Its packet had this length.
    fn take_channel_event(&mut self, place: usize, event: Payload, length: usize) {
        self.machine.shrink_aside(length.saturating_sub(event.len()));
        let Some(channels) = &mut *self.channels else { return };
        let channel = &mut channels.all[place];
        reserve_first(&mut channel.queue);
        channel.queue.push_back(Arrived { arrival: Arrival::Message(event), page: self.page });
        if channel.receivers.wake_first() {
            self.turn.woken();
        }
    }

    fn leave_channel(&mut self, namespace: &str) {
        let Some(channels) = &mut *self.channels else { return };
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

    /// Whether a channel is over.
    pub(super) fn is_over(&self, number: u64) -> bool {
        let mut channels = self.channels.iter().flat_map(|channels| &channels.all);
        channels.find(|channel| channel.number == number).is_none_or(|channel| channel.over)
    }

    pub(super) fn wake_channels(&mut self) {
        if let Some(channels) = &mut *self.channels {
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
        let Some(channels) = &mut *self.channels else { return };
        if let Some(connection) = &mut channels.connection {
            connection.clear();
        }
        if let Some(stomp) = &mut channels.stomp {
            stomp.drop_receipts();
        }
        for channel in &mut channels.all {
            channel.drop_early();
            channel.over |= channel.asked.is_some();
            channel.log = None;
            if let Some(length) = channel.take_asked() {
                self.machine.release_aside(length);
            }
        }
    }

    /// Removes a channel, and what nobody has received of it.
    fn forget_channel(&mut self, number: u64) {
        let Some(channels) = &mut *self.channels else { return };
        let Some(at) = channels.all.iter().position(|channel| channel.number == number) else { return };
        let mut channel = channels.all.remove(at);
        let asked = channel.take_asked();
        let events = channel.queue.iter().map(|arrived| length(&arrived.arrival));
        for length in asked.into_iter().chain(events) {
            self.machine.release_aside(length);
        }
    }

    /// Sends an answer of the server's own.
    fn send_packet(&mut self, packet: Packet, session: &SharedSession) {
        if session.speaks_stomp() {
            return self.send_stomp_answer(&packet, session);
        }
        if let Ok(Some(message)) = self.outgoing(Payload::from(packet).into()) {
            self.send_as_it_is(session, message);
        }
    }

    pub(super) fn send_as_it_is(&mut self, session: &SharedSession, message: OutMessage) {
        let lives = self.machine.close_reason().is_none();
        match self.machine.send_answer(session.runtime.clock.now(), message) {
            Ok(()) => self.wake_carriers(),
            Err(error) => tracing::debug!(?error, "an answer was not sent"),
        }
        if lives && self.machine.close_reason().is_some() {
            session.runtime.slow.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl SharedSession {
    /// From now on these namespaces are channels, at most so many at a time.
    pub(crate) fn have_channels(&self, set: ChannelSet, most: usize) {
        let mut inner = self.lock();
        *inner.channels = (set != ChannelSet::None).then(|| Box::new(Channels::new(most, set == ChannelSet::All)));
        self.account(&mut inner);
    }

    /// Waits until the client asks for a channel. `None` if no channel opens any more: the session is over, or about to
    /// close.
    pub(crate) fn poll_channel_asked(&self, cx: &Context<'_>) -> Poll<Option<Asked>> {
        let mut inner = self.lock();
        let over = inner.turn.is_ended() || inner.machine.close_reason().is_some();
        let Some(channels) = inner.channels.as_mut().filter(|channels| !over && !channels.ended) else {
            return Poll::Ready(None);
        };
        let Some(asked) = channels.next_asked() else {
            match &channels.opener {
                Some(known) if known.will_wake(cx.waker()) => {}
                _ => channels.opener = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        };
        Poll::Ready(Some(asked))
    }

    /// Opens a channel: the client gets the packet that says so, and behind it what was sent in the channel before.
    /// Returns false if it has left meanwhile.
    pub(crate) fn accept_channel(&self, number: u64) -> bool {
        let mut inner = self.lock();
        let found = inner.channels.as_mut().and_then(|channels| channels.find(number));
        let Some(channel) = found.filter(|channel| !channel.over) else { return false };
        channel.accepted = true;
        channel.early_bytes = 0;
        let judged = channel.take_asked();
        let early = std::mem::take(&mut channel.early);
        let log = inner.recovery().map(|recovery| recovery.log());
        if let (Some(channel), Some(log)) = (inner.channels.as_mut().and_then(|it| it.find(number)), log) {
            channel.log = Some(log);
        }
        if let Some(packet) = self.accepted(&inner, number) {
            inner.send_control(packet, self);
        }
        for message in early {
            let message = self.with_offset(&inner, message);
            // There was room for it when it was sent.
            if let Err(error) = inner.machine.send_over_limit(message) {
                tracing::debug!(?error, "a message was not sent");
            }
        }
        inner.wake_carriers();
        inner.wake_senders();
        inner.wake_stomp_task();
        match judged {
            Some(length) => self.release_received(&mut inner, length),
            None => self.account(&mut inner),
        }
        true
    }

    /// The answer to a channel that is open.
    pub(super) fn accepted(&self, inner: &Inner, number: u64) -> Option<Packet> {
        let channel = inner.channels.as_ref()?.all.iter().find(|channel| channel.number == number)?;
        let sid = self.public_id();
        let data = match self.pid(inner, number) {
            Some(pid) => format!("{{\"sid\":\"{sid}\",\"pid\":\"{pid}\"}}"),
            None => format!("{{\"sid\":\"{sid}\"}}"),
        };
        Some(control(Kind::Connect, &channel.namespace, &data))
    }

    /// A channel is refused, and counts until it is [removed](Self::remove_channel). Returns whether its client waits
    /// to learn that.
    pub(crate) fn refuse_channel(&self, number: u64) -> bool {
        let mut inner = self.lock();
        let Some(channel) = inner.channels.as_mut().and_then(|channels| channels.find(number)) else { return false };
        channel.drop_early();
        let waits = !std::mem::replace(&mut channel.over, true);
        inner.wake_senders();
        inner.wake_stomp_task();
        self.account(&mut inner);
        waits
    }

    /// A channel was refused, or its handler has returned: what was not received is dropped.
    pub(crate) fn remove_channel(&self, number: u64) {
        let mut inner = self.lock();
        let paused = inner.machine.is_paused();
        inner.forget_channel(number);
        if paused && !inner.machine.is_paused() {
            inner.part_of_owed(self.runtime.clock.now());
        }
        // The next one of its namespace may open.
        if let Some(opener) = inner.channels.as_mut().and_then(|channels| channels.opener.take()) {
            opener.wake();
        }
        inner.wake_carriers();
        inner.wake_senders();
        inner.wake_stomp_task();
        self.end_if_deserted(&mut inner, self.runtime.clock.now());
        self.account(&mut inner);
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
        inner.send_control(packet, self);
        inner.wake_senders();
        inner.wake_stomp_task();
        self.end_if_deserted(&mut inner, self.runtime.clock.now());
        self.account(&mut inner);
        true
    }

    /// The session's handler has returned: its channels end, and no other opens.
    pub(crate) fn end_channels(&self) {
        let mut inner = self.lock();
        let Some(channels) = &mut *inner.channels else { return };
        channels.ended = true;
        for channel in &mut channels.all {
            channel.over = true;
        }
        if let Some(stomp) = &mut channels.stomp {
            stomp.clear();
        }
        if channels.wake_all() {
            inner.turn.woken();
        }
        inner.wake_senders();
        self.account(&mut inner);
    }

    /// Whether a channel is over.
    pub(crate) fn channel_is_over(&self, number: u64) -> bool {
        self.lock().is_over(number)
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
}
