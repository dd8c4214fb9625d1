//! The messages that are collected for sessions which are not there yet.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::target::Own;
use crate::{
    cluster::rooms::{Item, Positions, What},
    sync::lock,
};

/// The most bytes that are collected of all rooms. Beyond, the oldest ones of the rooms that have most are dropped, and counted
/// as a gap.
const MOST_BYTES: usize = 8 << 20;

/// The bytes that are left then, so that the rooms need not be compared for each message.
const LEFT_BYTES: usize = MOST_BYTES / 8 * 7;

/// The bytes that a message takes besides its own.
const OVERHEAD: usize = 256;

/// The most sessions that are expected at a time.
const MOST: usize = 4_096;

/// Messages of rooms, each kept once for all sessions that need it.
#[derive(Debug, Default)]
pub(super) struct Collecting {
    /// The number of sessions that are expected.
    expected: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    sessions: HashMap<u64, Session>,
    rooms: HashMap<Arc<str>, Room>,
    bytes: usize,
}

/// A session that is expected.
#[derive(Debug, Default)]
struct Session {
    since: u64,
    rooms: HashMap<Arc<str>, Began>,
}

/// How it was when the collecting began: the place of the next message, and the positions.
#[derive(Debug)]
struct Began {
    place: u64,
    positions: Positions,
}

#[derive(Debug, Default)]
struct Room {
    items: VecDeque<Item<Own>>,
    bytes: usize,
    /// The place of the first one.
    first: u64,
    /// The places at which sessions begin, and how many of them.
    starts: BTreeMap<u64, usize>,
}

/// All that was collected of a room for one session.
pub(super) struct Collected {
    pub(super) since: u64,
    pub(super) began: Positions,
    pub(super) items: Vec<Item<Own>>,
}

impl Collecting {
    /// A number for a session; `None` if too many are expected already.
    pub(super) fn expect(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        if state.sessions.len() >= MOST {
            return None;
        }
        state.last += 1;
        let number = state.last;
        state.sessions.insert(number, Session::default());
        self.expected.store(state.sessions.len(), Ordering::Relaxed);
        Some(number)
    }

    /// Whether anything may be collected.
    pub(super) fn is_some(&self) -> bool {
        self.expected.load(Ordering::Relaxed) > 0
    }

    /// Collects from now on, unless the session is not expected any more. The positions of the rooms are those of now.
    pub(super) fn begin(&self, number: u64, now: u64, rooms: impl IntoIterator<Item = (Arc<str>, Positions)>) {
        let state = &mut *lock(&self.state);
        let Some(session) = state.sessions.get_mut(&number) else { return };
        session.since = now;
        for (room, positions) in rooms {
            let collected = state.rooms.entry(room.clone()).or_default();
            let place = collected.first + collected.items.len() as u64;
            *collected.starts.entry(place).or_insert(0) += 1;
            session.rooms.insert(room, Began { place, positions });
        }
    }

    /// The members of a room on this node are told something.
    pub(super) fn collect(&self, room: &str, item: impl FnOnce() -> Item<Own>) {
        if !self.is_some() {
            return;
        }
        let state = &mut *lock(&self.state);
        let Some(collected) = state.rooms.get_mut(room) else { return };
        let item = item();
        collected.bytes += size(&item);
        state.bytes += size(&item);
        collected.items.push_back(item);
        if state.bytes > MOST_BYTES {
            state.drop_oldest();
        }
    }

    /// Ends what was begun for a session. Returns what was collected of its rooms.
    pub(super) fn end(&self, number: u64) -> HashMap<Arc<str>, Collected> {
        let state = &mut *lock(&self.state);
        let Some(session) = state.sessions.remove(&number) else { return HashMap::new() };
        self.expected.store(state.sessions.len(), Ordering::Relaxed);
        let mut all = HashMap::new();
        for (name, began) in session.rooms {
            let Some(room) = state.rooms.get_mut(&name) else { continue };
            let items = room.since(began.place);
            state.bytes -= room.no_more(began.place);
            if room.starts.is_empty() {
                state.rooms.remove(&name);
            }
            all.insert(name, Collected { since: session.since, began: began.positions, items });
        }
        all
    }
}

impl State {
    /// Drops the older half of what the largest room has, again and again, until enough is gone.
    fn drop_oldest(&mut self) {
        while self.bytes > LEFT_BYTES
            && let Some(largest) = self.rooms.values_mut().max_by_key(|room| room.bytes)
        {
            let left = largest.bytes / 2;
            let mut dropped = 0;
            while largest.bytes > left {
                dropped += largest.drop_first();
            }
            self.bytes -= dropped;
        }
    }
}

impl Room {
    /// Drops the oldest item. Returns its bytes.
    fn drop_first(&mut self) -> usize {
        let bytes = self.items.pop_front().map_or(0, |dropped| size(&dropped));
        self.first += u64::from(bytes > 0);
        self.bytes -= bytes;
        bytes
    }

    /// All that came since a place.
    fn since(&self, place: u64) -> Vec<Item<Own>> {
        let dropped = self.first.saturating_sub(place);
        let gap = (dropped > 0).then_some(Item { number: None, what: What::Gap(dropped) });
        let from = usize::try_from(place.saturating_sub(self.first)).unwrap_or(usize::MAX);
        gap.into_iter().chain(self.items.iter().skip(from).cloned()).collect()
    }

    /// A session that began at this place needs nothing any more. Returns the bytes that are dropped.
    fn no_more(&mut self, place: u64) -> usize {
        if let Some(sessions) = self.starts.get_mut(&place) {
            *sessions -= 1;
            if *sessions == 0 {
                self.starts.remove(&place);
            }
        }
        let needed = self.starts.first_key_value().map_or(u64::MAX, |(place, _)| *place);
        let mut bytes = 0;
        while self.first < needed && !self.items.is_empty() {
            bytes += self.drop_first();
        }
        bytes
    }
}

fn size(item: &Item<Own>) -> usize {
    let message = match &item.what {
        What::Message(own) => own.message.payload().len(),
        What::Gap(_) => 0,
    };
    message + OVERHEAD
}
