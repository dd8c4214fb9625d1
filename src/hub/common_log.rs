//! The last messages of a room as the engine of a cluster keeps them for all nodes. A position is the name of a message,
//! which is the same on all nodes.

use std::collections::VecDeque;

use super::log::Position;
use crate::{broadcast::OutMessage, config::History};

/// A message that all nodes know by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The process that has sent it.
    pub(crate) publisher: u64,
    /// Its number in the room, which no other one of this process has.
    pub(crate) n: u64,
    /// Members of its own node have got it before messages that are before it in the history, perhaps.
    pub(crate) late: bool,
    /// It is delivered at its place in the history.
    pub(crate) settled: bool,
}

/// A place in the engine's history: its life, and the number of a message.
pub(crate) type Place = (u64, u64);

/// A message of the past of a room: its name, the number of its place, and when it was sent.
#[derive(Debug)]
pub(crate) struct PastMessage {
    pub(crate) name: Name,
    pub(crate) offset: u64,
    /// On the clock of this server, which may have begun later.
    pub(crate) time: i64,
    pub(crate) message: OutMessage,
}

/// The last messages of a room, in the order of the engine's history, and behind them those of this node that the engine
/// has not taken yet.
#[derive(Debug)]
pub(super) struct CommonLog {
    history: History,
    /// The room, in positions.
    room: u32,
    /// The number of the load that has filled it, unless it is empty for want of one.
    loaded: Option<u64>,
    /// All messages of the history that are behind this place are here, or came later; `None` if that is not known.
    base: Option<Place>,
    settled: VecDeque<Entry>,
    /// The number of messages that were dropped from the front of `settled`.
    dropped: u64,
    /// The last one of them.
    before: Option<(u64, u64)>,
    /// The last message that is not late, and how many there were when it was added.
    end: Option<(u64, u64, u64)>,
    own: VecDeque<Entry>,
    /// Messages are missing behind the settled one before this number.
    gap: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    /// The number of its place, if that is known.
    offset: Option<u64>,
    time: i64,
    /// The number of settled messages that there were when it was added.
    behind: u64,
    message: OutMessage,
}

impl Entry {
    fn is(&self, publisher: u64, n: u64) -> bool {
        (self.name.publisher, self.name.n) == (publisher, n)
    }
}

/// The place behind which a member gets everything: so many settled messages, and so many own ones.
struct From {
    settled: u64,
    own: usize,
}

impl CommonLog {
    pub(super) fn new(history: History, key: &str) -> Self {
        CommonLog {
            history,
            room: hash(key),
            loaded: None,
            base: None,
            settled: VecDeque::new(),
            dropped: 0,
            before: None,
            end: None,
            own: VecDeque::new(),
            gap: 0,
            bytes: 0,
        }
    }

    pub(super) fn loaded(&self) -> Option<u64> {
        self.loaded
    }

    /// The past of the room, all of it behind a place. What this node has sent stays if it is not among it.
    pub(super) fn load(&mut self, now: u64, number: u64, behind: Option<Place>, past: Vec<PastMessage>) {
        let own = std::mem::take(&mut self.own);
        self.clear();
        self.loaded = Some(number);
        self.base = behind;
        for PastMessage { name, offset, time, message } in past {
            self.push(Entry { name, offset: Some(offset), time, behind: 0, message });
        }
        let is_past =
            |own: &Entry, all: &VecDeque<Entry>| all.iter().any(|entry| entry.is(own.name.publisher, own.name.n));
        for entry in own {
            if !is_past(&entry, &self.settled) {
                self.bytes += entry.message.len();
                self.own.push_back(Entry { behind: self.count(), ..entry });
            }
        }
        self.expire(now);
    }

    /// Nothing is known of the room any more.
    pub(super) fn clear(&mut self) {
        let room = self.room;
        *self = CommonLog { room, ..CommonLog::new(self.history, "") };
    }

    /// Keeps a message that the members get now.
    pub(super) fn record(&mut self, now: u64, name: Name, message: OutMessage) {
        let entry = Entry { name, offset: None, time: signed(now), behind: self.count(), message };
        if name.settled {
            self.forget_own(name);
            self.push(entry);
        } else {
            self.bytes += entry.message.len();
            self.own.push_back(entry);
        }
        self.expire(now);
    }

    /// A message that the members have got has its place now.
    pub(super) fn settle(&mut self, now: u64, name: Name, message: OutMessage) {
        if self.settled.iter().rev().any(|entry| entry.is(name.publisher, name.n)) {
            return;
        }
        let name = Name { settled: true, ..name };
        self.record(now, name, message);
    }

    /// Messages that are not here are before all that come now.
    pub(super) fn miss(&mut self) {
        self.gap = self.count() + 1;
        self.base = None;
    }

    /// The engine has a message of this node, and those before it, or will never have them.
    fn forget_own(&mut self, name: Name) {
        while let Some(own) =
            self.own.front().filter(|own| own.name.publisher == name.publisher && own.name.n <= name.n)
        {
            self.bytes -= own.message.len();
            self.own.pop_front();
        }
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.message.len();
        if !entry.name.late {
            self.end = Some((entry.name.publisher, entry.name.n, self.count() + 1));
        }
        self.settled.push_back(entry);
    }

    /// The number of settled messages so far.
    fn count(&self) -> u64 {
        self.dropped + self.settled.len() as u64
    }

    /// The position behind the last message that has its place.
    pub(super) fn position(&self) -> Position {
        match (self.end, self.base) {
            (Some((publisher, n, _)), _) => self.name(publisher, n),
            (None, Some((epoch, offset))) => Position::new(format!("{epoch:x}.{:x}+{offset}", self.room)),
            (None, None) => self.name(0, 0),
        }
    }

    fn name(&self, publisher: u64, n: u64) -> Position {
        position_of(self.room, publisher, n)
    }

    /// The messages behind a position, or all if it is `None` or not one of this room, and whether none is missing in
    /// between.
    pub(super) fn since(&mut self, now: u64, position: Option<&str>) -> (impl Iterator<Item = &OutMessage>, bool) {
        self.expire(now);
        let from = match position {
            None => self.base.is_some_and(|(_, offset)| offset == 0).then_some(From { settled: 0, own: 0 }),
            Some(text) => self.read(text).filter(|from| from.settled >= self.dropped),
        };
        let complete = from.as_ref().is_some_and(|from| from.settled >= self.gap);
        let from = from.unwrap_or(From { settled: 0, own: 0 });
        let skip = usize::try_from(from.settled.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let all = self.settled.iter().skip(skip).chain(self.own.iter().skip(from.own));
        (all.map(|entry| &entry.message), complete)
    }

    /// The place that a position names, if that is known.
    fn read(&self, position: &str) -> Option<From> {
        let (first, rest) = position.split_once('.')?;
        let first = u64::from_str_radix(first, 16).ok()?;
        let is_name = |c: char| c == '.' || c == '+';
        let (room, last) = rest.split_once(is_name)?;
        if u32::from_str_radix(room, 16) != Ok(self.room) {
            return None;
        }
        let number = last.parse().ok()?;
        match rest.contains('+') {
            true => self.behind(first, number),
            false => self.behind_message(first, number),
        }
    }

    fn behind_message(&self, publisher: u64, n: u64) -> Option<From> {
        if let Some((.., count)) = self.end.filter(|end| (end.0, end.1) == (publisher, n)) {
            return Some(From { settled: count, own: 0 });
        }
        if self.before == Some((publisher, n)) {
            return Some(From { settled: self.dropped, own: 0 });
        }
        if let Some(at) = self.own.iter().position(|entry| entry.is(publisher, n)) {
            return Some(From { settled: self.own[at].behind, own: at + 1 });
        }
        let at = self.settled.iter().rposition(|entry| entry.is(publisher, n))?;
        // Somebody who has it may lack some that are before it.
        (!self.settled[at].name.late).then_some(From { settled: self.dropped + at as u64 + 1, own: 0 })
    }

    /// The place behind a number of the engine's history, of which there was no message any more.
    fn behind(&self, epoch: u64, offset: u64) -> Option<From> {
        let base = self.base.filter(|(known, base)| *known == epoch && *base <= offset)?;
        let skip = self.settled.iter().take_while(|entry| entry.offset.is_some_and(|of| of <= offset)).count();
        let is_known = base.1 == offset || self.settled.get(skip).is_none_or(|entry| entry.offset.is_some());
        is_known.then_some(From { settled: self.dropped + skip as u64, own: 0 })
    }

    /// Drops what is beyond the bounds.
    fn expire(&mut self, now: u64) {
        let History { messages, bytes, age, .. } = self.history;
        let oldest = age.map_or(i64::MIN, |age| signed(now).saturating_sub(signed(age)));
        loop {
            let is_full = self.settled.len() + self.own.len() > messages || self.bytes > bytes;
            let is_old = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.time < oldest);
            if (is_full || is_old(self.settled.front()))
                && let Some(entry) = self.settled.pop_front()
            {
                self.dropped += 1;
                self.before = (!entry.name.late).then_some((entry.name.publisher, entry.name.n));
                self.bytes -= entry.message.len();
                self.base = self.base.zip(entry.offset).map(|((epoch, _), offset)| (epoch, offset));
            } else if (is_full || is_old(self.own.front()))
                && let Some(entry) = self.own.pop_front()
            {
                self.bytes -= entry.message.len();
                // It was never where others find it.
                self.base = None;
            } else {
                return;
            }
        }
    }
}

fn signed(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The position of a message in the room with this key.
#[cfg(feature = "cluster")]
pub(super) fn position_in(key: &str, publisher: u64, n: u64) -> Position {
    position_of(hash(key), publisher, n)
}

fn position_of(room: u32, publisher: u64, n: u64) -> Position {
    Position::new(format!("{publisher:x}.{room:x}.{n}"))
}

/// FNV-1a: it is the same on all nodes.
fn hash(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
