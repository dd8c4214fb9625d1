//! Nodes that are gone, and nodes that cannot be reached.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
};
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::lab::{Net, Node, Weather, get, pair, text};
use crate::{
    cluster::NodeInfo,
    server::nodes::membership::Living,
    session::{CloseReason, reason},
};

fn hello() -> Router {
    Router::new().fallback(|| async { "hello" })
}

async fn asked(a: &Node) -> Result<String, CloseReason> {
    match a.forward(get("/")).await {
        Ok(answer) => Ok(text(answer).await),
        Err(reason) => Err(reason),
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_knows_is_gone() {
    let (_, a, _b) = pair(hello()).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
    a.knows(&[]);
    assert_eq!(asked(&a).await.unwrap_err(), reason::UNKNOWN, "its lease is over");
    assert_eq!(a.links.figures().unreachable, 0);
    for (joined, away) in [(false, false), (true, true)] {
        a.living.send_replace(Arc::new(Living { nodes: vec![], joined, away, listed: !away }));
        assert_eq!(asked(&a).await.unwrap_err(), reason::UNREACHABLE, "who hears nothing cannot tell");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_directory_is_away_the_nodes_are_those_that_lived_last() {
    let (_, a, b) = pair(hello()).await;
    a.living.send_replace(Arc::new(Living { nodes: vec![b.info.clone()], joined: true, away: true, listed: false }));
    assert_eq!(asked(&a).await.unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_started_again_has_lost_its_sessions_at_once() {
    let (net, a, b) = pair(hello()).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
    b.stop();
    let mut again = Node::new(&net, "b", 3).await;
    again.serve(Router::new().fallback(|| async { "again" }));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    assert_eq!(asked(&a).await.unwrap_err(), reason::UNKNOWN);
    assert_eq!(start.elapsed(), Duration::ZERO);
    a.knows(&[&again]);
    assert_eq!(asked(&a).await.unwrap(), "again");
}

/// The lease of the process before may go on for some seconds.
#[tokio::test(start_paused = true)]
async fn of_two_processes_with_one_name_the_one_that_is_there_is_asked() {
    let (net, a, b) = pair(hello()).await;
    let old = Arc::new(NodeInfo { address: "host-b".to_owned(), ..NodeInfo::clone(&b.info) });
    b.stop();
    let mut again = Node::new(&net, "b", 3).await;
    again.serve(Router::new().fallback(|| async { "again" }));
    for nodes in [[old.clone(), again.info.clone()], [again.info.clone(), old]] {
        a.living.send_replace(Arc::new(Living { nodes: nodes.into(), joined: true, away: false, listed: true }));
        assert_eq!(asked(&a).await.unwrap(), "again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_refuses_for_two_seconds_is_that_of_a_process_that_is_gone() {
    let (net, a, b) = pair(hello()).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
    b.stop();
    net.close("host-b");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(asked(&a).await.unwrap_err(), reason::UNREACHABLE, "it may be a moment's trouble");
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(asked(&a).await.unwrap_err(), reason::UNREACHABLE);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(asked(&a).await.unwrap_err(), reason::UNKNOWN);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(asked(&a).await.unwrap_err(), reason::UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn refusals_with_a_connection_in_between_do_not_count_together() {
    let (net, a, _b) = pair(hello()).await;
    for _ in 0..4 {
        net.weather(Weather::Broken);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(asked(&a).await.unwrap_err(), reason::UNREACHABLE);
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(asked(&a).await.unwrap_err(), reason::UNREACHABLE);
        net.weather(Weather::Fine);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(asked(&a).await.unwrap(), "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_silent_is_not_taken_for_dead() {
    let (net, a, _b) = pair(hello()).await;
    net.weather(Weather::Silent);
    for _ in 0..4 {
        let start = Instant::now();
        assert_eq!(asked(&a).await.unwrap_err(), reason::UNREACHABLE);
        assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
    }
    net.weather(Weather::Fine);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
}

/// Many clients whose node does not answer wait for one connection.
#[tokio::test(start_paused = true)]
async fn requests_share_the_wait_for_a_connection() {
    let (net, a, _b) = pair(hello()).await;
    net.weather(Weather::Silent);
    let start = Instant::now();
    let requests: Vec<_> = (0..500).map(|_| tokio::spawn(a.links.forward("b", "m", get("/")))).collect();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap_err(), reason::UNREACHABLE);
    }
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(net.connections.load(Relaxed), 0);
    assert_eq!(a.links.figures().unreachable, 500);
}

fn streaming() -> Router {
    Router::new().fallback(|| async {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from("first"))]);
        Response::new(Body::from_stream(first.chain(stream::pending())))
    })
}

#[tokio::test(start_paused = true)]
async fn a_link_that_falls_silent_ends_what_it_carries() {
    let (net, a, _b) = pair(streaming()).await;
    let mut chunks = a.forward(get("/")).await.unwrap().into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    tokio::time::sleep(Duration::from_secs(120)).await;
    net.weather(Weather::Silent);
    let start = Instant::now();
    assert!(chunks.next().await.unwrap().is_err(), "an end that looks complete");
    assert!(start.elapsed() <= Duration::from_millis(10_100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_ends_what_it_carries_at_once() {
    let (net, a, _b) = pair(streaming()).await;
    let mut chunks = a.forward(get("/")).await.unwrap().into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    let start = Instant::now();
    net.weather(Weather::Broken);
    assert!(chunks.next().await.unwrap().is_err(), "an end that looks complete");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_cut_off_is_not_sent_twice() {
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = calls.clone();
    let router = Router::new().fallback(move || {
        counted.fetch_add(1, Relaxed);
        std::future::pending::<()>()
    });
    let (net, a, _b) = pair(router).await;
    let request = tokio::spawn(a.links.forward("b", "m", get("/")));
    tokio::time::sleep(Duration::from_millis(1)).await;
    net.weather(Weather::Broken);
    tokio::time::sleep(Duration::from_millis(1)).await;
    net.weather(Weather::Fine);
    assert_eq!(request.await.unwrap().unwrap_err(), reason::UNREACHABLE);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(calls.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn connections_that_nobody_uses_are_closed() {
    let (net, a, _b) = pair(hello()).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
    assert_eq!(asked(&a).await.unwrap(), "hello");
    assert_eq!(net.connections.load(Relaxed), 1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
    assert_eq!(net.connections.load(Relaxed), 1);
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(asked(&a).await.unwrap(), "hello");
    assert_eq!(net.connections.load(Relaxed), 2);
}

/// A stream that goes on for hours without a byte is not idle.
#[tokio::test(start_paused = true)]
async fn a_connection_with_a_silent_stream_stays() {
    let (_, a, _b) = pair(streaming()).await;
    let mut chunks = a.forward(get("/")).await.unwrap().into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    let more = tokio::time::timeout(Duration::from_secs(3600), chunks.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn when_a_node_ends_so_do_its_connections() {
    let (_, a, b) = pair(streaming()).await;
    let mut chunks = a.forward(get("/")).await.unwrap().into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    b.stop();
    assert!(chunks.next().await.unwrap().is_err());
    // The node that has forwarded may end first, too.
    let net = Net::new();
    let (a, mut b) = (Node::new(&net, "a", 1).await, Node::new(&net, "b", 2).await);
    b.serve(streaming());
    a.knows(&[&b]);
    let mut chunks = a.forward(get("/")).await.unwrap().into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    drop(a);
    assert!(chunks.next().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_node_waits_until_it_can_listen() {
    use crate::cluster::{Accept, Wire, Wires};
    use futures::future::BoxFuture;
    /// The address is free when it was asked for a few times.
    #[derive(Debug)]
    struct Taken(std::sync::atomic::AtomicUsize, Net);
    impl Wires for Taken {
        fn listen(&self) -> BoxFuture<'_, std::io::Result<(Box<dyn Accept>, String)>> {
            if self.0.fetch_add(1, Relaxed) < 5 {
                return Box::pin(async { Err(std::io::ErrorKind::AddrInUse.into()) });
            }
            self.1.listen()
        }
        fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, std::io::Result<Box<dyn Wire>>> {
            self.1.connect(address)
        }
    }
    let net = Net::new();
    let start = Instant::now();
    let wires = Arc::new(Taken(0.into(), net.at("host-b")));
    let mut b = Node::over(wires, "b", 2, "one secret of the tests").await;
    assert_eq!(start.elapsed().as_secs(), 5);
    b.serve(hello());
    let a = Node::new(&net, "a", 1).await;
    a.knows(&[&b]);
    assert_eq!(asked(&a).await.unwrap(), "hello");
}
