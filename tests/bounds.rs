//! Bounds on what a client can make a server keep, and settings at their extremes.

#![allow(clippy::disallowed_methods)]

mod support;

use std::{pin::Pin, task::Poll, time::Duration};

use anywire::{Anywire, Session};
use axum::Router;
use support::{Peer, Record, Site, attempt, echo, site};
use tokio::{
    io::AsyncWrite,
    time::{Instant, advance, sleep, timeout},
};

/// Keeps its session and does nothing.
async fn idle(_session: Session) {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_large_message_does_not_wait_behind_a_small_one_that_was_taken() {
    let server = Anywire::builder()
        .handler(|session: Session| async move {
            session.send("hi").await.unwrap();
            sleep(Duration::from_secs(1)).await;
            session.send("x".repeat((1 << 20) - 100)).await.unwrap();
            idle(session).await;
        })
        .build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    let began = Instant::now();
    peer.take_until(&mut socket, 2).await;
    assert_eq!(began.elapsed(), Duration::from_secs(1), "no heartbeat was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_takes_its_messages_is_not_too_slow_for_a_room() {
    let server = Anywire::builder()
        .outbox(64 << 10)
        .handler(|session: Session| async move {
            session.join("room");
            idle(session).await;
        })
        .build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    let mut sent = 0;
    for length in [2, 31 << 10, 34 << 10, 1 << 20, 1, 64 << 10] {
        assert_eq!(server.to("room").send("x".repeat(length)).slow, 0, "{length}");
        sent += 1;
        // The client acknowledges only on request.
        while let Ok(records) = timeout(Duration::from_millis(1), socket.records()).await {
            peer.take(&records);
            if records.contains(&Record::AckRequest) {
                socket.text(format!("a{}:", peer.received)).await;
            }
        }
        assert_eq!(peer.got.len(), sent);
    }
}

/// How many bytes of pings a server takes from a client that reads nothing.
async fn pinged(opened: bool) -> usize {
    let server = Anywire::builder().handler(idle).build();
    let site = Site::socket(Router::new().nest("/live", server.routes())).await;
    let mut socket = match opened {
        true => Peer::open_socket(&site).await.1,
        false => site.websocket("websocket").await,
    };
    let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    ping.extend_from_slice(&[b'x'; 125]);
    let pings = ping.repeat(5000);
    let io = socket.io.get_mut();
    let mut sent = 0;
    let mut refused = 0;
    // Writes until neither half of the connection nor the server takes more. Turns are counted, not time: the
    // server runs between ours.
    while refused < 1000 && sent < 256 << 20 {
        let took =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_write(cx, &pings[sent % ping.len()..])))
                .await;
        match took {
            Poll::Ready(Ok(length)) => (sent, refused) = (sent + length, 0),
            Poll::Ready(Err(error)) => panic!("{error} after {sent}"),
            Poll::Pending => {
                refused += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    sent
}

#[tokio::test]
async fn pongs_do_not_gather_for_a_client_that_does_not_read_them() {
    // The buffers of the system take some megabytes in each direction.
    for opened in [false, true] {
        let taken = pinged(opened).await;
        assert!(taken < 64 << 20, "opened: {opened}, {taken} bytes");
    }
}

#[tokio::test]
async fn the_largest_possible_limits_do_no_harm() {
    let forever = Duration::MAX;
    let server = Anywire::builder()
        .grace(forever)
        .heartbeat_interval(forever)
        .heartbeat_timeout(forever)
        .open_timeout(forever)
        .hold(forever)
        .message_limit(usize::MAX)
        .inbox(usize::MAX)
        .outbox(usize::MAX)
        .handler(echo)
        .build();
    let site = site(&server);
    let mut peer = Peer::new(&site);
    let answer = peer.post_open(&attempt(), "").await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let numbers = text[..text.find(':').unwrap()].split(',').filter_map(|field| field.parse::<u64>().ok());
    assert!(numbers.max().unwrap() < 1 << 53, "JavaScript has no such number: {text}");
    peer.take(&answer.records());
    peer.send("a").await;
    peer.switch();
    let mut socket = peer.resume_socket().await;
    peer.take_until(&mut socket, 1).await;
    assert_eq!(peer.texts(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn requests_with_the_id_but_without_the_secret_do_not_keep_a_session() {
    let server = Anywire::builder().handler(idle).build();
    let peer = Peer::open(&site(&server)).await;
    let path = format!("send?session={}", peer.id);
    for _ in 0..12 {
        let answer = peer.site.post(&path, "rubbish").await;
        assert_eq!(answer.status, if server.is_empty() { 410 } else { 400 });
        advance(Duration::from_secs(10)).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.sessions().len(), 0);
}

/// A begun request that is awaited for longer than grace lasts keeps no session either, however many come.
#[tokio::test(start_paused = true)]
async fn requests_that_never_end_do_not_keep_a_session_whose_grace_is_short() {
    let grace = Duration::from_secs(2);
    let server = Anywire::builder().grace(grace).open_timeout(Duration::from_secs(10)).handler(idle).build();
    let mut peer = Peer::open(&site(&server)).await;
    peer.upload().await; // The secret was used.
    let path = format!("send?session={}", peer.id);
    let mut requests = Vec::new();
    for _ in 0..15 {
        // Its sender has the id alone, and sends nothing more.
        let (site, path) = (peer.site.clone(), path.clone());
        let body = axum::body::Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        requests.push(tokio::spawn(async move { site.post(&path, body).await.status }));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(server.len(), 0);
    for request in requests {
        assert_ne!(request.await.unwrap(), 200);
    }
}
