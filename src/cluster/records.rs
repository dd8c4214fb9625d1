//! Histories in the memory of a process, for the engines that have no server which keeps them. Times are arguments, in
//! milliseconds.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;

use super::engine::{Past, Place, Record, Retention};

/// The most bytes of records that are read at once. Older ones are left out, which the outcome tells.
pub(super) const MOST_READ: usize = 32 << 20;

/// A node that reads a history from its beginning may hold so many bytes of records that have come meanwhile, which it looks
/// for in the answer, and more may be under way to it.
const UNDER_WAY: usize = 4 << 20;

/// The most bytes that are read of a history at once, if the engine reads `most` of any. What fills a hole behind a place is
/// not bounded by what is kept at hand.
pub(super) fn most_read(keep: Retention, after: Option<Place>, most: usize) -> usize {
    if after.is_some() { most } else { keep.bytes.saturating_add(UNDER_WAY).min(most) }
}

/// A history is forgotten at the age of its last record, but not before so many milliseconds: who appends a record again
/// has done so by then.
pub(super) const SHORTEST_LIFE: u64 = 60_000;

/// The publishers of a topic whose last numbers are kept. Half of them go when there are more.
pub(super) const MOST_PUBLISHERS: usize = 256;

/// The memory that a record takes besides its bytes, and that a topic does.
const OVERHEAD: usize = 64;
const TOPIC_OVERHEAD: usize = 400;

/// Bounds of all histories together. The history that nobody has written to for the longest time goes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) topics: usize,
    pub(super) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { topics: 65_536, bytes: 256 << 20 }
    }
}

/// The histories of all topics.
#[derive(Debug, Default)]
pub(super) struct Histories {
    bounds: Bounds,
    topics: HashMap<Bytes, History>,
    /// The topics in the order in which they were written to last.
    by_write: BTreeMap<u64, Bytes>,
    /// The topics, each with a time at which it is looked at: the end that its history had when it was looked at last.
    by_end: BTreeSet<(u64, Bytes)>,
    writes: u64,
    bytes: usize,
    /// The epoch that was given last.
    epoch: u64,
}

#[derive(Debug)]
struct History {
    epoch: u64,
    /// The number of the last record. Those that are kept have the numbers before it.
    last: u64,
    records: VecDeque<Kept>,
    /// The number of the last record of each publisher, and its number in the history.
    publishers: HashMap<u64, (u64, u64)>,
    written: u64,
    /// The end of its life, unless more is appended.
    until: u64,
    /// The time under which it is in `by_end`.
    looked_at: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    at: u64,
    body: Bytes,
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Histories {
    /// Histories whose epochs have numbers behind this one.
    #[cfg(all(unix, feature = "host"))]
    pub(super) fn behind(epoch: u64) -> Self {
        Histories { epoch, ..Histories::default() }
    }

    /// Loses all of them. Those that are begun anew have other epochs.
    pub(super) fn forget(&mut self) {
        *self = Histories { bounds: self.bounds, epoch: self.epoch, ..Histories::default() };
    }

    /// Keeps a record. Returns the place behind it; `None` if its publisher has one of this number or a later one there.
    pub(super) fn append(&mut self, now: u64, record: &Record) -> Option<Place> {
        self.end_the_old(now);
        let Record { topic, body, publisher, number, keep } = record;
        if self.topics.get(topic).is_some_and(|history| history.until <= now) {
            self.remove(topic);
        }
        if !self.topics.contains_key(topic) {
            self.epoch = self.epoch.wrapping_add(1).max(1);
            self.bytes += topic.len() + TOPIC_OVERHEAD;
            let until = now.saturating_add(milliseconds(keep.age).max(SHORTEST_LIFE));
            self.topics.insert(topic.clone(), History::new(self.epoch, until));
            self.by_end.insert((until, topic.clone()));
        }
        let history = self.topics.get_mut(topic)?;
        if history.publishers.get(publisher).is_some_and(|(last, _)| last >= number) {
            return None;
        }
        let before = history.bytes;
        history.push(now, Kept { at: now, body: body.clone() }, *keep);
        history.publishers.insert(*publisher, (*number, history.last));
        history.forget_publishers();
        self.bytes = self.bytes + history.bytes - before;
        self.writes += 1;
        self.by_write.remove(&std::mem::replace(&mut history.written, self.writes));
        self.by_write.insert(self.writes, topic.clone());
        let place = Place { epoch: history.epoch, offset: history.last };
        self.make_room(topic);
        Some(place)
    }

    /// The records of a topic behind a place, or all that are kept; the newest, up to so many bytes.
    pub(super) fn past(&self, now: u64, topic: &[u8], keep: Retention, after: Option<Place>, most: usize) -> Past {
        let Some(history) = self.topics.get(topic).filter(|history| history.until > now) else {
            return Past::default();
        };
        let after = after.filter(|place| place.epoch == history.epoch);
        let behind = after.map_or(0, |place| place.offset);
        let (mut number, mut bytes) = (history.last, 0);
        let mut records = Vec::new();
        let most = most_read(keep, after, most);
        for kept in history.records.iter().rev() {
            let age = now.saturating_sub(kept.at);
            bytes += kept.body.len();
            if number <= behind || age >= milliseconds(keep.age) || bytes > most {
                break;
            }
            records.push((number, age, kept.body.clone()));
            number -= 1;
        }
        records.reverse();
        Past { epoch: history.epoch, last: history.last, before: number, records }
    }

    /// Forgets the histories whose time is over, whatever the ages of the others are.
    fn end_the_old(&mut self, now: u64) {
        while let Some((due, topic)) = self.by_end.pop_first() {
            if due > now {
                self.by_end.insert((due, topic));
                return;
            }
            match self.topics.get_mut(&topic) {
                Some(history) if history.until > now => {
                    history.looked_at = history.until;
                    self.by_end.insert((history.until, topic));
                }
                _ => self.remove(&topic),
            }
        }
    }

    fn make_room(&mut self, latest: &Bytes) {
        while self.topics.len() > self.bounds.topics || self.bytes > self.bounds.bytes {
            match self.by_write.first_key_value().map(|(_, topic)| topic.clone()) {
                Some(oldest) if oldest != *latest => self.remove(&oldest),
                _ => break,
            }
        }
        // It alone is too much.
        let Some(history) = self.topics.get_mut(latest) else { return };
        while self.bytes > self.bounds.bytes && !history.records.is_empty() {
            let before = history.bytes;
            history.drop_first();
            self.bytes = self.bytes + history.bytes - before;
        }
    }

    fn remove(&mut self, topic: &Bytes) {
        let Some(history) = self.topics.remove(topic) else { return };
        self.by_write.remove(&history.written);
        self.by_end.remove(&(history.looked_at, topic.clone()));
        self.bytes -= history.bytes + topic.len() + TOPIC_OVERHEAD;
    }
}

impl History {
    fn new(epoch: u64, until: u64) -> Self {
        let (records, publishers) = (VecDeque::new(), HashMap::new());
        History { epoch, last: 0, records, publishers, written: 0, until, looked_at: until, bytes: 0 }
    }

    fn push(&mut self, now: u64, kept: Kept, keep: Retention) {
        self.last += 1;
        self.bytes += kept.body.len() + OVERHEAD;
        self.records.push_back(kept);
        let age = milliseconds(keep.age);
        self.until = now.saturating_add(age.max(SHORTEST_LIFE));
        let most = keep.bytes.saturating_add(UNDER_WAY);
        while let Some(first) = self.records.front()
            && (self.records.len() > keep.records as usize
                || (self.bytes > most && self.records.len() > 1)
                || now.saturating_sub(first.at) >= age)
        {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(kept) = self.records.pop_front() {
            self.bytes -= kept.body.len() + OVERHEAD;
        }
    }

    /// Forgets the publishers that have appended nothing for the longest time, when there are too many.
    fn forget_publishers(&mut self) {
        if self.publishers.len() > MOST_PUBLISHERS {
            let mut offsets: Vec<u64> = self.publishers.values().map(|(_, offset)| *offset).collect();
            offsets.sort_unstable();
            let middle = offsets[offsets.len() / 2];
            self.publishers.retain(|_, (_, offset)| *offset >= middle);
        }
    }
}

#[cfg(test)]
mod tests;
