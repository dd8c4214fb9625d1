//! Members that came from other nodes may have more of a publisher's messages than this node has received. Until it has
//! caught up, they do not get those again.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    envelope::Numbered,
    positions::{Positions, Reached},
    state::{ClusterRooms, Follower, Room, Subscription},
    types::{Event, Exempt, MemberId, Publisher},
};

/// A member is followed for this time. What comes later was published long before it came.
const FOLLOWED: u64 = 60_000;

impl<M> ClusterRooms<M> {
    /// Whether all that is published to the room from now on comes.
    pub(crate) fn is_heard(&self, room: &str) -> bool {
        let is_heard = |room: &Room<M>| {
            let is_loaded = room.recording.as_ref().is_none_or(|recording| recording.loaded.is_some());
            room.is_live(&self.line) && room.wanted && is_loaded
        };
        !self.line.split && self.rooms.get(room).is_some_and(is_heard)
    }

    /// Whether all that a publisher has said to a room up to this number has come or is known to be missing, and is told by
    /// the events of this machine.
    pub(crate) fn has_heard(&self, room: &str, publisher: Publisher, n: u64) -> bool {
        let Some(room) = self.rooms.get(room) else { return false };
        let heard = room.receiving.heard.get(&publisher);
        room.receiving.held.is_empty() && heard.is_some_and(|heard| heard.next > n)
    }

    /// Wants a marker: a word to this node itself, behind all that the engine carries now. Returns the number that
    /// [`marker`](Self::marker) has reached when it is back.
    pub(crate) fn mark(&mut self, now: u64) -> u64 {
        self.line.mark(now)
    }

    /// The number of the last marker that is back. All that other nodes had received when it was wanted has come here too,
    /// or is known to be missing, if the engine gives all nodes the same order.
    pub(crate) fn marker(&self) -> u64 {
        self.line.back()
    }

    /// Whether this node may have missed something of others that live: they are asked, and have not answered.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.asking.unanswered.iter().any(|publisher| self.others.binary_search(publisher).is_ok())
    }

    /// How far the members of a room here have got, if they have been told all events of this machine.
    pub(crate) fn positions(&self, now: u64, room: &str) -> Positions {
        let Some(room) = self.rooms.get(room) else { return Positions::default() };
        let reached = |base, next, at| Reached { base, ..Reached::to(next, now.saturating_sub(at)) };
        let heard = room.receiving.heard.iter();
        let heard = heard.map(|(publisher, heard)| (*publisher, reached(heard.base, heard.next, heard.at)));
        let me = self.settings.publisher;
        let own = room.sending.numbers.iter();
        let own = own.map(|numbers| (me, reached(numbers.base, numbers.next, numbers.last_at)));
        let publishers = heard.chain(own).collect();
        // For so long nobody forgets that a publisher was heard, nor its own numbers.
        let remembered = self.settings.forget_after / 2;
        let is_live = room.subscription == Subscription::On;
        let heard_for = if is_live { now.saturating_sub(room.live_since).min(remembered) } else { 0 };
        let mut positions = Positions { heard_for, publishers };
        room.receiving.held.iter().for_each(|event| positions.without(me, event));
        if let Some(own) = positions.publishers.get_mut(&me) {
            room.sending.kept.iter().for_each(|kept| own.lacks(kept.n, kept.n + 1));
        }
        positions
    }

    /// A member that came from another node may have more than those positions say.
    pub(crate) fn add_positions(&self, room: &str, member: MemberId, positions: &mut Positions) {
        let followers = self.rooms.get(room).into_iter().flat_map(|room| &room.followers);
        for (publisher, has) in
            followers.filter(|follower| follower.member == member).flat_map(|follower| &follower.has)
        {
            positions.publishers.entry(*publisher).or_insert_with(|| Reached::to(0, has.ago)).add(has);
        }
    }

    /// A member has come to the room from another node, with these positions. It gets all events from here on, but those
    /// that exempt it.
    pub(crate) fn follow(&mut self, now: u64, room: &str, member: MemberId, has: &Positions) {
        let me = self.settings.publisher;
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.receiving.held.iter_mut().for_each(|event| event.exempt(me, member, has));
        let is_ahead = |publisher: &Publisher, reached: &Reached| {
            if *publisher == me {
                return room.sending.kept.iter().any(|kept| reached.has(kept.n));
            }
            room.receiving.heard.get(publisher).is_none_or(|heard| heard.next < reached.end())
        };
        let ahead = has.publishers.iter().filter(|(publisher, reached)| is_ahead(publisher, reached));
        let has: BTreeMap<_, _> = ahead.map(|(publisher, reached)| (*publisher, reached.clone())).collect();
        room.followers.retain(|follower| follower.member != member && now < follower.until);
        if !has.is_empty() {
            room.followers.push(Follower { member, has, until: now + FOLLOWED });
        }
    }
}

/// The members among those that are followed which have all these messages.
pub(super) fn exempt(followers: &[Follower], publisher: Publisher, n: u64, count: u64) -> Exempt {
    if followers.is_empty() {
        return None;
    }
    let has_all = |follower: &&Follower| {
        follower.has.get(&publisher).is_some_and(|has| has.lacking(n, n.saturating_add(count)) == 0)
    };
    let exempt: Arc<[MemberId]> = followers.iter().filter(has_all).map(|follower| follower.member).collect();
    (!exempt.is_empty()).then_some(exempt)
}

impl<M> Room<M> {
    /// An envelope has come of a publisher that was not known: a member may know it, and miss what was before.
    pub(super) fn missed(&self, publisher: Publisher, about: &Numbered) -> Vec<Event<M>> {
        if self.followers.is_empty() || self.receiving.heard.contains_key(&publisher) {
            return Vec::new();
        }
        let missed = self.followers.iter().filter_map(|follower| {
            let has = follower.has.get(&publisher)?;
            let count = has.lacking(has.next.max(about.n - about.back), about.n);
            (count > 0).then(|| Event::Missed { room: self.name.clone(), member: follower.member, count })
        });
        missed.collect()
    }

    /// An envelope of a publisher has come: members that have no more of it are not followed any longer.
    pub(super) fn caught_up(&mut self, publisher: Publisher) {
        if self.followers.is_empty() {
            return;
        }
        let next = self.receiving.heard.get(&publisher).map_or(0, |heard| heard.next);
        for follower in &mut self.followers {
            follower.has.retain(|of, has| *of != publisher || has.end() > next);
        }
        self.followers.retain(|follower| !follower.has.is_empty());
    }
}
