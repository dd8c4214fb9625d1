//! A browser has few connections for all of its pages over HTTP/1.1, so only some of its requests may wait.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use anywire::{Anywire, Server};
use axum::{
    Router,
    body::Body as HttpBody,
    http::{Method, Request, Response},
};
use http_body_util::BodyExt;
use support::{CALLBACK, Peer, Site, encode, site, until};
use tokio::{task::JoinHandle, time::Instant};

fn echoes() -> Server {
    Anywire::builder().handler(support::echo).build()
}

async fn body(response: Response<HttpBody>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A request for the next turn of a peer, with these parameters.
fn turn(peer: &mut Peer, route: &str, query: &str) -> Request<HttpBody> {
    peer.turn += 1;
    let records = peer.resume().bytes;
    let path = format!("{route}?session={}&{query}", peer.id);
    if ["jsonp-poll", "eventsource", "iframe"].contains(&route) {
        let path = format!("{path}&callback={CALLBACK}&data={}", encode(&records));
        return peer.site.request(Method::GET, &path).body(HttpBody::empty()).unwrap();
    }
    peer.site.request(Method::POST, &path).body(records.into()).unwrap()
}

async fn peers(site: &Site, count: usize) -> Vec<Peer> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Peer::open(site).await);
    }
    peers
}

/// Starts polls that wait.
async fn park(peers: &mut [Peer], query: &str) -> Vec<JoinHandle<String>> {
    let mut parked = Vec::new();
    for peer in peers {
        let (site, request) = (peer.site.clone(), turn(peer, "xhr-poll", query));
        parked.push(tokio::spawn(async move { body(site.send(request).await).await }));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    parked
}

#[tokio::test(start_paused = true)]
async fn the_fourth_answer_of_a_browser_does_not_wait() {
    let server = echoes();
    let site = site(&server);
    let mut tabs = peers(&site, 6).await;
    let query = "browser=one.Browser-_1";
    let parked = park(&mut tabs[..3], query).await;
    assert!(parked.iter().all(|poll| !poll.is_finished()));
    let before = Instant::now();
    let expected = "sfull,0:y2000:";
    for (route, wrapped) in [
        ("xhr-poll", expected.to_owned()),
        ("fetch-stream", expected.to_owned()),
        ("jsonp-poll", format!("/**/{CALLBACK}(\"{expected}\");")),
        ("eventsource", format!("data: \"{expected}\"\n\n")),
    ] {
        let request = turn(&mut tabs[3], route, query);
        assert_eq!(body(site.send(request).await).await, wrapped, "{route}");
    }
    // Messages that are ready are still sent.
    tabs[3].send("x").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let request = turn(&mut tabs[3], "xhr-poll", query);
    assert_eq!(body(site.send(request).await).await, "sfull,1:y2000:n1:m1:x");
    tabs[3].received = 1;
    let request = turn(&mut tabs[4], "poll", query);
    assert_eq!(body(site.send(request).await).await, "sfull,0:", "a poll that does not wait gets no delay");
    assert!(before.elapsed() < Duration::from_millis(10));
    // Other browsers are not affected, and requests without an id, or with a bad one, are not counted.
    for other in ["browser=another", "", "browser=", &format!("browser={}", "x".repeat(129)), "browser=a%20b"] {
        let parked = park(&mut tabs[4..5], other).await;
        assert!(!parked[0].is_finished(), "{other}");
    }
    // When one poll has its answer, another may wait.
    tabs[0].send("free").await;
    for (at, poll) in parked.into_iter().enumerate() {
        if at == 0 {
            assert_eq!(poll.await.unwrap(), "sfull,0:n1:m4:free");
            let parked = park(&mut tabs[3..4], query).await;
            assert!(!parked[0].is_finished());
            let request = turn(&mut tabs[5], "xhr-poll", query);
            assert_eq!(body(site.send(request).await).await, expected);
        } else {
            assert_eq!(poll.await.unwrap(), "sfull,0:");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_count_until_they_end() {
    let server = Anywire::builder().stream_budget(500).handler(support::echo).build();
    let site = site(&server);
    let mut tabs = peers(&site, 5).await;
    let query = "browser=b";
    let mut streams = Vec::new();
    for (peer, route) in tabs.iter_mut().zip(["xhr-stream", "eventsource", "iframe"]) {
        streams.push(site.send(turn(peer, route, query)).await.into_body());
    }
    let full = async |peer: &mut Peer| body(site.send(turn(peer, "multipart", query)).await).await.contains("y2000:");
    assert!(full(&mut tabs[3]).await);
    // The stream's budget is spent. The client learns it from the last chunk, and sends its next request
    // before the body is read to its end.
    streams[0].frame().await.unwrap().unwrap();
    tabs[0].send("x".repeat(600)).await;
    streams[0].frame().await.unwrap().unwrap();
    tabs[0].received = 1;
    let mut stream = site.send(turn(&mut tabs[3], "multipart", query)).await.into_body();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(!String::from_utf8_lossy(&first).contains("y2000:"));
    assert!(full(&mut tabs[4]).await);
    // The browser has closed its streams.
    drop(streams);
    let mut streams = Vec::new();
    for peer in &mut tabs[..2] {
        streams.push(site.send(turn(peer, "xhr-stream", query)).await);
    }
    assert!(full(&mut tabs[4]).await);
    // Requests that never waited, or were refused, hold no permit.
    let mut intruder = tabs[4].clone();
    intruder.secret = "wrong".into();
    drop(streams);
    for _ in 0..9 {
        assert_eq!(site.send(turn(&mut intruder, "xhr-poll", query)).await.status(), 410);
    }
    let parked = park(&mut tabs[..2], query).await;
    assert!(parked.iter().all(|poll| !poll.is_finished()));
}

#[tokio::test]
async fn over_http2_nothing_is_counted() {
    let server = echoes();
    let site = Site::socket(Router::new().nest("/live", server.routes())).await;
    let mut tabs = peers(&site, 6).await;
    let mut connection = site.http2().await;
    let mut parked = Vec::new();
    for peer in &mut tabs {
        let request = turn(peer, "xhr-poll", "browser=b");
        let (parts, body_) = request.into_parts();
        let uri = format!("http://{}{}", support::HOST, parts.uri);
        let mut request = Request::builder().method(parts.method).uri(uri);
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        connection.ready().await.unwrap();
        let answer = connection.send_request(request.body(body_).unwrap());
        parked.push(tokio::spawn(async move { body(answer.await.unwrap().map(HttpBody::new)).await }));
    }
    let all = server.sessions();
    until("all are attached", || all.iter().all(anywire::Session::is_connected)).await;
    // Over HTTP/1.1 all permits of the same browser are free.
    let mut more = peers(&site, 4).await;
    let requests: Vec<_> =
        more.iter_mut().map(|peer| (peer.site.clone(), turn(peer, "xhr-poll", "browser=b"))).collect();
    let mut polls = Vec::new();
    for (site, request) in requests {
        polls.push(tokio::spawn(async move { body(site.send(request).await).await }));
    }
    until("one may not wait", || polls.iter().any(JoinHandle::is_finished)).await;
    for peer in &mut more {
        peer.send("x").await;
    }
    let mut delayed = 0;
    for poll in polls {
        delayed += usize::from(poll.await.unwrap().contains("y2000:"));
    }
    assert_eq!(delayed, 1);
    assert!(parked.iter().all(|poll| !poll.is_finished()));
    for (peer, poll) in tabs.iter_mut().zip(parked) {
        peer.send("x").await;
        assert_eq!(poll.await.unwrap(), "sfull,0:n1:m1:x");
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_that_cuts_every_poll_gets_polls_that_do_not_wait() {
    let server = echoes();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    for _ in 0..3 {
        let request = turn(&mut peer, "xhr-poll", "");
        let cut = tokio::time::timeout(Duration::from_millis(400), site.send(request)).await;
        assert!(cut.is_err(), "the poll waits until it is cut");
        peer.switch();
        // The client attaches again: it gets an answer at once, then it polls.
        let request = turn(&mut peer, "xhr-poll", "");
        assert_eq!(body(site.send(request).await).await, "sfull,0:");
        peer.seen = true;
    }
    let before = Instant::now();
    let request = turn(&mut peer, "xhr-poll", "");
    assert_eq!(body(site.send(request).await).await, "sfull,0:y2000:");
    peer.send("x").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let request = turn(&mut peer, "jsonp-poll", "");
    assert_eq!(body(site.send(request).await).await, format!("/**/{CALLBACK}(\"sfull,1:y2000:n1:m1:x\");"));
    assert!(before.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_browser_is_counted_in_its_own_network_alone() {
    let server = echoes();
    let in_network = |address: &str| {
        let address: std::net::SocketAddr = address.parse().unwrap();
        let info = axum::Extension(axum::extract::ConnectInfo(address));
        Site::here(axum::Router::new().nest("/live", server.routes()).layer(info))
    };
    let query = "browser=b";
    let mut others = peers(&in_network("[2001:db8::1]:1"), 3).await;
    let parked = park(&mut others, query).await;
    for (address, waits) in [("[2001:db8::2:1]:2", false), ("[2001:db8:0:1::1]:1", true), ("192.0.2.1:1", true)] {
        let mut tab = peers(&in_network(address), 1).await;
        let poll = park(&mut tab, query).await;
        assert_eq!(!poll[0].is_finished(), waits, "{address}");
    }
    assert!(parked.iter().all(|poll| !poll.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn where_no_poll_is_held_clients_rest_between_them() {
    for (hold, answer) in [(0, "sfull,0:y2000:"), (99, "sfull,0:y2000:"), (100, "sfull,0:")] {
        let builder = Anywire::builder().hold(Duration::from_millis(hold));
        let site = site(&builder.handler(support::echo).build());
        let mut peer = Peer::open(&site).await;
        let before = Instant::now();
        let request = turn(&mut peer, "xhr-poll", "");
        assert_eq!(body(site.send(request).await).await, answer, "{hold}");
        assert_eq!(before.elapsed().as_millis(), if hold < 100 { 0 } else { 100 });
    }
}
