//! Rooms on several nodes: whom a send reaches, in which order, and what is said of what is lost.
#![cfg(feature = "cluster")]
#![allow(clippy::disallowed_methods)]

#[path = "rooms_cluster/counts.rs"]
mod counts;
#[path = "rooms_cluster/histories.rs"]
mod histories;
#[path = "rooms_cluster/lab.rs"]
mod lab;
#[path = "rooms_cluster/loss.rs"]
mod loss;
#[path = "rooms_cluster/order.rs"]
mod order;
#[path = "rooms_cluster/others.rs"]
mod others;
#[path = "rooms_cluster/reach.rs"]
mod reach;
#[path = "rooms_cluster/requests.rs"]
mod requests;
#[path = "rooms_cluster/sends.rs"]
mod sends;
mod support;
