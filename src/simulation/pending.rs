//! The requests that are not answered yet, as both applications keep them.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use super::{random::Random, scenario::packet};
use crate::{
    dialect::{Head, Kind},
    payload::Payload,
    shared::questions::{Outcome, Questions},
};

/// The text by which a request, and the answer to it, is known.
pub(super) type Key = String;

/// A request whose answer is still to be sent.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(super) id: u64,
    pub(super) key: Key,
    /// The page that waits for it.
    pub(super) page: u64,
}

/// A request of the server that is not answered.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) key: Key,
    pub(super) answer: oneshot::Receiver<Outcome>,
    pub(super) page: u64,
}

/// The requests in a server's session.
#[derive(Debug, Default)]
pub(crate) struct ServerRequests {
    pub(super) questions: Questions,
    pub(super) waiting: BTreeMap<u64, Question>,
    /// The request on whose answer the handler waits. Meanwhile it takes nothing.
    pub(crate) handler: Option<u64>,
    pub(super) owed: VecDeque<Asked>,
    pub(super) answering: bool,
    /// The number of take-overs, and how many arrivals are of pages before the present one.
    pub(super) page: u64,
    pub(super) of_former_pages: usize,
    /// The number of the last answer that was taken off.
    pub(crate) taken: u64,
    /// The ids of a wrong machine, which counts them for each page.
    pub(super) asked: u64,
}

impl ServerRequests {
    pub(crate) fn new(base: u64) -> Self {
        ServerRequests { taken: base, ..ServerRequests::default() }
    }

    /// Another page has taken over, while so many arrivals were not received.
    pub(crate) fn taken_over(&mut self, arrivals: usize) {
        self.page += 1;
        self.of_former_pages = arrivals;
        self.asked = 0;
        self.questions.give_up();
    }

    /// Whether nobody waits for anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.owed.is_empty() && self.handler.is_none()
    }
}

/// The requests of a page.
#[derive(Debug, Default)]
pub(crate) struct PageRequests {
    /// Each page counts them from 1.
    ids: u64,
    pub(super) waiting: BTreeMap<u64, Key>,
    pub(super) owed: VecDeque<Asked>,
    pub(super) answering: bool,
}

impl PageRequests {
    pub(crate) fn next_id(&self) -> u64 {
        self.ids + 1
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.owed.is_empty()
    }

    /// A request was sent for the first time.
    pub(crate) fn sent(&mut self, payload: &Payload) {
        if let Some((id, key)) = request(payload) {
            self.ids = id;
            self.waiting.insert(id, key);
        }
    }

    /// The page goes on in another session, in which it sends these messages. Returns how many of its requests
    /// were perhaps received.
    pub(crate) fn lost(&mut self, resend: &VecDeque<Payload>) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|id, _| resend.iter().any(|payload| request(payload).is_some_and(|(sent, _)| sent == *id)));
        self.owed.clear();
        before - self.waiting.len()
    }
}

/// The id of a packet that has one, and the text by which it is known.
pub(super) fn known(payload: &Payload) -> Option<(Kind, u64, Key)> {
    let Payload::Event(packet) = payload else { return None };
    let head = Head::parse(packet.text()).expect("the applications send packets");
    let key = head.data.get(2..).and_then(|data| data.split(':').next()).unwrap_or_default();
    Some((head.kind, head.id?, key.to_owned()))
}

pub(super) fn request(payload: &Payload) -> Option<(u64, Key)> {
    known(payload).filter(|(kind, ..)| kind.is_event()).map(|(_, id, key)| (id, key))
}

pub(crate) fn is_request(payload: &Payload) -> bool {
    request(payload).is_some()
}

pub(crate) fn is_answer(payload: &Payload) -> bool {
    matches!(payload, Payload::Event(packet) if packet.is_answer())
}

/// An answer by which its request is known.
pub(super) fn answer(random: &mut Random, asked: &Asked) -> Payload {
    let kind = if random.one_in(5) { Kind::Refused } else { Kind::Ack };
    packet(random, kind, Some(asked.id), &format!("{}:", asked.key)).into()
}
