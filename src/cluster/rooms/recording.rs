//! A room whose history the engine keeps: where this node is in it, what it asks for, and what waits for the answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::cluster::engine::{Place, Recorded, Retention};

/// The questions for histories.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) ready: VecDeque<Arc<str>>,
    pub(super) under_way: HashMap<u64, Arc<str>>,
    pub(super) last: u64,
    /// The bytes that all rooms hold.
    pub(super) held: usize,
}

/// A room whose history the engine keeps.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) keep: Retention,
    /// The number of the load with which this node began to follow it.
    pub(super) loaded: Option<u64>,
    /// All that is before it has been told; `None` if this is not known.
    pub(super) place: Option<Place>,
    /// The life that the history had before this one. What still comes of it is behind the times.
    pub(super) old: Option<u64>,
    pub(super) question: Option<Question>,
    /// The engine was waited for in vain. It is not waited for again until it answers.
    pub(super) given_up: bool,
    /// When the last record was taken.
    pub(super) at: u64,
    /// The records that wait for the answer, in order.
    pub(super) held: VecDeque<Recorded>,
    pub(super) bytes: usize,
    /// The first record that came before the room was loaded.
    pub(super) came: Option<Place>,
    /// The engine has taken all own messages below this number.
    pub(super) appended: u64,
}

/// A question that is to be asked, or is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) since: u64,
    pub(super) failures: u32,
    pub(super) due: u64,
    /// It is among those that are ready.
    pub(super) queued: bool,
    pub(super) asked: Option<Asking>,
    /// It is to be asked once more.
    pub(super) again: bool,
}

/// A question that is asked: its number, and what was there by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) number: u64,
    /// The engine had taken all own messages below this number.
    pub(super) appended: u64,
    /// The number of records that were held. The answer has them, if the engine has.
    pub(super) held: usize,
}

impl Question {
    pub(super) fn new(now: u64) -> Self {
        Question { since: now, failures: 0, due: now, queued: false, asked: None, again: false }
    }
}

impl Recording {
    /// All that is before a place has been told.
    pub(super) fn move_to(&mut self, place: Place) {
        if let Some(at) = self.place.filter(|at| at.epoch != place.epoch && at.epoch != 0) {
            self.old = Some(at.epoch);
        }
        self.place = Some(place);
    }

    pub(super) fn new(keep: Retention) -> Self {
        Recording {
            keep,
            loaded: None,
            place: None,
            old: None,
            question: None,
            given_up: false,
            at: 0,
            held: VecDeque::new(),
            bytes: 0,
            came: None,
            appended: 0,
        }
    }
}
