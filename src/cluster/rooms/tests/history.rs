//! The messages that were sent, and the notes of each node's members.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use super::{
    super::envelope::{self, About, Numbered},
    *,
};

pub(super) const ROOMS: [&str; 3] = ["a", "b", EVERYBODY];

/// A message: the how many-th of a publisher to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) publisher: u64,
    pub(super) room: &'static str,
    pub(super) sequence: usize,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.publisher, self.room, self.sequence)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or_else(|| text.to_owned());
        let publisher = next()?.parse().map_err(|_| text.to_owned())?;
        let name = next()?;
        let room = ROOMS.into_iter().find(|room| *room == name).ok_or_else(|| text.to_owned())?;
        Ok(Id { publisher, room, sequence: next()?.parse().map_err(|_| text.to_owned())? })
    }
}

/// A line that a node wrote down of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Own(Id),
    /// The engine was away, and it was not waited for.
    OwnAtSplit(Id),
    /// It was delivered when it was sent.
    AtOnce(Id),
    Foreign(Id, bool),
    Gap(u64),
    /// An envelope of this publisher says that its next number is that of this message.
    Known(u64, usize),
    /// Something may be missing from here on.
    Doubt,
    /// The topic was dropped.
    Dropped,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) when: When,
    /// Its place among those that have numbers.
    pub(super) index: Option<usize>,
}

/// A publisher's messages to a room.
#[derive(Debug, Default)]
pub(super) struct Sender {
    pub(super) sent: Vec<Sending>,
    pub(super) numbered: usize,
    /// Which message had the first number, each time that it began with the room.
    pub(super) begun: BTreeMap<u64, usize>,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// Nodes forget their numbers soon.
    pub(super) forgets: bool,
    pub(super) end: u64,
    pub(super) fault: Option<String>,
    pub(super) notes: BTreeMap<(u64, &'static str), Vec<Note>>,
    pub(super) senders: BTreeMap<(u64, &'static str), Sender>,
    pub(super) members: BTreeSet<(u64, &'static str)>,
    pub(super) dead: BTreeSet<u64>,
    /// Own messages that have not been delivered.
    pub(super) awaited: BTreeSet<Id>,
    /// Own messages whose place in the order of all a node cannot know.
    pub(super) misplaced: BTreeSet<Id>,
    pub(super) lost_own: BTreeSet<Id>,
    published: BTreeSet<Id>,
    /// Messages that were published again. They may come to a node that missed them, at another place in the order of all.
    pub(super) again: BTreeSet<Id>,
    pub(super) refused: BTreeSet<u64>,
    pub(super) told: u64,
    pub(super) gaps: u64,
    pub(super) late: u64,
}

/// The messages of a publication.
fn ids(publication: &Publication) -> Vec<Id> {
    let Ok((head, mut reader)) = envelope::read(&publication.body) else { return Vec::new() };
    let About::Room(about) = head.about else { return Vec::new() };
    let _ = reader.options();
    let next = |_| reader.message(1 << 16).ok()?.into_message().as_text()?.parse().ok();
    (0..about.count).filter_map(next).collect()
}

/// Whether it has messages.
pub(super) fn is_message(publication: &Publication) -> bool {
    !ids(publication).is_empty()
}

/// A publication, for a trace.
pub(super) fn short(publication: &Publication) -> String {
    let topic = String::from_utf8_lossy(&publication.topic).into_owned();
    match envelope::read(&publication.body) {
        Ok((head, _)) => match head.about {
            About::Control(word) => format!("{topic} {} {word:?}", head.publisher),
            About::Room(about) => {
                let late = if about.late { "late" } else { "" };
                let Numbered { n, count, back, ago, .. } = about;
                let ids: Vec<usize> = ids(publication).iter().map(|id| id.sequence).collect();
                format!("{topic} {} n {n} k {count} back {back} ago {ago} {late} {ids:?}", head.publisher)
            }
        },
        Err(_) => "malformed".to_owned(),
    }
}

impl History {
    pub(super) fn new(forgets: bool) -> Self {
        History { forgets, ..Self::default() }
    }

    pub(super) fn begin(&mut self, publisher: u64) {
        self.members.insert((publisher, EVERYBODY));
    }

    pub(super) fn died(&mut self, publisher: u64) {
        self.dead.insert(publisher);
    }

    pub(super) fn room(&self, name: &str) -> &'static str {
        ROOMS.into_iter().find(|room| *room == name).expect("all rooms are known")
    }

    pub(super) fn has_members(&self, publisher: u64, room: &'static str) -> bool {
        self.members.contains(&(publisher, room))
    }

    pub(super) fn set_members(&mut self, publisher: u64, room: &'static str, joins: bool) {
        match joins {
            true => self.members.insert((publisher, room)),
            false => self.members.remove(&(publisher, room)),
        };
    }

    /// The next message of a publisher to a room.
    pub(super) fn next(&self, publisher: u64, room: &'static str) -> Id {
        let sequence = self.senders.get(&(publisher, room)).map_or(0, |sender| sender.sent.len());
        Id { publisher, room, sequence }
    }

    pub(super) fn sent(&mut self, id: Id, sent: Sent, refused: bool, when: When) {
        let sender = self.senders.entry((id.publisher, id.room)).or_default();
        let index = (sent.published || refused).then_some(sender.numbered);
        sender.numbered += usize::from(index.is_some());
        sender.sent.push(Sending { when, index });
        if refused {
            self.refused.insert(id.publisher);
        }
        match sent.deliver_now {
            true => self.note(id.publisher, id.room, Note::AtOnce(id)),
            false => {
                self.awaited.insert(id);
            }
        }
    }

    pub(super) fn note(&mut self, node: u64, room: &'static str, note: Note) {
        match note {
            Note::Own(id) | Note::OwnAtSplit(id) => {
                self.awaited.remove(&id);
            }
            Note::Foreign(_, late) => {
                self.told += 1;
                self.late += u64::from(late);
            }
            Note::Gap(count) => self.gaps += count,
            _ => {}
        }
        self.notes.entry((node, room)).or_default().push(note);
    }

    /// A batch goes to the engine, perhaps not for the first time.
    pub(super) fn publishing(&mut self, node: u64, batch: &[Publication]) {
        for publication in batch {
            let ids = ids(publication);
            if let Some(first) = ids.first()
                && let Ok((head, _)) = envelope::read(&publication.body)
                && let About::Room(about) = head.about
                && let Some(sender) = self.senders.get_mut(&(node, first.room))
                && let Some(index) = sender.sent[first.sequence].index
            {
                sender.begun.insert(about.n - about.back, index - about.back as usize);
            }
            for id in ids {
                if self.lost_own.contains(&id) {
                    self.misplaced.insert(id);
                }
                if !self.published.insert(id) {
                    self.again.insert(id);
                }
            }
        }
    }

    /// A cut has swallowed it.
    pub(super) fn lost(&mut self, node: u64, publication: &Publication) {
        self.lost_own.extend(ids(publication).into_iter().filter(|id| id.publisher == node));
    }

    /// It did not come, and the engine has not said that something was cut.
    pub(super) fn lost_silently(&mut self, node: u64, publication: &Publication) {
        self.misplaced.extend(ids(publication).into_iter().filter(|id| id.publisher == node));
    }

    pub(super) fn received(&mut self, node: u64, publication: &Publication) {
        let Ok((head, _)) = envelope::read(&publication.body) else { return };
        let Some(room) = ROOMS.into_iter().find(|room| room.as_bytes() == publication.topic) else { return };
        if let About::Room(about) = head.about
            && about.count == 0
            && let Some(sender) = self.senders.get(&(head.publisher, room))
            && let Some(begun) = sender.begun.get(&(about.n - about.back))
        {
            self.note(node, room, Note::Known(head.publisher, begun + about.back as usize));
        }
    }

    pub(super) fn cut(&mut self, node: u64, _now: u64) {
        ROOMS.into_iter().for_each(|room| self.note(node, room, Note::Doubt));
    }

    pub(super) fn whole(&mut self, node: u64) {
        ROOMS.into_iter().for_each(|room| self.note(node, room, Note::Doubt));
    }

    pub(super) fn deaf(&mut self, node: u64) {
        ROOMS.into_iter().for_each(|room| self.note(node, room, Note::Doubt));
    }

    pub(super) fn unreturned(&self, node: u64) -> BTreeSet<Id> {
        self.awaited.iter().copied().filter(|id| id.publisher == node).collect()
    }

    pub(super) fn is_awaited(&self, node: u64, publication: &Publication) -> bool {
        ids(publication).iter().any(|id| id.publisher == node && self.awaited.contains(id))
    }

    pub(super) fn sending(&self, id: Id) -> Sending {
        self.senders[&(id.publisher, id.room)].sent[id.sequence]
    }
}
