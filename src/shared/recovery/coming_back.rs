//! A client comes back on a new connection for the channels that it had before.

use std::sync::Arc;

use bytestring::ByteString;

use super::Moved;
use crate::{
    dialect::{
        Head,
        socketio::{Claim, pid},
    },
    packet::Packet,
    session::reason,
    shared::{
        Inner, LinkId, SharedSession,
        credentials::{Credentials, matches},
    },
};

/// A session and a link of it.
type Place = (Arc<SharedSession>, LinkId);

impl SharedSession {
    /// The session with which the client has gone on.
    pub(crate) fn moved_to(&self) -> Option<Arc<SharedSession>> {
        self.lock().moved_to()
    }

    /// Whether its client may come back for the channels of a session that it had before.
    pub(crate) fn can_recover(&self) -> bool {
        self.lock().recovery().is_some()
    }

    /// The place to which a link has moved.
    pub(crate) fn place_of(&self, link: LinkId) -> Option<Place> {
        self.lock().place_of(link)
    }

    /// The client has asked for this channel, and claims one of the session `former`, which may be parked, or still
    /// have a connection that is lost. If the claim is right and nothing is missing, `former` goes on with the
    /// connection of this session, which ends. Returns whether it does.
    ///
    /// It does not if the client has opened another channel here: that cannot move.
    pub(crate) fn hand_over(self: &Arc<Self>, number: u64, claim: &Claim, former: &Arc<Self>) -> bool {
        if Arc::ptr_eq(self, former) {
            return false;
        }
        // Whoever locks two sessions does it in the order of their addresses.
        let (mut inner, mut before);
        if self.address() < former.address() {
            inner = self.lock();
            before = former.lock();
        } else {
            before = former.lock();
            inner = self.lock();
        }
        let now = self.runtime.clock.now();
        let Some(Asking { namespace, alone }) = inner.asking(number) else { return false };
        if !before.is_right(claim, &namespace, former) {
            return false;
        }
        // The client has left the connection that it had, if that has not been noticed.
        before.machine.cut(now, reason::REPLACED);
        former.note_parked(&mut before, now);
        let heard = if alone { before.heard(claim) } else { None };
        if let Some(heard) = heard {
            let links = former.take_over_from(&mut before, self, &mut inner, now);
            before.ask_again(&namespace);
            former.recover(&mut before, claim.channel, heard);
            for packet in inner.take_asked() {
                former.open_again(&mut before, &packet);
            }
            inner.leave_to(Moved { to: former.clone(), links });
        } else {
            before.give_up_channel(claim.channel);
            former.end_if_deserted(&mut before, now);
        }
        before.wake_links();
        before.wake_senders();
        former.settle(&mut before);
        inner.wake_receivers();
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
        heard.is_some()
    }

    /// Goes on with the connection of another session.
    fn take_over_from(
        &self,
        inner: &mut Inner,
        other: &SharedSession,
        others: &mut Inner,
        now: u64,
    ) -> Option<(LinkId, LinkId)> {
        let links = inner.machine.go_on_with(now, &mut others.machine);
        if let Some((_, here)) = links {
            inner.links.add(here);
        }
        (inner.counted, inner.held) = (std::mem::take(&mut others.counted), others.held.take());
        inner.credentials = Credentials::of_used(others.credentials.secret);
        self.runtime.unpark(inner.take_ticket());
        tracing::debug!(session = %self.id, connection = %other.id, "recovered");
        links
    }

    /// Sends the packet that opens a channel, and behind it what the client has missed. The reference sends the packet
    /// last. But events that come before it the client keeps, also when this connection breaks, and then it would have
    /// them twice.
    fn recover(&self, inner: &mut Inner, number: u64, heard: usize) {
        let Some(channel) = inner.channels.as_mut().and_then(|channels| channels.find(number)) else { return };
        channel.parked = None;
        let missed = channel.log.as_mut().map(|log| log.take_behind(heard));
        let Some(packet) = self.accepted(inner, number) else { return };
        inner.send_control(packet, self);
        for message in missed.into_iter().flatten() {
            // The log is bounded, and the outbox has no other bound for it.
            if let Err(error) = inner.machine.send_over_limit(message) {
                tracing::debug!(?error, "a message was not sent");
            }
        }
        self.runtime.count_recovery(true);
    }

    /// The client has asked for another channel on the connection with which the session goes on.
    fn open_again(&self, inner: &mut Inner, packet: &Packet) {
        let Ok(head) = Head::parse(packet.text()) else { return };
        inner.ask_again(head.namespace);
        inner.machine.keep_aside(packet.len());
        if !inner.open_channel(&head, packet, self) {
            inner.machine.release_aside(packet.len());
        }
    }

    /// The client asks on this connection for a channel that is parked. If it claims it and nothing is missing, the
    /// channel goes on. Otherwise it ends. Returns whether it goes on.
    pub(in crate::shared) fn recover_here(&self, inner: &mut Inner, head: &Head<'_>, number: u64) -> bool {
        let claim = Claim::read(head.data);
        let right = |claim: &&Claim| claim.channel == number && inner.is_right(claim, head.namespace, self);
        let heard = claim.as_ref().filter(right).and_then(|claim| inner.heard(claim));
        match heard {
            Some(heard) => self.recover(inner, number, heard),
            None => {
                inner.give_up_channel(number);
                if claim.is_some() {
                    self.runtime.count_recovery(false);
                }
            }
        }
        heard.is_some()
    }

    /// The pid of a channel, if it can be recovered.
    pub(in crate::shared) fn pid(&self, inner: &Inner, number: u64) -> Option<String> {
        inner.recovery().map(|recovery| pid(&self.public_id(), number, recovery.secret.simple()))
    }
}

/// A channel that waits for its opening, and whether no other one of the session has begun to open.
struct Asking {
    namespace: ByteString,
    alone: bool,
}

impl Inner {
    fn moved(&self) -> Option<&Moved> {
        self.channels.as_ref()?.moved.as_ref()
    }

    pub(in crate::shared) fn has_moved(&self) -> bool {
        self.moved().is_some()
    }

    pub(in crate::shared) fn moved_to(&self) -> Option<Arc<SharedSession>> {
        self.moved()?.to.clone().downcast().ok()
    }

    pub(in crate::shared) fn place_of(&self, link: LinkId) -> Option<Place> {
        let moved = self.moved()?;
        let (_, there) = moved.links.filter(|(before, _)| *before == link)?;
        Some((self.moved_to()?, there))
    }

    fn asking(&mut self, number: u64) -> Option<Asking> {
        if self.machine.close_reason().is_some() {
            return None;
        }
        let channels = self.channels.as_mut()?;
        let alone = channels.all.iter().all(|channel| channel.number == number || channel.asked.is_some());
        let channel = channels.find(number).filter(|channel| channel.is_opening())?;
        Some(Asking { namespace: channel.namespace.clone(), alone })
    }

    /// Whether a claim names a channel of this session that is open or parked, and shows its secret.
    fn is_right(&self, claim: &Claim, namespace: &str, session: &SharedSession) -> bool {
        let known = self.recovery().is_some_and(|recovery| matches(recovery.secret, &claim.secret));
        if !known || *claim.session != *session.public_id() || self.turn.is_ended() || self.forgotten {
            return false;
        }
        let closed = self.machine.close_reason().is_some();
        let Some(channels) = self.channels.as_ref().filter(|channels| !closed && !channels.ended) else { return false };
        let channel = channels.all.iter().find(|channel| channel.number == claim.channel);
        channel.is_some_and(|it| it.accepted && !it.over && it.namespace == *namespace)
    }

    /// The number of messages in the log of a channel that its client has, if the others are all there.
    fn heard(&self, claim: &Claim) -> Option<usize> {
        let channels = self.channels.as_ref()?;
        channels.all.iter().find(|channel| channel.number == claim.channel)?.log.as_ref()?.find(claim.last)
    }

    fn ask_again(&mut self, namespace: &str) {
        if let Some(connection) = self.channels.as_mut().and_then(|channels| channels.connection.as_deref_mut()) {
            connection.ask_again(namespace);
        }
    }

    /// The requests for channels that nobody has taken. No other opens.
    fn take_asked(&mut self) -> Vec<Packet> {
        let Some(channels) = &mut *self.channels else { return Vec::new() };
        channels.ended = true;
        std::mem::take(&mut channels.all).into_iter().filter_map(|channel| channel.asked).collect()
    }

    fn leave_to(&mut self, moved: Moved) {
        let Some(channels) = &mut *self.channels else { return };
        channels.moved = Some(moved);
        channels.wake_all();
    }
}
