//! Openings when many want to open sessions: the unproven go first, and each address and key has its share.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{net::SocketAddr, time::Duration};

use anywire::{Anywire, Limits, Server, Session};
use axum::{Extension, Router, extract::ConnectInfo, http::Method};
use support::{Answer, Log, Peer, Record, Site, attempt, site};
use tokio::time::{advance, sleep};

async fn stay(session: Session) {
    session.closed().await;
}

/// The server as the clients at this address see it.
fn at(server: &Server, address: &str) -> Site {
    let info: SocketAddr = address.parse().unwrap();
    Site::here(Router::new().nest("/live", server.routes()).layer(Extension(ConnectInfo(info))))
}

async fn open(site: &Site) -> Answer {
    Peer::new(site).post_open(&attempt(), "").await
}

/// A client that has shown its secret.
async fn proven(site: &Site) -> Peer {
    let mut peer = Peer::open(site).await;
    peer.put("proof");
    peer.upload().await;
    peer
}

#[tokio::test(start_paused = true)]
async fn the_oldest_that_is_not_proven_makes_room() {
    let server = Anywire::builder().max_sessions(3).handler(stay).build();
    let site = site(&server);
    let kept = proven(&site).await;
    let mut first = Peer::open(&site).await;
    let mut second = Peer::open(&site).await;
    for _ in 0..20 {
        assert_eq!(open(&site).await.status, 200);
        assert_eq!(server.len(), 3);
    }
    for peer in [&mut first, &mut second] {
        peer.turn += 1;
        let (code, text) = peer.send_poll().await.refusal(410);
        assert_eq!(code, 4103, "{text}");
    }
    assert!(server.session(&kept.id).is_some());
    // Nobody can be evicted who has come back.
    let server = Anywire::builder().max_sessions(2).handler(stay).build();
    let site = support::site(&server);
    let _both = [proven(&site).await, proven(&site).await];
    let answer = open(&site).await;
    assert_eq!(answer.headers["retry-after"], "5");
    let (code, text) = answer.refusal(503);
    assert_eq!(code, 4200);
    assert!(text.contains("max_sessions"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_evicted_link_is_told_why() {
    let server = Anywire::builder().max_sessions(1).handler(stay).build();
    let site = site(&server);
    let mut socket = Peer::new(&site).send_open(&attempt(), "").await;
    assert!(matches!(socket.records().await[0], Record::New(..)));
    assert_eq!(open(&site).await.status, 200);
    let (code, text) = socket.closed().await;
    assert_eq!(code, 4103);
    assert!(text.contains("max_sessions"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_proven_lives_as_long_as_an_opening_may_take() {
    let server = Anywire::builder().open_timeout(Duration::from_secs(4)).handler(stay).build();
    let site = site(&server);
    let mut unproven = Peer::open(&site).await;
    let _proven = proven(&site).await;
    sleep(Duration::from_millis(3990)).await;
    assert_eq!(server.len(), 2);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(server.len(), 1);
    unproven.turn += 1;
    assert_eq!(unproven.send_poll().await.refusal(410).0, 4103, "its tombstone");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(server.len(), 0, "the other one had its grace");
    assert_eq!(unproven.send_poll().await.refusal(410).0, 4100);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_its_share() {
    let limits = Limits::default().sessions(3).openings(1000);
    let server = Anywire::builder().limits_by_address(limits).handler(stay).build();
    let [ours, theirs] = [at(&server, "[2001:db8::1]:1"), at(&server, "[2001:db8:0:1::1]:1")];
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(proven(&ours).await);
    }
    for neighbour in ["[2001:db8::1]:2", "[2001:db8::ffff:1]:1"] {
        let answer = open(&at(&server, neighbour)).await;
        assert_eq!(answer.headers["retry-after"], "5");
        let (code, text) = answer.refusal(503);
        assert_eq!(code, 4200);
        assert!(text.contains("3 sessions of one address (limits_by_address, Limits::sessions)"), "{text}");
        let socket = Peer::new(&at(&server, neighbour)).send_open(&attempt(), "").await.closed().await;
        assert_eq!(socket, (4200, text));
    }
    assert_eq!(open(&theirs).await.status, 200);
    // One that ends makes room at once, though it is remembered.
    server.session(&peers[0].id).unwrap().abort();
    assert_eq!(open(&ours).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_address_opens_at_its_rate() {
    let server = Anywire::builder().limits_by_address(Limits::default().openings(10)).handler(stay).build();
    let site = at(&server, "192.0.2.1:1");
    let mut opened = 0;
    for _ in 0..30 {
        opened += usize::from(open(&site).await.status == 200);
    }
    assert_eq!(opened, 10);
    let (code, text) = open(&site).await.refusal(503);
    assert!(code == 4200 && text.contains("10 openings a second"), "{text}");
    assert_eq!(open(&at(&server, "192.0.2.2:1")).await.status, 200);
    advance(Duration::from_millis(200)).await;
    assert_eq!([open(&site).await.status.as_u16(), open(&site).await.status.as_u16()], [200, 200]);
    assert_eq!(open(&site).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn what_a_request_says_switches_no_limit_off() {
    let limits = Limits::default().sessions(1);
    let build = || Anywire::builder().limits_by_address(limits);
    let status = async |site: &Site, forwarded: &str| {
        let request = site.request(Method::POST, "open").header("x-forwarded-for", forwarded);
        site.ask(request.body(format!("o1,1,{},0:", attempt()).into()).unwrap()).await.status.as_u16()
    };
    // A stranger cannot speak for others, nor for a machine near by.
    let server = build().handler(stay).build();
    let site = at(&server, "192.0.2.1:1");
    assert_eq!([status(&site, "192.0.2.7").await, status(&site, "10.0.0.1").await], [200, 503]);
    // A trusted proxy speaks for its clients, and one near by is believed like any other.
    let server = build().trusted_proxies(["10.0.0.1"]).handler(stay).build();
    let site = at(&server, "10.0.0.1:1");
    for (forwarded, expected) in
        [("192.0.2.1", 200), ("192.0.2.1", 503), ("192.0.2.2", 200), ("10.0.0.9", 200), ("127.0.0.1, 10.0.0.9", 503)]
    {
        assert_eq!(status(&site, forwarded).await, expected, "{forwarded}");
    }
    // All the world may come through a peer near by that is not trusted.
    let log = Log::here();
    let server = build().handler(stay).build();
    for address in ["10.0.0.1:1", "127.0.0.1:1", "[::1]:1", "169.254.0.1:1"] {
        let site = at(&server, address);
        for _ in 0..3 {
            assert_eq!(status(&site, "192.0.2.1").await, 200, "{address}");
        }
    }
    let warnings = log.lines("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("trusted_proxies") && warnings[0].contains("10.0.0.1"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_application_has_its_share() {
    let limits = Limits::none().sessions(1);
    let server = Anywire::builder()
        .limits_by(limits, |parts| Some(parts.headers.get("x-key")?.to_str().ok()?.to_owned()))
        .handler(stay)
        .build();
    let site = site(&server);
    let open = async |key: Option<&str>| {
        let mut request = site.request(Method::POST, "open");
        if let Some(key) = key {
            request = request.header("x-key", key);
        }
        site.ask(request.body(format!("o1,1,{},0:", attempt()).into()).unwrap()).await
    };
    assert_eq!(open(Some("a")).await.status, 200);
    let (code, text) = open(Some("a")).await.refusal(503);
    assert_eq!(code, 4200);
    assert!(text.contains("1 sessions of one key (limits_by, Limits::sessions)"), "{text}");
    for key in [Some("b"), None, None] {
        assert_eq!(open(key).await.status, 200, "{key:?}");
    }
    advance(Duration::from_secs(11)).await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(open(Some("a")).await.status, 200, "the first was never used");
}

#[tokio::test(start_paused = true)]
async fn the_bodies_of_an_address_have_room_for_so_many_bytes() {
    let server = Anywire::builder().limits_by_address(Limits::default().bytes(30_000)).handler(stay).build();
    let site = at(&server, "192.0.2.1:1");
    let mut peer = proven(&site).await;
    peer.put("x".repeat(40_000).as_str());
    let body = peer.flight(peer.upload_head()).bytes;
    let (code, text) = site.post(&peer.path("send"), body).await.refusal(503);
    assert_eq!(code, 4201);
    assert!(text.contains("30000 bytes under way of one address (limits_by_address, Limits::bytes)"), "{text}");
    peer.outbox.clear();
    peer.last -= 1;
    for _ in 0..5 {
        peer.put("x".repeat(20_000).as_str());
        peer.upload().await;
    }
    assert!(peer.outbox.is_empty(), "what was read counts no longer");
}

/// Four connections of one address open as fast as they can; another client gets in within a second.
#[tokio::test(start_paused = true)]
async fn one_address_keeps_nobody_out() {
    let server = Anywire::builder().max_sessions(1000).handler(stay).build();
    let flood = at(&server, "192.0.2.66:1");
    for _ in 0..50 {
        for _ in 0..100 {
            open(&flood).await;
        }
        assert_eq!(open(&at(&server, "192.0.2.1:1")).await.status, 200);
        advance(Duration::from_millis(100)).await;
    }
    assert!(server.len() <= 1000);
}
