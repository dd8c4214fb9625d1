//! Rooms whose histories the engine keeps. A record that comes shows by its place whether those before it have come; if
//! not, they are asked for, and delivered before it. Only what the history does not have any more is a gap.
//!
//! A node asks for the whole history when it begins to follow a room, and behind each cut for what has come meanwhile.

use std::{collections::VecDeque, sync::Arc};

use super::{
    recording::{Asking, Recording},
    state::{ClusterRooms, Subscription},
    types::{Event, Loaded},
};
use crate::cluster::engine::{Past, Place, RECORDED, Recorded};

/// The engine is asked again after this time, which doubles up to the second one.
const RETRY: u64 = 50;
const RETRY_MOST: u64 = 1_000;
/// The time after which a room goes on without an answer.
const PATIENCE: u64 = 10_000;
/// The most bytes that a room holds until the engine has answered. Those beyond are asked for once more.
const HELD: usize = 1 << 20;
/// The bytes that a record takes besides its own.
const OVERHEAD: usize = 64;

impl Place {
    /// Whether it is not behind another one, in the same life of the history.
    fn is_at_most(self, other: Place) -> bool {
        self.epoch == other.epoch && self.offset <= other.offset
    }
}

impl<M> ClusterRooms<M> {
    /// Whether the engine keeps the history of a room.
    pub(crate) fn is_recorded(&self, room: &str) -> bool {
        self.settings.keeping.any()
            && match self.rooms.get(room) {
                Some(room) => room.recording.is_some(),
                None => self.settings.keeping.of(room).is_some(),
            }
    }

    /// The load with which this node began to follow a room, if it follows it.
    pub(crate) fn load_of(&self, room: &str) -> Option<u64> {
        self.rooms.get(room)?.recording.as_ref()?.loaded
    }

    /// A record has come.
    pub(crate) fn recorded(&mut self, now: u64, record: Recorded) {
        self.line.heard = now;
        let name = record.topic.strip_prefix(RECORDED).and_then(|name| std::str::from_utf8(name).ok());
        let Some(room) = name.and_then(|name| self.rooms.get(name)) else { return };
        if room.wanted && !matches!(room.subscription, Subscription::Off | Subscription::Dropping) {
            let name = room.name.clone();
            self.take_or_hold(now, &name, record);
        }
    }

    fn take_or_hold(&mut self, now: u64, name: &Arc<str>, record: Recorded) {
        let Some(recording) = self.recording(name) else { return };
        let Recorded { place, before, .. } = record;
        if recording.old == Some(place.epoch) {
            return self.take(now, name, &record.body);
        }
        let waits = recording.question.is_some() || recording.loaded.is_none();
        match recording.place {
            _ if waits => return self.hold(now, name, record),
            Some(at) if place.is_at_most(at) => {
                self.counters.duplicates += 1;
                return;
            }
            Some(at) if at.epoch == place.epoch && before > at.offset => return self.hold(now, name, record),
            Some(at) if at.epoch != place.epoch && before > 0 => return self.hold(now, name, record),
            // The numbers show what is missing.
            Some(at) if at.epoch != place.epoch => self.begun_anew(now, name),
            _ => {}
        }
        self.take_at(now, name, &record);
    }

    fn take_at(&mut self, now: u64, name: &Arc<str>, record: &Recorded) {
        self.take(now, name, &record.body);
        if let Some(recording) = self.recording(name) {
            recording.move_to(record.place);
        }
    }

    /// A record waits until those before it are there.
    fn hold(&mut self, now: u64, name: &Arc<str>, record: Recorded) {
        let (all, most) = (self.asked.held, self.settings.pending);
        let Some(recording) = self.recording(name) else { return };
        if recording.loaded.is_none() {
            recording.came.get_or_insert(record.place);
        }
        let size = record.body.len() + OVERHEAD;
        let fits = recording.bytes + size <= HELD && all + size <= most;
        if fits {
            recording.bytes += size;
            recording.held.push_back(record);
            self.asked.held += size;
            if self.recording(name).is_some_and(|recording| recording.question.is_none()) {
                self.ask_history(now, name);
            }
        } else {
            // The history has it.
            self.ask_history(now, name);
            self.ask_again_for(name);
        }
    }

    fn ask_again_for(&mut self, name: &Arc<str>) {
        if let Some(question) = self.recording(name).and_then(|recording| recording.question.as_mut()) {
            question.again = true;
        }
    }

    pub(super) fn recording(&mut self, name: &str) -> Option<&mut Recording> {
        self.rooms.get_mut(name)?.recording.as_deref_mut()
    }

    /// The engine has answered a question, or has failed.
    pub(crate) fn history_done(&mut self, now: u64, number: u64, past: Option<Past>) {
        let Some(name) = self.asked.under_way.remove(&number) else { return };
        let is_up = self.line.is_up();
        let Some(recording) = self.recording(&name) else { return };
        let Some(question) = &mut recording.question else { return };
        let Some(Asking { appended, mut held, .. }) = question.asked.take_if(|asked| asked.number == number) else {
            return;
        };
        let again = std::mem::take(&mut question.again);
        match past {
            Some(past) => held -= self.answer_came(now, &name, &past, appended, held),
            None if is_up && (recording.given_up || now >= question.since + PATIENCE) => {
                self.give_up(&name);
                self.go_on(now, &name, false, held);
                self.release_old(now, &name, appended);
                return;
            }
            None => {
                question.due = now + (RETRY << question.failures.min(5)).min(RETRY_MOST);
                question.failures += 1;
                let due = question.due;
                if let Some(room) = self.rooms.get_mut(&name) {
                    room.look_at(&mut self.timers, due);
                }
                return;
            }
        }
        self.go_on(now, &name, again, held);
    }

    /// The records that were held follow, unless the engine is asked once more.
    fn go_on(&mut self, now: u64, name: &Arc<str>, again: bool, asked: usize) {
        let Some(recording) = self.recording(name) else { return };
        recording.question = None;
        if again {
            self.ask_history(now, name);
            return;
        }
        let held = std::mem::take(&mut recording.held);
        let bytes = std::mem::take(&mut recording.bytes);
        self.asked.held -= bytes;
        for (at, record) in held.into_iter().enumerate() {
            match self.recording(name).and_then(|recording| recording.place) {
                // The engine has lost it since, and will not tell more.
                Some(place) if at < asked && place.epoch != record.place.epoch => {
                    if let Some(recording) = self.recording(name) {
                        recording.old = Some(record.place.epoch);
                    }
                    self.take(now, name, &record.body);
                }
                Some(place) if at < asked && !record.place.is_at_most(place) => self.take_at(now, name, &record),
                _ => self.take_or_hold(now, name, record),
            }
        }
    }

    /// The history has another life: what was held of an earlier one is told before that. Returns how many of the first
    /// `asked` records these are.
    fn tell_old(&mut self, now: u64, name: &Arc<str>, epoch: u64, asked: usize) -> usize {
        let Some(recording) = self.recording(name) else { return 0 };
        let before = recording.place.map(|at| at.epoch).or(recording
            .held
            .front()
            .filter(|_| asked > 0)
            .map(|held| held.place.epoch));
        let Some(old) = before.filter(|before| *before != epoch) else { return 0 };
        let at = recording.place.unwrap_or(Place::new(old, 0));
        recording.old = (old != 0).then_some(old);
        let held = std::mem::take(&mut recording.held);
        let is_old = |record: &Recorded| record.place.epoch == old;
        let count = held.iter().take(asked).filter(|record| is_old(record)).count();
        let (old, held): (VecDeque<_>, VecDeque<_>) = held.into_iter().partition(is_old);
        let bytes: usize = old.iter().map(|record| record.body.len() + OVERHEAD).sum();
        recording.held = held;
        recording.bytes -= bytes;
        self.asked.held -= bytes;
        old.iter().filter(|record| !record.place.is_at_most(at)).for_each(|record| self.take(now, name, &record.body));
        count
    }

    /// Returns how many of the first `asked` records that were held are told.
    fn answer_came(&mut self, now: u64, name: &Arc<str>, past: &Past, appended: u64, asked: usize) -> usize {
        let Some(recording) = self.recording(name) else { return 0 };
        recording.given_up = false;
        let Some(at) = recording.place else { return self.load(now, name, past, asked) };
        let told = self.tell_old(now, name, past.epoch, asked);
        let is_same = at.epoch == past.epoch;
        let last = past.records.last().map_or(0, |(offset, ..)| *offset);
        let end = Place::new(past.epoch, past.last.max(last).max(if is_same { at.offset } else { 0 }));
        if !is_same {
            self.begun_anew(now, name);
        }
        if let Some(recording) = self.recording(name) {
            recording.move_to(end);
        }
        let (holes, before) = (self.counters.holes, self.events.len());
        self.take_dropped(now, name, past, if is_same { at.offset } else { 0 });
        for (_, _, body) in past.records.iter().filter(|(offset, ..)| !is_same || *offset > at.offset) {
            self.take(now, name, body);
        }
        let is_short = past.before > if is_same { at.offset } else { 0 };
        if is_short && holes == self.counters.holes {
            self.tell_unknown(name, before);
        }
        if is_same && let Some(room) = self.rooms.get_mut(name) {
            room.receiving.heard.values_mut().for_each(|heard| heard.doubt = false);
        }
        // Those that the engine had taken and does not have will not come.
        self.release(name, appended, false);
        told
    }

    /// Something is missing at this place of the events, of a publisher that is not known.
    fn tell_unknown(&mut self, name: &Arc<str>, place: usize) {
        self.counters.holes += 1;
        let (room, exempt) = (name.clone(), None);
        self.events.insert(place, Event::Gap { room, publisher: 0, n: 0, base: 0, count: 1, exempt });
    }

    /// The history has another life: the engine has lost what it had, unless it had nothing or all of it was too old.
    fn begun_anew(&mut self, now: u64, name: &str) {
        let is_sound = |recording: &mut Recording| {
            let is_old = u128::from(now - recording.at.min(now)) >= recording.keep.age.as_millis();
            is_old || recording.place == Some(Place::new(0, 0))
        };
        if !self.recording(name).is_some_and(is_sound) {
            self.doubt_all(name);
        }
    }

    fn doubt_all(&mut self, name: &str) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.receiving.heard.values_mut().for_each(|heard| heard.doubt = true);
        }
    }

    /// The room is followed from here on. What was appended before is its past; what came since its topic is wanted, and
    /// what is behind an own message that its members wait for, is news.
    fn load(&mut self, now: u64, name: &Arc<str>, past: &Past, asked: usize) -> usize {
        let number = self.next_load();
        let Some(recording) = self.recording(name) else { return 0 };
        let was_loaded = recording.loaded.replace(number).is_some();
        let came = recording.came.take().or(recording.held.front().map(|held| held.place));
        let held = recording.held.iter().rev().find(|held| held.place.epoch == past.epoch);
        let reached = held.map_or(0, |held| held.place.offset);
        // Some of the news were not held, and are dropped already.
        let is_short =
            reached < past.before && came.is_some_and(|came| came.epoch == past.epoch && came.offset <= past.before);
        let last = past.records.last().map_or(0, |(offset, ..)| *offset);
        let end = Place::new(past.epoch, past.last.max(last));
        let is_new = |offset: u64| match came {
            Some(came) if came.epoch == past.epoch => offset >= came.offset,
            // It was of a life that was over when the engine was asked.
            came => came.is_some() && asked > 0,
        };
        let mut messages = Vec::new();
        let mut news = past.records.len();
        for (at, (offset, age, body)) in past.records.iter().enumerate() {
            if is_new(*offset) || self.is_awaited(name, body) {
                news = at;
                break;
            }
            match self.remember(now.saturating_sub(*age), name, body) {
                Ok(found) => messages.extend(found.into_iter().map(|message| (*offset, *age, message))),
                Err(_) => self.malformed(),
            }
        }
        let behind = Some(Place::new(past.epoch, past.before));
        self.events.push_back(Event::Past { room: name.clone(), past: Loaded { number, behind, messages } });
        if was_loaded {
            self.tell_unknown(name, self.events.len());
        }
        let told = self.tell_old(now, name, past.epoch, asked);
        if let Some(recording) = self.recording(name) {
            recording.place = Some(end);
        }
        self.take_dropped(now, name, past, 0);
        let (holes, before) = (self.counters.holes, self.events.len());
        for (_, _, body) in &past.records[news..] {
            self.take(now, name, body);
        }
        if is_short && holes == self.counters.holes {
            self.tell_unknown(name, before);
        }
        told
    }

    /// A short history has dropped some of the records already that have come since they were waited for. `after`: those
    /// behind this number are not told yet.
    fn take_dropped(&mut self, now: u64, name: &Arc<str>, past: &Past, after: u64) {
        let Some(recording) = self.recording(name) else { return };
        let is_dropped = |held: &&Recorded| {
            held.place.epoch == past.epoch && held.place.offset > after && held.place.offset <= past.before
        };
        let dropped: Vec<_> = recording.held.iter().filter(is_dropped).map(|held| held.body.clone()).collect();
        dropped.iter().for_each(|body| self.take(now, name, body));
    }

    fn next_load(&mut self) -> u64 {
        self.asked.last += 1;
        self.asked.last
    }

    /// The engine does not answer: the numbers show what is missing.
    fn give_up(&mut self, name: &Arc<str>) {
        let number = self.next_load();
        let Some(recording) = self.recording(name) else { return };
        recording.place = None;
        recording.came = None;
        recording.given_up = true;
        if recording.loaded.is_none() {
            recording.loaded = Some(number);
            let past = Loaded { number, behind: None, messages: Vec::new() };
            self.events.push_back(Event::Past { room: name.clone(), past });
        }
        self.doubt_all(name);
    }

    /// Own messages that the engine has taken and that have not come in all that time are not waited for either.
    fn release_old(&mut self, now: u64, name: &Arc<str>, appended: u64) {
        let Some(room) = self.rooms.get(name) else { return };
        let young = room.sending.kept.iter().find(|kept| now < kept.at + PATIENCE);
        let below = young.map_or(appended, |kept| kept.n.min(appended));
        self.release(name, below, false);
    }

    /// The topic is dropped.
    pub(super) fn follow_no_more(&mut self, name: &Arc<str>) {
        let Some(recording) = self.recording(name) else { return };
        let (keep, appended) = (recording.keep, recording.appended);
        let before = std::mem::replace(recording, Recording { appended, ..Recording::new(keep) });
        self.asked.held -= before.bytes;
        if before.loaded.is_some() {
            self.events.push_back(Event::Forgotten { room: name.clone() });
        }
    }

    /// The engine has taken a record.
    pub(super) fn appended(&mut self, name: &str, below: u64) {
        if let Some(recording) = self.recording(name) {
            recording.appended = recording.appended.max(below);
        }
    }
}
