//! The requests that a session has made and that its client has not answered.

use std::collections::{HashMap, HashSet};

use tokio::sync::{mpsc::UnboundedSender, oneshot};

use crate::{
    dialect::{Head, Kind},
    packet::Packet,
    pool::{Held, Pool},
};

/// A session has at most this many requests that are not answered.
pub(crate) const MOST_OPEN: usize = 1024;

/// The bytes that an open request counts.
const COST: usize = 128;

/// The end of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Packet),
    /// Another page has taken the session over, or its connection was lost. The page before it may have received the
    /// request.
    Unknown,
}

/// The end of a request to many in one session.
#[derive(Debug)]
pub(crate) struct End {
    /// The session's index among those that were asked.
    pub(crate) place: usize,
    /// `None` if the session is over.
    pub(crate) outcome: Option<Outcome>,
    /// The bytes of the answer count until this is dropped.
    pub(crate) held: Held,
}

/// The part of a request to many that one session keeps. Dropped without an outcome, it reports that the session is over.
#[derive(Debug)]
pub(crate) struct Share {
    place: usize,
    ends: Option<UnboundedSender<End>>,
    pool: Pool,
}

impl Share {
    /// The part of the session at this place.
    pub(super) fn new(place: usize, ends: UnboundedSender<End>, pool: Pool) -> Self {
        Share { place, ends: Some(ends), pool }
    }

    /// Returns whether somebody waits for it.
    fn end(mut self, outcome: Outcome) -> bool {
        self.report(Some(outcome))
    }

    fn report(&mut self, outcome: Option<Outcome>) -> bool {
        let Some(ends) = self.ends.take() else { return false };
        let bytes = match &outcome {
            Some(Outcome::Answered(packet)) => packet.len(),
            Some(Outcome::Unknown) | None => 0,
        };
        ends.send(End { place: self.place, outcome, held: self.pool.hold(bytes) }).is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.report(None);
    }
}

/// The place that an outcome goes to.
#[derive(Debug)]
pub(crate) enum Asker {
    /// The request is to this session alone.
    One {
        sender: oneshot::Sender<Outcome>,
        /// The task that waits is the handler's own: when it is woken, a turn comes.
        is_handler: bool,
    },
    /// The request is to many.
    Many(Share),
}

/// The task that has got an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    Nobody,
    /// The session's handler, which was woken.
    Handler,
    Other,
}

impl Asker {
    fn end(self, outcome: Outcome) -> Waiter {
        let (taken, is_handler) = match self {
            Asker::One { sender, is_handler } => (sender.send(outcome).is_ok(), is_handler),
            Asker::Many(share) => (share.end(outcome), false),
        };
        match (taken, is_handler) {
            (false, _) => Waiter::Nobody,
            (true, true) => Waiter::Handler,
            (true, false) => Waiter::Other,
        }
    }
}

/// The requests that are not answered, by id. When they are dropped, those who wait learn that the session is over.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) open: HashMap<u64, Asker>,
}

impl Questions {
    pub(super) fn bytes(&self) -> usize {
        self.open.len() * COST
    }

    /// The task that waits for this answer has been polled.
    pub(super) fn waits(&mut self, id: u64, by_handler: bool) {
        if let Some(Asker::One { is_handler, .. }) = self.open.get_mut(&id) {
            *is_handler = by_handler;
        }
    }

    /// An answer has come. One that nobody waits for is dropped: the time for it has passed, or it is an answer
    /// to no request of this session.
    pub(crate) fn answer(&mut self, packet: Packet) -> Waiter {
        let head = Head::parse(packet.text()).ok().filter(|head| head.kind.is_ack() || head.kind == Kind::Refused);
        let id = head.and_then(|head| head.id);
        let asker = id.and_then(|id| self.open.remove(&id));
        asker.map_or(Waiter::Nobody, |asker| asker.end(Outcome::Answered(packet)))
    }

    /// The connection is lost. Only these requests are still to be sent.
    pub(crate) fn give_up_but(&mut self, unsent: &HashSet<u64>) {
        for (_, asker) in self.open.extract_if(|id, _| !unsent.contains(id)) {
            asker.end(Outcome::Unknown);
        }
    }

    /// Another page has taken over.
    pub(crate) fn give_up(&mut self) {
        for (_, asker) in self.open.drain() {
            asker.end(Outcome::Unknown);
        }
    }
}
