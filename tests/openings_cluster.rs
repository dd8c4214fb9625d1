//! Openings on several nodes: one attempt has one session, and the application sees one, whatever the engine does.
#![cfg(feature = "cluster")]
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "openings_cluster/away.rs"]
mod away;
#[path = "openings_cluster/failing.rs"]
mod failing;
#[path = "openings_cluster/lab.rs"]
mod lab;
mod support;

use std::time::Duration;

use anywire::{Anywire, InProcess, Server, Session};
use lab::{Node, Seen, builder, noting, number, open, seconds};
use support::{Log, Peer, Record, attempt, echo, until};
use tokio::time::{Instant, sleep};

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
async fn two_processes_with_one_name_are_told_of_and_serve() {
    let (engine, seen) = (InProcess::new(), Seen::default());
    let log = Log::here().receives("two processes are the node a", async || {
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
