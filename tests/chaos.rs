//! Nodes in processes of their own that are killed, stopped and cut off under load, and a check of everything that their
//! clients and handlers have written down.
//!
//! `tests/run.sh --chaos` has it at full size; otherwise it is short. What is counted is judged, what is timed is printed.
#![cfg(all(feature = "redis", target_os = "linux"))]
#![allow(clippy::disallowed_methods)]

#[path = "chaos/checker.rs"]
mod checker;
#[path = "chaos/client.rs"]
mod client;
#[path = "chaos/crowd.rs"]
mod crowd;
#[path = "chaos/figures.rs"]
mod figures;
#[path = "chaos/fleet.rs"]
mod fleet;
#[path = "chaos/history.rs"]
mod history;
#[path = "chaos/http.rs"]
mod http;
#[path = "chaos/line.rs"]
mod line;
#[cfg(feature = "nats")]
#[path = "engines/nats_server.rs"]
#[allow(dead_code, unreachable_pub)]
mod nats;
#[path = "chaos/node.rs"]
mod node;
#[path = "siege/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "chaos/requests.rs"]
mod requests;
#[path = "chaos/scenarios.rs"]
mod scenarios;
#[path = "engines/server.rs"]
#[allow(dead_code, unreachable_pub)]
mod server;
#[path = "chaos/socket.rs"]
mod socket;
mod support;
#[path = "chaos/told.rs"]
mod told;
#[path = "chaos/wrong.rs"]
mod wrong;

use tokio::{task::JoinSet, time::Instant};

/// Whether the full size is asked for.
fn full() -> bool {
    std::env::var_os("ANYWIRE_CHAOS").is_some()
}

/// An option from the environment, or its value for a short run, or for a full one.
fn option(name: &str, short: u64, full_size: u64) -> u64 {
    let default = if full() { full_size } else { short };
    std::env::var(name).map_or(default, |value| value.parse().expect("an option is a number"))
}

/// A site for clients that have their own ways to it.
fn nowhere() -> support::Site {
    support::Site::at(([127, 0, 0, 1], 1).into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of other tests: a node, in a process of its own"]
async fn node() {
    node::serve().await;
}

/// All faults: in a short run at the same time, each on nodes of its own; in a full one behind each other.
/// `ANYWIRE_CHAOS_ONLY` names one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_are_survived() {
    let only = std::env::var("ANYWIRE_CHAOS_ONLY").ok();
    let mut names = scenarios::all().into_iter().map(|(name, _)| name);
    assert!(only.as_ref().is_none_or(|only| names.any(|name| name == only)), "no fault has the name {only:?}");
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    for (name, scenario) in scenarios::all() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        running.spawn(async move {
            let begun = Instant::now();
            let ended = tokio::spawn(scenario()).await;
            println!(
                "{name}: {} in {:.1} s",
                if ended.is_ok() { "ok" } else { "FAILED" },
                begun.elapsed().as_secs_f64()
            );
            ended.err().map(|_| name)
        });
        if full() {
            failed.extend(running.join_next().await.unwrap().unwrap());
        }
    }
    failed.extend(running.join_all().await.into_iter().flatten());
    assert!(failed.is_empty(), "{failed:?}: the reports are above");
}
