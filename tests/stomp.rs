//! STOMP 1.0, 1.1 and 1.2 over a bare WebSocket, SockJS and our own session, by clients that write their frames by hand.
//!
//! `stomp/sentences.rs` has the duties of a server in the three specifications, each with the tests of it.
#![allow(unreachable_pub, clippy::disallowed_methods)]

#[path = "stomp/bad_input.rs"]
mod bad_input;
#[path = "stomp/carriers.rs"]
mod carriers;
#[path = "stomp/client.rs"]
mod client;
#[path = "stomp/connecting.rs"]
mod connecting;
#[path = "stomp/events.rs"]
mod events;
#[path = "stomp/frame.rs"]
mod frame;
#[path = "stomp/frames.rs"]
mod frames;
#[path = "stomp/heart_beats.rs"]
mod heart_beats;
#[path = "stomp/limits.rs"]
mod limits;
#[path = "stomp/queues.rs"]
mod queues;
#[path = "stomp/redelivery.rs"]
mod redelivery;
#[path = "stomp/rooms.rs"]
mod rooms;
#[path = "stomp/security.rs"]
mod security;
#[path = "stomp/sentences.rs"]
mod sentences;
#[path = "stomp/sessions.rs"]
mod sessions;
#[path = "stomp/storm.rs"]
mod storm;
mod support;
#[path = "stomp/topics.rs"]
mod topics;
#[path = "stomp/transactions.rs"]
mod transactions;
#[path = "stomp/wire.rs"]
mod wire;

use std::collections::BTreeMap;

use anywire::{Anywire, Args, Auth, Builder, Data, Events, Fault, Origins, Reply, Session, Stomp};
use axum::Router;
use bytes::Bytes;
use serde_json::Value;
use support::{Lives, Site};

/// The headers of CONNECT.
type Login = BTreeMap<String, String>;

fn builder() -> Builder {
    Anywire::builder().origins(Origins::Any).message_limit(10_000)
}

/// The application that most tests use. It refuses the passcode `wrong`.
fn application() -> Events {
    Events::new()
        .on_open(async |login: Option<Auth<Login>>, session: Session| -> Result<(), Fault> {
            let login = login.map_or_else(Login::new, |Auth(login)| login);
            if login.get("passcode").is_some_and(|passcode| passcode == "wrong") {
                return Err(Fault::new("login", "wrong: try again\nlater"));
            }
            session.insert(login);
            Ok(())
        })
        .on("who", async |session: Session| session.emit("login", session.get::<Login>()).await.unwrap())
        .on("say", async |Data(text): Data<String>, session: Session| {
            session.within("lobby").emit("said", text);
        })
        .on("echo", async |Args(all): Args<Vec<Any>>, session: Session| {
            session.emit("echoed", Args(all)).await.unwrap();
        })
        .on("join", async |Data(room): Data<String>, session: Session| {
            session.join(&room);
        })
        .on("double", async |Data(number): Data<u32>| -> Result<Reply<u32>, Fault> {
            match number {
                0 => Err(Fault::new("zero", "it is nothing")),
                number => Ok(Reply(2 * number)),
            }
        })
}

/// An argument of any type.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Any {
    Json(Value),
    Bytes(Bytes),
}

/// STOMP at `/live` with these settings, and on another site native clients of the same server.
fn houses(settings: Stomp) -> (Lives, Site, Site) {
    let server = builder().events(application()).build();
    let native = Site::of(&server, |server| Router::new().nest("/live", server.routes()));
    (
        Lives::of_server(&server),
        Site::of(&server, move |server| Router::new().merge(server.stomp_with("/live", settings.clone()))),
        native,
    )
}

fn house(settings: Stomp) -> (Lives, Site) {
    let (live, site, _) = houses(settings);
    (live, site)
}

/// The destinations of the broker that tests try alike. Queues are of one node.
fn destinations() -> &'static [&'static str] {
    if support::count() == 1 { &["/topic/x", "/queue/x"] } else { &["/topic/x"] }
}

/// The site with the default settings.
fn site() -> Site {
    house(Stomp::new()).1
}
