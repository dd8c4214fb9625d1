//! Many nodes: any request of a session may reach any node of its cluster.
//!
//! The tests here say which node a request reaches. The files of all transports run on several nodes too, of which each
//! request reaches any that is drawn: `ANYWIRE_NODES=3 cargo test --all-features --test switching`, and `tests/run.sh`
//! has all of them but the tests that `cluster/left_out.txt` names.
#![cfg(feature = "cluster")]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::disallowed_methods)]

#[path = "engineio/client.rs"]
mod client;
#[path = "cluster/engineio.rs"]
mod engineio;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/house.rs"]
mod house;
#[path = "cluster/native.rs"]
mod native;
#[path = "cluster/openings.rs"]
mod openings;
#[path = "cluster/random.rs"]
mod random;
#[path = "cluster/sockets.rs"]
mod sockets;
#[path = "cluster/sockjs.rs"]
mod sockjs;
#[path = "sockjs/client.rs"]
mod sockjs_client;
mod support;
#[path = "cluster/table.rs"]
mod table;

use anywire::{Anywire, Builder, EngineIo, Origins, Server};
use axum::Router;

fn builder() -> Builder {
    Anywire::builder().origins(Origins::Any)
}

fn settings() -> EngineIo {
    EngineIo::new()
}

fn router(server: &Server, settings: EngineIo) -> Router {
    Router::new().merge(server.engineio_with("/engine.io", settings)).nest("/live", server.routes())
}

fn services() -> Vec<Router> {
    unreachable!("it is another file's")
}
