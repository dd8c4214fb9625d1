//! Many clients for a long time, and honest clients beside those that attack, against a server in a process of
//! its own.
//!
//! `tests/run.sh --siege` has them at full size; otherwise they are short, and no figure is judged that
//! depends on how fast the machine is.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

#[path = "siege/attackers.rs"]
mod attackers;
#[path = "siege/beside.rs"]
mod beside;
#[path = "siege/honest.rs"]
mod honest;
#[path = "siege/random.rs"]
mod random;
#[path = "siege/soak.rs"]
mod soak;
mod support;
#[path = "attacks/target.rs"]
mod target;
#[path = "siege/visitor.rs"]
mod visitor;

use std::{net::SocketAddr, time::Duration};

/// Whether the full size is asked for.
fn full() -> bool {
    std::env::var_os("ANYWIRE_SIEGE").is_some()
}

/// An option from the environment, or its value for a short run, or for a full one.
fn option(name: &str, short: u64, full_size: u64) -> u64 {
    let default = if full() { full_size } else { short };
    std::env::var(name).map_or(default, |value| value.parse().expect("an option is a number"))
}

/// The address of the server, for the parts that run in processes of their own.
fn address() -> SocketAddr {
    std::env::var("ANYWIRE_ADDRESS").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the server of the other tests, in a process of its own"]
async fn serves() {
    target::serve().await;
}

#[tokio::test]
#[ignore = "a part of other tests: fifty honest clients"]
async fn honest_clients() {
    honest::run(address()).await;
}

#[tokio::test]
#[ignore = "a part of other tests: those that attack"]
async fn attack() {
    attackers::run(&std::env::var("ANYWIRE_ATTACK").unwrap(), address()).await;
}

/// `ANYWIRE_SIEGE_SESSIONS` sessions for `ANYWIRE_SIEGE_SECONDS`, from the seed `ANYWIRE_FIRST_SEED`.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_come_and_go_lose_nothing_and_leave_nothing() {
    let sessions = option("ANYWIRE_SIEGE_SESSIONS", 40, 500);
    let seconds = option("ANYWIRE_SIEGE_SECONDS", 5, 900);
    soak::run(sessions, Duration::from_secs(seconds), option("ANYWIRE_FIRST_SEED", 1, 1)).await;
}

/// Each attack for `ANYWIRE_SIEGE_ROUNDS` times `ANYWIRE_SIEGE_ATTACK_SECONDS`; `ANYWIRE_SIEGE_ATTACK` selects one.
#[test]
fn honest_sessions_go_on_beside_attackers() {
    let seconds = option("ANYWIRE_SIEGE_ATTACK_SECONDS", 1, 10);
    beside::run(option("ANYWIRE_SIEGE_ROUNDS", 1, 3), seconds);
}
