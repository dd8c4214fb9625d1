//! Many seeds, and machines that are wrong on purpose. `ANYWIRE_SEEDS` is the number of seeds, `ANYWIRE_FIRST_SEED` the
//! first one.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    node::{Id, Node, Note, Wrong},
    world::World,
};

const SEEDS: u64 = 400;

fn judge(world: &World) -> Result<(), String> {
    for node in &world.nodes {
        let place = |text: String| format!("node {}: {text}", node.publisher);
        own(node).map_err(place)?;
        order(world, node).map_err(place)?;
        whole(world, node).map_err(place)?;
        node.unfinished().map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// The members get each own message once.
fn own(node: &Node) -> Result<(), String> {
    let mut own: Vec<u64> = node.told().filter(|id| id.0 == node.publisher).map(|id| id.1).collect();
    own.sort_unstable();
    if own == (0..node.sent).collect::<Vec<_>>() { Ok(()) } else { Err(format!("own messages: {own:?}")) }
}

/// A message that is told at its place is told once, in the order of the history, and behind the past.
fn order(world: &World, node: &Node) -> Result<(), String> {
    // Messages of a life that is over may come late.
    let mut last: BTreeMap<u64, usize> = BTreeMap::new();
    let mut own: BTreeSet<Id> = BTreeSet::new();
    for note in &node.notes {
        let id = match note {
            Note::Past(past) => {
                let known = past.iter().filter(|id| !world.again.contains(id));
                let places: Vec<usize> = known.map(|id| world.order[id]).collect();
                if places.windows(2).any(|pair| pair[0] >= pair[1]) {
                    return Err(format!("the past is in another order: {places:?}"));
                }
                for id in past {
                    let last = last.entry(world.epochs[id]).or_insert(0);
                    *last = world.order[id].max(*last);
                }
                continue;
            }
            // A message that was told before may be in a history that was begun anew.
            Note::Returned(id) if !own.insert(*id) => continue,
            Note::Told { id, settled: true } | Note::Returned(id) => id,
            _ => continue,
        };
        if world.again.contains(id) {
            continue;
        }
        let place = *world.order.get(id).ok_or_else(|| format!("{id:?} is not in the history"))?;
        let before = last.insert(world.epochs[id], place);
        if before.is_some_and(|before| before >= place) && !(world.reset && id.0 == node.publisher) {
            return Err(format!("{id:?} is told behind a later one"));
        }
    }
    Ok(())
}

/// Since a node follows the room, it is told all that is appended, or of a gap.
fn whole(world: &World, node: &Node) -> Result<(), String> {
    let (past, notes) = node.last_life();
    let mut known: BTreeSet<Id> = notes
        .iter()
        .filter_map(|note| match note {
            Note::Told { id, .. } | Note::Returned(id) => Some(*id),
            _ => None,
        })
        .collect();
    let first = past.iter().chain(&known).filter(|id| id.0 != node.publisher).map(|id| world.order[id]).min();
    known.extend(past);
    let is_missing = |(id, place): &(&Id, &usize)| {
        id.0 != node.publisher && first.is_some_and(|first| **place > first) && !known.contains(id)
    };
    let missing: Vec<&Id> = world.order.iter().filter(is_missing).map(|(id, _)| id).collect();
    let gaps: u64 = notes.iter().map(|note| if let Note::Gap(count) = note { *count } else { 0 }).sum();
    let is_short = world.engine.is_short || world.reset || !world.patient;
    match (missing.is_empty(), gaps) {
        (true, 0) => Ok(()),
        (false, 0) if !world.reset => Err(format!("{missing:?} are missing, and no gap is told")),
        (_, 1..) if !is_short => Err(format!("{gaps} are told to be missing, and the history has all; {missing:?}")),
        _ => Ok(()),
    }
}

fn run(seed: u64, wrong: Wrong) -> (World, Result<(), String>) {
    let mut world = World::new(seed, wrong);
    world.run();
    let result = judge(&world);
    (world, result)
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[test]
fn whatever_an_engine_does_a_room_with_a_history_is_told_in_its_order() {
    let first = from_environment("ANYWIRE_FIRST_SEED", 0);
    let (mut filled, mut told, mut gaps) = (0, 0, 0);
    for seed in first..first + from_environment("ANYWIRE_SEEDS", SEEDS) {
        let (world, result) = run(seed, Wrong::Not);
        if let Err(fault) = result {
            let notes = world.nodes.iter().map(|node| format!("{}: {:?}", node.publisher, node.notes));
            panic!("seed {seed}: {fault}\n{}\nseed {seed}: {fault}", notes.collect::<Vec<_>>().join("\n"));
        }
        filled += world.filled;
        let notes = || world.nodes.iter().flat_map(|node| &node.notes);
        told += notes().filter(|note| matches!(note, Note::Told { settled: true, .. })).count();
        gaps += notes().filter(|note| matches!(note, Note::Gap(_))).count();
    }
    println!("{told} told at their places, {filled} holes filled, {gaps} gaps");
    assert!(told > 0 && filled > 0 && gaps > 0, "the faults are mild: {told} {filled} {gaps}");
}

#[test]
fn wrong_machines_are_found() {
    for wrong in [Wrong::FillsBehind, Wrong::TakesTwice, Wrong::ForgetsHeld, Wrong::CountsFilled, Wrong::FillsNothing] {
        let found = (0..SEEDS).find_map(|seed| Some((seed, run(seed, wrong).1.err()?)));
        let (seed, fault) = found.unwrap_or_else(|| panic!("{wrong:?} is not found"));
        println!("{wrong:?}, seed {seed}: {fault}");
    }
}
