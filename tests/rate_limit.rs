//! The rate limit of a session, over each kind of transport, in virtual time.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Anywire, RateLimit, Server, Session};
use axum::Router;
use futures::{SinkExt, StreamExt};
use support::{Peer, Record, Site, site, until};
use tokio::time::{Instant, advance};
use tokio_tungstenite::tungstenite::Message;

type Received = Arc<Mutex<Vec<(String, Instant)>>>;

/// A server whose handler keeps what it receives, and when.
fn server(limit: RateLimit) -> (Server, Received) {
    let received = Received::default();
    let keep = received.clone();
    let handler = move |session: Session| {
        let keep = keep.clone();
        async move {
            while let Some(message) = session.recv().await {
                keep.lock().unwrap().push((message.as_text().unwrap().to_owned(), Instant::now()));
            }
        }
    };
    (Anywire::builder().rate_limit(limit).handler(handler).build(), received)
}

/// All `count` messages came once, in order, and no more of them at any time than `rate` a second and a second's
/// worth.
fn came_at_the_rate(received: &Received, count: usize, rate: usize) {
    let received = received.lock().unwrap();
    let texts: Vec<&str> = received.iter().map(|(text, _)| text.as_str()).collect();
    let want: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(texts, want);
    for (nth, (_, time)) in received.iter().enumerate() {
        let least = Duration::from_millis((nth as u64 + 1).saturating_sub(rate as u64) * 1000 / rate as u64);
        assert!(*time - received[0].1 >= least, "message {nth} came after {:?}", *time - received[0].1);
    }
}

fn forever() -> RateLimit {
    RateLimit::none().patience(Duration::MAX)
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_paused_and_nothing_is_lost() {
    let (server, received) = server(forever().messages(20));
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    (0..70).for_each(|number| peer.put(number.to_string()));
    socket.flight(&peer).await;
    // Another record is answered during the pause.
    socket.text("w:").await;
    peer.take(&socket.records().await);
    assert_eq!((peer.outbox.len(), peer.paused), (50, Some(1)));
    while !peer.outbox.is_empty() {
        peer.take(&socket.records().await);
        if peer.paused.is_none() && !peer.outbox.is_empty() {
            socket.flight(&peer).await;
            socket.text("w:").await;
        }
    }
    until("all was received", || received.lock().unwrap().len() >= 70).await;
    came_at_the_rate(&received, 70, 20);
    let stats = server.live().stats();
    assert!(stats.rate_pauses_total >= 5, "half a second's worth between two: {stats:?}");
    assert_eq!(stats.rate_ends_total, 0);
}

#[tokio::test(start_paused = true)]
async fn uploads_are_paused_and_a_poll_brings_the_resume() {
    let (server, received) = server(forever().bytes(8));
    let mut peer = Peer::open(&site(&server)).await;
    (0..10).for_each(|number| peer.put(number.to_string()));
    assert_eq!(peer.upload().await, [Record::Pause(8, 1)], "an upload is taken in part");
    assert_eq!(peer.upload().await, [Record::Pause(8, 1)], "and nothing of its repeat");
    while !peer.outbox.is_empty() {
        while peer.paused.is_some() {
            peer.poll().await;
        }
        peer.upload().await;
    }
    until("all was received", || received.lock().unwrap().len() >= 10).await;
    came_at_the_rate(&received, 10, 8);
}

#[tokio::test(start_paused = true)]
async fn a_bare_websocket_is_read_at_the_rate() {
    let (server, received) = server(forever().messages(100));
    let router = Router::new().nest("/live/ws", server.raw());
    let mut socket = Site::here(router).websocket("ws").await;
    for number in 0..1_000 {
        socket.io.send(Message::text(number.to_string())).await.unwrap();
    }
    let start = Instant::now();
    until("all was received", || received.lock().unwrap().len() >= 1_000).await;
    assert_eq!(received.lock().unwrap().len(), 1_000);
    // Each read may take 64 frames beyond what the bucket holds; the next one waits for those as well.
    assert!(start.elapsed() >= Duration::from_secs(8), "{:?}", start.elapsed());
    drop(socket);
}

#[tokio::test(start_paused = true)]
async fn who_stays_above_the_limit_reads_4203_comes_back_later_and_opens_anew() {
    let limit = RateLimit::none().messages(10).patience(Duration::from_secs(3));
    let (server, received) = server(limit);
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    (0..200).for_each(|number| peer.put(number.to_string()));
    // It pays no heed to the pauses.
    let session = server.sessions()[0].clone();
    while !session.is_closed() {
        socket.flight(&peer).await;
        advance(Duration::from_millis(100)).await;
    }
    let (code, text) = loop {
        match socket.next().await {
            support::SocketEvent::Records(records) => {
                peer.take(&records);
                if let Some(Record::LinkClose(code, text)) = records.last() {
                    break (*code, text.clone());
                }
            }
            support::SocketEvent::Closed(code, text) => break (code, text),
            support::SocketEvent::Broken => panic!("broken"),
        }
    };
    assert_eq!((code, &*text), (4203, "too fast: more than 10 messages a second for 3 s (rate_limit)"));
    until("the handler has what was taken", || received.lock().unwrap().len() as u64 == 200 - peer.outbox.len() as u64)
        .await;
    assert_eq!(server.live().stats().rate_ends_total, 1);
    peer.switch();
    let answer = peer.send_poll().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");
    assert_eq!(answer.refusal(503).0, 4203);
    advance(Duration::from_secs(5)).await;
    assert_eq!(peer.send_poll().await.refusal(410).0, 4103, "now it opens a new one");
}

#[tokio::test(start_paused = true)]
async fn a_bare_websocket_that_stays_above_the_limit_is_told_to_try_again_later() {
    let (server, _received) = server(RateLimit::none().messages(10).patience(Duration::from_secs(3)));
    let router = Router::new().nest("/live/ws", server.raw());
    let socket = Site::here(router).websocket("ws").await;
    let (mut send, mut read) = socket.io.split();
    tokio::spawn(async move { while send.send(Message::text("again")).await.is_ok() {} });
    let frame = loop {
        if let Message::Close(frame) = read.next().await.expect("a close frame").expect("a close frame") {
            break frame.expect("a code");
        }
    };
    assert_eq!(u16::from(frame.code), 1013);
    assert!(frame.reason.contains("rate_limit"), "{}", frame.reason);
}

#[tokio::test(start_paused = true)]
async fn the_application_may_close_instead() {
    let limit = RateLimit::none().messages(1).patience(Duration::ZERO).close(3008, "slowly, please");
    let (server, received) = server(limit);
    let mut peer = Peer::open(&site(&server)).await;
    (0..3).for_each(|number| peer.put(number.to_string()));
    peer.upload().await;
    peer.poll().await;
    assert_eq!(peer.closed, Some((3008, "slowly, please".to_owned())));
    peer.upload().await;
    until("the handler has what was taken", || received.lock().unwrap().len() == 1).await;
}

#[test]
#[should_panic(expected = "1000 or one from 3000 to 3999")]
fn a_code_of_the_library_is_refused() {
    let _ = RateLimit::none().close(4203, "");
}
