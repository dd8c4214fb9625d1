//! Uploads and acknowledgements: a repeated or a late upload, or one that begins too far on, does no harm.
#![allow(clippy::disallowed_methods)]

mod support;

use std::sync::{Arc, Mutex};

use anywire::{Anywire, Message, Server, Session};
use support::{Everywhere, Peer, Record, echo, site};

/// A server whose handlers record the messages that they receive.
fn keeper() -> (Server, Arc<Mutex<Vec<String>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    let server = Anywire::builder()
        .handler(move |session: Session| {
            let keep = keep.clone();
            async move {
                while let Some(Message::Text(text)) = session.recv().await {
                    keep.lock().unwrap().push(text.to_string());
                }
            }
        })
        .build();
    (server, kept)
}

/// Uploads texts numbered from `first`, and returns the answer.
async fn upload(peer: &Peer, first: u64, texts: &[&str]) -> Vec<Record> {
    let mut body = peer.upload_head().record('n', &[&first]);
    for text in texts {
        body = body.with_text('m', &[], text);
    }
    let answer = peer.site.post(&peer.path("send"), body.bytes).await;
    assert_eq!(answer.status, 200);
    answer.records()
}

#[tokio::test(start_paused = true)]
async fn repeated_uploads_are_taken_once() {
    let (server, kept) = keeper();
    let peer = Peer::open(&site(&server)).await;
    assert_eq!(upload(&peer, 1, &["a", "b"]).await, [Record::Ack(2)]);
    assert_eq!(upload(&peer, 1, &["a", "b"]).await, [Record::Ack(2)], "again, as it was");
    assert_eq!(upload(&peer, 1, &["a"]).await, [Record::Ack(2)], "with less");
    assert_eq!(upload(&peer, 1, &["a", "b", "c"]).await, [Record::Ack(3)], "with more: the new tail is taken");
    assert_eq!(upload(&peer, 3, &["c", "d"]).await, [Record::Ack(4)]);
    assert_eq!(upload(&peer, 5, &[]).await, [Record::Ack(4)], "a number without a message");
    support::until("all was received", || kept.lock().unwrap().len() >= 4).await;
    assert_eq!(*kept.lock().unwrap(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_beyond_the_next_number_takes_nothing() {
    let (server, kept) = keeper();
    let peer = Peer::open(&site(&server)).await;
    assert_eq!(upload(&peer, 2, &["b", "c"]).await, [Record::Ack(0)]);
    assert_eq!(upload(&peer, 9_007_199_254_740_991, &["z"]).await, [Record::Ack(0)]);
    assert_eq!(upload(&peer, 1, &["a"]).await, [Record::Ack(1)]);
    assert_eq!(upload(&peer, 2, &["b", "c"]).await, [Record::Ack(3)]);
    support::until("all was received", || kept.lock().unwrap().len() >= 3).await;
    assert_eq!(*kept.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_upload_many_times_at_once_is_taken_once() {
    let (server, kept) = keeper();
    let peer = Peer::open(&site(&server)).await;
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let peer = peer.clone();
        tasks.push(tokio::spawn(async move {
            for first in 0..20u64 {
                let texts: Vec<String> = (first * 5..first * 5 + 10).map(|number| (number + 1).to_string()).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let records = upload(&peer, first * 5 + 1, &texts).await;
                assert!(matches!(records[..], [Record::Ack(_)]));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    support::until("all was received", || kept.lock().unwrap().len() >= 105).await;
    let want: Vec<String> = (1..=105).map(|number: u64| number.to_string()).collect();
    assert_eq!(*kept.lock().unwrap(), want);
}

#[tokio::test(start_paused = true)]
async fn messages_in_the_body_of_an_attach_are_taken_too() {
    let server = Anywire::builder().handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    peer.put("in a poll");
    peer.turn = 1;
    let body = peer.flight(peer.resume());
    let records = peer.site.post(&peer.path("xhr-poll"), body.bytes).await.records();
    assert_eq!(records[0], Record::Full(1), "the `s` acknowledges the messages of the attach");
    peer.take(&records);
    while peer.got.is_empty() {
        peer.poll().await;
    }
    peer.put("on a socket");
    let mut socket = peer.resume_socket().await;
    peer.take_until(&mut socket, 2).await;
    assert_eq!(peer.texts(), ["in a poll", "on a socket"]);
}

#[tokio::test(start_paused = true)]
async fn an_attach_and_an_upload_acknowledge() {
    let server = Anywire::builder()
        .handler(|session: Session| async move {
            for _ in 0..10 {
                session.send("x").await.unwrap();
            }
            std::future::pending::<()>().await;
        })
        .build();
    let mut peer = Peer::open(&site(&server)).await;
    assert_eq!(peer.received, 10);
    let session = &server.everywhere()[0];
    assert_eq!((session.unacknowledged(), session.buffered_bytes()), (10, 650));
    peer.received = 4;
    upload(&peer, 1, &[]).await;
    assert_eq!(session.unacknowledged(), 6);
    peer.received = 7;
    peer.switch();
    peer.send_poll().await;
    assert_eq!(session.unacknowledged(), 3);
    peer.received = 2;
    upload(&peer, 1, &[]).await;
    assert_eq!(session.unacknowledged(), 3, "a late acknowledgement is ignored");
    let body = peer.upload_head().record('a', &[&10]);
    peer.site.post(&peer.path("send"), body.bytes).await;
    assert_eq!((session.unacknowledged(), session.buffered_bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_come_by_count_by_bytes_and_on_request() {
    let (server, _) = keeper();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    socket.text("n1:").await;
    for _ in 0..31 {
        peer.put("x");
        socket.payload(&"x".into()).await;
    }
    socket.text("w:").await;
    assert_eq!(socket.records().await, [Record::Ack(31)], "asked for, and not before");
    for _ in 0..128 {
        socket.payload(&"x".into()).await;
    }
    assert_eq!(socket.records().await, [Record::Ack(159)], "after 128 messages");
    socket.payload(&"x".repeat(32_767).into()).await;
    socket.payload(&"xy".into()).await;
    assert_eq!(socket.records().await, [Record::Ack(161)], "after 32,768 bytes");
    // A repeat shows that an acknowledgement was lost, so it is sent again.
    socket.text("n161:mxy").await;
    assert_eq!(socket.records().await, [Record::Ack(161)]);
}
