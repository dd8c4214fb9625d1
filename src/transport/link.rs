//! A transport's hold on its session.

use std::{sync::Arc, task::Context};

use super::batch;
use crate::{
    config::Transport,
    shared::{Attach, CloseReason, Credential, Frame, LinkId, Outbound, PullStatus, SharedSession, UnderWay, reason},
};

/// One attachment of a transport to a session. Dropping it detaches it.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<SharedSession>,
    id: LinkId,
    /// HTTP has taken its whole answer.
    answered: bool,
}

impl Link {
    /// Attaches to a session, or to the one with which its client has gone on. The reason of a refusal is for the
    /// client.
    pub(crate) fn attach(
        shared: Arc<SharedSession>,
        credential: Credential<'_>,
        attach: Attach,
        transport: Transport,
    ) -> Result<Self, CloseReason> {
        let mut shared = shared;
        loop {
            match shared.attach(credential, attach, transport) {
                Ok(id) => return Ok(Link { shared, id, answered: false }),
                Err(refused) if refused == reason::MOVED => shared = shared.moved_to().ok_or(refused)?,
                Err(refused) => return Err(refused),
            }
        }
    }

    /// Hands over the frames that came on this link, until `read` yields `None`. They are decoded in
    /// batches, without the session's lock. Returns whether it stopped before, because the session can take
    /// no more; see [`reading_stops`](Self::reading_stops).
    pub(crate) fn input(&self, read: impl FnMut() -> Result<Option<Frame>, CloseReason>) -> Result<bool, CloseReason> {
        batch::each(read, |frames, malformed| self.shared.input(self.id, frames, malformed))
    }

    /// The session that it is attached to.
    pub(crate) fn session(&self) -> &SharedSession {
        &self.shared
    }

    /// Follows the client to the session with which it has gone on. Returns false if the link has not moved.
    pub(super) fn follow(&mut self) -> bool {
        let Some((shared, id)) = self.shared.place_of(self.id) else { return false };
        (self.shared, self.id) = (shared, id);
        true
    }

    /// Detaches a poll or a stream whose answer is whole, and is about to leave.
    pub(crate) fn complete(mut self) {
        self.answered = true;
    }

    /// A guard that counts bytes on their way to the session or from it.
    pub(super) fn under_way(&self) -> UnderWay {
        UnderWay::new(self.shared.clone())
    }

    /// Bytes of a frame have come that is not complete yet.
    pub(super) fn read_part(&self, bytes: usize) {
        self.shared.read_part(self.id, bytes);
    }

    /// The connection has taken bytes that had waited for it.
    pub(super) fn wrote(&self) {
        self.shared.wrote(self.id);
    }

    /// Whether the transport must not read on; see [`SharedSession::reading_stops`].
    pub(super) fn reading_stops(&self, cx: &Context<'_>) -> bool {
        self.shared.reading_stops(self.id, cx)
    }

    /// Gives `take` the frames that the session sends on this link, until it returns `false`.
    pub(crate) fn pull(&self, cx: &mut Context<'_>, take: impl FnMut(Outbound<'_>) -> bool) -> PullStatus {
        self.shared.pull(self.id, cx, take)
    }

    /// Whether to wait for the handler's turn before anything is sent; see [`SharedSession::awaits_turn`].
    pub(crate) fn awaits_turn(&self, cx: &Context<'_>) -> bool {
        self.shared.awaits_turn(self.id, cx)
    }

    /// Whether the handler has had its first turn; see [`SharedSession::has_turned`].
    pub(super) fn has_turned(&self, cx: &mut Context<'_>) -> bool {
        self.shared.has_turned(self.id, cx)
    }

    /// Tells the connection of an answer when the link is over: while the connection takes nothing, it does not
    /// ask the answer.
    pub(crate) fn watch(&self) -> LinkWatch {
        LinkWatch { shared: self.shared.clone(), id: self.id }
    }

    /// Why the link must be given up although it cannot write; see [`SharedSession::link_ending`].
    pub(super) fn ending(&self, cx: &mut Context<'_>) -> Option<CloseReason> {
        self.shared.link_ending(self.id, cx)
    }
}

/// Tells whether a link is over while nothing can be written to it.
#[derive(Clone, Debug)]
pub(crate) struct LinkWatch {
    shared: Arc<SharedSession>,
    id: LinkId,
}

impl LinkWatch {
    /// Whether the link is over. If not, the task is woken when it is.
    pub(crate) fn is_over(&self, cx: &mut Context<'_>) -> bool {
        self.shared.link_ending(self.id, cx).is_some()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.detach(self.id, self.answered);
    }
}
