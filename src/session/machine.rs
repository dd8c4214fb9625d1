//! One half of a session.
//!
//! Two rules carry the promise. A half takes only the next number that it lacks, whichever link brings it. A
//! half that moves to another link starts there at the first number that is not acknowledged, and sends that
//! number.

use std::{collections::VecDeque, sync::Arc};

use super::{
    droppable::Droppables,
    frame::{CloseReason, Names},
    heartbeat::Heartbeat,
    inbox::{Arrival, FlowState, Inbox},
    links::{LinkId, Links},
    outbox::Outbox,
    rate::Rate,
    reason,
    rules::{Delivery, Rules, Takes},
    stream_probe::StreamProbe,
};
use crate::{broadcast::OutMessage, config::Transport, seldom::Seldom};

/// Which half of a session a machine is. Both work alike, except that they open, attach and ping differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// The parameters of a machine. Times are milliseconds, sizes are bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) role: Role,
    /// The rules of this session's family of clients.
    pub(crate) rules: &'static Rules,
    /// Server: the time without traffic after which it pings.
    pub(crate) interval: u64,
    /// The time after a ping in which something must come; otherwise the link is dead.
    pub(crate) timeout: u64,
    /// How long a session without a link is kept, and an ended one remembered.
    pub(crate) grace: u64,
    /// A link must be confirmed within this time.
    pub(crate) confirm_timeout: u64,
    pub(crate) inbox: usize,
    pub(crate) outbox: usize,
    /// Above so many unacknowledged bytes droppable messages are skipped in any case.
    pub(crate) droppable_mark: usize,
    /// An outbox with no more than this may be kept without progress, and when memory is short.
    pub(crate) floor: usize,
    /// The messages that the client can be sent.
    pub(crate) takes: Takes,
    /// The first message in each direction has the number `base + 1`; 0 outside tests.
    pub(crate) base: u64,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// Client: no attach was answered yet.
    Opening,
    /// At least one link is attached.
    Open,
    /// No link is attached.
    Interrupted,
    /// This half has closed, and the other half has not acknowledged it.
    Closing,
    /// The session has ended. This half still acknowledges what comes late.
    Closed,
}

/// The time since which an outbox has made no progress, while it is not above the floor.
pub(super) const NEVER: u64 = u64::MAX;

/// No id of a ping: those of our protocol are numbers of its own range, and that of Engine.IO is the last of all.
pub(super) const NO_PING: u64 = u64::MAX - 1;

/// A change that the driver of a client must know. A server's driver reads the state instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first attach was answered.
    Opened,
    /// The other half does not know the session any more.
    Lost(CloseReason),
    /// The server goes away. The client makes a new link after this many milliseconds.
    GoAway(u64),
}

/// The server goes away: the client is to make a new link after so many milliseconds. No link below this ordinal may say so.
#[derive(Debug)]
pub(super) struct GoAway {
    pub(super) delay: u64,
    pub(super) ordinal: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The outbox is full.
    Full,
    /// The session is closed, or closing.
    Closed,
    /// All numbers are used up.
    Exhausted,
    /// The client takes no bytes.
    NoBytes,
}

/// The state of one half of a session.
///
/// The machine does nothing by itself: it has no clock, no socket and no task. Its methods are of four kinds:
///
/// * **Getters** such as [`state`](Self::state) change nothing.
/// * **Input** is what the network or the clock did: [`attach`](Self::attach), [`detach`](Self::detach),
///   [`handle_frame`](Self::handle_frame), [`end`](Self::end), [`handle_timeout`](Self::handle_timeout).
/// * **Commands** are what the application wants: [`send`](Self::send), [`flush`](Self::flush),
///   [`close`](Self::close), [`abort`](Self::abort), [`go_away`](Self::go_away).
/// * **Output** is what the caller must do now: [`transmit`](Self::transmit) for each link,
///   [`poll_arrival`](Self::poll_arrival) for the application, [`poll_timeout`](Self::poll_timeout) for the
///   clock.
///
/// # Order of polling
///
/// After any input or command the caller asks for output; the order of the three does not matter. A link is
/// asked until it has nothing more; if then [`link_is_over`](Self::link_is_over), the transport flushes,
/// drops the link and calls `detach`. Input on one link can give another link something to send:
/// [`take_links_need_wake`](Self::take_links_need_wake) returns `true` then, and all links must be asked.
/// Once [`closed`](Self::closed) has a reason, what is left in the inbox can still be received, and links
/// that attach are still answered. Once [`is_over`](Self::is_over), the caller forgets the machine.
///
/// A violation in a frame ends the link that brought it, never the session: the client makes a new link.
/// Under [`Rules::cut_ends`] the end of the link is the end of the session.
///
/// # Time
///
/// `now` is milliseconds since some fixed moment and never decreases from call to call. `handle_timeout` may
/// be called at any time; it does what is due and is late without harm, since a machine that slept gives the
/// other half a second chance before it judges. A deadline can come nearer only by `attach`, `detach`,
/// `cancel_attach`, `abort` and `handle_timeout`, by a frame or an `end` after which `take_links_need_wake`
/// or [`take_deadline_is_nearer`](Self::take_deadline_is_nearer) is `true`, and by a `transmit` that gave a
/// [`Frame::Ping`](super::Frame::Ping) or `AckRequest`, or that ended the session. After these the caller asks
/// `poll_timeout` again. After all else (above all `send`, messages and acknowledgements) an old deadline is
/// early at worst, which does no harm.
///
/// # Order of the fields
///
/// A message to a room is sent in each of its sessions, and their memory is not in the processor's caches. So the fields
/// that it needs lie together, behind them those that the link needs which writes it, and then all others.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Machine {
    pub(super) config: Arc<Config>,
    /// This half has closed, with this reason. The reasons are boxed because a live session has none.
    pub(super) closing: Option<Box<CloseReason>>,
    pub(super) closed: Option<Box<CloseReason>>,
    /// It is made with the first droppable message that does not go out at once.
    pub(super) droppables: Option<Box<Droppables>>,
    /// Since when an outbox above the floor has made no progress; `NEVER` while the clock does not run.
    pub(super) stalled_since: u64,
    pub(super) outbox: Outbox,
    pub(super) inbox: Inbox,
    pub(super) links: Links,
    /// It is made with the first stream: most sessions never have one.
    pub(super) stream_probe: Option<Box<StreamProbe>>,
    /// The last pause or resume that the other half has sent.
    pub(super) flow_received: FlowState,
    /// The id of the ping that is to be answered; `NO_PING` if none is.
    pub(super) pong_due: u64,
    /// A go away that is due.
    pub(super) go_away_due: Option<Box<GoAway>>,
    /// When an acknowledgement is due of what was taken, while the inbox [owes one](Inbox::owes_ack).
    pub(super) ack_at: u64,
    pub(super) probe_due: bool,
    /// The names of the client's last attach.
    pub(super) names: Names,
    /// The transport of the link that carries; between two links, of the last that did.
    pub(super) transport: Transport,
    pub(super) links_need_wake: bool,
    pub(super) deadline_is_nearer: bool,
    pub(super) opened: bool,
    pub(super) aborted_here: bool,
    pub(super) abort_due: bool,
    pub(super) heartbeat: Heartbeat,
    /// Where messages are not acknowledged: the bytes sent since anything was received, at most as many as the
    /// outbox may hold. They may still be on the way.
    pub(super) unanswered: usize,
    /// How fast messages are taken, if there is a limit.
    pub(super) rate: Option<Box<Rate>>,
    /// How many messages were not acknowledged when the session closed.
    pub(super) unacknowledged: usize,
    /// The time since which no link is attached, or the session is closed.
    pub(super) detached_since: u64,
    /// The time in which a slow line brings what the last answer left on the way. Grace begins behind it.
    pub(super) under_way: u64,
    /// When the last attach ended that had begun.
    pub(super) attach_ended: u64,
    /// The last pause or resume that was sent on any link.
    pub(super) flow_sent: FlowState,
    pub(super) events: Seldom<VecDeque<Event>>,
    /// Why the session was cut that is parked.
    pub(super) parked: Option<Box<CloseReason>>,
    /// How many attaches have begun that hold off the end of grace.
    pub(super) pending_attaches: u32,
    /// An attach was refused since a link was last attached. Its client exists, so grace begins anew.
    pub(super) refused: bool,
    /// An upload of an Engine.IO session is coming in.
    pub(super) uploading: bool,
    /// The client has closed while no poll waited: a poll that it has sent before is answered empty.
    pub(super) farewell_due: bool,
    /// A cut parks the session.
    pub(super) parks: bool,
    /// Another machine goes on with the session.
    pub(super) given: bool,
    pub(super) over: bool,
}

// Getters.
impl Machine {
    pub(crate) fn new(config: impl Into<Arc<Config>>, now: u64) -> Self {
        let config = config.into();
        Machine {
            outbox: Outbox::new(config.base, config.outbox),
            droppables: None,
            inbox: Inbox::new(config.base, config.inbox, config.rules.delivery),
            rate: None,
            links: Links::new(),
            transport: Transport::WebSocket,
            heartbeat: Heartbeat::new(config.rules.heartbeat, config.interval, config.timeout, now),
            stream_probe: None,
            flow_received: FlowState::START,
            flow_sent: FlowState::START,
            names: Names::default(),
            opened: config.role == Role::Server,
            closing: None,
            closed: None,
            unacknowledged: 0,
            detached_since: now,
            under_way: 0,
            pending_attaches: 0,
            attach_ended: now,
            refused: false,
            ack_at: 0,
            deadline_is_nearer: false,
            pong_due: NO_PING,
            probe_due: false,
            aborted_here: false,
            abort_due: false,
            go_away_due: None,
            events: Seldom::default(),
            links_need_wake: false,
            unanswered: 0,
            stalled_since: NEVER,
            uploading: false,
            farewell_due: false,
            parks: false,
            parked: None,
            given: false,
            over: false,
            config,
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
        self.closed.as_deref()
    }

    /// Why the session is closed or, after this half's close, why it will be.
    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.closed.as_deref().or(self.closing.as_deref())
    }

    /// Whether nothing more can happen. The caller then forgets the session.
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

    pub(crate) fn is_paused(&self) -> bool {
        self.inbox.flow().is_paused()
    }

    /// Whether something has happened, since the last call, that concerns links other than the one that
    /// brought it.
    pub(crate) fn take_links_need_wake(&mut self) -> bool {
        std::mem::take(&mut self.links_need_wake)
    }

    pub(crate) fn outbox_fits(&self, length: usize) -> bool {
        self.outbox.fits(length)
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.inbox.len()
    }

    /// How many messages the other half has not acknowledged; after the end, how many it never did.
    pub(crate) fn unacknowledged(&self) -> usize {
        if self.closed.is_some() { self.unacknowledged } else { self.outbox.unacknowledged() + self.values_waiting() }
    }

    /// Whether the link is no part of the session any more.
    pub(crate) fn link_is_gone(&self, id: LinkId) -> bool {
        self.links.get(id).is_none()
    }

    /// The transport of the link that carries. Before a link is confirmed it is that of the last one.
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// The ordinal of the confirmed link that carries.
    pub(crate) fn carrier(&self) -> Option<u64> {
        self.links.carrier()
    }
}

// Commands.
impl Machine {
    /// Requests an acknowledgement of all that was sent so far. Values that wait get their numbers now.
    pub(crate) fn flush(&mut self) {
        self.number_all();
        self.outbox.request_ack();
    }

    /// Closes the session behind all that was sent. A second close changes nothing.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.closed.is_none() && self.closing.is_none() {
            self.closing = Some(Box::new(reason.clone()));
            self.number_all();
            self.number_skipped();
            self.outbox.push_close(reason);
            self.outbox.request_ack();
        }
    }

    /// Ends the session at once. Messages that are under way are lost.
    pub(crate) fn abort(&mut self, now: u64, reason: CloseReason) {
        self.aborted_here |= self.closed.is_none();
        self.abort_due = self.aborted_here;
        self.finish(now, reason);
    }

    /// Server: asks the client to make a new link after `delay` milliseconds, once a link of this ordinal or of
    /// a higher one carries. A session that ends with its link is closed instead.
    pub(crate) fn go_away(&mut self, delay: u64, ordinal: u64) {
        if self.config.rules.cut_ends {
            self.close(reason::GOING_AWAY);
        } else {
            self.go_away_due = Some(Box::new(GoAway { delay, ordinal }));
            // The client must know what has arrived before it makes its new link.
            self.inbox.request_ack();
        }
    }
}

// Output, and the functions that the other files of the machine share.
impl Machine {
    /// Takes the next message or gap from the inbox.
    pub(crate) fn poll_arrival(&mut self) -> Option<Arrival> {
        self.inbox.pop()
    }

    /// Gives a message the next number, behind the gap of what was skipped before.
    pub(super) fn push(&mut self, message: OutMessage) {
        self.number_skipped();
        self.outbox.push(message);
    }

    pub(super) fn may_send(&self) -> Result<(), SendError> {
        if self.closed.is_some() || self.closing.is_some() {
            Err(SendError::Closed)
        } else if self.outbox.exhausted(self.skipped()) {
            Err(SendError::Exhausted)
        } else {
            Ok(())
        }
    }

    /// When a session without a link ends.
    pub(super) fn grace_end(&self) -> u64 {
        self.detached_since + self.under_way + self.grace()
    }

    /// Whether messages are numbered and acknowledged.
    pub(super) fn is_numbered(&self) -> bool {
        self.config.rules.delivery == Delivery::UntilAcknowledged
    }

    pub(super) fn finish(&mut self, now: u64, reason: CloseReason) {
        self.links_need_wake = true;
        if self.closed.is_none() {
            self.parked = None;
            self.unacknowledged = self.unacknowledged();
            self.outbox.clear();
            self.droppables = None;
            self.closed = Some(Box::new(reason));
            self.detached_since = now;
        }
    }
}
