//! Nodes that are dead, not reached, or about to end.

use std::time::Duration;

use anywire::{Anywire, InProcess, Origins, Server};
use axum::{
    Router,
    body::Body,
    http::{Method, header},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use crate::{
    house::House,
    support::{Peer, Record, Site, echo},
};

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_dead_node_are_unknown() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    house.kill(0).await;
    peer.site = house.node(1);
    peer.switch();
    assert_eq!(peer.send_poll().await.refusal(410).0, 4100);
    let upload = peer.flight(peer.upload_head()).bytes;
    assert_eq!(peer.site.post(&peer.path("send"), upload).await.refusal(410).0, 4100);
    let mut next = Peer::open(&house.node(1)).await;
    next.site = house.node(2);
    next.send("on").await;
    while next.got.is_empty() {
        next.poll().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_reached_keeps_its_sessions() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    house.ready().await;
    house.handles[0].cut_links();
    peer.site = house.node(1);
    peer.switch();
    let answer = peer.send_poll().await;
    assert_eq!(answer.headers.get(header::RETRY_AFTER).map(|value| value.to_str().unwrap()), Some("1"));
    assert_eq!(answer.refusal(503).0, 4202);
    // A page's other origin reads the refusal too.
    assert!(answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    house.heal(0).await;
    peer.send("goes on").await;
    while peer.got.is_empty() {
        peer.poll().await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_wrapped_as_the_route_answers() {
    let house = House::of_echoes();
    let peer = Peer::open(&house.node(0)).await;
    house.ready().await;
    house.handles[0].cut_links();
    let head = crate::support::encode(&peer.resume().bytes);
    let path = format!("jsonp-poll?session={}&callback=f&data={head}", peer.id);
    let site = house.node(1);
    let answer = site.ask(site.request(Method::GET, &path).body(Body::empty()).unwrap()).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "a script reads no other: {text}");
    assert!(text.contains("f(") && text.contains("4202"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_draining_node_serves_its_sessions_by_the_others() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    house.ready().await;
    let live = house.servers[0].live();
    let shutdown = tokio::spawn(async move { live.shutdown(std::time::Duration::from_secs(30)).await });
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    peer.site = house.node(1);
    peer.send("still").await;
    while peer.got.is_empty() {
        peer.poll().await;
    }
    // A node that is about to end wants no further requests on the connections of its own clients.
    let mut other = Peer::open(&house.node(1)).await;
    other.site = house.node(0);
    other.switch();
    other.turn += 1;
    let answer = other.send_poll().await;
    assert_eq!((answer.status.as_u16(), &answer.headers[header::CONNECTION]), (200, &"close".parse().unwrap()));
    assert!(matches!(answer.records()[0], Record::Full(_)));
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_are_forwarded_while_the_engine_is_away() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    house.ready().await;
    house.engine.cut();
    for nth in [1, 2, 0, 1] {
        peer.site = house.node(nth);
        peer.send(format!("{nth}")).await;
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    }
    while peer.got.len() < 4 {
        peer.poll().await;
    }
    house.engine.heal();
}

/// Its clients come by the other nodes then, and its sessions live until the window is over.
#[tokio::test]
async fn a_node_that_ends_answers_the_others_when_none_of_its_own_connections_is_left() {
    let engine = InProcess::new();
    let server: Server = Anywire::builder().origins(Origins::Any).handler(echo).build();
    let nodes = server.as_nodes([engine.node().into(), engine.node().into()]);
    let [ending, other] = &nodes[..] else { unreachable!() };
    let listener = anywire::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().nest("/live", ending.routes());
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = anywire::serve(listener, app).with_graceful_shutdown(async move { drop(stopped.await) });
    let serving = tokio::spawn(serve.sessions(ending, Duration::from_secs(60)).into_future());
    let mut peer = Peer::open(&Site::at(address)).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: node\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0, "it is served");
    stop.send(()).unwrap();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    peer.site = Site::here(Router::new().nest("/live", other.routes()));
    other.live().ready().await;
    peer.send("goes on").await;
    peer.switch();
    while peer.got.is_empty() {
        peer.poll().await;
    }
    assert_eq!(peer.texts(), ["goes on"]);
    serving.abort();
}
