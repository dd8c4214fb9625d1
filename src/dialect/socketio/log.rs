//! The events of a channel that its client may have missed when it comes back.

use std::collections::VecDeque;

use super::claim::Last;
use crate::packet::Offset;

/// The bytes that an entry takes besides its message, in a queue that has room for as many again.
const COST: usize = 128;

/// The last messages of a channel, in the order in which its client gets them. It is bounded in number and in bytes:
/// the oldest go first.
#[derive(Debug)]
pub(crate) struct Log<T> {
    entries: VecDeque<Entry<T>>,
    most: usize,
    most_bytes: usize,
    bytes: usize,
    /// The bytes that nobody else counts.
    own: usize,
    before: Before,
}

#[derive(Debug)]
struct Entry<T> {
    /// A request has none.
    offset: Option<Offset>,
    /// A newer value of this key takes its place.
    key: Option<Box<str>>,
    size: Size,
    message: T,
}

/// The length of a message, which is below 4 GiB, and how much of it nobody else counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) bytes: u32,
    pub(crate) own: u32,
}

/// The message right before the first that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// There was none.
    Nothing,
    Event(Offset),
    /// It has no offset, so that nobody can have heard it last.
    Request,
}

impl<T> Log<T> {
    /// Keeps so many messages, and of these no more than so many bytes.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        let before = Before::Nothing;
        Log { entries: VecDeque::new(), most, most_bytes, bytes: 0, own: 0, before }
    }

    /// Keeps a message behind the others. One that is larger than all that may be kept is not, but its offset is.
    pub(crate) fn push(&mut self, offset: Option<Offset>, size: Size, message: T) {
        self.add(Entry { offset, key: None, size, message });
    }

    /// Keeps the newest value of a key, in the place of the one before it.
    pub(crate) fn put(&mut self, key: &str, offset: Option<Offset>, size: Size, message: T) {
        let entry = Entry { offset, key: Some(key.into()), size, message };
        match self.entries.iter().position(|kept| kept.key.as_deref() == Some(key)) {
            Some(at) => {
                self.count(entry.size);
                let before = std::mem::replace(&mut self.entries[at], entry);
                self.discount(before.size);
                self.trim();
            }
            None => self.add(entry),
        }
    }

    fn add(&mut self, entry: Entry<T>) {
        self.count(entry.size);
        self.entries.push_back(entry);
        self.trim();
    }

    fn trim(&mut self) {
        while (self.entries.len() > self.most || self.bytes > self.most_bytes)
            && let Some(entry) = self.entries.pop_front()
        {
            self.discount(entry.size);
            self.before = entry.offset.map_or(Before::Request, Before::Event);
        }
    }

    fn count(&mut self, size: Size) {
        self.bytes += size.bytes as usize;
        self.own += size.own as usize;
    }

    fn discount(&mut self, size: Size) {
        self.bytes -= size.bytes as usize;
        self.own -= size.own as usize;
    }

    /// The number of messages that a client has which heard this one last. `None` if that is not known, or if some
    /// of the others are not kept.
    pub(crate) fn find(&self, last: Last) -> Option<usize> {
        match last {
            Last::Nothing => (self.before == Before::Nothing).then_some(0),
            Last::Event(offset) if self.before == Before::Event(offset) => Some(0),
            Last::Event(offset) => self.entries.iter().position(|entry| entry.offset == Some(offset)).map(|at| at + 1),
            Last::Unknown => None,
        }
    }

    /// Takes the messages behind the first `heard`, and drops these: the client has them.
    pub(crate) fn take_behind(&mut self, heard: usize) -> impl Iterator<Item = T> + use<T> {
        let mut entries = std::mem::take(&mut self.entries);
        (self.bytes, self.own) = (0, 0);
        if let Some(offset) = entries.drain(..heard).last().and_then(|entry| entry.offset) {
            self.before = Before::Event(offset);
        }
        entries.into_iter().map(|entry| entry.message)
    }

    /// The bytes that it holds and nobody else counts.
    pub(crate) fn held(&self) -> usize {
        self.own + self.entries.len() * COST
    }
}
