//! A client that sends very many small messages, and the others that want their turn. Turns are counted on a runtime
//! of one thread.
#![allow(clippy::disallowed_methods)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anywire::{Anywire, LocalClient, Session};
use axum::extract::State;
use support::{Peer, site};

const MANY: usize = 4_000;

/// The most messages that one task takes before others get their turn, and a little.
const AT_ONCE: usize = 140;

type Counter = Arc<AtomicUsize>;

async fn count(State(received): State<Counter>, session: Session) {
    while session.recv().await.is_some() {
        received.fetch_add(1, Relaxed);
    }
}

async fn stay(session: Session) {
    session.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_receives_many_leaves_others_their_turn() {
    let received = Counter::default();
    let server = Anywire::builder().inbox(1 << 20).handler(count).build();
    let mut client = LocalClient::open(&server, received.clone(), "").await.unwrap();
    for _ in 0..MANY {
        client.send("x");
    }
    let (mut before, mut turns) = (received.load(Relaxed), 0);
    while before < MANY {
        tokio::task::yield_now().await;
        let now = received.load(Relaxed);
        assert!(now - before <= AT_ONCE, "{before} and then {now}");
        (before, turns) = (now, turns + 1);
        assert!(turns < MANY, "nothing more is received");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_of_many_messages_leaves_others_their_turn() {
    let server = Anywire::builder().inbox(1 << 20).handler(stay).build();
    let mut peer = Peer::open(&site(&server)).await;
    for _ in 0..MANY {
        peer.put("x");
    }
    let upload = tokio::spawn(async move {
        peer.upload().await;
        peer
    });
    let mut turns = 0;
    while !upload.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns >= MANY / AT_ONCE, "only {turns} turns of others");
    assert!(upload.await.unwrap().outbox.is_empty(), "all were acknowledged");
}
