//! Socket.IO, revisions 5 and 4 of its protocol: namespaces, events, answers and attachments over Engine.IO.
//!
//! The cases of the protocol's published suite are among these tests, in words and code of our own.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::disallowed_methods)]

#[path = "../examples/clients_lab/any.rs"]
mod any;
#[path = "socketio/bad_input.rs"]
mod bad_input;
#[path = "socketio/by_hand.rs"]
mod by_hand;
#[path = "socketio/cases.rs"]
mod cases;
#[path = "engineio/client.rs"]
mod client;
#[path = "socketio/differences.rs"]
mod differences;
#[path = "socketio/engine.rs"]
mod engine;
#[path = "socketio/everyone.rs"]
mod everyone;
#[cfg(feature = "msgpack")]
#[path = "socketio/msgpack.rs"]
mod msgpack;
#[path = "socketio/older.rs"]
mod older;
#[path = "socketio/plain.rs"]
mod plain;
#[path = "raw/client.rs"]
mod raw;
#[path = "socketio/recorded.rs"]
mod recorded;
#[path = "socketio/recording.rs"]
mod recording;
#[path = "socketio/recovery.rs"]
mod recovery;
#[path = "socketio/recovery_ends.rs"]
mod recovery_ends;
#[path = "socketio/recovery_load.rs"]
mod recovery_load;
#[path = "socketio/recovery_page.rs"]
mod recovery_page;
#[path = "socketio/replay.rs"]
mod replay;
#[path = "socketio/requests.rs"]
mod requests;
#[path = "socketio/rooms.rs"]
mod rooms;
#[path = "socketio/shutdown.rs"]
mod shutdown;
#[path = "socketio/states.rs"]
mod states;
mod support;
#[path = "socketio/transcripts.rs"]
mod transcripts;
#[path = "socketio/upgrades.rs"]
mod upgrades;

use std::time::Duration;

use anywire::{
    Anywire, Args, Auth, Builder, EngineIo, Events, Fault, Origins, Reply, Server, Session, SessionHandler, SocketIo,
};
use axum::Router;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An argument of any type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Any {
    Json(Value),
    Bytes(Bytes),
}

fn builder() -> Builder {
    Anywire::builder().origins(Origins::Any).message_limit(1_000_000)
}

fn settings() -> EngineIo {
    EngineIo::new().ping_interval(Duration::from_millis(300)).ping_timeout(Duration::from_millis(200))
}

/// Clients of Socket.IO at the path that the client of these tests asks for.
fn router(server: &Server, settings: EngineIo) -> Router {
    let settings = SocketIo::new().engine(settings).connect_timeout(Duration::from_secs(1));
    Router::new().merge(server.socketio_with("/engine.io", settings)).nest("/live", server.routes())
}

/// Tells a client its auth data.
async fn greet(auth: Option<Auth<Value>>, session: Session) {
    let auth = auth.map_or_else(|| json!({}), |Auth(auth)| auth);
    session.emit("auth", auth).await.unwrap();
}

/// The application that the published suite expects.
fn application() -> Builder<SessionHandler<()>> {
    let root = Events::new()
        .on_open(greet)
        .on("message", async |Args(all): Args<Vec<Any>>, session: Session| {
            session.emit("message-back", Args(all)).await.unwrap();
        })
        .on("leave", async |session: Session| session.root().close(1000, ""))
        .on("message-with-ack", async |Args(all): Args<Vec<Any>>| Reply(Args(all)));
    builder().events(root).namespace("/custom", Events::new().on_open(greet)).namespace(
        "/closed",
        Events::new().on_open(async |_: Session| -> Result<(), Fault> {
            Err(Fault::new("login", "not today").with_data(json!({ "retry": 7 })))
        }),
    )
}

/// Opens a namespace, of which nothing was said before.
async fn join(socket: &mut client::Socket, namespace: &str) {
    let packet = if namespace == "/" { "40".to_owned() } else { format!("40{namespace},") };
    socket.say(&packet).await;
    let answer = socket.text().await;
    assert!(answer.starts_with(&format!("{packet}{{\"sid\":\"")), "{answer}");
}
