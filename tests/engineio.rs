//! Engine.IO, revisions 3 and 4: polling, WebSocket and the way from the one to the other.
//!
//! The cases of the protocol's published suites are among these tests, in words and code of our own. Those in
//! `cases.rs` run against another server too: `ANYWIRE_ENGINEIO=127.0.0.1:3000 cargo test --test engineio cases`,
//! which must echo, ping every 300 ms, await the answer for 200 ms and take 1,000,000 bytes. The reference server
//! takes a request without `EIO` for revision 3, and refuses a poll that comes right behind the client's close.
#![allow(unreachable_pub, clippy::disallowed_methods)]

#[path = "engineio/bad_input.rs"]
mod bad_input;
#[path = "engineio/cases.rs"]
mod cases;
#[path = "engineio/client.rs"]
mod client;
#[path = "engineio/heartbeats.rs"]
mod heartbeats;
#[path = "engineio/polling.rs"]
mod polling;
#[path = "engineio/refusals.rs"]
mod refusals;
#[path = "engineio/scripts.rs"]
mod scripts;
mod support;
#[path = "engineio/upgrades.rs"]
mod upgrades;

use std::time::Duration;

use anywire::{Anywire, Builder, EngineIo, Origins, Server};
use axum::Router;

/// A server as the published suites expect it.
fn builder() -> Builder {
    Anywire::builder().origins(Origins::Any).message_limit(1_000_000)
}

fn settings() -> EngineIo {
    EngineIo::new().ping_interval(Duration::from_millis(300)).ping_timeout(Duration::from_millis(200))
}

/// Engine.IO's clients at `/engine.io`, native ones at `/live`.
fn router(server: &Server, settings: EngineIo) -> Router {
    Router::new().merge(server.engineio_with("/engine.io", settings)).nest("/live", server.routes())
}
