//! An upload by script tags that is too long for one URL is sent in pieces.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use anywire::{Anywire, Server, Session};
use support::{CALLBACK, Everywhere, Payload, Peer, Record, Wrapped, encode, site};

/// Keeps its session and sends nothing.
async fn silent(session: Session) {
    std::future::pending::<()>().await;
    drop(session);
}

fn server() -> Server {
    Anywire::builder().message_limit(60_000).grace(Duration::from_secs(10)).handler(silent).build()
}

/// One piece of an upload.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    upload: u64,
    part: &'a str,
    data: &'a [u8],
}

fn piece<'a>(upload: u64, part: &'a str, data: &'a [u8]) -> Piece<'a> {
    Piece { upload, part, data }
}

async fn send(peer: &Peer, Piece { upload, part, data }: Piece<'_>) -> Wrapped {
    let (id, secret) = (&peer.id, &peer.secret);
    let query = format!("session={id}&secret={secret}&part={part}&upload={upload}&callback={CALLBACK}");
    peer.site.get(&format!("jsonp-send?{query}&data={}", encode(data))).await
}

async fn answer_to(peer: &Peer, piece: Piece<'_>) -> Vec<Record> {
    let mut answer = send(peer, piece).await;
    assert_eq!(answer.status, 200);
    answer.all().await
}

#[track_caller]
fn assert_refused(records: &[Record], code: u16) {
    assert!(matches!(records, [Record::LinkClose(refused, _)] if *refused == code), "{records:?}");
}

fn payloads() -> Vec<Payload> {
    vec!["é\r\n\u{2028}💥".repeat(300).into(), Payload::Binary((0..=255).cycle().take(3000).collect()), "end".into()]
}

#[tokio::test(start_paused = true)]
async fn pieces_in_order_repeated_and_late() {
    for size in [1500, 3001] {
        let server = server();
        let mut peer = Peer::open(&site(&server)).await;
        payloads().into_iter().for_each(|payload| peer.put(payload));
        let body = peer.flight(peer.upload_head()).bytes;
        // The bytes are cut anywhere: a piece need not hold whole characters.
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        let part = |at: usize| format!("{at}.{}", pieces.len());
        for (at, data) in pieces.iter().enumerate() {
            let part = part(at);
            let piece = Piece { upload: 7, part: &part, data };
            let last = at + 1 == pieces.len();
            let answer: &[Record] = if last { &[Record::Ack(3)] } else { &[] };
            for _ in 0..3 {
                assert_eq!(answer_to(&peer, piece).await, answer, "a repeat gets the same answer");
            }
            if at == 0 && !last {
                let mut empty = send(&peer, piece).await;
                while empty.chunk().await {}
                assert_eq!(empty.raw, format!("/**/{CALLBACK}(\"\");").as_bytes());
            }
        }
        let first = part(0);
        assert_refused(&answer_to(&peer, Piece { upload: 7, part: &first, data: pieces[0] }).await, 4004);
        assert_eq!(server.anywhere(&peer.id).map(|session| session.is_connected()), Some(false));
        peer.take(&[Record::Ack(3)]);
        // An upload in one request, and then another in pieces, go on from there.
        peer.put("more");
        peer.upload_by("jsonp-send").await;
        peer.put("and more");
        let body = peer.flight(peer.upload_head()).bytes;
        assert!(answer_to(&peer, Piece { upload: 8, part: "0.2", data: &body[..10] }).await.is_empty());
        let last = Piece { upload: 8, part: "1.2", data: &body[10..] };
        assert_eq!(answer_to(&peer, last).await, [Record::Ack(5)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_has_one_upload_in_pieces() {
    let server = server();
    let mut peer = Peer::open(&site(&server)).await;
    peer.put("x");
    let body = peer.flight(peer.upload_head()).bytes;
    let (head, tail) = body.split_at(20);
    assert!(answer_to(&peer, piece(1, "0.2", head)).await.is_empty());
    assert!(answer_to(&peer, piece(2, "0.2", head)).await.is_empty(), "the upload begins again");
    assert_refused(&answer_to(&peer, piece(1, "1.2", tail)).await, 4004);
    assert_refused(&answer_to(&peer, piece(1, "0.2", head)).await, 4004);
    assert_refused(&answer_to(&peer, piece(2, "1.3", tail)).await, 4004);
    assert_eq!(answer_to(&peer, piece(2, "1.2", tail)).await, [Record::Ack(1)]);
    // A piece is missing, out of order, or malformed.
    assert!(answer_to(&peer, piece(3, "0.3", head)).await.is_empty());
    assert_refused(&answer_to(&peer, piece(3, "2.3", tail)).await, 4004);
    assert_refused(&answer_to(&peer, piece(4, "1.3", tail)).await, 4004);
    for part in ["2.2", "0.0", "", ".", "0", "a.b", "-1.2", "0.01", "0.9007199254740992", "18446744073709551615.1"] {
        assert_refused(&answer_to(&peer, piece(5, part, head)).await, 4004);
    }
    // A complete upload that is nonsense is refused; the session goes on.
    assert_refused(&answer_to(&peer, piece(6, "0.1", b"nonsense")).await, 4004);
    assert_eq!(answer_to(&peer, piece(7, "0.1", &body)).await, [Record::Ack(1)]);
}

#[tokio::test(start_paused = true)]
async fn pieces_need_the_secret_and_room() {
    let server = server();
    let mut peer = Peer::open(&site(&server)).await;
    let mut intruder = peer.clone();
    intruder.secret = "wrong".into();
    assert_refused(&answer_to(&intruder, piece(9, "0.1", b"x")).await, 4101);
    intruder.id = "no.one".into();
    assert_refused(&answer_to(&intruder, piece(9, "0.1", b"x")).await, 4100);
    for missing in ["secret", "session", "upload"] {
        let query = format!("session={}&secret={}&upload=1&part=0.1", peer.id, peer.secret);
        let query = query.replace(missing, "other");
        let mut answer = peer.site.get(&format!("jsonp-send?{query}&callback={CALLBACK}&data=x")).await;
        assert_refused(&answer.all().await, 4004);
    }
    // The client with the wrong secret has changed nothing.
    peer.put("x");
    let body = peer.flight(peer.upload_head()).bytes;
    assert_eq!(answer_to(&peer, piece(1, "0.1", &body)).await, [Record::Ack(1)]);
    // The pieces together are larger than a body may be.
    let large = vec![b'x'; 50_000];
    for (at, size) in [(0, 50_000), (1, 50_000), (2, 43_000)] {
        assert!(answer_to(&peer, piece(2, &format!("{at}.9"), &large[..size])).await.is_empty());
    }
    assert_refused(&answer_to(&peer, piece(2, "3.9", &large[..3000])).await, 4006);
    assert_refused(&answer_to(&peer, piece(2, "3.9", b"x")).await, 4004);
    assert_eq!(answer_to(&peer, piece(3, "0.1", &body)).await, [Record::Ack(1)]);
    // Pieces of an unfinished upload are dropped with the session.
    assert!(answer_to(&peer, piece(4, "0.9", &large)).await.is_empty());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(server.everywhere().len(), 0);
    assert_refused(&answer_to(&peer, piece(4, "1.9", &large)).await, 4100);
}

#[tokio::test(start_paused = true)]
async fn pieces_count_as_memory() {
    let server = Anywire::builder().max_bytes(100_000).message_limit(60_000).handler(silent).build();
    let site = site(&server);
    let peers = [Peer::open(&site).await, Peer::open(&site).await];
    let large = vec![b'x'; 60_000];
    for peer in &peers {
        assert!(answer_to(peer, Piece { upload: 1, part: "0.9", data: &large }).await.is_empty());
    }
    // With both there is too much, so one of the sessions ends for the next piece of any.
    let mut refused = Vec::new();
    for peer in &peers {
        refused.extend(answer_to(peer, Piece { upload: 2, part: "0.9", data: b"x" }).await);
    }
    assert_refused(&refused, 4105);
    assert_eq!(server.everywhere().len(), 1);
    Peer::open(&site).await;
}
