//! The codes of sessions that are gone are remembered, so that their clients learn what became of them.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

/// The codes of sessions that are gone, by id, for some time. Pure: time is an argument.
#[derive(Debug)]
pub(super) struct Tombstones {
    most: usize,
    /// The code of each, and the time until which it is remembered.
    codes: HashMap<Uuid, (u16, u64)>,
    /// Each session and the time until which it is remembered. The times only grow.
    order: VecDeque<(u64, Uuid)>,
}

impl Tombstones {
    /// No more than `most` sessions are remembered. Beyond it the one that was gone first is forgotten.
    pub(super) fn new(most: usize) -> Self {
        Tombstones { most, codes: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn add(&mut self, now: u64, until: u64, id: Uuid, code: u16) {
        let is_past = |front: Option<&(u64, Uuid)>| front.is_some_and(|(until, _)| *until <= now);
        while is_past(self.order.front()) || self.order.len() >= self.most.max(1) {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            self.codes.remove(&oldest);
        }
        self.codes.insert(id, (code, until));
        self.order.push_back((until, id));
        // After a time of many, the memory is given back.
        if self.codes.capacity() > 4 * (self.codes.len() + 1024) {
            self.codes.shrink_to_fit();
            self.order.shrink_to_fit();
        }
    }

    /// The code with which this session ended.
    pub(super) fn code(&self, now: u64, id: Uuid) -> Option<u16> {
        self.codes.get(&id).filter(|(_, until)| now < *until).map(|(code, _)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered_for_their_time() {
        let mut tombstones = Tombstones::new(3);
        for number in 0..5_u64 {
            tombstones.add(number, number + 10, Uuid::from_u128(number.into()), 4100);
        }
        let known = |tombstones: &Tombstones| {
            (0..7_u128).filter(|number| tombstones.code(4, Uuid::from_u128(*number)).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(known(&tombstones), [2, 3, 4]);
        tombstones.add(13, 23, Uuid::from_u128(6), 4105);
        assert_eq!(known(&tombstones), [4, 6], "two are past");
        let last = Uuid::from_u128(6);
        assert_eq!([22, 23].map(|now| tombstones.code(now, last)), [Some(4105), None]);
        assert_eq!((tombstones.codes.len(), tombstones.order.len()), (2, 2));
    }
}
