//! A page opens by a form, whose answer it cannot read, and joins the session by a script tag.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{sync::Arc, time::Duration};

use anywire::{Anywire, Auth, Server, Session};
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use support::{Body, Everywhere, Payload, Peer, Record, Site, Spelling, attempt, echo, site};
use tokio::{sync::Semaphore, time::Instant};

/// A server that sends the auth data of the opening, then echoes.
fn server() -> Server {
    Anywire::builder()
        .handler(|Auth(token): Auth<String>, session: Session| async move {
            session.send(format!("hello {token}")).await.unwrap();
            echo(session).await;
        })
        .build()
}

/// Keeps its session and sends nothing.
async fn silent(session: Session) {
    std::future::pending::<()>().await;
    drop(session);
}

fn opening(peer: &Peer, ordinal: u64, name: &str, auth: &str) -> Vec<u8> {
    peer.flight(Body::new(Spelling::Text).with_text('o', &[&1, &ordinal, &name], auth)).bytes
}

async fn join(site: &Site, ordinal: u64, name: &str) -> Vec<Record> {
    let mut answer = site.send_records("jsonp-poll", "", format!("j1,{ordinal},{name}:").as_bytes()).await;
    assert_eq!(answer.status, 200);
    answer.all().await
}

fn refused(records: &[Record]) -> u16 {
    match records {
        [Record::LinkClose(code, _)] => *code,
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_opens_and_a_script_joins() {
    let server = server();
    let mut peer = Peer::new(&site(&server));
    let name = attempt();
    peer.put("first\r\nflight 💥");
    let opening = opening(&peer, 1, &name, "ünïcode\n&=%41");
    let mut answer = peer.site.send_records("form-post", "", &opening).await;
    assert_eq!(answer.status, 200);
    assert!(answer.next().await.is_none(), "an empty page");
    // An opening that the form brings twice is taken once.
    assert_eq!(peer.site.send_records("form-post", "", &opening).await.status, 409, "the same ordinal");

    let records = join(&peer.site, 2, &name).await;
    assert!(matches!(records[0], Record::New(1, _)), "the first flight was taken: {records:?}");
    assert_eq!(refused(&join(&peer.site, 2, &name).await), 4001, "a duplicate");
    // The answer was lost: a retry gets the same one.
    let again = join(&peer.site, 3, &name).await;
    assert_eq!(again[0], records[0]);
    peer.take(&again);
    peer.ordinal = 3;
    while peer.turn == 0 || peer.got.len() < 2 {
        let records = peer.attach("jsonp-poll").await.all().await;
        peer.take(&records);
    }
    assert_eq!(peer.texts(), ["hello ünïcode\n&=%41", "first\r\nflight 💥"]);
    assert!(peer.outbox.is_empty());
    assert_eq!(server.everywhere().len(), 1);
    // The secret was used, so the attempt id is spent.
    assert_eq!(refused(&join(&peer.site, 4, &name).await), 4102);
    assert_eq!(peer.site.send_records("form-post", "", &opening).await.status, 410);
}

#[tokio::test(start_paused = true)]
async fn a_join_waits_for_an_opening_that_has_not_come() {
    for by in ["form-post", "open", "jsonp-poll"] {
        let server = server();
        let site = site(&server);
        let name = attempt();
        let mut joins = Vec::new();
        for ordinal in 2..4 {
            let (site, name) = (site.clone(), name.clone());
            joins.push(tokio::spawn(async move { join(&site, ordinal, &name).await }));
        }
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(joins.iter().all(|join| !join.is_finished()));
        assert_eq!(server.everywhere().len(), 0);
        let auth = if by == "jsonp-poll" { "" } else { "me" };
        let opening = opening(&Peer::new(&site), 1, &name, auth);
        assert_eq!(site.send_records(by, "", &opening).await.status, 200);
        let before = Instant::now();
        for join in joins {
            let records = join.await.unwrap();
            assert!(matches!(records[0], Record::New(0, _)), "{by}: {records:?}");
            assert_eq!(records[1], Record::Message(1, Payload::from(format!("hello {auth}"))), "{by}");
        }
        assert_eq!(Instant::now(), before, "{by}: at once");
        assert_eq!(server.everywhere().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_does_not_wait_for_ever() {
    let server = server();
    let site = site(&server);
    let name = attempt();
    let before = Instant::now();
    assert_eq!(refused(&join(&site, 1, &name).await), 4007);
    assert_eq!(before.elapsed().as_secs(), 10);
    assert_eq!(server.everywhere().len(), 0);
    // The join has left nothing behind that would obstruct the opening.
    let opening = opening(&Peer::new(&site), 1, &name, "");
    assert_eq!(site.send_records("form-post", "", &opening).await.status, 200);
    assert!(matches!(join(&site, 2, &name).await[0], Record::New(..)));
}

#[tokio::test(start_paused = true)]
async fn a_join_elsewhere_or_a_malformed_one_is_refused() {
    let server = server();
    let site = site(&server);
    for route in ["open", "send", "xhr-poll", "fetch-stream", "poll", "multipart", "form-post"] {
        assert_eq!(site.send_records(route, "", b"j1,1,one-of-20-characters:").await.status, 400, "{route}");
    }
    for route in ["eventsource", "htmlfile", "iframe", "jsonp-send"] {
        assert_eq!(
            refused(&site.send_records(route, "", b"j1,1,one-of-20-characters:").await.all().await),
            4004,
            "{route}"
        );
    }
    for head in [
        "j2,1,one-of-20-characters:",
        "j1,1,:",
        "j1,1,abc:",
        "j1,1:",
        "j1,01,one-of-20-characters:",
        "j1,1,one of 20 characters:",
    ] {
        let records = site.send_records("jsonp-poll", "", head.as_bytes()).await.all().await;
        assert_eq!(refused(&records), if head.starts_with("j2") { 4400 } else { 4004 }, "{head}");
    }
    let mut socket = site.websocket("websocket").await;
    socket.text("j1,1,one-of-20-characters:").await;
    assert_eq!(socket.closed().await.0, 4004);
}

/// An extractor that waits for a permit and then rejects everybody.
struct Closed;

impl FromRequestParts<Arc<Semaphore>> for Closed {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(_: &mut Parts, leave: &Arc<Semaphore>) -> Result<Self, Self::Rejection> {
        leave.acquire().await.unwrap().forget();
        Err((StatusCode::UNAUTHORIZED, "closed"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_is_refused_when_the_opening_is_rejected() {
    let leave = Arc::new(Semaphore::new(0));
    let server = Anywire::builder().handler(|_: Closed, _: Session| async {}).build();
    let site = Site::of(&server, |server| axum::Router::new().nest("/live", server.routes()).with_state(leave.clone()));
    let name = attempt();
    let tasks: Vec<_> = [("form-post", format!("o1,1,{name},0:")), ("jsonp-poll", format!("j1,2,{name}:"))]
        .map(|(route, head)| {
            let site = site.clone();
            tokio::spawn(async move {
                let mut answer = site.send_records(route, "", head.as_bytes()).await;
                (answer.status, answer.all().await)
            })
        })
        .into();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(tasks.iter().all(|task| !task.is_finished()), "the join waits for the opening under way");
    leave.add_permits(1);
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    assert_eq!(results[0], (StatusCode::UNAUTHORIZED, Vec::new()));
    assert_eq!(results[1], (StatusCode::OK, vec![Record::LinkClose(4301, "closed".into())]));
    assert_eq!(server.everywhere().len(), 0);
}

/// The messages of a form are acknowledged on the downlink, which the client can read.
#[tokio::test(start_paused = true)]
async fn messages_of_a_form_are_acknowledged_on_the_downlink() {
    for route in ["jsonp-poll", "xhr-poll", "iframe", "eventsource"] {
        let server = Anywire::builder().handler(silent).build();
        let mut peer = Peer::open(&site(&server)).await;
        let mut answer = peer.clone();
        answer.turn += 1;
        let query = format!("&session={}", peer.id);
        let body = answer.resume().bytes;
        let (site, sent) = (peer.site.clone(), query.clone());
        let parked = tokio::spawn(async move {
            let mut answer = site.send_records(route, &sent, &body).await;
            let mut all = Vec::new();
            while !all.iter().any(|record| matches!(record, Record::Ack(_))) {
                match answer.next().await {
                    Some(records) => all.extend(records),
                    None => break,
                }
            }
            (all, Instant::now())
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Without an acknowledgement request none is sent.
        peer.put("quiet");
        let quiet = peer.flight(peer.upload_head()).bytes;
        assert_eq!(peer.site.send_records("form-post", &query, &quiet).await.status, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!parked.is_finished(), "{route}");
        let before = Instant::now();
        peer.put("asked");
        peer.upload_by("form-post").await;
        assert_eq!(peer.outbox.len(), 2, "nothing was acknowledged");
        let (records, when) = parked.await.unwrap();
        assert_eq!(records, [Record::Full(0), Record::Ack(2)], "{route}");
        assert_eq!(when, before, "{route}: at once");
        peer.take(&records);
        assert!(peer.outbox.is_empty());
    }
}
