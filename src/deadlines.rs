//! A queue of deadlines. It is pure: it holds keys and times.

use std::collections::BTreeMap;

/// Deadlines are rounded up to multiples of this many milliseconds, so that one wake-up serves many.
const GRAIN: u64 = 4;

/// Keys in the order of their deadlines. A key comes out never early and at most [`GRAIN`] late.
///
/// This is an ordered map of slots and not a ring, because the deadlines of idle sessions gather in few
/// slots, and the empty slots of a ring would have to be walked.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    slots: BTreeMap<u64, Vec<K>>,
}

impl<K> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Deadlines { slots: BTreeMap::new() }
    }

    /// Adds a key, which stays until its time comes. Returns whether the key is now the first of all.
    pub(crate) fn push(&mut self, deadline: u64, key: K) -> bool {
        let slot = deadline.div_ceil(GRAIN);
        let first = self.slots.first_key_value().is_none_or(|(&first, _)| slot < first);
        self.slots.entry(slot).or_default().push(key);
        first
    }

    /// Returns the time of the first key.
    pub(crate) fn next(&self) -> Option<u64> {
        self.slots.first_key_value().map(|(slot, _)| slot * GRAIN)
    }

    /// Removes and returns the keys of one slot whose time has come.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Vec<K>> {
        let slot = self.slots.first_entry()?;
        (slot.key() * GRAIN <= now).then(|| slot.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_early_and_at_most_a_grain_late() {
        let mut deadlines = Deadlines::new();
        for time in [1, 4, 5, 1000, 1001] {
            deadlines.push(time, time);
        }
        let mut fired = Vec::new();
        for now in 0..2000 {
            while let Some(keys) = deadlines.pop(now) {
                fired.extend(keys.into_iter().map(|key| (key, now)));
            }
        }
        assert_eq!(fired.len(), 5);
        for (time, now) in fired {
            assert!(now >= time && now < time + GRAIN, "{time} fired at {now}");
        }
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn push_returns_whether_the_sleeper_must_wake_sooner() {
        let mut deadlines = Deadlines::new();
        assert!(deadlines.push(100, 'a'));
        assert!(!deadlines.push(200, 'b'));
        assert!(!deadlines.push(100, 'c'));
        assert!(deadlines.push(50, 'd'));
        assert_eq!(deadlines.next(), Some(52));
    }
}
