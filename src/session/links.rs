//! The links of a session: which are attached, which are confirmed, and which one carries.

use smallvec::SmallVec;

use super::frame::{CloseReason, Names, Outcome};
use super::inbox::FlowState;
use super::reason;
use crate::config::Transport;

/// Upper bound on the links of a session. No honest client needs more; above it the lowest link ends.
const MAX_LINKS: usize = 8;

/// A pause or resume is sent on this many turns of a link, since all but one of the answers may be lost.
const FLOW_TURNS: u8 = 3;

/// A link that waits for nothing which has a time.
pub(super) const NO_DEADLINE: u64 = u64::MAX;

/// Names one attachment within its session. No id is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(super) u32);

/// The kind of a link: the directions that it carries, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// It carries both ways until it is cut.
    Duplex,
    /// The first request of a link with turns: it carries the first messages up and one flush down.
    Opening,
    /// It carries one answer down, after at most `hold` milliseconds.
    Poll { hold: u64 },
    /// It carries down until its budget is spent.
    Stream,
    /// It carries one body up and one acknowledgement down.
    Upload,
}

impl LinkKind {
    /// Whether the link is a sequence of requests, so that it lives on between them.
    pub(crate) fn has_turns(self) -> bool {
        matches!(self, LinkKind::Opening | LinkKind::Poll { .. } | LinkKind::Stream)
    }

    /// Whether it carries one flush down, which ends it.
    pub(crate) fn has_one_flush(self) -> bool {
        matches!(self, LinkKind::Opening | LinkKind::Poll { .. })
    }

    /// Whether it stays open long enough to need a heartbeat.
    pub(crate) fn needs_heartbeat(self) -> bool {
        matches!(self, LinkKind::Duplex | LinkKind::Stream)
    }

    pub(crate) fn carries_down(self) -> bool {
        !matches!(self, LinkKind::Upload)
    }

    pub(crate) fn carries_up(self) -> bool {
        matches!(self, LinkKind::Duplex | LinkKind::Opening | LinkKind::Upload)
    }
}

/// How to attach a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attach {
    pub(crate) ordinal: u64,
    pub(crate) turn: u64,
    pub(crate) kind: LinkKind,
    /// Server: the link opens the session.
    pub(crate) opening: bool,
    /// Server: the client has received the answer to an attach with this ordinal.
    pub(crate) seen: bool,
    /// Server: the last number that the client has received.
    pub(crate) received: u64,
    /// Server: the names that the client lists. `None` where a request has no place for them: those of the
    /// request before stay in force.
    pub(crate) names: Option<Names>,
}

/// The fields come in the order in which a message to a room needs them; see [`Machine`](super::machine::Machine).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    /// False between two turns.
    pub(crate) attached: bool,
    pub(crate) confirmed: bool,
    /// Nothing more is sent on it.
    pub(crate) finished: bool,
    /// Server: the link was silent for too long, or another one has replaced it. Its transport may notice
    /// that late.
    pub(crate) superseded: bool,
    /// The answer to the attach, until it is sent (server) or received (client).
    pub(crate) pending_outcome: Option<Outcome>,
    /// Client: a confirmation must be sent. Server: an upload, or a poll that requests an acknowledgement,
    /// must be answered.
    pub(crate) reply_due: bool,
    /// Server: an answer that waits for nothing more. It gets what there is to send, and ends.
    pub(crate) answer_due: bool,
    /// The client has [probed](super::Frame::Probe) it.
    pub(crate) probed: bool,
    /// It has sent a message, a gap or a close.
    pub(super) wrote: bool,
    /// Nothing is read on the link after a violation.
    pub(crate) ignores_input: bool,
    /// The last acknowledgement of a closed session was sent here.
    pub(crate) final_ack_sent: bool,
    /// The transport that made it, once it has attached.
    pub(crate) transport: Option<Transport>,
    /// On how many turns [`flow_turned`](Self::flow_turned) was sent.
    pub(crate) flow_turns: u8,
    pub(crate) kind: LinkKind,
    /// The next number to send here.
    pub(crate) next_to_send: u64,
    pub(crate) flow_sent: FlowState,
    /// Why it ends, until that is sent.
    pub(crate) ending: Option<Box<CloseReason>>,
    pub(crate) ack_request_sent_for: u64,
    pub(crate) ordinal: u64,
    /// The last acknowledgement that was sent here.
    pub(crate) last_ack_sent: u64,
    pub(crate) turn: u64,
    /// The pause or resume that the link has sent last.
    pub(crate) flow_turned: FlowState,
    /// When a poll is answered empty, or a link that is not confirmed is ended; [`NO_DEADLINE`] if it waits as it is.
    pub(crate) deadline: u64,
}

impl Link {
    pub(crate) fn end(&mut self, reason: CloseReason) {
        if !self.finished && self.ending.is_none() {
            self.ending = Some(Box::new(reason));
        }
    }

    /// Ends it because another link has its place, or it was silent for too long. It waits for nothing any more.
    pub(super) fn supersede(&mut self, reason: CloseReason) {
        self.end(reason);
        (self.superseded, self.deadline) = (true, NO_DEADLINE);
    }

    /// It has sent all up to this number.
    pub(super) fn wrote_up_to(&mut self, number: u64) {
        self.next_to_send = number + 1;
        self.wrote = true;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.attached && !self.finished && self.ending.is_none()
    }

    /// Whether a client would miss what was sent on it, were it gone now.
    pub(super) fn is_cut_if_gone(&self) -> bool {
        let answered = self.kind.has_turns() && (self.finished || self.answer_due);
        self.kind.carries_down() && self.confirmed && !self.superseded && !answered
    }

    /// Whether only its transport is to notice that it ends.
    fn is_ending(&self) -> bool {
        self.attached && !self.is_open()
    }
}

/// The links of a session. At most a handful, so a scan is the fastest look-up.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Links {
    /// One has its place here: a session has one over a WebSocket, and between two uploads one over HTTP.
    pub(super) all: SmallVec<[Link; 1]>,
    /// The highest ordinal that was ever confirmed: a lower one comes late.
    pub(super) highest_confirmed: u64,
    next: u32,
    /// Server: the client has shown that it received the secret, or that it needs none.
    pub(super) proven: bool,
}

impl Links {
    pub(crate) fn new() -> Self {
        Links { all: SmallVec::new(), highest_confirmed: 0, next: 0, proven: false }
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.all.iter().find(|link| link.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.all.iter_mut().find(|link| link.id == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.all.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.all.iter_mut()
    }

    /// Whether a link other than an upload is attached that is neither dead nor replaced.
    pub(crate) fn any_attached(&self) -> bool {
        self.all.iter().any(|link| link.attached && !link.superseded && link.kind.carries_down())
    }

    /// Whether the next turn of a link over HTTP may come.
    pub(crate) fn between_turns(&self) -> bool {
        self.all.iter().any(|link| link.kind.has_turns() && !link.attached)
    }

    /// Whether this ordinal and turn may attach: a higher pair may, an equal one is a duplicate, a lower one
    /// is late.
    pub(crate) fn admit(&self, ordinal: u64, turn: u64) -> Result<(), CloseReason> {
        if ordinal < self.highest_confirmed {
            return Err(reason::LATE);
        }
        match self.all.iter().find(|link| link.ordinal == ordinal && link.kind.carries_down()) {
            Some(link) if turn == link.turn => Err(reason::DUPLICATE),
            Some(link) if turn < link.turn || !link.kind.has_turns() => Err(reason::LATE),
            // The ordinal was confirmed and its link is gone: a WebSocket has no second turn.
            None if ordinal == self.highest_confirmed && ordinal > 0 => Err(reason::LATE),
            _ => Ok(()),
        }
    }

    /// Whether this is the turn that follows one that has ended.
    pub(crate) fn follows(&self, ordinal: u64, turn: u64) -> bool {
        let mut links = self.all.iter();
        links.any(|link| link.ordinal == ordinal && !link.attached && link.kind.has_turns() && link.turn + 1 == turn)
    }

    /// Adds a link, or the next turn of one. `next_to_send` is where it starts.
    pub(crate) fn add(&mut self, attach: Attach, next_to_send: u64, flow_sent: FlowState) -> &mut Link {
        self.next += 1;
        let mut confirmed = attach.kind == LinkKind::Upload;
        let (mut flow_turned, mut flow_turns) = (flow_sent, 0);
        let mut flow_sent = flow_sent;
        if attach.kind.carries_down() {
            if let Some(at) = self.all.iter().position(|link| link.ordinal == attach.ordinal && link.kind.has_turns()) {
                let before = self.all.remove(at);
                confirmed = before.confirmed;
                (flow_turned, flow_turns) = (before.flow_turned, before.flow_turns);
                // Otherwise every poll would repeat the pause or resume and be answered at once.
                if flow_turns >= FLOW_TURNS {
                    flow_sent = flow_turned;
                }
            }
            if self.all.iter().filter(|link| link.kind.carries_down() && !link.is_ending()).count() >= MAX_LINKS {
                self.end_lowest();
            }
        }
        self.all.reserve_exact(1);
        self.all.push(Link {
            id: LinkId(self.next),
            ordinal: attach.ordinal,
            turn: attach.turn,
            kind: attach.kind,
            attached: true,
            confirmed,
            pending_outcome: None,
            reply_due: false,
            next_to_send,
            flow_sent,
            flow_turned,
            flow_turns,
            ack_request_sent_for: 0,
            superseded: false,
            ending: None,
            last_ack_sent: 0,
            ignores_input: false,
            final_ack_sent: false,
            finished: false,
            answer_due: false,
            probed: false,
            wrote: false,
            transport: None,
            deadline: NO_DEADLINE,
        });
        self.all.last_mut().expect("a link was just pushed")
    }

    /// Adds a link that another session had, under an id of its own.
    pub(super) fn put(&mut self, link: Link) -> LinkId {
        self.next += 1;
        if link.confirmed {
            self.highest_confirmed = self.highest_confirmed.max(link.ordinal);
        }
        self.all.reserve_exact(1);
        self.all.push(Link { id: LinkId(self.next), ..link });
        LinkId(self.next)
    }

    /// The link is gone. A link with turns is kept for its next turn.
    pub(crate) fn detach(&mut self, id: LinkId) {
        let Some(at) = self.all.iter().position(|link| link.id == id) else { return };
        let link = &mut self.all[at];
        if link.kind.has_turns() && link.ordinal >= self.highest_confirmed {
            link.attached = false;
            link.finished = true;
            link.deadline = NO_DEADLINE;
        } else {
            self.all.remove(at);
        }
    }

    /// Gives unused memory back. An upload needs it again: this is for sessions that have none for long.
    pub(super) fn shrink(&mut self) {
        self.all.shrink_to_fit();
    }

    /// The link is confirmed, so links of lower ordinals are not needed any more. A server ends them. A
    /// client, whose new link may still break before the server has the confirmation, keeps them until
    /// `serve_until`.
    pub(crate) fn confirm(&mut self, id: LinkId, serve_until: Option<u64>) {
        let Some(link) = self.get_mut(id) else { return };
        if link.confirmed {
            return;
        }
        link.confirmed = true;
        // The handshake of a client that polls is confirmed as it is answered, which shows nothing of the client.
        self.proven |= link.kind != LinkKind::Opening;
        let Some(link) = self.get_mut(id) else { return };
        link.deadline = match link.kind {
            LinkKind::Poll { .. } => link.deadline,
            _ => NO_DEADLINE,
        };
        let ordinal = link.ordinal;
        if ordinal >= self.highest_confirmed {
            self.highest_confirmed = ordinal;
            self.retire_below(ordinal, serve_until);
        }
    }

    /// Ends all links but one and ignores their input: they belong to another page.
    pub(crate) fn fence(&mut self, but: LinkId) {
        self.all.retain(|link| link.id == but || link.attached);
        for link in self.all.iter_mut().filter(|link| link.id != but) {
            link.supersede(reason::TAKEN_OVER);
            (link.ignores_input, link.confirmed) = (true, false);
        }
    }

    /// The ordinal of the confirmed link that carries; `None` while every link carries.
    pub(crate) fn carrier(&self) -> Option<u64> {
        self.confirmed_downlinks().map(|link| link.ordinal).max()
    }

    /// Whether the link that carries is a sequence of requests, so that sending up needs uploads.
    pub(crate) fn carrier_has_turns(&self) -> bool {
        self.confirmed_downlinks().max_by_key(|link| link.ordinal).is_some_and(|link| link.kind.has_turns())
    }

    /// Whether this link carries data and the session's control frames.
    pub(crate) fn carries(&self, link: &Link) -> bool {
        link.is_open()
            && (link.kind == LinkKind::Upload || self.carrier().is_none_or(|ordinal| ordinal == link.ordinal))
    }

    /// Whether a link carries that needs a heartbeat.
    pub(crate) fn needs_heartbeat(&self) -> bool {
        self.all.iter().any(|link| link.kind.needs_heartbeat() && self.carries(link))
    }

    fn confirmed_downlinks(&self) -> impl Iterator<Item = &Link> {
        self.all.iter().filter(|link| {
            let lives = link.kind.has_turns() || !link.finished;
            link.confirmed && lives && link.kind.carries_down() && link.ending.is_none()
        })
    }

    fn retire_below(&mut self, ordinal: u64, serve_until: Option<u64>) {
        self.all.retain(|link| link.ordinal >= ordinal || link.attached || link.kind == LinkKind::Upload);
        for link in &mut self.all {
            if link.ordinal < ordinal && link.kind.carries_down() {
                match serve_until {
                    None => link.supersede(reason::REPLACED),
                    Some(_) if link.superseded => {}
                    Some(until) => link.deadline = until,
                }
            }
        }
    }

    /// Ends the lowest link that is not confirmed. It leaves the list when its transport has sent the reason; one
    /// that cannot send leaves it when there are as many such links as others.
    fn end_lowest(&mut self) {
        let downlinks = || self.all.iter().filter(|link| link.kind.carries_down());
        let lowest = downlinks().filter(|link| !link.is_ending()).min_by_key(|link| (link.confirmed, link.ordinal));
        let stuck = downlinks().filter(|link| link.is_ending()).nth(MAX_LINKS - 1).map(|link| link.id);
        let Some(lowest) = lowest.map(|link| link.id) else { return };
        self.all.retain(|link| Some(link.id) != stuck && (link.id != lowest || link.attached));
        if let Some(link) = self.get_mut(lowest) {
            link.supersede(reason::REPLACED);
        }
    }
}
