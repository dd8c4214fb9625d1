//! Runs seeds, and wrong servers that the oracle must catch.

use super::{coverage::Coverage, saboteur::Sabotage};
use crate::simulation::seeds::{self, Run, from_environment, run_seeds};

/// Seeds of the normal run.
const SEEDS: u64 = 1_000;
/// A wrong server must be caught within this many seeds.
const CONTROL_SEEDS: u64 = 200;

/// Runs one seed. A failure has a text with the tail of what happened.
fn run_seed(seed: u64, sabotage: Option<Sabotage>) -> Run<Coverage> {
    seeds::run(seed, sabotage.is_none(), |traced| {
        let mut world = super::state::World::new(seed, sabotage, traced);
        let result = seeds::caught(|| world.run());
        (world.cover.clone(), result, world.take_trace())
    })
}

#[test]
fn every_event_arrives_once_and_in_order_at_clients_of_socketio() {
    let first = from_environment("ANYWIRE_FIRST_SEED", 1);
    let count = from_environment("ANYWIRE_SEEDS", SEEDS);
    let (cover, failure) = run_seeds(first, count, || Box::new(|seed| run_seed(seed, None)));
    let cover: Coverage = cover;
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    println!("{count} seeds from {first}: {} sessions, {:?} events sent up and down", cover.sessions, cover.sent);
    println!("{}", cover.table());
    assert!(cover.sent[0] >= 30 * count && cover.sent[1] >= 30 * count, "too few events: {:?}", cover.sent);
    // A few seeds cannot show everything.
    if count >= SEEDS {
        let shortcomings = cover.shortcomings();
        assert!(shortcomings.is_empty(), "the run has shortcomings:\n{}", shortcomings.join("\n"));
    }
}

#[test]
fn every_wrong_server_of_socketio_is_caught() {
    let mut missed = Vec::new();
    for &sabotage in Sabotage::ALL {
        let caught = (1..=CONTROL_SEEDS).find_map(|seed| run_seed(seed, Some(sabotage)).1.err().map(|why| (seed, why)));
        match caught {
            Some((seed, why)) => println!("{sabotage:?}: caught at seed {seed}: {why}"),
            None => missed.push(sabotage),
        }
    }
    assert!(missed.is_empty(), "not caught within {CONTROL_SEEDS} seeds: {missed:?}");
}
