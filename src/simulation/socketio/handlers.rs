//! The state of the server's handlers.

use std::collections::BTreeSet;

use bytestring::ByteString;
use tokio::sync::oneshot;

use super::book::Place;
use crate::{dialect::Fault, shared::QuestionOutcome};

/// The namespaces that have a handler.
pub(super) const SERVED: [&str; 4] = ["/", "/a", "/b", "/ü"];

/// The handlers of a session.
#[derive(Debug)]
pub(super) struct Handlers {
    pub(super) channels: Vec<Channel>,
    /// A session without a channel ends then.
    pub(super) patience: u64,
    pub(super) joined: bool,
    /// The times at which the handlers run.
    pub(super) due: BTreeSet<u64>,
    /// How many events the application sends at its next turn.
    pub(super) sends: u64,
    /// The session is over, and the handlers end.
    pub(super) closing: bool,
    /// All have returned.
    pub(super) gone: bool,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u64,
    pub(super) namespace: ByteString,
    /// The client's number of it.
    pub(super) ordinal: u64,
    pub(super) state: State,
    pub(super) place: Option<crate::shared::Place>,
    pub(super) owed: Vec<Owed>,
    pub(super) questions: Vec<Question>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// It is decided at this time whether it opens.
    Opening {
        at: u64,
        opens: bool,
    },
    /// The client is to be told that it does not open.
    Refusing(Fault),
    Open,
    /// It is over, and its handler returns at this time.
    Over {
        at: u64,
    },
}

impl Handlers {
    pub(super) fn new(patience: u64) -> Self {
        Handlers {
            channels: Vec::new(),
            patience,
            joined: false,
            due: BTreeSet::new(),
            sends: 0,
            closing: false,
            gone: false,
        }
    }
}

impl Channel {
    pub(super) fn place(&self) -> Place {
        (self.namespace.to_string(), self.ordinal)
    }
}

/// The client waits for this answer.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) id: u64,
    pub(super) tag: String,
    pub(super) at: u64,
}

/// The application waits for the client's answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: u64,
    pub(super) tag: String,
    pub(super) answer: oneshot::Receiver<QuestionOutcome>,
    pub(super) deadline: u64,
}
