//! The state of a session that may move: the auth data of its opening, and what its handler has saved.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    hub::Member,
    pool::{Held, Pool},
    server::core::Core,
    shared::ChannelSet,
    sync::lock,
};

/// The most bytes of JSON that a handler can save.
pub(crate) const MOST_SAVED: usize = 256 * 1024;

/// The state of a session that may move. It stands among the values that the application keeps in the session, so that
/// others need no place for it.
#[derive(Debug)]
pub(in crate::server) struct Movable(Mutex<State>);

#[derive(Debug)]
pub(in crate::server) struct State {
    pub(super) auth: ByteString,
    /// The last thing that the handler has saved here.
    saved: Option<Bytes>,
    /// The last thing that a handler elsewhere had saved.
    restored: Option<Bytes>,
    moved: bool,
    pub(super) stage: Stage,
    held: Held,
}

/// The handler of a session that may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It runs, or is about to; or it has returned, since the session was to move.
    Runs,
    /// It starts with the client's next request.
    Waits,
    /// Its extractors run.
    Starts,
    /// It is to return.
    Freezes,
}

impl Movable {
    /// The session may move from now on, if the server's sessions may.
    pub(in crate::server) fn enable(core: &Core, member: &Member, channels: ChannelSet, auth: ByteString) {
        let native = || member.shared.look(|machine| machine.can_move());
        if core.config.movable && core.nodes().is_some() && native() && channels == ChannelSet::None {
            Self::new(auth, None, false, core.runtime.pool()).keep(member);
        }
    }

    /// `restored` is what a handler elsewhere had saved, if the session has moved.
    pub(super) fn new(auth: ByteString, restored: Option<Bytes>, moved: bool, pool: &Pool) -> Self {
        let held = pool.hold(auth.len() + restored.as_ref().map_or(0, Bytes::len));
        let stage = if moved { Stage::Waits } else { Stage::Runs };
        Movable(Mutex::new(State { auth, saved: None, restored, moved, stage, held }))
    }

    pub(super) fn keep(self, member: &Member) {
        let kept = member.values().insert::<Movable>(Arc::new(self));
        drop(kept);
    }

    /// `None` if the session does not move.
    pub(in crate::server) fn of(member: &Member) -> Option<Arc<Movable>> {
        let value = member.values().get::<Movable>()?;
        value.downcast().ok()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Keeps what the handler saves.
    pub(in crate::server) fn save(&self, saved: Bytes) {
        let mut state = self.state();
        let restored = state.restored.as_ref().map_or(0, Bytes::len);
        let bytes = state.auth.len() + restored + saved.len();
        state.held.set(bytes);
        state.saved = Some(saved);
    }

    /// The last thing that a handler elsewhere had saved.
    pub(in crate::server) fn restored(&self) -> Option<Bytes> {
        self.state().restored.clone()
    }

    /// Whether this handler is not the session's first.
    pub(in crate::server) fn has_moved(&self) -> bool {
        self.state().moved
    }
}

impl State {
    /// The state that goes along: a handler that has saved nothing since it started has changed nothing.
    pub(super) fn latest(&self) -> Option<Bytes> {
        self.saved.clone().or_else(|| self.restored.clone())
    }

    /// The handler starts anew on this node, with the last thing that was saved.
    pub(super) fn restart(&mut self) {
        self.restored = self.latest();
        (self.saved, self.moved) = (None, true);
        let restored = self.restored.as_ref().map_or(0, Bytes::len);
        self.held.set(self.auth.len() + restored);
    }
}
