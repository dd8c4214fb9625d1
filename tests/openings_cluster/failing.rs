//! Openings that fail at one node, and may be made at another one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anywire::{Events, Fault, InProcess, Session};
use axum::{extract::FromRequestParts, http::request::Parts};
use tokio::time::{sleep, timeout};

use crate::{
    lab::{Node, Seen, builder, noting, open, seconds},
    support::{Peer, Record, attempt, echo, until},
};

/// An extractor that takes for ever while it is told to.
struct Slow;

static SLOW: AtomicBool = AtomicBool::new(false);

impl<S: Sync> FromRequestParts<S> for Slow {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if SLOW.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(Slow)
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_fails_here_may_be_made_elsewhere() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let slow = async |_: Slow, session: Session| echo(session).await;
    let a = Node::of(builder("a", &engine.node()).handler(slow).build()).joined().await;
    let b = noting("b", &engine.node(), &seen).await;
    SLOW.store(true, Ordering::Relaxed);
    // Its extractors take too long.
    let id = attempt();
    assert_eq!(Peer::new(&a.site).post_open(&id, "").await.refusal(408).0, 4007);
    sleep(Duration::from_millis(1)).await;
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
    // Its client goes away.
    let id = attempt();
    assert!(timeout(Duration::from_secs(1), Peer::new(&a.site).post_open(&id, "")).await.is_err());
    sleep(Duration::from_millis(1)).await;
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
    // It is about to end, and claims nothing.
    let (live, id) = (a.server.live(), attempt());
    tokio::spawn(async move { live.shutdown(Duration::from_secs(30)).await });
    until("it drains", || a.server.live().is_draining()).await;
    assert_eq!(Peer::new(&a.site).post_open(&id, "").await.refusal(503).0, 4202);
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
    assert!(!b.server.live().is_draining());
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_fails_as_the_engine_goes_may_be_made_elsewhere() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let place = engine.node();
    let stuck = async |_: Stuck, session: Session| echo(session).await;
    let a = Node::of(builder("a", &place).handler(stuck).build()).joined().await;
    let b = noting("b", &engine.node(), &seen).await;
    let (site, id) = (a.site.clone(), attempt());
    let opening = tokio::spawn({
        let id = id.clone();
        async move { Peer::new(&site).post_open(&id, "").await }
    });
    seconds(5).await;
    // It has claimed the attempt, and can tell nobody that it makes no session of it.
    place.cut_directory();
    assert_eq!(opening.await.unwrap().refusal(408).0, 4007);
    assert_eq!(Peer::new(&b.site).post_open(&id, "").await.refusal(503).0, 4202);
    place.heal();
    seconds(3).await;
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
}

/// An extractor that takes for ever.
struct Stuck;

impl<S: Sync> FromRequestParts<S> for Stuck {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_node_leaves_attempts_to_others() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let a = Node::of(builder("a", &engine.node()).max_sessions(1).handler(echo).build()).joined().await;
    let b = noting("b", &engine.node(), &seen).await;
    open(&a.site, &attempt(), "first").await.poll().await;
    let id = attempt();
    assert_eq!(Peer::new(&a.site).post_open(&id, "").await.refusal(503).0, 4200);
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_was_rejected_is_rejected_on_every_node_without_a_second_look() {
    let looks = Arc::new(AtomicUsize::new(0));
    let engine = InProcess::new();
    let mut nodes = Vec::new();
    for name in ["a", "b"] {
        let looks = looks.clone();
        let events = Events::<()>::new().on_open(async move |_: Session| {
            looks.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Fault::new("login", "no"))
        });
        nodes.push(Node::of(builder(name, &engine.node()).events(events).build()).joined().await);
    }
    let id = attempt();
    let refusals = [&nodes[0], &nodes[1], &nodes[0]].map(|node| Peer::new(&node.site));
    for mut peer in refusals {
        assert_eq!(peer.post_open(&id, "").await.refusal(403).0, 4301);
    }
    assert_eq!(looks.load(Ordering::Relaxed), 1);
}

/// An extractor that takes twenty seconds.
struct Long;

impl<S: Sync> FromRequestParts<S> for Long {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        seconds(20).await;
        Ok(Long)
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_lost_the_attempt_while_its_extractors_ran_starts_no_handler() {
    for is_back in [true, false] {
        let (engine, seen) = (InProcess::new(), Seen::default());
        let place = engine.node();
        let handler = seen.handler();
        let long = async move |_: Long, session: Session| handler(session).await;
        let a = builder("a", &place).open_timeout(Duration::from_secs(30)).handler(long).build();
        let a = Node::of(a).joined().await;
        let b = noting("b", &engine.node(), &seen).await;
        let (mut slow, id) = (Peer::new(&a.site), attempt());
        slow.ordinal = 1;
        slow.put("first");
        let opening = tokio::spawn({
            let id = id.clone();
            async move { slow.post_open(&id, "").await.records() }
        });
        seconds(1).await;
        place.cut_directory();
        seconds(12).await;
        let other = open(&b.site, &id, "first").await;
        assert!(other.id.starts_with("b."), "a counts as dead: {}", other.id);
        if is_back {
            place.heal();
        }
        let opened = opening.await.unwrap();
        let goes_to_other = matches!(&opened[0], Record::New(_, grant) if grant.id == other.id);
        assert_eq!((goes_to_other, a.server.is_empty()), (is_back, is_back), "{opened:?}");
        seconds(1).await;
        assert_eq!(seen.all(), ["runs", "first"]);
    }
}
