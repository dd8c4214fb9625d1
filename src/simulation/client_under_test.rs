//! A client half as its driver sees it. The Rust machine is here, the shipped JavaScript machine in
//! `js_client.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    coverage::{Coverage, What},
    events::{Way, event_of},
    packet::{Codec, Packet, frame_size},
};
use crate::{
    broadcast::OutMessage,
    codec::native::{Head, Spelling},
    payload::Payload,
    session::{
        Arrival, Attach, Attached, CloseReason, Config, Frame, Grant, LinkId, Machine, Role, SendError, State,
        machine::Event, tests::saboteur::Saboteur,
    },
};

/// The calls of a driver to a client half. A link is named by the number that `attach` gave.
pub(crate) trait ClientUnderTest {
    fn attach(
        &mut self,
        now: u64,
        attach: Attach,
        spelling: Option<Spelling>,
        cover: &mut Coverage,
    ) -> Result<LinkId, CloseReason>;
    fn detach(&mut self, now: u64, link: LinkId, cover: &mut Coverage);
    fn retire(&mut self, now: u64, ordinal: u64, cover: &mut Coverage);
    /// Takes what arrived on a link. Nothing is read after a violation.
    fn receive(&mut self, now: u64, link: LinkId, packet: Packet, cover: &mut Coverage);
    /// The next packet of a link, about `limit` bytes at most; `None` if there is no frame and no head to
    /// send.
    fn transmit(&mut self, now: u64, link: LinkId, head: Option<Head>, limit: usize) -> Option<Packet>;
    fn timeout(&mut self, now: u64, cover: &mut Coverage);
    fn deadline(&self) -> Option<u64>;
    fn send(&mut self, message: OutMessage, cover: &mut Coverage) -> Result<(), SendError>;
    fn send_droppable(&mut self, now: u64, message: OutMessage, cover: &mut Coverage) -> Result<bool, SendError>;
    /// Whether a message that was skipped has a number, so that the other half learns of it.
    fn numbers_skipped(&self) -> bool;
    fn flush(&mut self, cover: &mut Coverage);
    fn close(&mut self, now: u64, reason: CloseReason, cover: &mut Coverage);
    fn abort(&mut self, now: u64, reason: CloseReason, cover: &mut Coverage);
    fn arrival(&mut self) -> Option<Arrival>;
    fn event(&mut self) -> Option<Event>;
    fn state(&self) -> State;
    fn closed(&self) -> Option<CloseReason>;
    fn link_is_over(&self, link: LinkId) -> bool;
    fn wants_upload(&self) -> bool;
    fn seen(&self, ordinal: u64) -> bool;
    fn carrier(&self) -> Option<u64>;
    fn received(&self) -> u64;
    fn acknowledged(&self) -> u64;
    fn unacknowledged(&self) -> usize;
    /// The highest number that was ever put on a link.
    fn last_sent(&self) -> u64;
    /// The grant of the server when the session opened.
    fn grant(&self) -> Option<&Grant>;
    /// The messages that are left of a lost session. The half is of no use afterwards.
    fn salvage(&mut self) -> (Vec<Payload>, Vec<Payload>);
}

/// The Rust machine in the client's role.
#[derive(Debug)]
pub(crate) struct RustHalf {
    machine: Saboteur,
    codecs: BTreeMap<LinkId, Codec>,
    grant: Option<Box<Grant>>,
    last_sent: u64,
    /// The links that are not read any more.
    unread: BTreeSet<LinkId>,
    config: Config,
    /// It takes over the session of another page, and has not got it yet.
    follows: bool,
}

impl RustHalf {
    /// `heritage`: the last number that the page before has received whose session this one takes over.
    pub(crate) fn new(mut machine: Saboteur, config: Config, heritage: Option<u64>) -> Self {
        if let Some(received) = heritage {
            machine.follow(received);
        }
        RustHalf {
            follows: heritage.is_some(),
            machine,
            codecs: BTreeMap::new(),
            grant: None,
            last_sent: config.base,
            unread: BTreeSet::new(),
            config,
        }
    }

    fn note(&self, cover: &mut Coverage, what: What) {
        cover.pair(Role::Client, self.machine.state(), what);
    }

    /// Whether this answers the attach with another session than ours: the opening has reached a server that
    /// had forgotten the first one.
    fn is_of_another(&mut self, frame: &Frame) -> bool {
        let Frame::Attached(start) = frame else { return false };
        let Some(grant) = &start.grant else { return false };
        self.grant.get_or_insert_with(|| grant.clone()).id != grant.id
    }
}

impl ClientUnderTest for RustHalf {
    fn attach(
        &mut self,
        now: u64,
        attach: Attach,
        spelling: Option<Spelling>,
        cover: &mut Coverage,
    ) -> Result<LinkId, CloseReason> {
        let state = self.machine.state();
        let result = self.machine.attach(now, attach);
        cover.pair(Role::Client, state, if result.is_ok() { What::Attach } else { What::AttachRefused });
        let id = result?;
        self.codecs.insert(id, Codec::new(spelling));
        Ok(id)
    }

    fn detach(&mut self, now: u64, link: LinkId, cover: &mut Coverage) {
        self.note(cover, What::Detach);
        self.codecs.remove(&link);
        self.machine.detach(now, link);
    }

    fn retire(&mut self, _: u64, ordinal: u64, cover: &mut Coverage) {
        self.note(cover, What::Retire);
        self.machine.retire(ordinal);
    }

    fn receive(&mut self, now: u64, link: LinkId, packet: Packet, cover: &mut Coverage) {
        let Some(codec) = self.codecs.get_mut(&link).filter(|_| !self.unread.contains(&link)) else { return };
        let half = packet.half.clone();
        let (_, frames) = codec.decode(packet).expect("the wire corrupts nothing");
        for frame in frames {
            if let Frame::Attached(Attached { secret: Some(secret), .. }) = &frame
                && let Some(grant) = &mut self.grant
            {
                grant.secret = (&**secret).into();
            }
            if self.is_of_another(&frame) {
                self.machine.end(now, link, CloseReason::new(4004, "another session"));
                self.unread.insert(link);
                return;
            }
            if let Frame::Attached(start) = &frame
                && std::mem::take(&mut self.follows)
            {
                self.machine.number_from(start.received);
                self.last_sent = start.received;
            }
            // Frames on a link that was pushed out say nothing of the state.
            if !self.machine.is_superseded(link) {
                self.note(cover, What::of(&frame));
            }
            let (before, event) = (self.machine.received(), event_of(&frame));
            let live = self.machine.reads(link);
            let result = self.machine.handle_frame(now, link, frame);
            if let Some((number, event)) = event.filter(|_| live) {
                cover.fates.arrived(Way::Down, number, &event, before, self.machine.received());
            }
            if result.is_err() {
                self.note(cover, What::Violation);
                self.unread.insert(link);
                return;
            }
        }
        if let Some(half) = half {
            self.machine.cut_in_event(now, link, &half);
        }
    }

    fn transmit(&mut self, now: u64, link: LinkId, head: Option<Head>, limit: usize) -> Option<Packet> {
        let (mut frames, mut size) = (Vec::new(), 0);
        while size < limit
            && let Some(frame) = self.machine.poll_transmit(now, link)
        {
            size += frame_size(&frame);
            match &frame {
                Frame::Message { number, .. } | Frame::Close { number, .. } => {
                    self.last_sent = self.last_sent.max(*number)
                }
                Frame::Gap { to, .. } => self.last_sent = self.last_sent.max(*to),
                _ => {}
            }
            frames.push(frame);
        }
        if frames.is_empty() && head.is_none() {
            return None;
        }
        Some(self.codecs.get_mut(&link).expect("an attached link has a codec").encode(head, frames))
    }

    fn timeout(&mut self, now: u64, cover: &mut Coverage) {
        self.note(cover, What::Timeout);
        self.machine.handle_timeout(now);
    }

    fn deadline(&self) -> Option<u64> {
        if self.machine.is_over() { None } else { self.machine.poll_timeout() }
    }

    fn send(&mut self, message: OutMessage, cover: &mut Coverage) -> Result<(), SendError> {
        let result = self.machine.send(message);
        self.note(cover, if result == Err(SendError::Full) { What::SendFull } else { What::Send });
        result
    }

    fn send_droppable(&mut self, now: u64, message: OutMessage, cover: &mut Coverage) -> Result<bool, SendError> {
        self.note(cover, What::SendDroppable);
        self.machine.send_droppable(now, message)
    }

    fn numbers_skipped(&self) -> bool {
        true
    }

    fn flush(&mut self, cover: &mut Coverage) {
        self.note(cover, What::Flush);
        self.machine.flush();
    }

    fn close(&mut self, _: u64, reason: CloseReason, cover: &mut Coverage) {
        self.note(cover, What::CloseCalled);
        self.machine.close(reason);
    }

    fn abort(&mut self, now: u64, reason: CloseReason, cover: &mut Coverage) {
        self.note(cover, What::Abort);
        self.machine.abort(now, reason);
    }

    fn arrival(&mut self) -> Option<Arrival> {
        self.machine.poll_arrival()
    }

    fn event(&mut self) -> Option<Event> {
        self.machine.poll_event()
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn closed(&self) -> Option<CloseReason> {
        self.machine.closed().cloned()
    }

    fn link_is_over(&self, link: LinkId) -> bool {
        self.machine.link_is_over(link)
    }

    fn wants_upload(&self) -> bool {
        self.machine.wants_upload()
    }

    fn seen(&self, ordinal: u64) -> bool {
        self.machine.seen(ordinal)
    }

    fn carrier(&self) -> Option<u64> {
        self.machine.carrier()
    }

    fn received(&self) -> u64 {
        self.machine.received()
    }

    fn acknowledged(&self) -> u64 {
        self.machine.acknowledged()
    }

    fn unacknowledged(&self) -> usize {
        self.machine.unacknowledged()
    }

    fn last_sent(&self) -> u64 {
        self.last_sent
    }

    fn grant(&self) -> Option<&Grant> {
        self.grant.as_deref()
    }

    fn salvage(&mut self) -> (Vec<Payload>, Vec<Payload>) {
        let spent = Saboteur::new(Machine::new(self.config, 0), None);
        std::mem::replace(&mut self.machine, spent).into_inner().salvage()
    }
}
