//! The state of the client's namespaces.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::book::Place;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Asked,
    Open,
    /// The client has left it.
    Left,
    /// The server has refused or ended it.
    Ended,
}

#[derive(Debug)]
pub(super) struct Space {
    pub(super) namespace: String,
    pub(super) ordinal: u64,
    pub(super) state: State,
    /// The requests that are not answered.
    pub(super) asked: BTreeMap<u64, String>,
    /// The answers that are owed: the id, the tag, and when.
    pub(super) owed: Vec<(u64, String, u64)>,
    /// It was left before it was open, so that the answer may still come. It is not asked for again.
    pub(super) spent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Spaces {
    pub(super) all: Vec<Space>,
    /// A packet of which attachments are to come.
    pub(super) owing: Option<(String, usize, Vec<Bytes>)>,
    pub(super) ids: u64,
}

impl Spaces {
    pub(super) fn find(&mut self, namespace: &str) -> Option<&mut Space> {
        self.all.iter_mut().find(|space| space.namespace == namespace)
    }

    pub(super) fn are_whole(&self) -> bool {
        self.owing.is_none()
    }
}

impl Space {
    pub(super) fn place(&self) -> Place {
        (self.namespace.clone(), self.ordinal)
    }
}
