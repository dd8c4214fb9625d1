//! Three nodes of one cluster, and a balancer that gives each request to any of them. A session lives on one node; its
//! requests reach all three, and the room is one.
//!
//! `cargo run --features cluster --example nodes`, then open <http://127.0.0.1:8080> in two windows. The nodes are in this one
//! process, so that it needs no Redis. The guide's chapter on many nodes shows them as processes of their own.

use std::{
    collections::hash_map::RandomState,
    error::Error,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anywire::{Anywire, Data, Events, InProcess, Session};
use axum::{Router, extract::Request, response::Html, routing::get};
use tower::ServiceExt;

const PAGE: &str = include_str!("nodes.html");

const NAMES: [&str; 3] = ["amber", "blue", "coral"];

async fn enter(session: Session) {
    session.join("lobby");
    say("joined".to_owned(), &session);
}

async fn leave(session: Session) {
    say("left".to_owned(), &session);
}

/// Members on all nodes get it, in one order.
fn say(text: String, session: &Session) {
    let id = session.id().to_string();
    session.within("lobby").emit("said", anywire::Args((id, text)));
}

async fn said(Data(text): Data<String>, session: Session) {
    say(text, &session);
}

fn node(engine: &InProcess, name: &str) -> Router {
    let events = Events::new().on("say", said).on_open(enter).on_end(leave);
    let live = Anywire::builder().cluster(engine.clone()).node(name).events(events).build();
    Router::new().route("/", get(Html(PAGE))).nest("/live", live.routes())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = InProcess::new();
    let nodes: Arc<[Router]> = NAMES.iter().map(|name| node(&engine, name)).collect();
    let (requests, any) = (Arc::new(AtomicU64::new(0)), RandomState::new());
    // A balancer in front of three machines does the same: it knows nothing of sessions.
    let balancer = Router::new().fallback(move |request: Request| {
        let number = any.hash_one(requests.fetch_add(1, Ordering::Relaxed));
        let node = nodes[usize::try_from(number % 3).unwrap_or(0)].clone();
        async move { node.oneshot(request).await }
    });
    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, balancer).await?;
    Ok(())
}
