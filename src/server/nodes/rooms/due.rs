//! Things that are done in the order in which they became due: events of the machine, and sessions that come and go.

use std::{fmt, sync::Arc};

use tokio::sync::oneshot;

use super::target::Own;
use crate::{
    cluster::rooms::{Carried, Event, Positions},
    hub::Member,
};

/// Something to do.
#[expect(
    clippy::large_enum_variant,
    reason = "most are events, and an allocation for each would cost more than the room"
)]
#[derive(Debug)]
pub(super) enum Due {
    Event(Event<Own>),
    Begin(Box<Begin>),
    Part(Box<Part>),
    Admit(Box<Admit>),
}

/// Messages to these rooms are collected from here on.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) number: u64,
    pub(super) rooms: Vec<Arc<str>>,
    pub(super) done: oneshot::Sender<()>,
}

/// A session leaves its rooms. Messages to them are collected from here on, as it may come back.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) member: Arc<Member>,
    pub(super) done: oneshot::Sender<Gone>,
}

/// The rooms that a session has left, and how far it got in them; `None` if it stays.
pub(super) type Gone = Option<Vec<Carried>>;

/// A session joins rooms, behind what was collected of them.
#[derive(Debug)]
pub(super) struct Admit {
    pub(super) number: u64,
    /// The guard by which it is expected until it is there, whether or not anybody waits for that.
    pub(super) expecting: Box<dyn fmt::Debug + Send>,
    pub(super) member: Arc<Member>,
    pub(super) rooms: Vec<Carried>,
    /// The positions of these rooms here.
    pub(super) here: Vec<Positions>,
    pub(super) done: oneshot::Sender<()>,
}

impl Due {
    /// The event, if it is one of this room.
    pub(super) fn of_room(&self, room: &str) -> Option<&Event<Own>> {
        match self {
            Due::Event(event) if event.room() == Some(room) => Some(event),
            _ => None,
        }
    }
}
