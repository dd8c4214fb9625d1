//! Sessions that move to other nodes of their cluster, since their own shuts down.
#![cfg(feature = "cluster")]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::disallowed_methods)]

#[path = "moving_cluster/ends.rs"]
mod ends;
#[path = "moving_cluster/faults.rs"]
mod faults;
#[path = "cluster/house.rs"]
mod house;
#[path = "moving_cluster/juror.rs"]
mod juror;
#[path = "moving_cluster/requests.rs"]
mod requests;
#[path = "moving_cluster/rolling.rs"]
mod rolling;
#[path = "moving_cluster/routes.rs"]
mod routes;
#[path = "moving_cluster/sends.rs"]
mod sends;
mod support;
#[path = "moving_cluster/talk.rs"]
mod talk;
#[path = "moving_cluster/ways.rs"]
mod ways;
