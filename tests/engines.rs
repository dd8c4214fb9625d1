//! The promises of engines: the same cases for all of them, and the faults of each.
#![cfg(feature = "cluster")]
#![allow(unreachable_pub, clippy::disallowed_methods)]

#[cfg(any(feature = "redis", feature = "nats", feature = "host"))]
#[path = "engines/asked_rooms.rs"]
mod asked_rooms;
#[path = "engines/bus.rs"]
mod bus;
#[path = "engines/directory.rs"]
mod directory;
#[cfg(feature = "redis")]
#[path = "engines/environment.rs"]
mod environment;
#[cfg(any(feature = "redis", feature = "nats", feature = "host"))]
#[path = "engines/failing_histories.rs"]
mod failing_histories;
#[path = "engines/faults.rs"]
mod faults;
#[cfg(all(unix, feature = "host"))]
#[path = "engines/folder.rs"]
mod folder;
#[path = "engines/histories.rs"]
mod histories;
#[cfg(all(unix, feature = "host"))]
#[path = "engines/host.rs"]
mod host;
#[path = "engines/kept_rooms.rs"]
mod kept_rooms;
#[cfg(all(unix, feature = "host"))]
#[path = "engines/machine.rs"]
mod machine;
#[cfg(feature = "nats")]
#[path = "engines/nats.rs"]
mod nats;
#[cfg(feature = "nats")]
#[path = "engines/nats_entry.rs"]
mod nats_entry;
#[cfg(feature = "nats")]
#[path = "engines/nats_server.rs"]
mod nats_server;
#[path = "engines/node.rs"]
mod node;
#[cfg(all(unix, feature = "host"))]
#[path = "engines/processes.rs"]
mod processes;
#[cfg(feature = "nats")]
#[path = "engines/proxy.rs"]
mod proxy;
#[cfg(feature = "redis")]
#[path = "engines/redis.rs"]
mod redis;
#[cfg(feature = "redis")]
#[path = "engines/server.rs"]
mod server;
#[cfg(any(feature = "nats", feature = "redis"))]
#[path = "engines/servers.rs"]
mod servers;

use anywire::InProcess;

/// Runs each case on each engine. A case gets what makes a node of one cluster.
macro_rules! on_every_engine {
    ($($module:ident::$case:ident),* $(,)?) => {
        mod in_process {
            use super::*;
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                let engine = InProcess::new();
                super::$module::$case(&|| engine.clone().into()).await;
            })*
        }
        #[cfg(all(unix, feature = "host"))]
        mod on_host {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = folder::Folder::new();
                super::$module::$case(&|| folder.engine().into()).await;
            })*
        }
        #[cfg(feature = "nats")]
        mod on_nats {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(server) = nats_server::Server::start("") else { return };
                super::$module::$case(&|| server.engine().into()).await;
            })*
        }
        #[cfg(feature = "redis")]
        mod on_redis {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(server) = server::Server::start(&[]) else { return };
                super::$module::$case(&|| server.engine().into()).await;
            })*
        }
    };
}

on_every_engine![
    bus::a_batch_keeps_its_order,
    bus::all_nodes_have_one_order,
    bus::interest_begins_and_ends,
    bus::a_burst_arrives_whole,
    bus::bytes_of_all_kinds_arrive,
    bus::many_topics_are_asked_for_at_once,
    bus::a_node_listens_again,
    bus::what_is_dropped_in_the_same_call_is_dropped,
    directory::leases_are_renewed_and_end,
    directory::a_node_leaves,
    directory::one_of_many_claims_is_first,
    directory::a_claim_is_kept_for_its_time,
    directory::a_claim_is_swapped_by_who_knows_its_value,
    directory::a_claim_is_released_by_its_owner,
    directory::keys_and_values_are_bytes,
    directory::notes_of_all_nodes_are_read_together,
    directory::a_note_is_kept_for_its_time,
    directory::notes_are_bytes_and_many,
    histories::records_have_one_order,
    histories::a_history_is_read_behind_a_place,
    histories::the_history_tells_what_it_has_no_more,
    histories::a_batch_that_is_appended_again_is_kept_once,
    histories::records_go_at_their_age,
    histories::records_are_bytes_of_all_kinds,
    histories::a_history_has_any_bounds,
    histories::records_come_to_those_who_want_them,
];
