//! SockJS 0.3.3 over HTTP and WebSockets.
//!
//! The cases of the protocol's published suite are in `cases/`, in words and code of our own, over real sockets. They
//! run against another server too: `ANYWIRE_SOCKJS=127.0.0.1:8081 cargo test --test sockjs cases`, which has the
//! suite's services: `/echo` with answers of 4096 bytes, `/disabled_websocket_echo`, `/cookie_needed_echo`, and `/close`,
//! which closes each session at once.
#![allow(unreachable_pub, clippy::disallowed_methods)]

#[path = "sockjs/cases.rs"]
mod cases;
#[path = "sockjs/client.rs"]
mod client;
#[path = "sockjs/limits.rs"]
mod limits;
#[path = "sockjs/policy.rs"]
mod policy;
#[path = "sockjs/sessions.rs"]
mod sessions;
mod support;

use anywire::{Anywire, Builder, Origins, Server, Session, SockJs};
use axum::Router;
use support::{echo, nodes};

fn builder() -> Builder {
    Anywire::builder().origins(Origins::Any)
}

fn settings() -> SockJs {
    SockJs::new().response_limit(4096)
}

/// The services of the published suite.
fn services() -> Vec<Router> {
    let live = builder().handler(echo).build();
    let close = builder().handler(async |session: Session| session.close(3000, "Go away!")).build();
    let nodes = nodes(&live).into_iter().zip(nodes(&close));
    nodes.map(|(live, close)| services_of(&live, &close)).collect()
}

fn services_of(live: &Server, close: &Server) -> Router {
    Router::new()
        .merge(live.sockjs_with("/echo", settings()))
        .merge(live.sockjs_with("/disabled_websocket_echo", settings().websocket(false)))
        .merge(live.sockjs_with("/cookie_needed_echo", settings().cookie(true)))
        .merge(close.sockjs_with("/close", settings()))
}
