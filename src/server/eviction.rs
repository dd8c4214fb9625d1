//! Which sessions end when all of them together hold too much.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicBool, AtomicU64},
};

use crate::shared::Weight;

/// The state of the search for memory.
#[derive(Debug, Default)]
pub(super) struct Eviction {
    /// Somebody searches.
    pub(super) searching: AtomicBool,
    /// Before these times there is nothing to find: for the sessions that exist, and for new ones.
    pub(super) not_before: [AtomicU64; 2],
}

/// Sorts the sessions that may end, and drops the others: first those whose client has not shown the secret,
/// then those whose end frees most, then those that have waited longest.
pub(super) fn sort<T>(sessions: &mut Vec<(Weight, T)>, floor: usize, stalled: u64) {
    sessions.retain(|(weight, _)| weight.bytes > floor && weight.stalled >= stalled);
    sessions.sort_by_key(|(weight, _)| (weight.proven, Reverse(weight.bytes), Reverse(weight.stalled)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unproven_come_first_then_those_that_hold_most_then_those_that_wait_longest() {
        let weight = |proven, bytes, stalled| Weight { proven, bytes, later: 0, stalled };
        let mut sessions = vec![
            (weight(true, 900, 1), "much"),
            (weight(true, 100, 9), "at the floor"),
            (weight(true, 500, 2), "later"),
            (weight(false, 101, 1), "unproven"),
            (weight(true, 500, 3), "earlier"),
            (weight(false, 300, 1), "unproven, with more"),
            (weight(true, 9000, 0), "makes progress"),
        ];
        let mut all = sessions.clone();
        sort(&mut all, 100, 0);
        let names =
            |sessions: Vec<(Weight, &'static str)>| sessions.into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        let order = ["unproven, with more", "unproven", "makes progress", "much", "earlier", "later"];
        assert_eq!(names(all), order);
        sort(&mut sessions, 100, 2);
        assert_eq!(names(sessions), ["earlier", "later"], "for the sake of new ones only the slow end");
    }
}
