//! An engine that keeps the history of one room.

use std::collections::HashMap;

use super::super::*;
use crate::cluster::engine::{Past, Place, Record, Recorded};

/// The history of one topic.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) epoch: u64,
    pub(super) kept: Vec<(u64, Bytes)>,
    pub(super) last: u64,
    /// The last one that is not kept any more.
    pub(super) before: u64,
    numbers: HashMap<u64, u64>,
    /// The numbers that lie between two records.
    pub(super) step: u64,
    pub(super) most: usize,
    /// Something was dropped, or all was lost.
    pub(super) is_short: bool,
}

impl Engine {
    pub(super) fn new(most: usize, step: u64) -> Self {
        let (kept, numbers) = (Vec::new(), HashMap::new());
        Engine { epoch: 1, kept, last: 0, before: 0, numbers, step, most, is_short: false }
    }

    /// Keeps a record, and says what the nodes are told; `None` if it has it.
    pub(super) fn append(&mut self, record: &Record) -> Option<Recorded> {
        if self.numbers.get(&record.publisher).is_some_and(|last| *last >= record.number) {
            return None;
        }
        self.numbers.insert(record.publisher, record.number);
        let before = self.last;
        self.last += self.step;
        self.kept.push((self.last, record.body.clone()));
        while self.kept.len() > self.most {
            self.before = self.kept.remove(0).0;
            self.is_short = true;
        }
        Some(Recorded::new(record.topic.clone(), record.body.clone(), Place::new(self.epoch, self.last), before))
    }

    pub(super) fn past(&self, after: Option<Place>) -> Past {
        let after = after.filter(|place| place.epoch == self.epoch).map_or(0, |place| place.offset);
        let behind: Vec<_> = self.kept.iter().filter(|(offset, _)| *offset > after).collect();
        let dropped = self.kept.iter().map(|(offset, _)| *offset).filter(|offset| *offset <= after).max();
        let before = match behind.first() {
            None => self.last,
            Some(_) => dropped.unwrap_or(self.before),
        };
        let records = behind.into_iter().map(|(offset, body)| (*offset, 0, body.clone())).collect();
        Past::new(self.epoch, self.last, before, records)
    }

    /// It loses all that it has.
    pub(super) fn lose_all(&mut self) {
        let (epoch, step) = (self.epoch + 1, self.step);
        *self = Engine { epoch, is_short: true, ..Engine::new(self.most, step) };
    }
}
