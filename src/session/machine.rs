//! One half of a session.
//!
//! Two rules carry the promise: a half takes only the next number that it lacks, from whatever link brings it; a half
//! that moves to a link starts there at the first number that is not acknowledged, and says so.

use std::collections::VecDeque;

use super::{
    frame::CloseReason,
    heartbeat::Heartbeat,
    inbox::{Arrival, FlowState, Inbox},
    links::{LinkId, Links},
    outbox::{Body, Outbox},
    reason,
    rules::{Delivery, Rules},
    stream_probe::StreamProbe,
};
use crate::message::OutMessage;

/// Which half. Apart from opening, attaching and heartbeats they are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What a machine is given at birth. Times in milliseconds, sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) role: Role,
    /// What the family of the client expects.
    pub(crate) rules: &'static Rules,
    /// Server: ping after so long without traffic.
    pub(crate) interval: u64,
    /// Silence after a ping means that the link is dead.
    pub(crate) timeout: u64,
    /// A session without a link is kept so long; an ended one is remembered so long.
    pub(crate) grace: u64,
    /// A link must be proven within this time.
    pub(crate) confirm_timeout: u64,
    pub(crate) inbox: usize,
    pub(crate) outbox: usize,
    /// The first message in each direction has the number `base + 1`; 0 outside tests.
    pub(crate) base: u64,
}

/// Where the session's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// Client: no start was heard yet.
    Opening,
    /// At least one link is attached.
    Open,
    /// No link is attached.
    Interrupted,
    /// We have closed, and the other half has not acknowledged it.
    Closing,
    /// Over; acknowledges what comes late.
    Closed,
}

/// What the driver of a client must know. The server half tells by its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first start was heard.
    Opened,
    /// The other half does not know the session any more.
    Lost(CloseReason),
    /// The server goes away; make a new link after this many milliseconds.
    GoAway(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The outbox is full.
    Full,
    /// The session is closed, or closing.
    Closed,
    /// All numbers are used up.
    Exhausted,
}

/// The state of one half. Methods are getters, `handle_*` and attach/detach (what the network or the clock did),
/// commands (`send`, `close`, ...: what the application wants) and `poll_*` (what the caller must do now).
///
/// After anything that changes it the caller polls: the links for frames, the application for arrivals, the timekeeper
/// for the deadline.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(super) config: Config,
    pub(super) outbox: Outbox,
    pub(super) inbox: Inbox,
    pub(super) links: Links,
    pub(super) heartbeat: Heartbeat,
    /// Made with the first stream: most sessions never have one.
    pub(super) stream_probe: Option<Box<StreamProbe>>,
    /// What the other half last said of holding and going on.
    pub(super) flow_received: FlowState,
    pub(super) opened: bool,
    /// We have closed.
    pub(super) closing: Option<CloseReason>,
    pub(super) closed: Option<CloseReason>,
    /// Not acknowledged when the session closed.
    pub(super) unacknowledged: usize,
    /// Since when no link is attached, or the session is closed.
    pub(super) detached_since: u64,
    /// Attaches that have begun and hold off the end of grace.
    pub(super) pending_attaches: u32,
    /// An attach was refused since a link was last attached: its client is there, so grace begins anew.
    pub(super) refused: bool,
    /// The last stage that was said, on whatever link.
    pub(super) flow_sent: FlowState,
    pub(super) pong_due: Option<u64>,
    pub(super) probe_due: bool,
    pub(super) aborted_here: bool,
    /// An abort must be said.
    pub(super) abort_due: bool,
    pub(super) go_away_due: Option<u64>,
    pub(super) events: VecDeque<Event>,
    pub(super) links_need_wake: bool,
    pub(super) over: bool,
}

// Getters.
impl Machine {
    pub(crate) fn new(config: Config, now: u64) -> Self {
        Machine {
            config,
            outbox: Outbox::new(config.base, config.outbox),
            inbox: Inbox::new(config.base, config.inbox, config.rules.delivery),
            links: Links::new(),
            heartbeat: Heartbeat::new(config.interval, config.timeout, now),
            stream_probe: None,
            flow_received: FlowState::START,
            flow_sent: FlowState::START,
            opened: config.role == Role::Server,
            closing: None,
            closed: None,
            unacknowledged: 0,
            detached_since: now,
            pending_attaches: 0,
            refused: false,
            pong_due: None,
            probe_due: false,
            aborted_here: false,
            abort_due: false,
            go_away_due: None,
            events: VecDeque::new(),
            links_need_wake: false,
            over: false,
        }
    }

    pub(crate) fn state(&self) -> State {
        match () {
            () if self.closed.is_some() => State::Closed,
            () if self.closing.is_some() => State::Closing,
            () if !self.opened => State::Opening,
            () if self.links.any_attached() => State::Open,
            () => State::Interrupted,
        }
    }

    /// Why the session is closed.
    pub(crate) fn closed(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    /// Nothing more can happen; the caller forgets the session.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn received(&self) -> u64 {
        self.inbox.received()
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.outbox.acked()
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.outbox.last()
    }

    pub(crate) fn outbox_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Bytes in both boxes.
    pub(crate) fn buffered(&self) -> usize {
        self.inbox.bytes() + self.outbox.bytes()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inbox.flow().is_paused()
    }

    /// Whether, since last asked, something happened that concerns links other than the one that brought it.
    pub(crate) fn take_links_need_wake(&mut self) -> bool {
        std::mem::take(&mut self.links_need_wake)
    }

    pub(crate) fn outbox_fits(&self, length: usize) -> bool {
        self.outbox.fits(length)
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.inbox.len()
    }

    /// Messages that the other half has not acknowledged; after the end, those it never did.
    pub(crate) fn unacknowledged(&self) -> usize {
        if self.closed.is_some() { self.unacknowledged } else { self.outbox.unacknowledged() }
    }

    /// Milliseconds of the last heartbeat's round trip.
    pub(crate) fn rtt(&self) -> Option<u64> {
        self.heartbeat.rtt()
    }

    /// Whether the client's path keeps no idle request open, so that the client must poll without waiting.
    pub(crate) fn idle_limit_is_zero(&self) -> bool {
        self.heartbeat.idle_limit.is_zero()
    }

    /// Why the transport shall give the link up though it cannot say all that it has.
    pub(crate) fn link_ending(&self, id: LinkId) -> Option<CloseReason> {
        let aborted = self.closed.as_ref().filter(|reason| self.over || matches!(reason.code / 100, 40 | 43));
        match self.links.get(id) {
            None => Some(reason::REPLACED),
            Some(_) if aborted.is_some() => aborted.cloned(),
            Some(link) => link.ending.clone(),
        }
    }

    /// Whether the transport shall flush what it has and drop the link.
    pub(crate) fn link_is_over(&self, id: LinkId) -> bool {
        self.links.get(id).is_none_or(|link| link.finished || !link.attached)
    }

    /// The ordinal of the proven link that carries.
    pub(crate) fn carrier(&self) -> Option<u64> {
        self.links.carrier()
    }
}

// What the application wants.
impl Machine {
    /// Numbers a message and keeps it until it is acknowledged.
    pub(crate) fn send(&mut self, message: OutMessage) -> Result<(), SendError> {
        self.may_send()?;
        if !self.outbox.fits(message.as_message().len()) {
            return Err(SendError::Full);
        }
        self.outbox.push(Body::Message(message));
        Ok(())
    }

    /// As [`send`](Self::send), but leaves a gap where there is no room. Returns whether there was. The gap is reported where messages
    /// are numbered.
    pub(crate) fn send_droppable(&mut self, message: OutMessage) -> Result<bool, SendError> {
        match self.send(message) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => {
                if self.is_numbered() {
                    self.outbox.push_gap();
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the other half to acknowledge all that was sent so far.
    pub(crate) fn flush(&mut self) {
        self.outbox.request_ack();
    }

    /// Closes behind all that was sent. Closing twice is no error; the first reason stands.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.closed.is_none() && self.closing.is_none() {
            self.closing = Some(reason.clone());
            self.outbox.push(Body::Close(Box::new(reason)));
            self.outbox.request_ack();
        }
    }

    /// Ends the session at once; what is under way is lost.
    pub(crate) fn abort(&mut self, now: u64, reason: CloseReason) {
        self.aborted_here |= self.closed.is_none();
        self.abort_due = self.aborted_here;
        self.finish(now, reason);
    }

    /// Server: asks the client to make a new link after `delay` milliseconds. A session that ends with its link is closed instead.
    pub(crate) fn go_away(&mut self, delay: u64) {
        if self.config.rules.cut_ends {
            self.close(reason::GOING_AWAY);
        } else {
            self.go_away_due = Some(delay);
        }
    }
}

impl Machine {
    /// What came next in order.
    pub(crate) fn poll_arrival(&mut self) -> Option<Arrival> {
        self.inbox.pop()
    }

    fn may_send(&self) -> Result<(), SendError> {
        if self.closed.is_some() || self.closing.is_some() {
            Err(SendError::Closed)
        } else if self.outbox.exhausted() {
            Err(SendError::Exhausted)
        } else {
            Ok(())
        }
    }

    /// Whether messages are numbered and acknowledged.
    pub(super) fn is_numbered(&self) -> bool {
        self.config.rules.delivery == Delivery::UntilAcknowledged
    }

    pub(super) fn finish(&mut self, now: u64, reason: CloseReason) {
        self.links_need_wake = true;
        if self.closed.is_none() {
            self.unacknowledged = self.outbox.unacknowledged();
            self.outbox.clear();
            self.closed = Some(reason);
            self.detached_since = now;
        }
    }
}
