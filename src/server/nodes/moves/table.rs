//! Facts of sessions that are known for some time. Times are arguments, in milliseconds.

use std::collections::HashMap;

use uuid::Uuid;

/// Facts of sessions by their numbers, each for a time. No more than a bound are known: beyond it, those go that end first.
#[derive(Debug)]
pub(super) struct Table<T> {
    most: usize,
    facts: HashMap<Uuid, (u64, T)>,
}

impl<T> Table<T> {
    pub(super) fn new(most: usize) -> Self {
        Table { most: most.max(1), facts: HashMap::new() }
    }

    pub(super) fn get(&self, now: u64, session: Uuid) -> Option<&T> {
        self.facts.get(&session).filter(|(until, _)| now < *until).map(|(_, fact)| fact)
    }

    pub(super) fn learn(&mut self, now: u64, until: u64, session: Uuid, fact: T) {
        if self.facts.len() >= self.most && !self.facts.contains_key(&session) {
            self.make_room(now);
        }
        self.facts.insert(session, (until, fact));
    }

    pub(super) fn forget(&mut self, session: Uuid) {
        self.facts.remove(&session);
    }

    /// Frees an eighth of the table at least, so that this is not done for each fact.
    fn make_room(&mut self, now: u64) {
        self.facts.retain(|_, (until, _)| now < *until);
        let kept = self.most - self.most.div_ceil(8);
        if self.facts.len() <= kept {
            return;
        }
        let mut ends: Vec<u64> = self.facts.values().map(|(until, _)| *until).collect();
        let excess = ends.len() - kept;
        let (_, last, _) = ends.select_nth_unstable(excess - 1);
        let last = *last;
        let mut left = excess;
        self.facts.retain(|_, (until, _)| {
            let goes = left > 0 && *until <= last;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> Uuid {
        Uuid::from_u128(number.into())
    }

    #[test]
    fn facts_end_by_their_time() {
        let mut table = Table::new(10);
        table.learn(0, 5, number(1), 'a');
        assert_eq!([4, 5].map(|now| table.get(now, number(1)).copied()), [Some('a'), None]);
        table.learn(6, 9, number(1), 'b');
        assert_eq!(table.get(8, number(1)), Some(&'b'));
        table.forget(number(1));
        assert_eq!(table.get(8, number(1)), None);
    }

    #[test]
    fn those_that_end_first_make_room() {
        let mut table = Table::new(16);
        for session in 0..1000 {
            table.learn(0, 10 + session, number(session), session);
            assert!(table.facts.len() <= 16);
            assert_eq!(table.get(0, number(session)), Some(&session), "the last one is known");
        }
        let known: Vec<bool> = (990..1000).map(|session| table.get(0, number(session)).is_some()).collect();
        assert_eq!(known, [true; 10]);
        // Those that are over make room first.
        table.learn(5000, 5001, number(5000), 1);
        assert_eq!(table.facts.len(), 1);
        // Many that end at the same time are no more.
        let mut table = Table::new(8);
        (0..100).for_each(|session| table.learn(0, 7, number(session), session));
        assert!(table.facts.len() <= 8 && table.get(0, number(99)).is_some());
    }
}
