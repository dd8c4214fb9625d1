//! A graceful shutdown: each client is asked to go away after a delay of its own, attaches again while the
//! window lasts, and is then closed.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{collections::HashSet, time::Duration};

use anywire::{Anywire, Server, Session};
use support::{Peer, Record, Site, Socket, SocketEvent, attempt, echo, site, until};
use tokio::time::{Instant, sleep};

const WINDOW: Duration = Duration::from_secs(20);

fn server() -> (Server, Site) {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    (server, site)
}

/// The delay of the next record, before which an acknowledgement may come.
async fn go_away(socket: &mut Socket) -> u64 {
    loop {
        for record in socket.records().await {
            match record {
                Record::GoAway(delay) => return delay,
                Record::Ack(_) => {}
                other => panic!("{other:?} is no go away"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_client_gets_a_delay_of_its_own() {
    let (server, site) = server();
    let mut sockets = Vec::new();
    for _ in 0..30 {
        sockets.push(Peer::open_socket(&site).await.1);
    }
    let mut polling = Peer::open(&site).await;
    let mut streaming = Peer::open(&site).await;
    let mut stream = streaming.stream("fetch-stream").await;
    streaming.take(&stream.next().await.unwrap());
    let live = server.live();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    let mut delays = Vec::new();
    for socket in &mut sockets {
        let delay = go_away(socket).await;
        delays.push(delay);
    }
    polling.poll().await;
    delays.push(polling.go_away.expect("a poll brings it too"));
    streaming.take(&stream.next().await.unwrap());
    delays.push(streaming.go_away.expect("a stream brings it too"));
    assert!(delays.iter().all(|delay| *delay < 20_000), "{delays:?}");
    assert!(delays.iter().collect::<HashSet<_>>().len() > 16, "spread: {delays:?}");
    let (low, high) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
    assert!(high - low > 5_000, "over the window: {delays:?}");
    shutdown.abort();
}

#[tokio::test(start_paused = true)]
async fn new_sessions_are_refused_and_open_ones_attach_until_the_end() {
    let (server, site) = server();
    let (mut peer, mut socket) = Peer::open_socket(&site).await;
    let (mut away, gone) = Peer::open_socket(&site).await;
    drop(gone);
    until("the link is gone", || !server.session(&away.id).unwrap().is_connected()).await;
    let live = server.live();
    let before = Instant::now();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    go_away(&mut socket).await;

    let answer = Peer::new(&site).post_open(&attempt(), "").await;
    assert_eq!(answer.refusal(503).0, 4202);
    assert!(!answer.headers.contains_key("retry-after"), "another server takes over");
    assert_eq!(Peer::new(&site).send_open(&attempt(), "").await.closed().await.0, 4202);

    // The client makes the new link before the old one ends, and has reached the same server.
    let mut second = peer.resume_socket().await;
    assert_eq!(socket.closed().await.0, 4000);
    peer.put("x");
    second.flight(&peer).await;
    peer.take_until(&mut second, 1).await;
    let again = peer.go_away.expect("it is asked again");
    assert!((1000..20_000).contains(&again), "{again}");

    // A client without a link gets its go away when it attaches.
    sleep(Duration::from_secs(10)).await;
    let mut back = away.resume_socket().await;
    assert!(away.go_away.is_some());

    assert_eq!(second.closed().await.0, 4005);
    assert_eq!(back.closed().await.0, 4005);
    shutdown.await.unwrap();
    let passed = before.elapsed();
    assert!(passed >= WINDOW && passed < WINDOW + Duration::from_secs(1), "the handlers have ended: {passed:?}");
    assert!(server.sessions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reaches_no_other_server_is_asked_again_but_at_most_once_a_second() {
    let (server, site) = server();
    let (mut peer, mut socket) = Peer::open_socket(&site).await;
    let live = server.live();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    let mut delay = go_away(&mut socket).await;
    let mut links = 0;
    loop {
        sleep(Duration::from_millis(delay)).await;
        let mut next = peer.resume_socket().await;
        links += 1;
        peer.go_away = None;
        while peer.go_away.is_none() {
            match next.next().await {
                SocketEvent::Records(records) => peer.take(&records),
                _ => break,
            }
        }
        match peer.go_away {
            Some(again) => delay = again,
            None => break,
        }
    }
    assert!((1..=20).contains(&links), "{links} links in 20 s");
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn over_http_each_new_link_is_asked_again_and_neither_later_turns_nor_uploads_are() {
    let (server, site) = server();
    let mut peer = Peer::open(&site).await;
    let live = server.live();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    peer.poll().await;
    assert!(peer.go_away.take().is_some());
    peer.send("up").await;
    peer.poll().await;
    assert_eq!((peer.texts(), peer.go_away), (vec!["up"], None));
    peer.switch();
    let first = peer.send_poll().await.records();
    peer.take(&first);
    peer.poll().await;
    assert!((1000..20_000).contains(&peer.go_away.expect("a new link is asked")));
    shutdown.abort();
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_a_server_that_shuts_down_end_their_connection() {
    let (server, site) = server();
    let mut peer = Peer::open(&site).await;
    peer.turn = 1;
    peer.put("up");
    let upload = peer.flight(peer.upload_head());
    let before = site.post(&peer.path("send"), upload.bytes).await;
    assert_eq!(before.headers.get("connection"), None);
    let session = server.session(&peer.id).unwrap();
    peer.poll().await;
    peer.turn += 1;
    let parked = tokio::spawn(async move { peer.send_poll().await });
    until("the poll is parked", || session.is_connected()).await;
    let live = server.live();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    assert_eq!(parked.await.unwrap().headers["connection"], "close", "also of a poll that began before");
    for path in ["open", "client.mjs"] {
        assert_eq!(site.post(path, "").await.headers["connection"], "close", "{path}");
    }
    shutdown.abort();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_a_server_which_shuts_down_does_not_know_may_be_its_successors() {
    let (server, site) = server();
    let peer = Peer::open(&site).await;
    let live = server.live();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    while Peer::new(&site).post_open(&attempt(), "").await.status == 200 {}
    for node in ["another", peer.id.split('.').next().unwrap()] {
        let mut stranger = Peer::new(&site);
        stranger.id = format!("{node}.00000000000000000000000000000000");
        stranger.secret.clone_from(&peer.secret);
        stranger.turn = 1;
        assert_eq!(stranger.send_poll().await.refusal(503).0, 4202);
        let upload = stranger.upload_head().bytes;
        assert_eq!(site.post(&stranger.path("send"), upload).await.refusal(503).0, 4202);
        assert_eq!(stranger.attach_socket().await.closed().await.0, 4202);
    }
    shutdown.abort();
}

#[tokio::test(start_paused = true)]
async fn polls_and_streams_end_with_the_window() {
    let (server, site) = server();
    let mut polling = Peer::open(&site).await;
    let mut streaming = Peer::open(&site).await;
    let mut stream = streaming.stream("xhr-stream").await;
    let live = server.live();
    let shutdown = tokio::spawn(async move { live.shutdown(WINDOW).await });
    let mut ends = Vec::new();
    let mut polls = 0;
    while ends.is_empty() {
        polls += 1;
        let records = polling.poll().await;
        ends.extend(records.into_iter().filter(|record| matches!(record, Record::LinkClose(4005, _))));
    }
    assert!(polls <= 3, "one poll brings the go away, the next waits: {polls} polls");
    let mut last = Vec::new();
    while let Some(records) = stream.next().await {
        last = records;
    }
    assert!(matches!(last.last(), Some(Record::LinkClose(4005, _))), "{last:?}");
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_end_delays_the_shutdown_by_five_seconds_at_most() {
    let server = Anywire::builder()
        .handler(|session: Session| async move {
            let _session = session;
            std::future::pending::<()>().await;
        })
        .build();
    let (_, mut socket) = Peer::open_socket(&site(&server)).await;
    let before = Instant::now();
    server.shutdown(Duration::from_secs(1)).await;
    let passed = before.elapsed();
    assert!(passed >= Duration::from_secs(6) && passed < Duration::from_secs(7), "{passed:?}");
    assert!(matches!(socket.next().await, SocketEvent::Records(_)));
    assert_eq!(socket.closed().await.0, 4005);
}
