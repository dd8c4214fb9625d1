//! A session that its client polls first, and may move to a WebSocket once: the rules of
//! [`Rivals::CloseBoth`](super::rules::Rivals::CloseBoth).

use super::{
    frame::{CloseReason, Frame},
    links::{Attach, Link, LinkId, LinkKind},
    machine::Machine,
    reason,
    rules::{Heartbeats, Rivals},
};

/// For so many milliseconds a session that has ended, and has no link, is still there to answer what was sent
/// before its client knew that.
const LINGER: u64 = 100;

/// How far a session has moved from its polls to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// It is polled.
    Polling,
    /// It is polled, and the client has probed a WebSocket, to which it is about to move.
    Probing,
    /// It has a WebSocket, and polls come too late.
    WebSocket,
    /// It has ended, or is parked.
    Over,
}

impl Machine {
    pub(crate) fn stage(&self) -> Stage {
        if self.closed.is_some() || self.over || self.is_parked() {
            return Stage::Over;
        }
        let mut stage = Stage::Polling;
        for link in self.links.iter().filter(|link| link.kind == LinkKind::Duplex) {
            if link.confirmed {
                return Stage::WebSocket;
            } else if link.probed && link.is_open() {
                stage = Stage::Probing;
            }
        }
        stage
    }

    /// Whether the client is about to move to a WebSocket. Others than those of Engine.IO never are.
    pub(crate) fn is_probing(&self) -> bool {
        self.has_sid() && self.stage() == Stage::Probing
    }

    /// Whether the session is one of Engine.IO, whose sid is all that its client shows.
    pub(crate) fn has_sid(&self) -> bool {
        matches!(self.config.rules.rivals, Rivals::CloseBoth)
    }

    /// Whether the client pings, as in Engine.IO's revision 3.
    pub(crate) fn client_pings(&self) -> bool {
        self.config.rules.heartbeat == Heartbeats::ByClient
    }

    /// An upload begins to come in. The answer to a ping is awaited behind it, until
    /// [`cancel_upload`](Self::cancel_upload).
    ///
    /// # Errors
    /// Fails if another upload is coming in. The session ends then: the two could change places.
    pub(crate) fn expect_upload(&mut self, now: u64) -> Result<(), CloseReason> {
        if let Some(reason) = self.closed() {
            return Err(reason.clone());
        } else if self.is_parked() {
            return Err(reason::ENDED);
        }
        if self.uploading {
            self.finish(now, reason::OVERLAP);
            return Err(reason::OVERLAP);
        }
        self.uploading = true;
        self.pending_attaches += 1;
        Ok(())
    }

    /// An upload for which [`expect_upload`](Self::expect_upload) returned `Ok` is answered, or lost.
    pub(crate) fn cancel_upload(&mut self, now: u64) {
        self.uploading = false;
        self.cancel_attach(now);
    }

    /// Whether an upload is coming in.
    pub(crate) fn is_uploading(&self) -> bool {
        self.uploading
    }

    /// HTTP has taken the whole answer of a poll, so that its end is no cut.
    pub(crate) fn complete(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id).filter(|link| link.kind.has_turns())
            && self.config.rules.cut_ends
        {
            link.finished = true;
        }
    }

    /// Whether this poll was sent before its client closed the session, so that it is answered empty.
    pub(crate) fn take_farewell(&mut self) -> bool {
        std::mem::take(&mut self.farewell_due)
    }

    /// Whether nothing is kept for a client without a link but what it has not fetched.
    pub(crate) fn ends_with_its_links(&self) -> bool {
        self.config.rules.cut_ends
    }

    /// How long a session that has ended is remembered.
    pub(super) fn remembered(&self) -> u64 {
        let lingers = self.heartbeat.decides() && !self.links.any_attached();
        if lingers { LINGER } else { self.grace() }
    }

    /// Whether a link may attach beside those that are there. A poll gets its turn here, since its request does
    /// not state one.
    pub(super) fn admit_beside(&mut self, now: u64, attach: &mut Attach) -> Result<(), CloseReason> {
        let stage = self.stage();
        if attach.kind == LinkKind::Duplex {
            let alone = !self.links.iter().any(|link| link.kind == LinkKind::Duplex);
            return if alone { Ok(()) } else { Err(reason::DUPLICATE) };
        }
        if stage == Stage::WebSocket {
            return Err(reason::LATE);
        }
        let last = self.links.iter().find(|link| link.kind.has_turns());
        let Some((turn, waits)) = last.map(|last| (last.turn, last.attached)) else { return Ok(()) };
        attach.turn = turn + 1;
        if waits {
            self.finish(now, reason::OVERLAP);
            return Err(reason::OVERLAP);
        }
        Ok(())
    }

    /// Whether messages of this link count: the session goes on, and the link is neither gone nor one whose messages
    /// are a violation or ignored.
    pub(crate) fn takes_messages_from(&self, id: LinkId) -> bool {
        let listens = self.links.get(id).is_some_and(|link| !link.ignores_input);
        listens && self.closed.is_none() && !self.is_candidate(id)
    }

    /// Whether this is a poll whose client waits for its end, to move to a WebSocket then.
    pub(super) fn must_not_wait(&self, link: &Link) -> bool {
        link.kind.has_turns() && self.has_sid() && self.stage() == Stage::Probing
    }

    /// Whether this is a WebSocket beside the polls that is not confirmed.
    pub(super) fn is_candidate(&self, id: LinkId) -> bool {
        let candidate = |link: &Link| link.kind == LinkKind::Duplex && !link.confirmed;
        self.has_sid() && self.links.get(id).is_some_and(candidate)
    }

    /// The client has pinged, where it does.
    pub(super) fn answer_ping(&mut self, now: u64, id: u64) -> Result<(), CloseReason> {
        self.heartbeat.pinged(now);
        self.pong_due = id;
        self.links_need_wake = true;
        Ok(())
    }

    /// Takes a frame from a WebSocket that is not confirmed. Anything but a probe and the confirmation ends it;
    /// the polls go on.
    pub(super) fn take_from_candidate(&mut self, now: u64, id: LinkId, frame: Frame) -> Result<(), CloseReason> {
        match frame {
            Frame::Probe => {
                for link in self.links.iter_mut() {
                    if link.id == id {
                        (link.probed, link.reply_due) = (true, true);
                    } else if link.kind.has_turns() {
                        // Its client is about to wait for the end of its poll.
                        link.finished = true;
                    }
                }
                self.links_need_wake = true;
                Ok(())
            }
            Frame::Confirm => {
                self.confirm(now, id);
                Ok(())
            }
            Frame::LinkClose(reason) => {
                self.handle_link_close(now, id, reason);
                Ok(())
            }
            _ => Err(reason::UNEXPECTED),
        }
    }

    /// The client has closed the session: a poll that waits is answered empty, since it is not told what it knows.
    pub(super) fn say_farewell(&mut self) {
        if !self.has_sid() {
            return;
        }
        let mut polled = false;
        for link in self.links.iter_mut().filter(|link| link.attached && link.kind.has_turns()) {
            (link.finished, polled) = (true, true);
        }
        let socket = self.links.iter().any(|link| link.kind == LinkKind::Duplex && link.confirmed);
        self.farewell_due = !polled && !socket;
    }
}
