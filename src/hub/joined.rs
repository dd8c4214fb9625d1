//! The rooms that a member is in.

use std::{
    collections::{HashSet, hash_set},
    mem, slice,
    sync::Arc,
};

/// Up to this number the keys stand in a list. To look through it takes no longer than to hash a key.
const FEW: usize = 16;

/// The keys of the rooms that a member is in. Most members are in a few; one that is in a thousand must not look at each of
/// them to join one more.
#[derive(Debug)]
pub(super) enum JoinedRooms {
    Few(Vec<Arc<str>>),
    #[expect(clippy::box_collection, reason = "a member in few rooms is no larger for it")]
    Many(Box<HashSet<Arc<str>>>),
}

impl Default for JoinedRooms {
    fn default() -> Self {
        JoinedRooms::Few(Vec::new())
    }
}

impl JoinedRooms {
    pub(super) fn contains(&self, key: &str) -> bool {
        match self {
            JoinedRooms::Few(keys) => keys.iter().any(|known| **known == *key),
            JoinedRooms::Many(keys) => keys.contains(key),
        }
    }

    /// Adds a room that it is not in.
    pub(super) fn add(&mut self, key: Arc<str>) {
        match self {
            JoinedRooms::Few(keys) if keys.len() < FEW => keys.push(key),
            JoinedRooms::Few(keys) => {
                *self = JoinedRooms::Many(Box::new(mem::take(keys).into_iter().chain([key]).collect()));
            }
            JoinedRooms::Many(keys) => drop(keys.insert(key)),
        }
    }

    /// Removes a room. Returns whether it was in it.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        match self {
            JoinedRooms::Few(keys) => {
                let found = keys.iter().position(|known| **known == *key);
                found.map(|at| keys.swap_remove(at)).is_some()
            }
            JoinedRooms::Many(keys) => keys.remove(key),
        }
    }

    /// The keys, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        let (few, many): (slice::Iter<'_, _>, Option<hash_set::Iter<'_, _>>) = match self {
            JoinedRooms::Few(keys) => (keys.iter(), None),
            JoinedRooms::Many(keys) => ([].iter(), Some(keys.iter())),
        };
        few.chain(many.into_iter().flatten())
    }

    /// Removes all rooms, and returns their keys.
    pub(super) fn take(&mut self) -> Vec<Arc<str>> {
        match mem::take(self) {
            JoinedRooms::Few(keys) => keys,
            JoinedRooms::Many(keys) => keys.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_member_in_few_rooms_and_in_many_is_in_those_that_it_has_joined_and_not_left() {
        let mut rooms = JoinedRooms::default();
        let mut model = BTreeSet::new();
        // Each round joins more rooms than it leaves, and some that it has left.
        for round in 0..100_usize {
            for n in [2 * round, 2 * round + 1, round / 2] {
                let key = n.to_string();
                assert_eq!(rooms.contains(&key), model.contains(&key), "{n} in round {round}");
                if model.insert(key.clone()) {
                    rooms.add(key.into());
                }
            }
            let key = (round * 7 % 50).to_string();
            assert_eq!(rooms.remove(&key), model.remove(&key), "leaves in round {round}");
            let keys: BTreeSet<String> = rooms.iter().map(ToString::to_string).collect();
            assert_eq!((&keys, rooms.iter().count()), (&model, model.len()), "round {round}");
        }
        assert!(matches!(rooms, JoinedRooms::Many(_)));
        assert_eq!(rooms.take().len(), model.len());
        assert!(rooms.iter().next().is_none() && matches!(rooms, JoinedRooms::Few(_)));
    }

    #[test]
    fn a_member_in_few_rooms_is_no_larger_for_those_that_are_in_many() {
        assert_eq!(size_of::<JoinedRooms>(), size_of::<Vec<Arc<str>>>());
    }
}
