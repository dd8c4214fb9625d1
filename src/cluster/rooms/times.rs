//! Timeouts, and the line to the engine, which is cut and whole again.

use std::sync::Arc;

use super::{
    envelope, followers,
    forgetting::GONE,
    line::Returned,
    state::{Asking, CONTROL, ClusterRooms, Doubt, Room, Settling, Subscription},
    types::{Event, Publisher, RoomCounters},
};

/// The most time between two questions to others that have not answered.
const ASK_MOST: u64 = 60_000;
/// Doubts that come within this time are one.
const SOON: u64 = 200;

impl<M> ClusterRooms<M> {
    /// Publications may be lost from now on.
    pub(crate) fn cut(&mut self, now: u64) {
        if self.line.is_up() {
            self.before_cut.clone_from(&self.others);
        }
        self.line.cut(now);
        self.judge(now);
    }

    /// Publications come again.
    pub(crate) fn whole(&mut self, now: u64) {
        let (was_deaf, down_since) = (self.line.deaf, self.line.down_since.unwrap_or(now));
        let again = self.line.whole(now);
        self.settling.clear();
        let number = self.line.mark(now);
        for name in self.names(|room| room.subscription == Subscription::On && room.recording.is_none()) {
            // Messages that came before the line was cut once more are before all that was lost then.
            let settling = self.rooms.get(&name).and_then(|room| room.receiving.settling);
            if let Some(Settling { below, was_cut: true, .. }) = settling {
                self.release(&name, below, false);
            }
            self.settled(&name);
            self.settle(number, &name, true);
        }
        if again {
            self.doubt(now, self.line.sound_until);
        }
        if self.line.split && !was_deaf {
            self.wait_for_others(now, now.saturating_sub(down_since));
        }
        self.stop_waiting(now);
        self.interest_renewed(now);
        self.questions_renewed(now);
        self.ask_histories(now);
        self.enqueue_waiting();
        if let Some(batch) = &mut self.outgoing.batch {
            batch.retry_at = now;
        }
        self.judge(now);
    }

    /// Publications since then may be missing: the others are asked for their positions.
    fn doubt(&mut self, now: u64, from: u64) {
        self.mark_doubt(now, from);
        self.ask(now);
    }

    /// Asks the others for their positions.
    pub(super) fn ask(&mut self, now: u64) {
        let wait = self.settings.probe_after;
        let unanswered = self.others.clone();
        self.asking = Asking { unanswered, wanted: true, again: false, due: Some(now + wait), wait };
        self.line.mark(now);
    }

    fn mark_doubt(&mut self, now: u64, from: u64) {
        let until = now + self.settings.forget_after;
        // Histories show what is missing.
        let is_plain = |room: &&mut Room<M>| room.subscription == Subscription::On && room.recording.is_none();
        for room in self.rooms.values_mut().filter(is_plain) {
            let before = room.receiving.doubt.filter(|doubt| now < doubt.until);
            let from = before.map_or(from, |doubt| doubt.from.min(from));
            room.receiving.doubt = Some(Doubt { from, until });
            room.receiving.heard.values_mut().for_each(|heard| heard.doubt = true);
        }
    }

    /// Something of ours has not come back, and the engine has not said that it was away.
    pub(super) fn suspect(&mut self, now: u64) {
        let settings = &self.settings;
        let is_soon = self.asking.due.is_some_and(|due| now + settings.probe_after < due + SOON);
        if !is_soon {
            // An older loss would have shown before.
            self.doubt(now, now.saturating_sub(settings.probe_after + settings.probe_timeout));
            self.ask_histories(now);
        }
    }

    /// Asks those again that have not answered, less and less often.
    fn ask_again(&mut self, now: u64) {
        if !self.line.is_up() || self.asking.due.is_none_or(|due| now < due) {
            return;
        }
        let others = &self.others;
        self.asking.unanswered.retain(|publisher| others.binary_search(publisher).is_ok());
        self.asking.due = None;
        if !self.asking.unanswered.is_empty() {
            self.asking.wait = (self.asking.wait * 2).min(ASK_MOST);
            self.asking.due = Some(now + self.asking.wait);
            self.asking.wanted = true;
            self.asking.again = true;
            self.line.mark(now);
        }
    }

    /// The other processes that live and know of this one; none if this node is alone.
    pub(crate) fn set_others(&mut self, now: u64, others: &[Publisher]) {
        let mut others = others.to_vec();
        others.sort_unstable();
        others.dedup();
        self.gone.retain(|(publisher, _)| others.binary_search(publisher).is_err());
        let gone = self.others.iter().filter(|publisher| others.binary_search(publisher).is_err());
        self.gone.extend(gone.map(|publisher| (*publisher, now)));
        self.others = others;
    }

    /// The next thing to do.
    pub(crate) fn poll_event(&mut self) -> Option<Event<M>> {
        self.events.pop_front()
    }

    /// Whether the rooms of each node go on alone.
    pub(crate) fn is_split(&self) -> bool {
        self.line.split
    }

    /// The counts so far.
    pub(crate) fn counters(&self) -> RoomCounters {
        self.counters
    }

    /// The time at which [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let settings = &self.settings;
        let split = self.trouble().filter(|_| !self.line.split).map(|since| since + settings.split_after);
        let batch = self.outgoing.batch.as_ref().filter(|batch| !batch.under_way).map(|batch| batch.retry_at);
        let interest = self.interest.retry_at.filter(|_| self.interest.call.is_none());
        let word = self.line.marker_due(self.pace()).filter(|_| self.outgoing.batch.is_none() && self.hears_control());
        let deaf = self.line.said_since().filter(|_| self.line.is_up()).map(|said| said + settings.probe_timeout);
        let silent =
            (self.line.is_up() && self.line.marked_since().is_none()).then(|| self.line.heard + settings.probe_after);
        let gone = self.gone.first().map(|(_, since)| since + GONE);
        let room = self.timers.first().map(|(due, _)| *due);
        let ask = self.asking.due.filter(|_| self.line.is_up());
        let absent = self.absent.as_ref().filter(|_| self.line.is_up()).map(|absent| absent.until);
        let all = [
            split,
            batch,
            interest,
            word,
            deaf,
            silent,
            gone,
            room,
            ask,
            absent,
            self.answer_due,
            Some(self.sweep_due),
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due. The caller then asks for what is to be published, and for the topics that are wanted.
    pub(crate) fn handle_timeout(&mut self, now: u64) {
        while let Some((due, name)) = self.timers.pop_first() {
            if due > now {
                self.timers.insert((due, name));
                break;
            }
            self.look_at_room(now, &name);
        }
        self.answer(now);
        self.ask_again(now);
        self.stop_waiting(now);
        self.end_doubts(now);
        self.sweep(now);
        let settings = &self.settings;
        let said = self.line.said_since().filter(|said| now >= said + settings.probe_timeout);
        let silent = self.line.marked_since().is_none() && now >= self.line.heard + settings.probe_after;
        if let Some(said) = said.filter(|_| self.line.is_up()) {
            self.line.cut(said);
            self.line.deaf = true;
            self.line.mark(now);
            self.mark_doubt(now, self.line.sound_until);
            self.events.push_back(Event::Deaf);
        } else if self.line.is_up() && silent {
            self.line.mark(now);
        }
        self.judge(now);
    }

    /// The marker is back: what was published before it has come, or never will.
    pub(super) fn marker_returned(&mut self, now: u64, number: u64, returned: Returned) {
        if self.line.deaf {
            // The engine has not said that it was away, nor that it is back.
            self.whole(now);
            return;
        }
        let mut lost = returned.lost;
        for name in std::mem::take(&mut self.settling) {
            // Those of before may have come, and later ones be in doubt by now.
            match self.rooms.get(&name).and_then(|room| room.receiving.settling) {
                Some(Settling { marker, .. }) if marker > number => drop(self.settling.insert(name)),
                Some(Settling { below, .. }) => {
                    lost |= self.release(&name, below, false);
                    self.settled(&name);
                }
                None => {}
            }
        }
        if lost {
            self.suspect(now);
        }
        self.judge(now);
    }

    /// Own messages of the room that are published and have not come back are in doubt until a marker is back.
    fn settle(&mut self, marker: u64, name: &Arc<str>, was_cut: bool) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let taken = room.sending.numbers.map_or(0, |numbers| numbers.taken);
        if room.sending.kept.front().is_some_and(|kept| kept.n < taken) {
            room.receiving.settling = Some(Settling { below: taken, marker, was_cut });
            self.settling.insert(name.clone());
        }
    }

    /// The time since which something is wrong with the engine.
    fn trouble(&self) -> Option<u64> {
        let batch = self.outgoing.batch.as_ref().map(|batch| batch.since);
        let all = [self.line.down_since, self.line.marked_since(), batch, self.interest_since()];
        all.into_iter().flatten().min()
    }

    /// Decides whether the rooms of this node go on alone.
    pub(super) fn judge(&mut self, now: u64) {
        let overdue = self.trouble().is_some_and(|since| now >= since + self.settings.split_after);
        if !self.line.split && overdue {
            self.split(now);
        } else if self.line.split && !overdue {
            let failing = self.outgoing.batch.as_ref().is_some_and(|batch| batch.failures > 0);
            let held = self.absent.is_some() || self.outgoing.failed.is_some();
            let asked = (self.interest.failures > 0 && self.interest_since().is_some()) || !self.hears_control();
            if self.line.is_up() && self.line.marked_since().is_none() && !failing && !asked && !held {
                self.line.split = false;
                self.events.push_back(Event::Split(false));
            }
        }
    }

    fn split(&mut self, now: u64) {
        self.line.split = true;
        self.events.push_back(Event::Split(true));
        let mut own = Vec::new();
        let publisher = self.settings.publisher;
        let names = self.names(|room| !room.sending.kept.is_empty() || room.receiving.settling.is_some());
        for name in &names {
            let Some(room) = self.rooms.get_mut(name) else { continue };
            let exempt = |n| followers::exempt(&room.followers, publisher, n, 1);
            let kept = room.sending.kept.drain(..);
            own.extend(kept.map(|kept| (kept.sequence, name.clone(), kept.n, exempt(kept.n), kept.message)));
        }
        own.sort_unstable_by_key(|(sequence, ..)| *sequence);
        self.kept = 0;
        self.kept_refused = 0;
        let own = own.into_iter();
        self.events.extend(own.map(|(_, room, n, exempt, message)| {
            let n = Some(n);
            Event::Own { room, n, message, exempt, settled: false }
        }));
        self.settling.clear();
        names.iter().for_each(|name| self.settled(name));
        for room in self.rooms.values_mut() {
            room.sending.waiting.iter_mut().for_each(|waiting| waiting.late = true);
        }
        if let Some(batch) = &mut self.outgoing.batch {
            for publication in &mut batch.publications {
                publication.body = envelope::marked_late(&publication.body);
            }
            for (_, record) in &mut batch.records {
                record.body = envelope::marked_late(&record.body);
            }
        }
        self.enqueue_waiting();
        self.line.mark(now);
    }

    /// Rooms that waited for their topics may be published.
    fn enqueue_waiting(&mut self) {
        for name in self.names(|room| !room.sending.waiting.is_empty() && !room.sending.queued) {
            if let Some(room) = self.rooms.get_mut(&name) {
                self.outgoing.enqueue(room);
            }
        }
    }

    /// Tells the others the positions of all rooms, if they have asked, once in a while.
    pub(super) fn answer(&mut self, now: u64) {
        if self.answer_due.is_none_or(|due| now < due) {
            return;
        }
        self.answer_due = None;
        self.answered = Some(now);
        for name in self.names(|room| room.sending.numbers.is_some() && room.recording.is_none()) {
            let Some(room) = self.rooms.get_mut(&name) else { continue };
            room.sending.position = true;
            self.outgoing.enqueue(room);
        }
        if let Some(control) = self.rooms.get_mut(CONTROL) {
            control.sending.position = true;
            self.outgoing.enqueue(control);
        }
    }

    fn look_at_room(&mut self, now: u64, name: &Arc<str>) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.timer = None;
        let topic = self.look_at_topic(now, name);
        let kept = self.look_at_kept(now, name);
        let numbers = self.look_at_numbers(now, name);
        let history = self.look_at_history(now, name);
        let due = topic.into_iter().chain(kept).chain(numbers).chain(history).min();
        if let Some(room) = self.rooms.get_mut(name)
            && let Some(due) = due
        {
            room.look_at(&mut self.timers, due.max(now + 1));
        }
        self.forget_room(name);
    }

    /// Drops the topic of a room that has had no members for some time. Returns when to look again.
    fn look_at_topic(&mut self, now: u64, name: &Arc<str>) -> Option<u64> {
        let room = self.rooms.get_mut(name).filter(|room| room.wanted && !room.members)?;
        let due = room.idle_since + self.settings.linger;
        let busy = !room.sending.kept.is_empty() || room.receiving.settling.is_some();
        if now < due {
            return Some(due);
        }
        if busy {
            return Some(now + self.settings.position_after);
        }
        room.wanted = false;
        room.receiving.heard.clear();
        room.receiving.doubt = None;
        room.followers.clear();
        self.follow_no_more(name);
        self.changed_interest(now, false, name.clone());
        None
    }

    /// Own messages that do not come back in time have been lost on the way, as a marker will show.
    fn look_at_kept(&mut self, now: u64, name: &Arc<str>) -> Option<u64> {
        let after = (self.settings.split_after / 2).max(1);
        let room = self.rooms.get(name)?;
        let kept = room.sending.kept.front()?;
        if now < kept.at + after {
            return Some(kept.at + after);
        }
        if let Some(recording) = &room.recording {
            if kept.n < recording.appended {
                self.ask_history(now, name);
            }
            return Some(now + after);
        }
        let published = room.sending.numbers.is_some_and(|numbers| kept.n < numbers.taken);
        if published && room.is_live(&self.line) && room.receiving.settling.is_none() {
            let number = self.line.mark(now);
            self.settle(number, name, false);
        }
        Some(now + after)
    }

    /// Has the position of a room published, and forgets its numbers later on.
    fn look_at_numbers(&mut self, now: u64, name: &Arc<str>) -> Option<u64> {
        let room = self.rooms.get_mut(name)?;
        let numbers = room.sending.numbers?;
        let quiet = numbers.last_at + self.settings.position_after;
        if room.sending.position_owed && now < quiet {
            return Some(quiet);
        }
        if room.sending.position_owed && !room.sending.waiting.is_empty() {
            return Some(now + self.settings.position_after);
        }
        let is_told = room.recording.is_none() && !self.others.is_empty();
        if std::mem::take(&mut room.sending.position_owed) && is_told {
            room.sending.position = true;
            self.outgoing.enqueue(room);
        }
        let due = numbers.last_at + self.settings.forget_after;
        if now < due || room.sending.queued || !room.sending.kept.is_empty() {
            return Some(due.max(now + self.settings.position_after));
        }
        self.floor = self.floor.max(numbers.next);
        room.sending.numbers = None;
        None
    }
}
