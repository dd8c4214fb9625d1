//! A member comes from another node: it gets what was collected for it, without what it has already.

use std::collections::BTreeMap;

use super::{
    positions::{Positions, Reached},
    types::Publisher,
};

/// A message of a room, or some that are missing, as it was delivered to the members on this node.
#[derive(Clone, Debug)]
pub(crate) struct Item<T> {
    /// `None` if it was sent to this node alone.
    pub(crate) number: Option<Number>,
    pub(crate) what: What<T>,
}

/// The publisher of messages, the number of the first of them, and the first number that the publisher used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) publisher: Publisher,
    pub(crate) n: u64,
    pub(crate) base: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum What<T> {
    Message(T),
    /// The number of messages that are missing.
    Gap(u64),
}

/// The positions of a room that a member comes to.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    /// The member's own.
    pub(crate) has: &'a Positions,
    /// Those of this node when it began to collect for it, and how many milliseconds ago that was.
    pub(crate) began: &'a Positions,
    pub(crate) since: u64,
    /// Those of this node now: all that it has told its members is collected.
    pub(crate) here: &'a Positions,
}

impl Arrival<'_> {
    /// The part of all that was collected that the member is to be told.
    pub(crate) fn steps<T>(&self, items: impl IntoIterator<Item = Item<T>>) -> Vec<What<T>> {
        let mut steps = Vec::new();
        let gap = |steps: &mut Vec<What<T>>, count: u64| {
            if count > 0 {
                steps.push(What::Gap(count));
            }
        };
        gap(&mut steps, self.too_early());
        // Publishers that were not known here: what is missing before their first message.
        let is_new = |publisher: &Publisher| !self.began.publishers.contains_key(publisher);
        let new = self.has.publishers.iter().filter(|(publisher, _)| is_new(publisher));
        let mut new: BTreeMap<Publisher, &Reached> = new.map(|(publisher, has)| (*publisher, has)).collect();
        for item in items {
            let Some(Number { publisher, n, base }) = item.number else {
                steps.push(item.what);
                continue;
            };
            if let Some(has) = new.remove(&publisher) {
                gap(&mut steps, has.lacking(base, n));
            }
            let has = self.has.publishers.get(&publisher);
            match item.what {
                What::Gap(count) => gap(&mut steps, has.map_or(count, |has| has.lacking(n, n.saturating_add(count)))),
                What::Message(_) if has.is_some_and(|has| has.has(n)) => {}
                message @ What::Message(_) => steps.push(message),
            }
        }
        let unseen =
            new.into_iter().filter_map(|(publisher, has)| Some(self.here.publishers.get(&publisher)?.beyond(has)));
        gap(&mut steps, unseen.sum());
        steps
    }

    /// How many messages the members here had before this node began to collect, and the one that comes has not.
    fn too_early(&self) -> u64 {
        let missing = self.began.publishers.iter().map(|(publisher, began)| match self.has.publishers.get(publisher) {
            Some(has) => began.beyond(has),
            // The other node would have heard it.
            None => u64::from(began.ago.saturating_add(self.since) < self.has.heard_for),
        });
        missing.sum()
    }
}
