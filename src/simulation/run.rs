//! Runs seeds, and wrong machines that the oracle must catch.

use super::{
    client_under_test::{ClientUnderTest, RustHalf},
    coverage::Coverage,
    js_client::JsClient,
    js_host::Host,
    nodes::state::Misrule,
    scenario::Scenario,
    seeds::{self, from_environment, run_seeds},
    state::{Setup, World},
};
use crate::session::{
    Machine, Role,
    tests::saboteur::{Sabotage, Saboteur},
};

/// Seeds of the normal run.
const SEEDS: u64 = 1_000;
/// Seeds with the shipped client, which is slower behind its pipe.
const SCRIPT_SEEDS: u64 = 60;
/// A wrong machine must be caught within this many seeds.
const CONTROL_SEEDS: u64 = 100;

fn rust_half(sabotage: Option<Sabotage>) -> impl Fn(&Scenario, u64, Option<u64>) -> Box<dyn ClientUnderTest> {
    move |scenario: &Scenario, now: u64, heritage: Option<u64>| -> Box<dyn ClientUnderTest> {
        let config = scenario.config(Role::Client);
        let machine = Saboteur::new(Machine::new(config, now), sabotage);
        Box::new(RustHalf::new(machine, config, heritage))
    }
}

/// Runs one seed. A failure has a text with the tail of what happened.
fn run_seed(seed: u64, setup: Setup<'_>) -> (Coverage, Result<(), String>) {
    seeds::run(seed, setup.sabotage.is_none() && setup.misrule.is_none(), |traced| {
        let mut world = World::new(seed, setup, traced);
        let result = seeds::caught(|| world.run());
        world.cover.sent = [world.client.sent, world.server.sent];
        (world.cover.clone(), result, world.take_trace())
    })
}

#[test]
fn every_message_arrives_once_and_in_order() {
    let first = from_environment("ANYWIRE_FIRST_SEED", 1);
    let count = from_environment("ANYWIRE_SEEDS", SEEDS);
    let (cover, failure) = run_seeds(first, count, || {
        Box::new(|seed| {
            run_seed(seed, Setup { make_half: &rust_half(None), sabotage: None, misrule: None, script: false })
        })
    });
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    println!("{count} seeds from {first}: {} sessions, {:?} messages sent up and down", cover.sessions, cover.sent);
    println!("{}", cover.table());
    assert!(cover.sent[0] >= 500 * count && cover.sent[1] >= 500 * count, "too few messages: {:?}", cover.sent);
    // A few seeds cannot show everything.
    if count >= 1_000 {
        let shortcomings = cover.shortcomings();
        assert!(shortcomings.is_empty(), "the run has shortcomings:\n{}", shortcomings.join("\n"));
    }
}

#[test]
fn every_wrong_machine_is_caught() {
    let mut missed = Vec::new();
    for &sabotage in Sabotage::ALL {
        let sabotage = Some(sabotage);
        let setup = Setup { make_half: &rust_half(sabotage), sabotage, misrule: None, script: false };
        let caught = (1..=CONTROL_SEEDS).find_map(|seed| run_seed(seed, setup).1.err().map(|why| (seed, why)));
        match caught {
            Some((seed, why)) => println!("{sabotage:?}: caught at seed {seed}: {why}"),
            None => missed.push(sabotage),
        }
    }
    assert!(missed.is_empty(), "not caught within {CONTROL_SEEDS} seeds: {missed:?}");
}

#[test]
fn nodes_that_are_wrong_are_caught() {
    let mut missed = Vec::new();
    for &misrule in Misrule::ALL {
        let setup = Setup { make_half: &rust_half(None), sabotage: None, misrule: Some(misrule), script: false };
        let caught = (1..=CONTROL_SEEDS).find_map(|seed| run_seed(seed, setup).1.err().map(|why| (seed, why)));
        match caught {
            Some((seed, why)) => println!("{misrule:?}: caught at seed {seed}: {why}"),
            None => missed.push(misrule),
        }
    }
    assert!(missed.is_empty(), "not caught within {CONTROL_SEEDS} seeds: {missed:?}");
}

/// The same with the machine that is shipped to clients. Each thread has its own host.
#[test]
fn the_shipped_client_holds_the_promise_too() {
    if Host::start().is_none() {
        assert!(std::env::var_os("CI").is_none(), "no `node` was found, and where CI is set this test must run");
        eprintln!("\n\n    NOT RUN: no `node` was found, so the shipped client was NOT paired with the server\n\n");
        return;
    }
    let first = from_environment("ANYWIRE_FIRST_SEED", 1);
    let count = from_environment("ANYWIRE_JS_SEEDS", SCRIPT_SEEDS);
    let (cover, failure) = run_seeds(first, count, || {
        let host = Host::start().expect("it started a moment ago");
        Box::new(move |seed| {
            let make_half = |scenario: &Scenario, _: u64, _: Option<u64>| -> Box<dyn ClientUnderTest> {
                Box::new(JsClient::new(host.clone(), scenario.base, scenario.outbox))
            };
            run_seed(seed, Setup { make_half: &make_half, sabotage: None, misrule: None, script: true })
        })
    });
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    println!("{count} seeds from {first}: {} sessions, {:?} messages sent up and down", cover.sessions, cover.sent);
    println!("{}", cover.table());
    assert!(cover.sent[0] >= 500 * count && cover.sent[1] >= 500 * count, "too few messages: {:?}", cover.sent);
}
