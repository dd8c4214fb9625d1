//! The things that are forgotten: rooms, publishers that have gone, and doubts that are old.

use std::sync::Arc;

use super::{
    state::{ClusterRooms, Heard, Subscription},
    types::{Event, Publisher},
};

/// The time after which nothing more is expected of a publisher that has gone.
pub(super) const GONE: u64 = 10_000;

impl<M> ClusterRooms<M> {
    /// Forgets a room of which there is nothing to know.
    pub(super) fn forget_room(&mut self, name: &Arc<str>) {
        let nothing = self.rooms.get(name).is_some_and(|room| {
            !room.wanted
                && !room.changed
                && room.subscription == Subscription::Off
                && room.sending.numbers.is_none()
                && !room.sending.queued
                && room.timer.is_none()
        });
        if nothing {
            self.rooms.remove(name);
        }
    }

    /// Doubts about publishers that have gone end: what one of them said last may be missing. Their numbers stay as long as
    /// those of others do, since a node at which a member arrives compares what both nodes have heard.
    pub(super) fn end_doubts(&mut self, now: u64) {
        while let Some(&(publisher, since)) = self.gone.first().filter(|(_, since)| now >= since + GONE) {
            self.gone.remove(0);
            let is_doubted = |heard: &Heard| heard.doubt && heard.at <= since;
            for name in self.names(|room| room.receiving.heard.get(&publisher).is_some_and(is_doubted)) {
                let Some(room) = self.rooms.get_mut(&name) else { continue };
                let Some(heard) = room.receiving.heard.get_mut(&publisher) else { continue };
                heard.doubt = false;
                self.counters.holes += 1;
                let gap = Event::Gap { room: name, publisher, n: heard.next, base: heard.base, count: 1, exempt: None };
                room.receiving.tell(&mut self.events, gap);
            }
        }
    }

    /// Forgets publishers that are gone for long.
    pub(super) fn sweep(&mut self, now: u64) {
        if now < self.sweep_due {
            return;
        }
        let forget_after = self.settings.forget_after;
        self.sweep_due = now + forget_after;
        for room in self.rooms.values_mut() {
            let lives = |publisher: &Publisher| self.others.binary_search(publisher).is_ok();
            room.receiving.heard.retain(|publisher, heard| lives(publisher) || now < heard.at + forget_after);
            room.receiving.doubt = room.receiving.doubt.filter(|doubt| now < doubt.until);
            room.followers.retain(|follower| now < follower.until);
        }
    }
}
