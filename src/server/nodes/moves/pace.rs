//! The pace at which sessions leave for other nodes. Times are arguments, in milliseconds.

use std::collections::HashMap;

/// The time between two sessions that leave for the same node, in milliseconds: 500 in a second.
const INTERVAL: u64 = 2;

/// The nodes whose pace is remembered, at most.
const MOST_NODES: usize = 1024;

/// The moments at which sessions may leave, for each node that takes them.
#[derive(Debug, Default)]
pub(super) struct Pace(HashMap<String, u64>);

impl Pace {
    /// Takes the next moment at which a session may leave for a node. It is `None`, and nothing is taken, if that is later
    /// than `longest` from now.
    pub(super) fn take(&mut self, now: u64, node: &str, longest: u64) -> Option<u64> {
        if self.0.len() >= MOST_NODES && !self.0.contains_key(node) {
            // One whose next moment is over is as one that is not remembered.
            self.0.retain(|_, next| *next > now);
            if self.0.len() >= MOST_NODES {
                return None;
            }
        }
        let next = self.0.get(node).copied().unwrap_or_default().max(now);
        if next - now > longest {
            return None;
        }
        self.0.insert(node.to_owned(), next + INTERVAL);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hundred_leave_for_each_node_in_a_second() {
        let mut pace = Pace::default();
        for node in ["b", "c"] {
            let moments: Vec<u64> = (0..1_000).filter_map(|_| pace.take(7, node, 10_000)).collect();
            assert_eq!(moments.iter().filter(|moment| **moment < 1_007).count(), 500);
            assert_eq!((moments.len(), moments[0], moments[999]), (1_000, 7, 7 + 1_998));
        }
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut pace = Pace::default();
        assert_eq!(
            [0, 0, 9_000, 9_000].map(|now| pace.take(now, "b", 10)),
            [Some(0), Some(2), Some(9_000), Some(9_002)]
        );
    }

    #[test]
    fn who_would_wait_for_too_long_takes_no_place() {
        let mut pace = Pace::default();
        let moments: Vec<_> = (0..5).map(|_| pace.take(0, "b", 4)).collect();
        assert_eq!(moments, [Some(0), Some(2), Some(4), None, None]);
        assert_eq!(pace.take(2, "b", 4), Some(6), "those that were refused have taken none");
    }

    #[test]
    fn the_nodes_that_are_remembered_are_bounded() {
        let mut pace = Pace::default();
        for node in 0..3_000 {
            assert_eq!(pace.take(node * 10, &node.to_string(), 0), Some(node * 10));
            assert!(pace.0.len() <= MOST_NODES);
        }
        let mut pace = Pace::default();
        let taken = (0..3_000).filter(|node| pace.take(0, &node.to_string(), 0).is_some()).count();
        assert_eq!(taken, MOST_NODES);
    }
}
