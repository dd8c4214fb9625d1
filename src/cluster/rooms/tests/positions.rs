//! The messages of a publisher that a member has, against a set of numbers.

use std::collections::BTreeSet;

use super::super::{Carried, Positions, positions::Reached, read_keys, write_keys};
use crate::simulation::random::Random;

const ALL: u64 = 40;

/// Some numbers, and the same as a set.
fn some(random: &mut Random) -> (Reached, BTreeSet<u64>) {
    let next = random.below(ALL);
    let (mut reached, mut set) = (Reached::to(next, 0), (0..next).collect::<BTreeSet<u64>>());
    for _ in 0..random.below(5) {
        let from = random.below(ALL);
        let to = (from + random.below(6)).min(ALL);
        reached.lacks(from, to);
        set.retain(|n| !(from..to).contains(n));
    }
    (reached, set)
}

fn assert_same(reached: &Reached, set: &BTreeSet<u64>) {
    for n in 0..ALL + 2 {
        assert_eq!(reached.has(n), set.contains(&n), "{n}: {reached:?}");
    }
    assert!(set.iter().all(|n| *n < reached.end()));
    let ranges = [(reached.next, reached.next)].into_iter().chain(reached.also.iter().copied());
    let ranges: Vec<(u64, u64)> = ranges.collect();
    assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "no two ranges touch: {reached:?}");
}

#[test]
fn positions_are_sets_of_numbers() {
    let mut random = Random::new(1);
    for _ in 0..5_000 {
        let ((mut one, mut numbers), (other, others)) = (some(&mut random), some(&mut random));
        assert_same(&one, &numbers);
        let (from, to) = (random.below(ALL), random.below(ALL + 5));
        assert_eq!(one.lacking(from, to) as usize, (from..to).filter(|n| !numbers.contains(n)).count());
        assert_eq!(one.beyond(&other) as usize, numbers.difference(&others).count());
        one.add(&other);
        numbers.extend(others);
        assert_same(&one, &numbers);
    }
}

#[test]
fn other_nodes_read_what_was_written_and_nothing_else() {
    let mut random = Random::new(2);
    let publishers = (0..5).map(|publisher| (publisher << 60, some(&mut random).0)).collect();
    let positions = Positions { heard_for: 300, publishers };
    let room = |name: Option<&str>| Carried {
        key: "\0/a\0b".into(),
        name: name.map(Into::into),
        positions: positions.clone(),
    };
    let rooms = [room(None), room(Some("")), room(Some("somebody"))];
    let bytes = Carried::write(&rooms);
    assert_eq!(Carried::read(&bytes).as_deref(), Some(&rooms[..]));
    for cut in 0..bytes.len() {
        assert_eq!(Carried::read(&bytes.slice(..cut)), None);
    }
    assert_eq!(Carried::read(&[&bytes[..], &[0]].concat().into()), None);
    for _ in 0..20_000 {
        let mut bytes = bytes.to_vec();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] = random.below(256) as u8;
        if let Some(read) = Carried::read(&bytes.into()) {
            Carried::read(&Carried::write(&read)).expect("what is read can be written");
        }
    }
    let keys = write_keys(["a", "", "\0all"].into_iter());
    assert_eq!(read_keys(&keys).unwrap(), ["a", "", "\0all"]);
    assert_eq!((read_keys(&keys.slice(1..)), read_keys(&keys.slice(..3))), (None, None));
}

/// Where there are too many ranges to tell, the rest counts as had: that is a gap, and no repetition.
#[test]
fn what_has_too_many_holes_is_told_in_part() {
    let mut reached = Reached::to(2_000, 0);
    (0..1_000).for_each(|n| reached.lacks(n * 2, n * 2 + 1));
    let positions = Positions { heard_for: 0, publishers: [(7, reached.clone())].into() };
    let carried = [Carried { key: "a".into(), name: None, positions }];
    let read = Carried::read(&Carried::write(&carried)).unwrap();
    let read = &read[0].positions.publishers[&7];
    assert!((0..2_000).filter(|n| reached.has(*n)).all(|n| read.has(n)));
    assert_eq!((read.end(), read.also.len(), read.has(2), read.has(1_998)), (2_000, 256, false, true));
}
