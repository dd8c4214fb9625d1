//! The number of members that rooms have on all nodes. Each node notes its own in the directory, and reads those of others.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::membership::Membership;
use crate::{
    cluster::{Directory, EngineError},
    server::core::Core,
    sync::lock,
};

/// Changes are noted this often.
const PACE: Duration = Duration::from_secs(1);

/// The directory keeps a note for this time, and gets it again after half of it.
const KEEP: Duration = Duration::from_secs(3_600);

/// After this time a node looks whether the directory has forgotten its notes.
const LOOK: Duration = Duration::from_secs(10);

/// The most notes of one call.
const BATCH: usize = 512;

/// A question waits for the directory for this time.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most rooms of which the last count is remembered, for a time without the directory.
const REMEMBERED: usize = 1_024;

/// The rooms that wait to be noted over which those that need not be are looked for.
const TIDY_AT: usize = 1_024;

/// A topic that no room is. A node's note of it says that the directory has those of the rooms too.
const WITNESS: &[u8] = b"\0notes";

/// The counts of one node's rooms, and what it has learned of others.
pub(super) struct Counts {
    core: Weak<Core>,
    directory: Arc<dyn Directory>,
    membership: Arc<Membership>,
    /// The members on other nodes, as read last.
    last: Mutex<HashMap<String, usize>>,
}

/// The notes that the directory has, and those that it is to get.
#[derive(Default)]
struct Notes {
    /// The counts that the directory has; `UNSURE` where it may have another one.
    noted: BTreeMap<Arc<str>, usize>,
    due: BTreeSet<Arc<str>>,
    /// It is tidied when more than so many are due.
    tidy_at: usize,
    /// The witness is noted as long as the others are.
    witnessed: bool,
}

/// No room has so many members.
const UNSURE: usize = usize::MAX;

impl Counts {
    pub(super) fn new(core: &Arc<Core>, directory: Arc<dyn Directory>, membership: Arc<Membership>) -> Arc<Self> {
        Arc::new(Counts { core: Arc::downgrade(core), directory, membership, last: Mutex::default() })
    }

    /// Notes what has changed, for as long as the server lives.
    pub(super) async fn run(&self) {
        let mut notes = Notes::default();
        let mut told = false;
        let (mut looked, mut renewed) = (None::<Instant>, None::<Instant>);
        loop {
            sleep(PACE).await;
            let now = renewed.map_or(Duration::ZERO, |renewed| renewed.elapsed());
            if now >= KEEP / 2 {
                notes.all_again();
                renewed = None;
            }
            let is_look_due = looked.is_none_or(|looked| looked.elapsed() >= LOOK);
            let Some(outcome) = self.step(&mut notes, is_look_due).await else { return };
            match outcome {
                Ok(()) if is_look_due => looked = Some(later(&mut renewed)),
                Ok(()) => {}
                // It may have come back without its data.
                Err(_) => looked = None,
            }
            if let Err(error) = &outcome
                && !told
            {
                tracing::debug!(%error, "the directory takes no counts of rooms");
            }
            told = outcome.is_err();
        }
    }

    /// Notes what has changed since the last time; `None` if the server is gone.
    async fn step(&self, notes: &mut Notes, look: bool) -> Option<Result<(), EngineError>> {
        notes.due.extend(self.core.upgrade()?.hub.take_counted());
        let outcome = self.turn(notes, look).await;
        if outcome.is_err() {
            // It may be away for long, or take no notes at all.
            let core = self.core.upgrade()?;
            notes.tidy(|room| core.hub.count(room) > 0);
        }
        Some(outcome)
    }

    async fn turn(&self, notes: &mut Notes, look: bool) -> Result<(), EngineError> {
        let me = self.membership.incarnation.to_be_bytes();
        if look {
            let witnesses = self.directory.notes(WITNESS).await?;
            if notes.witnessed && !witnesses.iter().any(|(id, _)| **id == me) {
                notes.all_again();
            }
        }
        if !notes.witnessed {
            self.directory.note(&me, vec![(WITNESS.into(), "1".into())], KEEP).await?;
            notes.witnessed = true;
        }
        while !notes.due.is_empty() {
            let Some(core) = self.core.upgrade() else { return Ok(()) };
            let batch = notes.next(|room| core.hub.count(room));
            drop(core);
            if batch.is_empty() {
                continue;
            }
            let wire = batch.iter().map(|(room, count)| {
                let value = if *count == 0 { Bytes::new() } else { count.to_string().into() };
                (Bytes::copy_from_slice(room.as_bytes()), value)
            });
            let taken = self.directory.note(&me, wire.collect(), KEEP).await;
            notes.done(batch, taken.is_ok());
            taken?;
        }
        Ok(())
    }

    /// The members of a room on all other nodes that live.
    pub(super) async fn of_others(&self, room: &str) -> usize {
        let read = timeout(PATIENCE, self.directory.notes(room.as_bytes())).await;
        let Ok(Ok(notes)) = read else {
            return lock(&self.last).get(room).copied().unwrap_or(0);
        };
        let living = self.membership.living();
        let others = living.nodes.iter().map(|node| node.incarnation);
        let others: BTreeSet<[u8; 8]> =
            others.filter(|process| *process != self.membership.incarnation).map(u64::to_be_bytes).collect();
        let of_living = notes.iter().filter(|(id, _)| others.iter().any(|other| **id == *other));
        let counts = of_living.filter_map(|(_, count)| std::str::from_utf8(count).ok()?.parse::<u32>().ok());
        let count = counts.map(|count| count as usize).sum();
        let mut last = lock(&self.last);
        if last.len() >= REMEMBERED && !last.contains_key(room) {
            last.clear();
        }
        last.insert(room.to_owned(), count);
        count
    }
}

/// The time of now, which also begins the time until all is noted again.
#[expect(clippy::disallowed_methods, reason = "tokio's clock, by which this task sleeps")]
fn later(renewed: &mut Option<Instant>) -> Instant {
    let now = Instant::now();
    renewed.get_or_insert(now);
    now
}

impl Notes {
    /// The directory may have none of them, or is to keep them for longer.
    fn all_again(&mut self) {
        self.witnessed = false;
        for (room, noted) in &mut self.noted {
            *noted = UNSURE;
            self.due.insert(room.clone());
        }
    }

    /// Forgets the rooms that are empty and of which the directory has nothing: an empty room needs no note.
    fn tidy(&mut self, has_members: impl Fn(&str) -> bool) {
        if self.due.len() > self.tidy_at.max(TIDY_AT) {
            self.due.retain(|room| self.noted.contains_key(room) || has_members(room));
            self.tidy_at = 2 * self.due.len();
        }
    }

    /// The next ones that the directory lacks.
    fn next(&mut self, count: impl Fn(&str) -> usize) -> Vec<(Arc<str>, usize)> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(room) = self.due.pop_first()
        {
            let count = count(&room);
            if self.noted.get(&room).copied().unwrap_or(0) != count {
                batch.push((room, count));
            }
        }
        batch
    }

    fn done(&mut self, batch: Vec<(Arc<str>, usize)>, taken: bool) {
        for (room, count) in batch {
            match (taken, count) {
                (true, 0) => drop(self.noted.remove(&room)),
                (true, _) => drop(self.noted.insert(room, count)),
                (false, _) => {
                    // It may have been taken all the same.
                    self.noted.insert(room.clone(), UNSURE);
                    self.due.insert(room);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
