//! A node of the simulated cluster, and what it is told.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::super::*;
use crate::cluster::engine::{Past, Recorded};

pub(super) const ROOM: &str = "h";

/// A message: its publisher, and how many that has sent before it.
pub(super) type Id = (u64, u64);

/// A machine that is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Not,
    /// It delivers what fills a hole behind newer ones.
    FillsBehind,
    /// It delivers a record twice.
    TakesTwice,
    /// It forgets what it held.
    ForgetsHeld,
    /// It takes a hole that was filled for a gap.
    CountsFilled,
    /// It does not ask for what is missing.
    FillsNothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// Its place is that in the history, if it is settled.
    Told {
        id: Id,
        settled: bool,
    },
    /// It was delivered before, and has its place now.
    Returned(Id),
    Past(Vec<Id>),
    Forgotten,
    Gap(u64),
}

#[derive(Debug)]
pub(super) enum Told {
    Plain(Publication),
    Record(Recorded),
    Cut,
    Whole,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) due: u64,
    pub(super) number: u64,
    pub(super) past: Option<Past>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) machine: ClusterRooms<Id>,
    pub(super) publisher: u64,
    pub(super) sent: u64,
    pub(super) members: bool,
    pub(super) notes: Vec<Note>,
    pub(super) inbox: VecDeque<(u64, Told)>,
    pub(super) topics: HashSet<Bytes>,
    pub(super) wanted: HashSet<Bytes>,
    pub(super) connected: bool,
    pub(super) whole_at: Option<u64>,
    pub(super) failing_until: u64,
    pub(super) deaf_to_questions_until: u64,
    pub(super) lose: u64,
    pub(super) batch: Option<(u64, bool)>,
    pub(super) call: Option<(u64, bool, Vec<Bytes>, Vec<Bytes>)>,
    pub(super) questions: Vec<Question>,
}

impl Node {
    pub(super) fn new(settings: RoomSettings) -> Self {
        Node {
            publisher: settings.publisher,
            machine: ClusterRooms::new(settings, 0),
            sent: 0,
            members: false,
            notes: Vec::new(),
            inbox: VecDeque::new(),
            topics: HashSet::new(),
            wanted: HashSet::new(),
            connected: false,
            whole_at: Some(5),
            failing_until: 0,
            deaf_to_questions_until: 0,
            lose: 0,
            batch: None,
            call: None,
            questions: Vec::new(),
        }
    }

    /// Something that should be over by the end.
    pub(super) fn unfinished(&self) -> Option<String> {
        let room = &self.machine.rooms[ROOM];
        let recording = room.recording.as_ref()?;
        let open = recording.question.is_some() || !recording.held.is_empty() || recording.loaded.is_none();
        let left = (self.machine.is_split(), room.sending.kept.len(), room.sending.waiting.len());
        (open || left != (false, 0, 0)).then(|| format!("{}: {left:?}, {recording:?}", self.publisher))
    }

    /// The ids that it was told, each as often as it was.
    pub(super) fn told(&self) -> impl Iterator<Item = Id> {
        self.notes.iter().filter_map(|note| match note {
            Note::Told { id, .. } => Some(*id),
            _ => None,
        })
    }

    /// The messages that were past when it began to follow the room for the last time, and those that it was told since.
    pub(super) fn last_life(&self) -> (BTreeSet<Id>, &[Note]) {
        let from = self.notes.iter().rposition(|note| matches!(note, Note::Past(_))).unwrap_or(0);
        let past = match self.notes.get(from) {
            Some(Note::Past(past)) => past.iter().copied().collect(),
            _ => BTreeSet::new(),
        };
        (past, &self.notes[from..])
    }
}
