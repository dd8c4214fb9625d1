//! The topics that the engine is asked for: those of the rooms that have members on this node, or had a moment ago.

use std::sync::Arc;

use bytes::Bytes;

use super::state::{Call, ClusterRooms, Subscription};

/// The most topics of one call.
const CALL: usize = 512;
/// A failed call is made again after this time, which doubles up to the second one.
const RETRY: u64 = 100;
const RETRY_MOST: u64 = 2_000;

impl<M> ClusterRooms<M> {
    /// The room has members on this node, or has none any more.
    pub(crate) fn set_interest(&mut self, now: u64, room: &str, members: bool) {
        let linger = self.settings.linger;
        if !members && !self.rooms.contains_key(room) {
            return;
        }
        self.room(room);
        let Some(room) = self.rooms.get_mut(room) else { return };
        if room.members == members || (room.pinned && !members) {
            return;
        }
        room.members = members;
        if !members {
            room.idle_since = now;
            room.look_at(&mut self.timers, now + linger);
        } else if !room.wanted {
            room.wanted = true;
            let name = room.name.clone();
            self.changed_interest(now, true, name);
        }
    }

    /// The engine is to be told that a topic is wanted, or not any more.
    pub(super) fn changed_interest(&mut self, now: u64, wanted: bool, name: Arc<str>) {
        let Some(room) = self.rooms.get_mut(&name) else { return };
        if !room.changed {
            room.changed = true;
            self.interest.changes.push_back(name);
        }
        if wanted {
            self.interest.since = Some(self.interest.since.map_or(now, |since| since.min(now)));
        }
    }

    /// Whether there may be topics to ask the engine for now, or to drop.
    pub(crate) fn has_topics(&self, now: u64) -> bool {
        let interest = &self.interest;
        interest.call.is_none() && !interest.changes.is_empty() && interest.retry_at.is_none_or(|retry| now >= retry)
    }

    /// The next topics to ask the engine for, and to drop; `None` while a call is under way or nothing has changed.
    pub(crate) fn poll_interest(&mut self, now: u64) -> Option<(Vec<Bytes>, Vec<Bytes>)> {
        if self.interest.call.is_some() || self.interest.retry_at.is_some_and(|retry| now < retry) {
            return None;
        }
        self.interest.retry_at = None;
        let (mut add, mut drop, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
        while rooms.len() < CALL
            && let Some(name) = self.interest.changes.pop_front()
        {
            let Some(room) = self.rooms.get_mut(&name) else { continue };
            room.changed = false;
            match (room.wanted, room.subscription) {
                // It was not wanted for a moment, in which nothing was taken of it: it is followed anew.
                (true, Subscription::On) => {
                    room.live_since = now;
                    self.ask_history(now, &name);
                    continue;
                }
                (true, Subscription::Off | Subscription::Failed) => {
                    room.subscription = Subscription::Adding;
                    add.push(room.topic.clone());
                }
                (false, Subscription::On | Subscription::Failed) => {
                    room.subscription = Subscription::Dropping;
                    drop.push(room.topic.clone());
                }
                // It came and went while the engine was busy.
                (false, Subscription::Off) => {
                    self.forget_room(&name);
                    continue;
                }
                _ => continue,
            }
            rooms.push(name);
        }
        let since = self.interest.since;
        if self.interest.changes.is_empty() {
            self.interest.since = None;
        }
        if rooms.is_empty() {
            return None;
        }
        self.interest.call = Some(Call { rooms, since: since.filter(|_| !add.is_empty()) });
        Some((add, drop))
    }

    /// The engine has done what `poll_interest` asked for, or has failed.
    pub(crate) fn interest_done(&mut self, now: u64, ok: bool) {
        let Some(call) = self.interest.call.take() else { return };
        if ok {
            self.interest.failures = 0;
        } else {
            let delay = RETRY << self.interest.failures.min(5);
            self.interest.failures += 1;
            self.interest.retry_at = Some(now + delay.min(RETRY_MOST));
        }
        for name in call.rooms {
            let Some(room) = self.rooms.get_mut(&name) else { continue };
            match (room.subscription, ok) {
                (Subscription::Adding, true) => {
                    room.subscription = Subscription::On;
                    room.live_since = now;
                    if !room.sending.waiting.is_empty() {
                        self.outgoing.enqueue(room);
                    }
                }
                (Subscription::Adding, false) => room.subscription = Subscription::Failed,
                // An engine that failed to drop a topic has forgotten it all the same.
                (Subscription::Dropping, _) => room.subscription = Subscription::Off,
                _ => continue,
            }
            let wanted = room.wanted;
            let is_added = room.subscription == Subscription::On;
            let is_as_wanted = room.wanted == (room.subscription == Subscription::On);
            if is_added {
                self.ask_history(now, &name);
            }
            if wanted && !is_as_wanted {
                let since = call.since.unwrap_or(now);
                self.changed_interest(since, true, name);
            } else if !is_as_wanted {
                self.changed_interest(now, false, name);
            } else if !wanted {
                self.forget_room(&name);
            }
        }
        self.judge(now);
    }

    /// All topics are asked for again, those of failed calls included.
    pub(super) fn interest_renewed(&mut self, now: u64) {
        for name in self.names(|room| room.wanted && room.subscription == Subscription::Failed) {
            self.room(&name).subscription = Subscription::On;
            self.room(&name).live_since = now;
        }
        self.interest.failures = 0;
        self.interest.retry_at = None;
    }

    /// The time since which the engine has not done what it was asked for.
    pub(super) fn interest_since(&self) -> Option<u64> {
        let call = self.interest.call.as_ref().and_then(|call| call.since);
        call.into_iter().chain(self.interest.since).min()
    }
}
