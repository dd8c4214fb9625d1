//! The publications that this node receives.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    envelope::{self, About, Malformed, Numbered, Reader, Word},
    followers::exempt,
    publisher::SLOW,
    state::{ClusterRooms, Doubt, Follower, Heard, Room, Subscription},
    types::{Event, Foreign, Options, Publisher, RoomCounters},
};

/// The most publishers of one room whose numbers are known.
const PUBLISHERS: usize = 1_024;
/// A topic that is wanted for so many times the time of a position has heard of all that began to publish since.
const LONG: u64 = 10;

impl<M> ClusterRooms<M> {
    /// A publication has come.
    pub(crate) fn received(&mut self, now: u64, topic: &[u8], body: &Bytes) {
        self.line.heard = now;
        let done = envelope::read(body).and_then(|(head, mut reader)| match head.about {
            About::Control(word) => {
                let me = self.settings.publisher;
                let mut named = reader.named().peekable();
                let is_named = named.peek().is_none() || named.any(|publisher| publisher == me);
                self.heard_control(now, head.publisher, word, is_named);
                Ok(())
            }
            About::Room(about) => {
                let name = std::str::from_utf8(topic).map_err(|_| Malformed)?;
                if self.is_recorded(name) {
                    return Err(Malformed);
                }
                if head.publisher == self.settings.publisher {
                    self.own_returned(now, name, &about);
                    return Ok(());
                }
                self.foreign(now, name, head.publisher, &about, reader)
            }
        });
        if done.is_err() {
            self.counters.malformed += 1;
            self.events.push_back(Event::Malformed);
        }
    }

    fn heard_control(&mut self, now: u64, publisher: Publisher, word: Word, is_named: bool) {
        if publisher == self.settings.publisher {
            if let Some(returned) = self.line.returned(now, word.number) {
                self.marker_returned(now, word.number, returned);
            }
            return;
        }
        if word.answer {
            self.answered(now, publisher);
        }
        self.has_spoken(now, publisher);
        if word.ask && self.absent.is_some() {
            // The answer is held with all else, and the other node may wait for a word.
            self.line.mark(now);
        }
        if word.ask && is_named && self.answer_due.is_none() {
            let next = self.answered.map_or(now, |answered| answered + self.settings.position_after);
            self.answer_due = Some(next.max(now));
            self.answer(now);
        }
    }

    /// A publisher has told all its positions. Of rooms without one it has forgotten its numbers, if it had some.
    fn answered(&mut self, now: u64, publisher: Publisher) {
        self.asking.unanswered.retain(|other| *other != publisher);
        let in_doubt = |room: &Room<M>| {
            room.recording.is_none() && room.receiving.heard.get(&publisher).is_some_and(|heard| heard.doubt)
        };
        for name in self.names(in_doubt) {
            let Some(room) = self.rooms.get_mut(&name) else { continue };
            // It remembers what it has said since then.
            let remembers = |doubt: Doubt| now < doubt.from + self.settings.forget_after;
            let is_known = room.receiving.doubt.is_none_or(remembers);
            room.receiving.heard.entry(publisher).and_modify(|heard| heard.doubt = false);
            if !is_known {
                self.counters.holes += 1;
                let (base, n) = room.receiving.heard.get(&publisher).map_or((0, 0), |heard| (heard.base, heard.next));
                let gap = Event::Gap { room: name, publisher, n, base, count: 1, exempt: None };
                room.receiving.tell(&mut self.events, gap);
            }
        }
    }

    /// Own messages have come back: now the members get them.
    fn own_returned(&mut self, now: u64, name: &str, about: &Numbered) {
        let Some(room) = self.rooms.get(name) else { return };
        let settling = room.receiving.settling.is_some();
        if room.sending.kept.is_empty() && !settling {
            return;
        }
        // Own messages before them have not come, and will not.
        let lost = self.release(name, about.n, false);
        self.settled(name);
        self.release(name, about.n + about.count, true);
        if lost && !settling {
            self.suspect(now);
        }
    }

    /// The members get all own messages of the room with numbers below this one, and refused ones behind them. Returns
    /// whether there was one that is published. `returned`: they are at their places.
    pub(super) fn release(&mut self, name: &str, below: u64, returned: bool) -> bool {
        let Some(room) = self.rooms.get_mut(name) else { return false };
        let mut published = false;
        let (kept, followers, me) = (&mut room.sending.kept, &room.followers, self.settings.publisher);
        while kept.front().is_some_and(|next| next.n < below || next.refused.is_some())
            && let Some(next) = kept.pop_front()
        {
            published |= next.refused.is_none();
            self.kept -= 1;
            self.kept_refused -= next.refused.unwrap_or(0);
            let (n, exempt) = (Some(next.n), exempt(followers, me, next.n, 1));
            let settled = returned && next.refused.is_none();
            self.events.push_back(Event::Own { room: room.name.clone(), n, message: next.message, exempt, settled });
        }
        published
    }

    /// Nothing of ours is in doubt any more in this room: what was held follows.
    pub(super) fn settled(&mut self, name: &str) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.receiving.settling = None;
        self.events.append(&mut room.receiving.held);
    }

    pub(super) fn foreign(
        &mut self,
        now: u64,
        name: &str,
        publisher: Publisher,
        about: &Numbered,
        mut reader: Reader<'_>,
    ) -> Result<(), Malformed> {
        let Some(room) = self.rooms.get_mut(name) else { return Ok(()) };
        // Between the calls that drop it and add it again, nothing is wanted of it.
        if !room.wanted || matches!(room.subscription, Subscription::Off | Subscription::Dropping) {
            return Ok(());
        }
        let settle = self.settings.position_after * LONG;
        let (gap, known) = room.compare(now, publisher, about, settle, self.settings.forget_after);
        let options = reader.options()?.unwrap_or_else(|| self.plain.clone());
        let limit = self.settings.message_limit;
        let missed = room.missed(publisher, about);
        let queue = match room.receiving.settling {
            Some(_) => &mut room.receiving.held,
            None => &mut self.events,
        };
        let before = queue.len();
        if gap > 0 {
            let n = about.n.saturating_sub(gap);
            let exempt = exempt(&room.followers, publisher, n, gap);
            let base = about.n - about.back;
            queue.push_back(Event::Gap { room: room.name.clone(), publisher, n, base, count: gap, exempt });
        }
        queue.extend(missed);
        let followers = &room.followers;
        let mut tell =
            Tell { queue, room: &room.name, publisher, followers, options: &options, late: about.late, limit };
        if let Err(malformed) = tell.messages(&mut reader, about, known) {
            queue.truncate(before);
            return Err(malformed);
        }
        room.hear(now, publisher, about);
        room.caught_up(publisher);
        self.counters.count(gap, about, known);
        Ok(())
    }
}

impl RoomCounters {
    fn count(&mut self, gap: u64, about: &Numbered, known: u64) {
        self.holes = self.holes.saturating_add(gap);
        self.duplicates += known;
        self.received += about.count - known;
        if about.late {
            self.late += about.count - known;
        }
    }
}

struct Tell<'a, M> {
    queue: &'a mut VecDeque<Event<M>>,
    room: &'a Arc<str>,
    publisher: Publisher,
    followers: &'a [Follower],
    options: &'a Arc<Options>,
    late: bool,
    limit: usize,
}

impl<M> Tell<'_, M> {
    /// Tells of the messages behind the first `known` ones.
    fn messages(&mut self, reader: &mut Reader<'_>, about: &Numbered, known: u64) -> Result<(), Malformed> {
        for n in about.n..about.n + about.count {
            let payload = reader.message(self.limit)?;
            if n >= about.n + known {
                let (publisher, options, late) = (self.publisher, self.options.clone(), self.late);
                let exempt = exempt(self.followers, publisher, n, 1);
                let message = Foreign { publisher, n, base: about.n - about.back, options, payload, late };
                self.queue.push_back(Event::Foreign { room: self.room.clone(), message, exempt });
            }
        }
        reader.end()
    }
}

impl<M> Room<M> {
    /// How many messages of a publisher are missing before these, and how many of these are known.
    fn compare(&self, now: u64, publisher: Publisher, about: &Numbered, long: u64, forget_after: u64) -> (u64, u64) {
        let Some(heard) = self.receiving.heard.get(&publisher) else {
            // All that was used before the doubt, or before this topic came, is no loss: nothing of it was missed.
            let used_by = now.saturating_sub(about.ago) + SLOW;
            let may_miss = |from: u64| used_by >= from.max(self.live_since);
            let is_in_doubt = self.receiving.doubt.is_some_and(|doubt| now < doubt.until && may_miss(doubt.from));
            let gap = match about.first {
                // It began a moment ago, and this topic is wanted for longer.
                true if is_in_doubt || now >= self.live_since + long => about.back,
                false if is_in_doubt => about.back.min(1),
                // It has not forgotten its numbers, so it has used some since this topic is wanted.
                false if now >= self.live_since + forget_after + long => about.back.min(1),
                _ => 0,
            };
            return (gap, 0);
        };
        // Numbers before its beginning were never used.
        let next = heard.next.max(about.n - about.back);
        let gap = about.n.saturating_sub(next);
        let forgotten = heard.doubt && next > heard.next;
        let known = next.saturating_sub(about.n).min(about.count);
        (gap + u64::from(forgotten), known)
    }

    pub(super) fn hear(&mut self, now: u64, publisher: Publisher, about: &Numbered) {
        let (base, next) = (about.n - about.back, about.n + about.count);
        let heard = &mut self.receiving.heard;
        if let Some(heard) = heard.get_mut(&publisher) {
            // A publication that comes once more tells nothing of what is behind it.
            if next >= heard.next {
                *heard = Heard { base, next, at: now, doubt: false };
            }
            return;
        }
        if heard.len() >= PUBLISHERS
            && let Some((&oldest, _)) = heard.iter().min_by_key(|(publisher, heard)| (heard.at, **publisher))
        {
            heard.remove(&oldest);
        }
        heard.insert(publisher, Heard { base, next, at: now, doubt: false });
    }
}
