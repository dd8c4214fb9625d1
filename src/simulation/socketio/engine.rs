//! The state of the client's engine.

use std::collections::VecDeque;

use super::{events::WorldEvent, namespaces::Spaces};
use crate::codec::engineio::tests::peer::Piece;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Life {
    /// It has no session.
    #[default]
    Gone,
    Opening,
    Open,
    /// It closes when all is written.
    Closing,
}

/// How far it has moved from its polls to a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Moving {
    #[default]
    No,
    /// It waits for the end of its poll and of its POST.
    Pausing,
    /// It has paused, and its WebSocket has failed meanwhile: the reference clients stay so.
    Stuck,
}

/// A WebSocket beside the polls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) conn: usize,
    pub(super) answered: bool,
    pub(super) since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Client {
    /// The number of its session.
    pub(super) epoch: usize,
    pub(super) life: Life,
    pub(super) sid: Option<String>,
    pub(super) interval: u64,
    pub(super) timeout: u64,
    pub(super) max_payload: usize,
    pub(super) get: Option<usize>,
    pub(super) post: Option<usize>,
    pub(super) socket: Option<usize>,
    pub(super) candidate: Option<Candidate>,
    /// It has probed twice.
    pub(super) again: bool,
    pub(super) moving: Moving,
    pub(super) upgrading: bool,
    pub(super) buffer: VecDeque<Piece>,
    /// How many packets of the buffer are in the POST that is under way.
    pub(super) writing: usize,
    /// Without a sign of life it gives the session up then.
    pub(super) watch: u64,
    /// Revision 3: when it pings.
    pub(super) ping_at: u64,
    /// The deadline that is queued.
    pub(super) armed: u64,
    /// Something has come since the last ping.
    pub(super) traffic: bool,
    pub(super) spaces: Spaces,
    /// Nothing more is to be sent, and no session to be opened.
    pub(super) done: bool,
    pub(super) sent: u64,
    pub(super) asleep_until: u64,
    pub(super) slow_until: u64,
    /// The input of its WebSockets that has come while it is slow.
    pub(super) unread: VecDeque<WorldEvent>,
    pub(super) deferred: Vec<WorldEvent>,
}

impl Client {
    pub(super) fn is_gone(&self) -> bool {
        self.life == Life::Gone
    }
}
