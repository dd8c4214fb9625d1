//! The requests of other nodes, between their coming to the rooms and the questions what becomes of them.

use std::collections::{BTreeSet, HashMap};

use bytestring::ByteString;

use super::words::Part;
use crate::cluster::rooms::Publisher;

/// A request that has come waits so long for its question, in milliseconds.
const EARLY: u64 = 5_000;

/// A request that is over is remembered so long: it may come late, and nobody is asked then.
const REMEMBERED: u64 = 60_000;

/// The requests that have not come yet are looked at this often.
const LOOK: u64 = 250;

/// The most requests that are known.
const MOST: usize = 4_096;

/// The process that asks, and the id of its request.
pub(crate) type Key = (Publisher, u64);

/// The fate of a part of a request that has not come, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It may still come.
    Coming,
    /// It is for nobody here.
    Nobody,
    /// It will not come.
    Lost,
}

/// All requests of other nodes. `G` asks members, and `R` has their answers.
#[derive(Debug)]
pub(crate) struct Desk<G, R> {
    requests: HashMap<Key, Request<G, R>>,
    /// The times at which something ends.
    until: BTreeSet<(u64, Key)>,
    /// The requests of which parts have not come.
    open: BTreeSet<Key>,
    look_at: u64,
    most: usize,
}

#[derive(Debug)]
enum Request<G, R> {
    /// It has come to these rooms, and nobody has asked what becomes of it.
    Early { ask: G, answers: R, rooms: Vec<ByteString>, until: u64 },
    /// Somebody waits for what becomes of it.
    Awaited { ask: G, parts: Vec<Expected> },
    /// Nobody does any more.
    Over,
}

#[derive(Debug)]
struct Expected {
    part: Part,
    is_open: bool,
}

/// A question has found its request, or waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Begun<G, R> {
    pub(crate) ask: G,
    pub(crate) answers: R,
    /// The sends that ask: those that have, and those that may still come.
    pub(crate) sends: usize,
    /// The parts that will not come.
    pub(crate) lost: usize,
}

impl<G: Clone, R> Desk<G, R> {
    pub(crate) fn new() -> Self {
        Self::of(MOST)
    }

    pub(super) fn of(most: usize) -> Self {
        Desk { requests: HashMap::new(), until: BTreeSet::new(), open: BTreeSet::new(), look_at: 0, most }
    }

    /// A request has come to a room. Returns what asks its members; `None` if they are not to be asked, since nobody waits
    /// for them. `late`: it was sent while its node could not publish.
    pub(crate) fn reached(
        &mut self,
        now: u64,
        key: Key,
        room: &str,
        late: bool,
        make: impl FnOnce() -> (G, R),
    ) -> Option<G> {
        match self.requests.get_mut(&key) {
            Some(Request::Over) => return None,
            Some(Request::Early { ask, rooms, .. }) => {
                rooms.push(room.into());
                return Some(ask.clone());
            }
            Some(Request::Awaited { ask, parts }) => {
                let expected = parts.iter_mut().find(|expected| expected.is_open && *expected.part.room == *room)?;
                expected.is_open = false;
                let ask = ask.clone();
                if parts.iter().all(|expected| !expected.is_open) {
                    self.open.remove(&key);
                }
                return Some(ask);
            }
            None => {}
        }
        // The question of one that is late would have come long ago.
        if late || !self.make_room() {
            return None;
        }
        let (ask, answers) = make();
        let until = now + EARLY;
        let early = Request::Early { ask: ask.clone(), answers, rooms: vec![room.into()], until };
        self.requests.insert(key, early);
        self.until.insert((until, key));
        Some(ask)
    }

    /// Another node asks what becomes of its request. `None` if that cannot be told: too many are asked for, or this one is
    /// over.
    pub(crate) fn wait(
        &mut self,
        now: u64,
        key: Key,
        parts: Vec<Part>,
        fate: impl Fn(&Part) -> Fate,
        make: impl FnOnce() -> (G, R),
    ) -> Option<Begun<G, R>> {
        if !self.requests.contains_key(&key) && !self.make_room() {
            return None;
        }
        let (ask, answers, rooms) = match self.requests.remove(&key) {
            Some(Request::Early { ask, answers, rooms, until }) => {
                self.until.remove(&(until, key));
                (ask, answers, rooms)
            }
            Some(known) => {
                self.requests.insert(key, known);
                return None;
            }
            None => {
                let (ask, answers) = make();
                (ask, answers, Vec::new())
            }
        };
        let (mut sends, mut lost) = (rooms.len(), 0);
        let mut expect = |part: Part| {
            let has_come = rooms.contains(&part.room);
            let fate = if has_come { Fate::Nobody } else { fate(&part) };
            sends += usize::from(fate == Fate::Coming);
            lost += usize::from(fate == Fate::Lost);
            Expected { part, is_open: fate == Fate::Coming }
        };
        let parts: Vec<Expected> = parts.into_iter().map(&mut expect).collect();
        if parts.iter().any(|expected| expected.is_open) {
            if self.open.is_empty() {
                self.look_at = now + LOOK;
            }
            self.open.insert(key);
        }
        self.requests.insert(key, Request::Awaited { ask: ask.clone(), parts });
        Some(Begun { ask, answers, sends, lost })
    }

    /// Looks at what has not come, if that is due. Returns the requests of which a part will not come, and whether it was lost.
    pub(crate) fn look(&mut self, now: u64, fate: impl Fn(Publisher, &Part) -> Fate) -> Vec<(G, bool)> {
        let mut decided = Vec::new();
        if self.open.is_empty() || now < self.look_at {
            return decided;
        }
        self.look_at = now + LOOK;
        let requests = &mut self.requests;
        self.open.retain(|key| {
            let Some(Request::Awaited { ask, parts }) = requests.get_mut(key) else { return false };
            for expected in parts.iter_mut().filter(|expected| expected.is_open) {
                let fate = fate(key.0, &expected.part);
                if fate != Fate::Coming {
                    expected.is_open = false;
                    decided.push((ask.clone(), fate == Fate::Lost));
                }
            }
            parts.iter().any(|expected| expected.is_open)
        });
        decided
    }

    /// Nobody waits any more for what becomes of a request.
    pub(crate) fn leave(&mut self, now: u64, key: Key) {
        if let Some(request @ Request::Awaited { .. }) = self.requests.get_mut(&key) {
            let until = now + REMEMBERED;
            *request = Request::Over;
            self.until.insert((until, key));
            self.open.remove(&key);
        }
    }

    /// Forgets what is over for long, and requests that nobody has asked for. Returns the answers of these.
    pub(crate) fn expire(&mut self, now: u64) -> Vec<R> {
        let mut unasked = Vec::new();
        while let Some(&(until, key)) = self.until.first()
            && until <= now
        {
            self.until.pop_first();
            if let Some(Request::Early { answers, .. }) = self.requests.remove(&key) {
                unasked.push(answers);
                let until = now + REMEMBERED;
                self.requests.insert(key, Request::Over);
                self.until.insert((until, key));
            }
        }
        unasked
    }

    /// The time at which [`expire`](Self::expire) and [`look`](Self::look) are to be called.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let ends = self.until.first().map(|(until, _)| *until);
        let look = (!self.open.is_empty()).then_some(self.look_at);
        ends.into_iter().chain(look).min()
    }

    /// Forgets the request that is over for the longest time, if there are too many. Returns whether there is a place.
    fn make_room(&mut self) -> bool {
        if self.requests.len() < self.most {
            return true;
        }
        let is_over = |key: &Key| matches!(self.requests.get(key), Some(Request::Over));
        let Some(oldest) = self.until.iter().find(|(_, key)| is_over(key)).copied() else { return false };
        self.until.remove(&oldest);
        self.requests.remove(&oldest.1);
        true
    }
}
