//! Openings on several nodes: one attempt has one session, and the application sees one, whatever the engine does.
#![cfg(feature = "cluster")]
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anywire::{Anywire, Builder, Events, Fault, InProcess, InProcessNode, Server, Session};
use axum::{Router, extract::FromRequestParts, http::request::Parts};
use support::{Peer, Record, Site, attempt, echo, until};
use tokio::time::{Instant, sleep, timeout};

/// The messages that handlers have seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A handler that notes that it runs, and what it receives.
    fn handler(&self) -> impl Fn(Session) -> futures::future::BoxFuture<'static, ()> + Clone + Send + Sync + 'static {
        let seen = self.clone();
        move |session: Session| {
            let seen = seen.clone();
            Box::pin(async move {
                seen.add("runs");
                let _ = session.send("hello").await;
                while let Some(message) = session.recv().await {
                    seen.add(message.as_text().unwrap_or("?"));
                }
                seen.add("ends");
            })
        }
    }
}

struct Node {
    server: Server,
    site: Site,
}

impl Node {
    fn of(server: Server) -> Self {
        Node { site: Site::here(Router::new().nest("/live", server.routes())), server }
    }

    async fn joined(self) -> Self {
        self.server.live().ready().await;
        self
    }
}

fn builder(name: &str, place: &InProcessNode) -> Builder {
    Anywire::builder().node(name).cluster(place.clone())
}

/// A node with a handler that notes what it sees.
async fn noting(name: &str, place: &InProcessNode, seen: &Seen) -> Node {
    Node::of(builder(name, place).handler(seen.handler()).build()).joined().await
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

/// Opens by POST with a message, and takes what the answer brings.
async fn open(site: &Site, attempt: &str, text: &str) -> Peer {
    let mut peer = Peer::new(site);
    peer.put(text);
    let records = peer.post_open(attempt, "").await.records();
    assert!(matches!(records[0], Record::New(..)), "{records:?}");
    peer.take(&records);
    peer
}

/// The number of a session, without the name of its node.
fn number(peer: &Peer) -> &str {
    peer.id.rsplit_once('.').unwrap().1
}

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
async fn an_attempt_that_is_used_again_while_its_session_lives_harms_nobody() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let a = noting("a", &engine.node(), &seen).await;
    let id = attempt();
    let mut peer = open(&a.site, &id, "first").await;
    for _ in 0..20 {
        peer.poll().await; // Each is held for 25 seconds.
    }
    let (code, text) = Peer::new(&a.site).post_open(&id, "").await.refusal(410);
    assert_eq!((code, text.as_str()), (4102, "this opening has been used"));
    peer.send("second").await;
    until("it goes on", || seen.all() == ["runs", "first", "second"]).await;
    assert_eq!(a.server.len(), 1);
    let another = open(&a.site, &attempt(), "third").await;
    assert_ne!(number(&another), number(&peer));
}

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
async fn a_node_opens_when_the_others_know_of_it() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let a = noting("a", &engine.node(), &seen).await;
    sleep(Duration::from_millis(100)).await;
    let place = engine.node();
    let b = Node::of(builder("b", &place).handler(echo).build());
    let began = Instant::now();
    open(&b.site, &attempt(), "first").await;
    let took = began.elapsed();
    assert!((Duration::from_millis(500)..Duration::from_millis(1300)).contains(&took), "{took:?}");
    let began = Instant::now();
    open(&b.site, &attempt(), "first").await;
    open(&a.site, &attempt(), "first").await;
    assert!(began.elapsed() < Duration::from_millis(10));
    // One that is dead cannot say that it knows of another. It is waited for, and not for long.
    place.cut_directory();
    let c = Node::of(builder("c", &engine.node()).handler(echo).build());
    let began = Instant::now();
    open(&c.site, &attempt(), "first").await;
    let took = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2100)).contains(&took), "{took:?}");
    c.server.live().ready().await;
    let took = began.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_millis(11_500)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_cluster_is_ready_at_once() {
    let server: Server = Anywire::builder().handler(echo).build();
    let began = Instant::now();
    server.live().ready().await;
    assert!(!server.live().is_draining());
    server.live().shutdown(Duration::from_millis(50)).await;
    assert!(server.live().is_draining());
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_again_opens_with_the_attempts_of_the_one_before() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let (place, id) = (engine.node(), attempt());
    let b = noting("b", &engine.node(), &seen).await;
    let a = noting("a", &place, &seen).await;
    let before = open(&a.site, &id, "first").await;
    a.server.live().sessions().iter().for_each(Session::abort);
    until("its handler has returned", || seen.all().contains(&"ends".to_owned())).await;
    drop(a);
    let a = noting("a", &place, &seen).await;
    let after = open(&a.site, &id, "first").await;
    assert_eq!(after.id, before.id, "where the application keeps it with its effects, it finds them");
    assert_ne!(after.secret, before.secret);
    assert_eq!((a.server.len(), b.server.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_node_had_that_is_gone_is_opened_elsewhere() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let place = engine.node();
    let (a, b) = (noting("a", &engine.node(), &seen).await, noting("b", &place, &seen).await);
    let c = noting("c", &engine.node(), &seen).await;
    // A node that leaves says so.
    let id = attempt();
    assert!(open(&a.site, &id, "first").await.id.starts_with("a."));
    a.server.live().shutdown(Duration::from_millis(100)).await;
    sleep(Duration::from_millis(1100)).await;
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
    // One whose lease ends does not.
    let id = attempt();
    assert!(open(&b.site, &id, "first").await.id.starts_with("b."));
    place.cut_directory();
    place.cut_links();
    seconds(12).await;
    assert!(open(&c.site, &id, "first").await.id.starts_with("c."));
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

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_name_are_told_of_and_serve() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let log = support::Log::here().receives("two processes are the node a", async || {
        let (one, other) = (noting("a", &engine.node(), &seen).await, noting("a", &engine.node(), &seen).await);
        seconds(5).await;
        for node in [&one, &other] {
            let mut peer = open(&node.site, &attempt(), "first").await;
            peer.poll().await;
            assert_eq!((peer.texts(), node.server.len()), (vec!["hello"], 1));
        }
        seconds(60).await;
    });
    let lines = log.await.lines("WARN");
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("two processes")).collect();
    assert!(told.len() == 2 && told[0].contains("node 0") && told[0].contains("node 1"), "each once: {lines:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_node_goes_on_behind_its_server() {
    let engine = InProcess::new();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let a = Node::of(builder("a", &engine.node()).handler(echo).build()).joined().await;
    assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() > before);
    drop(a);
    seconds(1).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn openings_that_race_on_three_nodes_get_one_session() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let (a, b) = (noting("a", &engine.node(), &seen).await, noting("b", &engine.node(), &seen).await);
    let c = noting("c", &engine.node(), &seen).await;
    for round in 0..10 {
        let id = attempt();
        let mut peers: Vec<Peer> = [&a, &b, &c].map(|node| Peer::new(&node.site)).into();
        for (ordinal, peer) in peers.iter_mut().enumerate() {
            peer.ordinal = ordinal as u64;
            peer.put("first");
        }
        let answers = futures::future::join_all(peers.iter_mut().map(|peer| peer.post_open(&id, ""))).await;
        let records: Vec<_> = answers.iter().map(|answer| answer.records()).collect();
        let grants: Vec<_> = records.iter().map(|records| &records[0]).collect();
        assert!(matches!(grants[0], Record::New(_, grant) if grant.id.starts_with(['a', 'b', 'c'])), "{grants:?}");
        assert!(grants.iter().all(|grant| *grant == grants[0]), "{grants:?}");
        assert_eq!(a.server.len() + b.server.len() + c.server.len(), round + 1);
    }
    assert_eq!(seen.all(), ["runs", "first"].repeat(10));
}

#[tokio::test(start_paused = true)]
async fn a_client_joins_on_another_node_than_the_one_that_opens() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let (a, b) = (noting("a", &engine.node(), &seen).await, noting("b", &engine.node(), &seen).await);
    let id = attempt();
    let join = format!("j1,2,{id}:");
    let joining = tokio::spawn({
        let site = b.site.clone();
        async move { site.send_records("jsonp-poll", "", join.as_bytes()).await.all().await }
    });
    seconds(3).await;
    let mut opened = open(&a.site, &id, "first").await;
    let joined = joining.await.unwrap();
    assert!(matches!(&joined[0], Record::New(_, grant) if grant.id == opened.id), "{joined:?}");
    opened.upload().await;
    assert_eq!((a.server.len(), b.server.len(), seen.all().len()), (1, 0, 2));
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
