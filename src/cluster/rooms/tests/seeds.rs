//! Many seeds, and machines that are wrong on purpose.
//!
//! `ANYWIRE_SEEDS` is the number of seeds to run, `ANYWIRE_FIRST_SEED` the first one, `ANYWIRE_TRACE` the lines of
//! what happened last in one that fails.

use super::{laws, movers, node::Wrong, world::World};

const SEEDS: u64 = 1_000;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => otherwise,
    }
}

fn run(seed: u64, wrong: Wrong) -> (World, Result<(), String>) {
    let mut world = World::new(seed, wrong, false);
    world.run();
    let result =
        laws::judge(&world.history, world.order).and_then(|()| movers::judge(&world)).and_then(|()| world.finished());
    if result.is_ok() || wrong != Wrong::Not {
        return (world, result);
    }
    let mut world = World::new(seed, wrong, true);
    world.run();
    (world, result)
}

#[test]
fn whatever_an_engine_does_nothing_is_lost_in_silence() {
    let first = from_environment("ANYWIRE_FIRST_SEED", 0);
    let (mut told, mut gaps, mut late, mut moves) = (0, 0, 0, 0);
    for seed in first..first + from_environment("ANYWIRE_SEEDS", SEEDS) {
        let (world, result) = run(seed, Wrong::Not);
        if let Err(fault) = result {
            let tail = from_environment("ANYWIRE_TRACE", 40) as usize;
            panic!("seed {seed}: {fault}\n{}\nseed {seed}: {fault}", world.trace(tail));
        }
        told += world.history.told;
        gaps += world.history.gaps;
        late += world.history.late;
        moves += world.movers.iter().map(|mover| mover.moves).sum::<u64>();
    }
    println!("{told} messages of other nodes, {late} of them late, {gaps} told to be missing, {moves} moves");
    assert!(told > 0 && gaps > 0 && late > 0 && moves > 0, "the faults are mild: {told} {gaps} {late} {moves}");
}

#[test]
fn wrong_machines_are_found() {
    for wrong in [
        Wrong::DeliversTwice,
        Wrong::CountsLate,
        Wrong::ForgetsGap,
        Wrong::PublishesEarly,
        Wrong::DropsAtCut,
        Wrong::BringsAll,
        Wrong::FollowsNobody,
        Wrong::ForgetsTheEarly,
    ] {
        let found = (0..SEEDS).find_map(|seed| Some((seed, run(seed, wrong).1.err()?)));
        let (seed, fault) = found.unwrap_or_else(|| panic!("{wrong:?} is not found"));
        println!("{wrong:?}, seed {seed}: {fault}");
    }
}
