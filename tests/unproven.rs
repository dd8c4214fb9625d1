//! The input before a session's secret was shown, and the parts of an opening that are kept.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Server, Session};
use axum::{
    body::Body as HttpBody,
    http::{Method, header},
};
use bytes::Bytes;
use futures::stream;
use support::{Body, Everywhere, Payload, Peer, Record, Site, Spelling, attempt, echo, form, site};

/// A body of which a piece has come, and which never ends.
fn unfinished(piece: impl Into<Bytes>) -> HttpBody {
    use futures::StreamExt;
    let piece = stream::iter([Ok::<_, std::io::Error>(piece.into())]);
    HttpBody::from_stream(piece.chain(stream::pending()))
}

fn opening(auth: &str) -> Body {
    Body::new(Spelling::Text).with_text('o', &[&1, &1, &attempt()], auth)
}

#[tokio::test(start_paused = true)]
async fn an_opening_has_bounds_and_each_says_what_was_exceeded() {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    let long = |length: usize| "x".repeat(length);
    for (auth, messages, refused) in [
        (64 << 10, 0, None),
        ((64 << 10) + 1, 0, Some("auth data have at most 64 KiB")),
        (64 << 10, 16 << 10, None),
        (97 << 10, 0, Some("an opening has at most 96 KiB")),
    ] {
        let body = || match messages {
            0 => opening(&long(auth)),
            _ => opening(&long(auth)).record('n', &[&1]).payload(&Payload::from(long(messages))),
        };
        let by_form = site.post("form-post", form(&body().bytes)).await;
        let mut socket = site.websocket("websocket").await;
        if messages == 0 {
            socket.body(opening(&long(auth))).await;
        }
        let answer = site.post("open", body().bytes).await;
        match refused {
            None => {
                assert_eq!((answer.status, by_form.status), (axum::http::StatusCode::OK, axum::http::StatusCode::OK));
                if messages == 0 {
                    assert!(matches!(socket.records().await[..], [Record::New(..), ..]), "{auth}");
                }
            }
            Some(text) => {
                assert_eq!(answer.refusal(413), (4006, text.to_owned()), "{auth}");
                assert_eq!(by_form.status, 413);
                assert_eq!(socket.closed().await, (4006, text.to_owned()), "{auth}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_first_flight_is_not_taken_and_the_session_lives() {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    let mut peer = Peer::new(&site);
    for _ in 0..17 {
        peer.put("x".repeat(1 << 10));
    }
    let records = peer.post_open(&attempt(), "").await.records();
    assert!(matches!(records[..], [Record::New(16, _), .., Record::LinkClose(4006, _)]), "{records:?}");
    peer.take(&records);
    peer.switch();
    peer.upload().await;
    while peer.got.len() < 17 {
        peer.poll().await;
    }
    assert_eq!(server.everywhere().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_an_unknown_session_is_refused_unread() {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    let peer = Peer::open(&site).await;
    for route in ["send", "form-post", "xhr-poll", "open", "fetch-stream"] {
        let unknown = peer.id.replace(|digit: char| digit.is_ascii_digit(), "f");
        let request = site.request(Method::POST, &format!("{route}?session={unknown}"));
        let answer = site.ask(request.body(unfinished("u1,")).unwrap()).await;
        assert_eq!(answer.status, 410, "{route}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_may_be_long_once_it_has_shown_the_secret() {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    let text = "é".repeat(100_000);
    for spelling in [Spelling::Text, Spelling::Bytes] {
        peer.spelling = spelling;
        peer.put(text.as_str());
        peer.upload().await;
    }
    peer.spelling = Spelling::Text;
    peer.put(text.as_str());
    let body = form(&peer.flight(peer.upload_head()).bytes);
    assert_eq!(site.post(&format!("form-post?session={}", peer.id), body).await.status, 200);
    while peer.got.len() < 3 {
        peer.poll().await;
    }

    let secret = std::mem::replace(&mut peer.secret, "0".repeat(32));
    let mut body = peer.upload_head().bytes;
    peer.secret = secret;
    body.resize(97 << 10, b'x');
    let path = format!("send?session={}", peer.id);
    let ask = |body: Vec<u8>| site.ask(site.request(Method::POST, &path).body(unfinished(body)).unwrap());
    assert_eq!(ask(body).await.refusal(413).0, 4006, "a false secret");
    let mut body = peer.upload_head().bytes;
    body.resize((1 << 20) / 3 * 4 + (64 << 10) + 1, b'x');
    assert_eq!(ask(body).await.refusal(413).0, 4006, "longer than any body may be");
}

#[tokio::test(start_paused = true)]
async fn bodies_under_way_for_one_session_are_bounded_and_end_with_it() {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    peer.upload().await; // It is proven, and lives longer than the bodies.
    let path = format!("send?session={}", peer.id);
    let mut body = peer.upload_head().bytes;
    body.resize(1 << 20, b'x');
    let begin = || {
        let request = site.request(Method::POST, &path).body(unfinished(body.clone())).unwrap();
        let site = site.clone();
        tokio::spawn(async move { site.ask(request).await })
    };
    let under_way = [begin(), begin()];
    tokio::task::yield_now().await;
    let answer = begin().await.unwrap();
    assert_eq!(answer.refusal(503).0, 4201, "two at a time");
    for answer in under_way {
        assert_eq!(answer.await.unwrap().refusal(408).0, 4007);
    }
    peer.send("x").await;
    peer.poll().await;
    assert_eq!(peer.texts(), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_without_a_secret_are_a_small_part_of_the_memory() {
    let server = Anywire::builder().max_bytes(1 << 20).handler(echo).build();
    let site = site(&server);
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..3 {
        let mut body = opening("").bytes;
        body.resize(60 << 10, b'x');
        let request = site.request(Method::POST, "open").body(unfinished(body)).unwrap();
        let site = site.clone();
        waiting.push(tokio::spawn(async move { site.ask(request).await }));
        tokio::task::yield_now().await;
    }
    // Small openings, and small requests of sessions, have room.
    let mut peer = Peer::open(&site).await;
    peer.send("x").await;
    for answer in waiting {
        refused += usize::from(answer.await.unwrap().status == 503);
    }
    assert_eq!(refused, 1, "an eighth has room for two");
}

async fn see(session: Session) {
    let header = |name: &str| session.header(name).map_or(0, str::len).to_string();
    let all = ["cookie", "authorization", "x-app", "x-large", "user-agent"].map(header).join(" ");
    session.send(all).await.unwrap();
    std::future::pending::<()>().await;
}

async fn seen(server: &Server) -> String {
    let site: Site = site(server);
    let body = opening("").bytes;
    let request = site
        .request(Method::POST, "open")
        .header(header::COOKIE, "login=1")
        .header(header::AUTHORIZATION, "Bearer secret")
        .header("x-large", "x".repeat(9_000))
        .header("x-app", "y".repeat(7_000))
        .header(header::USER_AGENT, "test");
    let records = site.ask(request.body(body.into()).unwrap()).await.records();
    let mut peer = Peer::new(&site);
    peer.take(&records);
    peer.texts()[0].to_owned()
}

#[tokio::test(start_paused = true)]
async fn headers_are_kept_within_a_bound_and_credentials_only_if_they_are_named() {
    let server = Anywire::builder().handler(see).build();
    assert_eq!(seen(&server).await, "0 0 7000 0 4");
    let server = Anywire::builder().keep_headers(["Cookie", "authorization"]).handler(see).build();
    assert_eq!(seen(&server).await, "7 13 7000 0 4");
}
