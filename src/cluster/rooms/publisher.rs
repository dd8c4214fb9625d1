//! The publications of this node.

use std::sync::Arc;

use super::{
    envelope::{self, Numbered, Word},
    state::{Batch, CONTROL, ClusterRooms, Kept, Numbers, OVERHEAD, Room, Subscription, Waiting},
    types::{Behind, Event, Options, Sent, When},
};
use crate::{
    cluster::engine::{Order, Publication, Record},
    payload::Payload,
};

/// The bounds of one batch: bytes and publications.
const BATCH_BYTES: usize = 1 << 20;
const BATCH: usize = 512;
/// A failed batch is published again after this time, which doubles up to the second one.
const RETRY: u64 = 20;
const RETRY_MOST: u64 = 1_000;
/// A batch that is under way for longer may have been published at any moment in between.
pub(super) const SLOW: u64 = 100;

impl<M> ClusterRooms<M> {
    /// Sends to the members of a room on all nodes. What `message` makes comes back in [`Event::Own`]; it is not called if
    /// the caller delivers the message now.
    pub(crate) fn send(
        &mut self,
        now: u64,
        room: &str,
        options: &Arc<Options>,
        payload: &Payload,
        message: impl FnOnce() -> M,
        when: When,
    ) -> Sent {
        let alone = self.others.is_empty();
        let recorded = self.is_recorded(room);
        if alone && !recorded && self.line.is_up() && !self.line.split && !self.has_kept(room) {
            return self.deliver_now(room, None, message, false);
        }
        let cost = payload.len() + OVERHEAD + size(options);
        let fits = self.outgoing.bytes.saturating_add(cost) <= self.settings.pending;
        let (floor, position_after) = (self.floor, self.settings.position_after);
        let settle_after = self.settings.split_after / 2;
        let found = match self.rooms.get_mut(room) {
            Some(found) => found,
            None => {
                let keep = self.settings.keeping.of(room);
                self.rooms.entry(room.into()).or_insert_with_key(|name| Room::new(name.clone(), keep))
            }
        };
        let has_kept = !found.sending.kept.is_empty();
        let n = found.sending.next_number(now, floor);
        found.sending.position_owed = true;
        found.look_at(&mut self.timers, now + position_after);
        let ordered = !self.line.split && found.waits_for_its_place(self.settings.order, when, options, alone);
        if fits {
            let late = self.line.split || (alone && !ordered && !recorded);
            let now = when == When::Now;
            let waiting = Waiting { n, late, now, options: options.clone(), payload: payload.clone() };
            found.sending.waiting.push_back(waiting);
            self.outgoing.bytes += cost;
            self.outgoing.enqueue(found);
        } else {
            self.counters.refused += 1;
        }
        if !ordered || (!fits && !has_kept) {
            return self.deliver_now(room, Some(n), message, fits);
        }
        found.look_at(&mut self.timers, now + settle_after);
        self.sequence += 1;
        let refused = (!fits).then_some(cost);
        found.sending.kept.push_back(Kept { n, sequence: self.sequence, at: now, refused, message: message() });
        self.kept += 1;
        self.kept_refused += refused.unwrap_or(0);
        if self.kept_refused > self.settings.pending {
            // They wait for what the engine is too slow for: the members here get them before the others.
            self.release(room, u64::MAX, false);
        }
        Sent { deliver_now: false, published: fits, n: Some(n) }
    }

    /// Whether a message to this room would be delivered by the caller, at once, and published to nobody.
    pub(crate) fn is_straight(&self, room: &str) -> bool {
        let alone = self.others.is_empty() && self.line.is_up() && !self.line.split;
        alone && self.events.is_empty() && !self.has_kept(room) && !self.is_recorded(room)
    }

    /// Whether something of ours in this room has not come back.
    fn has_kept(&self, room: &str) -> bool {
        self.kept > 0 && self.rooms.get(room).is_some_and(|room| !room.sending.kept.is_empty())
    }

    /// The caller delivers it, unless something is to be delivered before.
    fn deliver_now(&mut self, room: &str, n: Option<u64>, message: impl FnOnce() -> M, published: bool) -> Sent {
        if self.events.is_empty() {
            return Sent { deliver_now: true, published, n };
        }
        let room = self.rooms.get(room).map_or_else(|| room.into(), |room| room.name.clone());
        self.events.push_back(Event::Own { room, n, message: message(), exempt: None, settled: false });
        Sent { deliver_now: false, published, n }
    }

    /// Whether there may be something to publish now.
    pub(crate) fn has_publications(&self) -> bool {
        let outgoing = &self.outgoing;
        match &outgoing.batch {
            Some(batch) => !batch.under_way,
            None => !outgoing.ready.is_empty() || outgoing.failed.is_some() || self.line.marked_since().is_some(),
        }
    }

    /// The next batch to publish; `None` while one is under way or there is nothing.
    pub(crate) fn poll_publish(&mut self, now: u64) -> Option<Vec<Publication>> {
        let waits = self.waits_for_others();
        if waits && let Some(batch) = self.outgoing.batch.take_if(|batch| !batch.under_way && batch.messages > 0) {
            self.outgoing.failed = Some(batch);
        } else if !waits && self.outgoing.batch.is_none() {
            self.outgoing.batch = self.outgoing.failed.take();
        }
        if let Some(batch) = &mut self.outgoing.batch {
            if batch.under_way || now < batch.retry_at {
                return None;
            }
            batch.under_way = true;
            return Some(batch.publications.clone());
        }
        let mut batch = Batch {
            publications: Vec::new(),
            records: Vec::new(),
            bytes: 0,
            messages: 0,
            since: now,
            under_way: true,
            failures: 0,
            retry_at: now,
        };
        self.add_control(now, &mut batch);
        while !waits
            && batch.bytes < BATCH_BYTES
            && batch.len() < BATCH
            && let Some(name) = self.outgoing.ready.pop_front()
        {
            if self.add_room(now, &name, &mut batch) {
                self.outgoing.ready.push_front(name);
            }
        }
        if batch.len() == 0 {
            return None;
        }
        let publications = batch.publications.clone();
        self.outgoing.batch = Some(batch);
        Some(publications)
    }

    /// The records of the batch that is under way.
    pub(crate) fn records(&self) -> Vec<Record> {
        let batch = self.outgoing.batch.as_ref().filter(|batch| batch.under_way);
        batch.into_iter().flat_map(|batch| &batch.records).map(|(_, record)| record.clone()).collect()
    }

    /// The number that the next message to a room will have.
    pub(crate) fn next_number(&self, room: &str) -> u64 {
        let numbers = self.rooms.get(room).and_then(|room| room.sending.numbers);
        numbers.map_or(self.floor, |numbers| numbers.next)
    }

    /// The engine has taken the batch, or has failed: then the batch comes again.
    pub(crate) fn publish_done(&mut self, now: u64, ok: bool) {
        if ok {
            let Some(batch) = self.outgoing.batch.take_if(|batch| batch.under_way) else { return };
            self.outgoing.bytes -= batch.bytes;
            self.counters.published += batch.messages;
            for (room, record) in &batch.records {
                self.appended(room, record.number);
            }
            if batch.failures > 0 || now > batch.since + SLOW {
                self.outgoing.slow_at = now;
            }
        } else if let Some(batch) = self.outgoing.batch.as_mut().filter(|batch| batch.under_way) {
            batch.under_way = false;
            batch.retry_at = now + (RETRY << batch.failures.min(6)).min(RETRY_MOST);
            batch.failures = batch.failures.saturating_add(1);
        }
        self.judge(now);
    }

    /// The pace at which a marker is published until it comes back.
    pub(super) fn pace(&self) -> u64 {
        if self.line.deaf { self.settings.probe_after } else { (self.settings.split_after / 2).max(1) }
    }

    /// Whether this node would hear its own marker.
    pub(super) fn hears_control(&self) -> bool {
        self.rooms.get(CONTROL).is_some_and(|room| room.subscription == Subscription::On)
    }

    fn add_control(&mut self, now: u64, batch: &mut Batch) {
        if !self.hears_control() {
            return;
        }
        let pace = self.pace();
        let Some(number) = self.line.next_marker(now, pace) else { return };
        let ask = std::mem::take(&mut self.asking.wanted);
        let named: &[u64] = if ask && self.asking.again { &self.asking.unanswered } else { &[] };
        let word = Word { number, ask, answer: false };
        batch.publications.push(Publication::new(CONTROL, envelope::control(self.settings.publisher, word, named)));
    }

    /// Adds what waits of a room. Returns whether there is more.
    fn add_room(&mut self, now: u64, name: &str, batch: &mut Batch) -> bool {
        let (publisher, most) = (self.settings.publisher, self.settings.envelope);
        let Some(room) = self.rooms.get_mut(name) else { return false };
        room.sending.queued = false;
        // One's own would not come back. It is queued again when it would.
        let returns = !room.sending.kept.is_empty() && !room.sending.waiting.is_empty();
        if returns && !room.is_live(&self.line) && !self.line.split {
            return false;
        }
        while !room.sending.waiting.is_empty() {
            if batch.bytes >= BATCH_BYTES || batch.len() >= BATCH {
                room.sending.queued = true;
                return true;
            }
            let recent = self.settings.position_after;
            add_envelope(now, publisher, most, recent, self.outgoing.slow_at, room, batch);
        }
        if !std::mem::take(&mut room.sending.position) || room.recording.is_some() {
            return false;
        }
        if let Some(numbers) = &mut room.sending.numbers {
            numbers.taken = numbers.next;
            let ago = now.saturating_sub(numbers.taken_at.max(self.outgoing.slow_at));
            let back = numbers.next - numbers.base;
            let first = numbers.is_first(now, self.settings.position_after);
            let about = Numbered { n: numbers.next, back, first, ago, ..Numbered::default() };
            numbers.said = true;
            let body = envelope::room(publisher, &about, &self.plain, std::iter::empty());
            batch.publications.push(Publication::new(room.topic.clone(), body));
        } else if name == CONTROL {
            // All positions that were asked for are published before it.
            let word = Word { answer: true, ..Word::default() };
            batch.publications.push(Publication::new(CONTROL, envelope::control(publisher, word, &[])));
        }
        false
    }
}

impl Batch {
    fn len(&self) -> usize {
        self.publications.len() + self.records.len()
    }
}

/// Adds the next messages of a room that may be one envelope. One with a history has a record for each.
fn add_envelope<M>(
    now: u64,
    publisher: u64,
    most: usize,
    recent: u64,
    slow_at: u64,
    room: &mut Room<M>,
    batch: &mut Batch,
) {
    let sending = &mut room.sending;
    let Some(first) = sending.waiting.front() else { return };
    let (mut count, mut bytes, mut cost) = (0, 0, 0);
    for (waiting, n) in sending.waiting.iter().zip(first.n..) {
        let one = count == 0 || room.recording.is_none();
        let same = one
            && waiting.n == n
            && (waiting.late, waiting.now) == (first.late, first.now)
            && (Arc::ptr_eq(&waiting.options, &first.options) || waiting.options == first.options);
        if !same || (count > 0 && bytes + waiting.payload.len() > most) {
            break;
        }
        count += 1;
        bytes += waiting.payload.len();
        cost += waiting.payload.len() + OVERHEAD + size(&waiting.options);
    }
    let mut about =
        Numbered { n: first.n, count: count as u64, late: first.late, now: first.now, ..Numbered::default() };
    if let Some(numbers) = &mut sending.numbers {
        about.back = first.n - numbers.base;
        about.first = numbers.is_first(now, recent);
        // Others know by this that they have missed nothing of what was before, unless numbers in between are not published.
        let quiet = now.saturating_sub(numbers.taken_at.max(slow_at));
        if about.back > 0 && numbers.taken == first.n && quiet > SLOW {
            about.ago = quiet;
        }
        numbers.said = true;
        numbers.taken = first.n + about.count;
        numbers.taken_at = now;
    }
    let messages = sending.waiting.iter().take(count).map(|waiting| &waiting.payload);
    let body = envelope::room(publisher, &about, &first.options, messages);
    sending.waiting.drain(..count);
    match &room.recording {
        None => batch.publications.push(Publication::new(room.topic.clone(), body)),
        Some(recording) => {
            let record = Record::new(room.topic.clone(), body, publisher, about.n + 1, recording.keep);
            batch.records.push((room.name.clone(), record));
        }
    }
    batch.bytes += cost;
    batch.messages += about.count;
}

/// The bytes of options.
fn size(options: &Options) -> usize {
    let rooms: usize = options.except_rooms.iter().map(|room| room.len() + 24).sum();
    options.except.len() * 16 + rooms
}

impl<M> Room<M> {
    /// Whether the members get a message when it has its place in the order of all.
    fn waits_for_its_place(&self, order: Order, when: When, options: &Options, alone: bool) -> bool {
        match self.recording {
            // The place in the history is the one that all members know.
            Some(_) => self.wanted && (when == When::InOrder || options.when_behind == Behind::Keep),
            // Members need not wait for nobody, unless something of ours is under way.
            None => {
                let waits = !self.sending.kept.is_empty() || (self.members && !alone);
                when == When::InOrder && order == Order::Total && waits
            }
        }
    }
}

impl<M> super::state::Sending<M> {
    /// Uses the next number.
    fn next_number(&mut self, now: u64, floor: u64) -> u64 {
        let fresh =
            Numbers { base: floor, base_at: now, next: floor, taken: floor, said: false, last_at: now, taken_at: 0 };
        let numbers = self.numbers.get_or_insert(fresh);
        numbers.last_at = now;
        numbers.next += 1;
        numbers.next - 1
    }
}

impl Numbers {
    /// Whether the first number was used a moment ago, as far as others can know.
    fn is_first(&self, now: u64, recent: u64) -> bool {
        !self.said || now <= self.base_at + recent
    }
}
