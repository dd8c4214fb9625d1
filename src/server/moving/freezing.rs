//! The handler of a session is asked to return, and the session stays unless it has left by then.

use std::sync::Arc;

use super::state::{Movable, Stage};
use crate::{hub::Member, server::core::Core, shared::CannotMove};

/// Why a session cannot move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum NotMovable {
    /// There is no such session here, or it has ended.
    Unknown,
    /// It never can: the server's sessions do not move, or it is of another family, or has namespaces.
    No,
    /// It can at another moment.
    Busy,
    /// Its handler was told to return, and did not within five seconds.
    HandlerStays,
    TooLarge,
}

impl From<CannotMove> for NotMovable {
    fn from(cannot: CannotMove) -> Self {
        match cannot {
            CannotMove::Never => NotMovable::No,
            CannotMove::Now => NotMovable::Busy,
        }
    }
}

/// A session whose handler is to return. Dropped before it has [settled](Self::settle), the session stays.
pub(super) struct Freezing {
    pub(super) member: Arc<Member>,
    pub(super) movable: Arc<Movable>,
    before: Stage,
    settled: bool,
}

impl Freezing {
    pub(super) fn begin(member: &Arc<Member>) -> Result<Self, NotMovable> {
        let movable = Movable::of(member).ok_or(NotMovable::No)?;
        let before = {
            let mut state = movable.state();
            if matches!(state.stage, Stage::Starts | Stage::Freezes) {
                return Err(NotMovable::Busy);
            }
            std::mem::replace(&mut state.stage, Stage::Freezes)
        };
        let freezing = Freezing { member: member.clone(), movable, before, settled: false };
        member.shared.freeze()?;
        Ok(freezing)
    }

    /// The handler did not return.
    pub(super) fn fail(self, core: &Core) -> NotMovable {
        let untold = self.member.shared.thaw();
        if !untold && core.may_warn() {
            tracing::warn!(
                session = %self.member.id(),
                "a handler goes on although its session is to move: within 5 s of a `recv` that gives None, while \
                 is_moving(), it must return (movable)"
            );
        }
        if untold { NotMovable::Busy } else { NotMovable::HandlerStays }
    }

    pub(super) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Freezing {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        match self.before {
            Stage::Waits => self.member.shared.stays(),
            _ => drop(self.member.shared.thaw()),
        }
        self.movable.state().stage = self.before;
    }
}
