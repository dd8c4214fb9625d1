//! The requests that a session has made and that its client has not answered.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    dialect::{Head, Kind},
    packet::Packet,
};

/// A session has at most this many requests that are not answered.
pub(crate) const MOST_OPEN: usize = 1024;

/// The bytes that an open request counts.
const COST: usize = 128;

/// The end of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Arc<Packet>),
    /// Another page has taken the session over. The page before it may have received the request.
    Unknown,
}

/// The requests that are not answered, by id. When they are dropped, those who wait learn that the session is over.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) open: HashMap<u64, oneshot::Sender<Outcome>>,
}

impl Questions {
    pub(super) fn bytes(&self) -> usize {
        self.open.len() * COST
    }

    /// An answer has come. One that nobody waits for is dropped: the time for it has passed, or it is an answer
    /// to no request of this session.
    pub(crate) fn answer(&mut self, packet: Arc<Packet>) -> bool {
        let head = Head::parse(&packet.text).ok().filter(|head| head.kind.is_ack() || head.kind == Kind::Refused);
        let id = head.and_then(|head| head.id);
        let sender = id.and_then(|id| self.open.remove(&id));
        sender.is_some_and(|sender| sender.send(Outcome::Answered(packet)).is_ok())
    }

    /// Another page has taken over.
    pub(crate) fn give_up(&mut self) {
        for (_, sender) in self.open.drain() {
            let _ = sender.send(Outcome::Unknown);
        }
    }
}
