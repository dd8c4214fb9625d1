//! A bare WebSocket: any client of RFC 6455, with no protocol of ours, reaches the same handlers.
#![allow(unreachable_pub, clippy::disallowed_methods)]

#[path = "raw/client.rs"]
mod client;
#[path = "raw/framing.rs"]
mod framing;
#[path = "raw/opening.rs"]
mod opening;
#[path = "raw/sessions.rs"]
mod sessions;
mod support;

use anywire::Server;
use axum::Router;

/// The largest message that the servers of these tests take.
const LIMIT: usize = 70_000;

/// Native clients at `/live`, bare WebSockets at `/ws`.
fn router(server: &Server) -> Router {
    Router::new().nest("/live", server.routes()).nest("/ws", server.raw())
}
