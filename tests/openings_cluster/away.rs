//! Openings while the engine is away, or has forgotten all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anywire::{Events, Fault, InProcess, Session};
use tokio::time::Instant;

use crate::{
    lab::{Node, Seen, builder, noting, number, open, seconds},
    support::{Peer, attempt, until},
};

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_away_only_the_session_that_is_used_has_a_handler() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let (a, b) = (noting("a", &engine.node(), &seen).await, noting("b", &engine.node(), &seen).await);
    engine.cut();
    seconds(5).await;
    let id = attempt();
    let (mut winner, loser) = (open(&a.site, &id, "first").await, open(&b.site, &id, "first").await);
    assert_ne!(winner.id, loser.id);
    assert_eq!(number(&winner), number(&loser), "one attempt has one number on all nodes");
    assert_eq!((a.server.len(), b.server.len()), (1, 1));
    seconds(5).await;
    assert_eq!((seen.all(), winner.got.len()), (vec![], 0), "neither is proven");
    winner.poll().await;
    until("its handler runs", || seen.all() == ["runs", "first"]).await;
    winner.poll().await;
    assert_eq!(winner.texts(), ["hello"]);
    winner.send("second").await;
    seconds(15).await;
    assert_eq!(seen.all(), ["runs", "first", "second"]);
    assert_eq!((a.server.len(), b.server.len()), (1, 0), "the other one ends unseen");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_proven_by_its_confirmation() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let a = noting("a", &engine.node(), &seen).await;
    engine.cut();
    seconds(5).await;
    let mut peer = Peer::new(&a.site);
    let mut socket = peer.send_open(&attempt(), "").await;
    peer.take(&socket.records().await);
    seconds(2).await;
    assert_eq!(seen.all(), [] as [&str; 0]);
    socket.text("v:").await;
    peer.take_until(&mut socket, 1).await;
    assert_eq!((seen.all(), peer.texts()), (vec!["runs".to_owned()], vec!["hello"]));
}

#[tokio::test(start_paused = true)]
async fn where_one_node_has_lost_the_engine_its_session_waits_for_the_proof() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let (cut, whole) = (engine.node(), engine.node());
    let (a, b) = (noting("a", &cut, &seen).await, noting("b", &whole, &seen).await);
    cut.cut_directory();
    let id = attempt();
    let (loser, mut winner) = (open(&a.site, &id, "first").await, open(&b.site, &id, "first").await);
    until("the handler of the node with an engine runs", || seen.all() == ["runs", "first"]).await;
    assert_eq!(winner.texts(), ["hello"], "its first messages come with the answer");
    winner.upload().await;
    seconds(15).await;
    assert_eq!((a.server.len(), seen.all().len(), loser.got.len()), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_opens_events_is_asked_on_proof_and_may_still_refuse() {
    let (engine, asked) = (InProcess::new(), Arc::new(AtomicBool::new(false)));
    let ask = asked.clone();
    let events = Events::<()>::new().on_open(async move |_: Session| {
        ask.store(true, Ordering::Relaxed);
        Err::<(), _>(Fault::new("login", "no"))
    });
    let a = Node::of(builder("a", &engine.node()).events(events).build()).joined().await;
    let mut refused = Peer::new(&a.site);
    assert_eq!(refused.post_open(&attempt(), "").await.refusal(403).0, 4301, "with an engine it is asked before");
    engine.cut();
    seconds(5).await;
    asked.store(false, Ordering::Relaxed);
    let mut peer = Peer::open(&a.site).await;
    seconds(1).await;
    assert!(!asked.load(Ordering::Relaxed));
    while peer.closed.is_none() {
        peer.poll().await;
    }
    assert_eq!(peer.closed.as_ref().unwrap().0, 4301);
    assert!(asked.load(Ordering::Relaxed));
    until("it is gone", || a.server.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn without_its_engine_a_server_stops_in_order() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let a = noting("a", &engine.node(), &seen).await;
    engine.cut();
    seconds(5).await;
    let _unproven = open(&a.site, &attempt(), "first").await;
    let began = Instant::now();
    a.server.live().shutdown(Duration::from_secs(1)).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}: nobody waits for what never ran", began.elapsed());
    assert_eq!(seen.all(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_forgets_costs_no_session() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let (a, b) = (noting("a", &engine.node(), &seen).await, noting("b", &engine.node(), &seen).await);
    let mut peers = [open(&a.site, &attempt(), "first").await, open(&b.site, &attempt(), "first").await];
    for peer in &mut peers {
        peer.upload().await; // It is proven.
    }
    engine.forget();
    for _ in 0..20 {
        for peer in &mut peers {
            peer.send("more").await;
        }
        seconds(1).await;
    }
    assert_eq!((a.server.len(), b.server.len()), (1, 1));
    assert_eq!(seen.all().iter().filter(|text| *text == "more").count(), 40);
    let began = Instant::now();
    open(&a.site, &attempt(), "first").await;
    assert!(began.elapsed() < Duration::from_millis(10));
}
