//! A member that moves, and how far it is on its way.

use super::{
    super::{Item, Positions},
    history::Note,
};

/// A member of one room, and what it was told.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) room: &'static str,
    pub(super) id: [u8; 16],
    /// The place of its node; `None` while it is on its way.
    pub(super) at: Option<usize>,
    pub(super) way: Way,
    pub(super) due: u64,
    pub(super) notes: Vec<Note>,
    pub(super) moves: u64,
    /// It has died with a node.
    pub(super) lost: bool,
}

/// How far it is on its way.
#[derive(Debug)]
pub(super) enum Way {
    /// It moves at the time that is due.
    Stays,
    /// The other node asks the engine for the topic.
    Asked { to: usize, until: u64 },
    /// It collects. The member leaves when this marker has come back to its node.
    Begun { to: usize, marker: u64, began: Positions, since: u64, items: Vec<Item<Note>> },
    /// The member has left.
    Left { to: usize, began: Positions, since: u64, items: Vec<Item<Note>>, has: Positions },
}
