//! The native protocol over HTTP and WebSocket, tested by a client that was written from its text.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Anywire, Server, Session};
use axum::{extract::FromRequestParts, http::request::Parts};
use support::{Body, Everywhere, Payload, Peer, Record, Site, SocketEvent, Spelling, attempt, echo, site};
use tokio::{sync::Semaphore, time::Instant};

/// Greets, then echoes.
async fn greet(session: Session) {
    session.send("welcome").await.unwrap();
    echo(session).await;
}

fn greeter() -> Server {
    Anywire::builder().handler(greet).build()
}

/// Messages that a transport might damage.
fn hard_payloads() -> Vec<Payload> {
    let mut payloads: Vec<Payload> =
        ["", "plain", "\u{feff}BOM", "a\0b\r\nc\u{2028}\u{2029}\u{ffff}", "é߷ｚ💥n1:m3:abc", "m", ":", "\u{10ffff}"]
            .map(Payload::from)
            .into();
    payloads.push(Payload::Binary(Vec::new()));
    payloads.push(Payload::Binary((0..=255).collect()));
    payloads.push("x".repeat(9000).into());
    payloads
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_takes_the_first_flight_and_brings_the_greeting() {
    for spelling in [Spelling::Text, Spelling::Bytes] {
        let server = greeter();
        let mut peer = Peer::new(&site(&server));
        peer.spelling = spelling;
        peer.put("first");
        peer.put(&b"\x00\xff"[..]);
        let answer = peer.post_open(&attempt(), "").await;
        assert_eq!(answer.headers["cache-control"], "no-store, no-transform");
        assert_eq!(answer.headers["x-accel-buffering"], "no");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let records = answer.records();
        let Record::New(received, grant) = &records[0] else { panic!("{records:?}") };
        assert_eq!(*received, 2, "the first flight was taken");
        assert_eq!((grant.interval, grant.timeout, grant.grace), (25_000, 20_000, 60_000));
        assert_eq!((grant.limit, grant.hold), (1 << 20, 25_000));
        peer.take(&records);
        assert_eq!(peer.got, ["welcome".into(), "first".into(), Payload::Binary(vec![0, 255])]);
        assert!(peer.outbox.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_is_answered_at_once_even_if_the_handler_sends_nothing() {
    let server = Anywire::builder().handler(|_session: Session| std::future::pending::<()>()).build();
    let before = Instant::now();
    let peer = Peer::open(&site(&server)).await;
    assert_eq!(Instant::now(), before, "no time passed");
    assert!(peer.got.is_empty());
}

#[tokio::test(start_paused = true)]
async fn hard_payloads_survive_every_spelling() {
    for spelling in [Spelling::Text, Spelling::Bytes] {
        let server = Anywire::builder().handler(echo).build();
        let mut peer = Peer::new(&site(&server));
        peer.spelling = spelling;
        let answer = peer.post_open(&attempt(), "").await;
        peer.take(&answer.records());
        hard_payloads().into_iter().for_each(|payload| peer.put(payload));
        peer.upload().await;
        peer.poll().await;
        assert_eq!(peer.got, hard_payloads(), "{spelling:?}");
    }
    let server = Anywire::builder().handler(echo).build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    hard_payloads().into_iter().for_each(|payload| peer.put(payload));
    socket.flight(&peer).await;
    peer.take_until(&mut socket, hard_payloads().len()).await;
    assert_eq!(peer.got, hard_payloads());
}

/// An extractor that counts its runs and waits for a permit.
#[derive(Clone)]
struct Gate {
    runs: Arc<AtomicUsize>,
    leave: Arc<Semaphore>,
}

impl Gate {
    fn new(permits: usize) -> Self {
        Gate { runs: Arc::default(), leave: Arc::new(Semaphore::new(permits)) }
    }
}

struct Passed;

impl FromRequestParts<Gate> for Passed {
    type Rejection = ();

    async fn from_request_parts(_: &mut Parts, gate: &Gate) -> Result<Self, ()> {
        gate.runs.fetch_add(1, SeqCst);
        gate.leave.acquire().await.unwrap().forget();
        Ok(Passed)
    }
}

fn gated(gate: &Gate) -> (Server<Gate>, Site) {
    async fn handler(Passed: Passed, session: Session) {
        greet(session).await;
    }
    let server = Anywire::builder().handler(handler).build();
    let site = Site::of(&server, |server| axum::Router::new().nest("/live", server.routes()).with_state(gate.clone()));
    (server, site)
}

#[tokio::test(start_paused = true)]
async fn raced_openings_get_one_session_whichever_comes_first() {
    for socket_first in [true, false] {
        let gate = Gate::new(0);
        let (server, site) = gated(&gate);
        let attempt = attempt();
        let mut peer = Peer::new(&site);
        peer.put("flight");
        let (mut by_socket, mut by_post) = (peer.clone(), peer.clone());
        // The client prefers the WebSocket, so that has the higher ordinal.
        by_socket.ordinal = 1;
        let open_socket = async {
            let mut socket = by_socket.send_open(&attempt, "").await;
            socket.flight(&by_socket).await;
            socket
        };
        let (mut socket, answer) = if socket_first {
            let socket = open_socket.await;
            support::until("the extractor runs", || gate.runs.load(SeqCst) == 1).await;
            gate.leave.add_permits(5);
            (socket, by_post.post_open(&attempt, "").await)
        } else {
            let post = {
                let (mut by_post, attempt) = (by_post.clone(), attempt.clone());
                tokio::spawn(async move { by_post.post_open(&attempt, "").await })
            };
            support::until("the extractor runs", || gate.runs.load(SeqCst) == 1).await;
            let socket = open_socket.await;
            gate.leave.add_permits(5);
            (socket, post.await.unwrap())
        };
        by_post.take(&answer.records());
        by_socket.take(&socket.records().await);
        assert_eq!((&by_post.id, &by_post.secret), (&by_socket.id, &by_socket.secret), "one session");
        assert_eq!(gate.runs.load(SeqCst), 1, "extractors run once");
        assert_eq!(server.everywhere().len(), 1);
        by_socket.take_until(&mut socket, 2).await;
        assert_eq!(by_socket.texts(), ["welcome", "flight"], "the flight on both was taken once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retried_opening_gets_the_same_session_until_its_secret_is_used() {
    let server = greeter();
    let site = site(&server);
    let attempt = attempt();
    let mut peer = Peer::new(&site);
    peer.put("flight");
    let first = peer.post_open(&attempt, "").await.records();
    // The answer was lost: the client tries again with a higher ordinal.
    let second = peer.post_open(&attempt, "").await.records();
    let (Record::New(1, one), Record::New(1, two)) = (&first[0], &second[0]) else { panic!("{first:?} {second:?}") };
    assert_eq!(one, two);
    peer.take(&second);
    assert_eq!(peer.texts(), ["welcome", "flight"]);
    assert_eq!(server.everywhere().len(), 1);
    peer.poll_at_once().await;
    let late = peer.clone().post_open(&attempt, "").await;
    assert_eq!(late.refusal(410).0, 4102);
    let mut socket = peer.clone().send_open(&attempt, "").await;
    assert_eq!(socket.closed().await.0, 4102);
    assert_eq!(server.everywhere().len(), 1);
    peer.send("still").await;
    peer.poll().await;
    assert_eq!(peer.texts(), ["welcome", "flight", "still"], "the session did not notice");
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_a_message_at_most_its_hold_time() {
    let server = Anywire::builder().hold(Duration::from_secs(7)).handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    let before = Instant::now();
    let records = peer.poll().await;
    assert_eq!(records, [Record::Full(0)]);
    let held = before.elapsed();
    assert!(held >= Duration::from_secs(7) && held < Duration::from_millis(7010), "{held:?}");

    // A message that comes while the poll waits ends it.
    let mut parked = peer.clone();
    let poll = tokio::spawn(async move {
        parked.poll().await;
        parked
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = Instant::now();
    peer.send("now").await;
    let mut peer = poll.await.unwrap();
    assert_eq!(peer.texts(), ["now"]);
    assert_eq!(Instant::now(), before);

    // A poll is answered at once when a message is ready.
    peer.last = 1;
    peer.send("again").await;
    tokio::task::yield_now().await;
    let before = Instant::now();
    peer.poll().await;
    assert_eq!(peer.texts(), ["now", "again"]);
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn the_first_request_of_a_link_is_answered_at_once() {
    let server = Anywire::builder().handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    for route in ["xhr-poll", "xhr-stream", "fetch-stream"] {
        peer.switch();
        let before = Instant::now();
        let mut records = peer.site.stream(&peer.path(route), peer.resume().bytes).await;
        assert_eq!(records.next().await.unwrap(), [Record::Full(0)], "{route}");
        assert_eq!(records.next().await, None, "{route}");
        assert_eq!(Instant::now(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_brings_each_turn_as_it_comes() {
    for route in ["xhr-stream", "fetch-stream"] {
        for spelling in [Spelling::Text, Spelling::Bytes] {
            let server = Anywire::builder().handler(echo).build();
            let mut peer = Peer::open(&site(&server)).await;
            peer.spelling = spelling;
            let mut stream = peer.stream(route).await;
            peer.take(&stream.next().await.unwrap());
            for count in 1..=20 {
                peer.send(format!("{count}")).await;
                let records = stream.next().await.unwrap();
                peer.take(&records);
                assert_eq!(peer.got.len(), count, "{records:?}");
            }
            assert_eq!(server.everywhere()[0].transport().name(), route);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_budget_is_spent_and_the_next_goes_on() {
    let server = Anywire::builder().stream_budget(5000).handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    let mut turns = 0;
    let mut sent = 0;
    while peer.got.len() < 40 {
        let mut stream = peer.stream("fetch-stream").await;
        turns += 1;
        let mut bytes = 0;
        while let Some(records) = stream.next().await {
            for record in &records {
                if let Record::Message(_, Payload::Text(text)) = record {
                    bytes += text.len();
                }
            }
            peer.take(&records);
            if peer.got.len() == sent && sent < 40 {
                peer.send(format!("{sent} {}", "x".repeat(1000))).await;
                sent += 1;
            } else if sent == 40 {
                break;
            }
        }
        assert!(bytes < 7000, "{bytes} bytes in one answer");
    }
    assert!(turns >= 8, "{turns} answers for 40 kB");
    let want: Vec<String> = (0..40).map(|count| format!("{count} {}", "x".repeat(1000))).collect();
    assert_eq!(peer.texts(), want);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_refused_without_harm_to_the_first() {
    let server = Anywire::builder().handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    peer.turn = 3;
    let parked = peer.clone();
    let poll = tokio::spawn(async move { parked.send_poll().await });
    support::until("the poll waits", || server.everywhere()[0].is_connected()).await;
    assert_eq!(peer.send_poll().await.refusal(409).0, 4001);
    peer.turn = 2;
    assert_eq!(peer.send_poll().await.refusal(409).0, 4002, "a lower turn is late");
    peer.turn = 3;
    peer.send("x").await;
    let records = poll.await.unwrap().records();
    assert!(records.contains(&Record::Message(1, "x".into())), "{records:?}");
    // The same request once more, after it was answered.
    assert_eq!(peer.send_poll().await.refusal(409).0, 4001);
    peer.poll().await;
    assert_eq!(peer.texts(), ["x"], "what the lost answer had brought comes again");
}

#[tokio::test(start_paused = true)]
async fn a_higher_turn_takes_the_place_of_the_one_before() {
    let server = Anywire::builder().handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    peer.turn = 1;
    let parked = peer.clone();
    let poll = tokio::spawn(async move { parked.send_poll().await });
    support::until("the poll waits", || server.everywhere()[0].is_connected()).await;
    let before = Instant::now();
    let mut stream = peer.stream("xhr-stream").await;
    let records = poll.await.unwrap().records();
    assert_eq!(records, [Record::Full(0)]);
    assert_eq!(Instant::now(), before, "the old answer ends at once");
    peer.send("x").await;
    while peer.got.is_empty() {
        peer.take(&stream.next().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lower_ordinal_is_late_once_a_higher_one_is_confirmed() {
    let server = Anywire::builder().handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    let mut socket = peer.resume_socket().await;
    let mut old = peer.clone();
    old.ordinal = 1;
    old.turn = 9;
    support::until("the link is confirmed", || server.everywhere()[0].is_connected()).await;
    peer.put("x");
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 1).await;
    assert_eq!(old.send_poll().await.refusal(409).0, 4002);
    (old.ordinal, old.turn) = (2, 0);
    let mut twice = old.site.websocket("websocket").await;
    twice.body(old.resume()).await;
    assert_eq!(twice.closed().await.0, 4001, "an equal ordinal is a duplicate");
    peer.put("y");
    socket.payload(&"y".into()).await;
    peer.take_until(&mut socket, 2).await;
    assert_eq!(peer.texts(), ["x", "y"]);
}

impl Peer {
    /// A poll of a new ordinal, answered at once with all that is ready, since `seen` is 0.
    async fn poll_at_once(&mut self) {
        self.switch();
        let records = self.send_poll().await.records();
        self.take(&records);
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_with_an_acknowledgement_request_is_answered_at_once() {
    let mut peer = Peer::open(&site(&Anywire::builder().handler(echo).build())).await;
    peer.poll().await;
    peer.turn += 1;
    let before = Instant::now();
    let answer = peer.site.post(&peer.path("xhr-poll"), peer.resume().raw("w:").bytes).await;
    assert_eq!(answer.records(), [Record::Full(0), Record::Ack(0)]);
    assert_eq!(Instant::now(), before);
}

/// A page whose session the server does not know.
async fn forgotten(site: &Site) -> Peer {
    let mut peer = Peer::open(site).await;
    peer.id = format!("{}.{}", peer.id.split('.').next().unwrap(), "0".repeat(32));
    peer
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_unknown_is_followed_by_a_new_one_on_the_same_connection() {
    let server = Anywire::builder().handler(echo).build();
    let site = site(&server);
    let mut peer = forgotten(&site).await;
    let before = server.everywhere().len();
    let mut socket = peer.attach_socket().await;
    assert!(matches!(socket.records().await[..], [Record::LinkClose(4100, _)]));
    let mut fresh = Peer::new(&site);
    fresh.switch();
    let head = Body::new(Spelling::WebSocket).with_text('o', &[&1, &fresh.ordinal, &attempt()], "");
    socket.body(head).await;
    fresh.take(&socket.records().await);
    assert_eq!(server.everywhere().len(), before + 1);
    socket.text("v:").await;
    fresh.put("hello");
    socket.flight(&fresh).await;
    fresh.take_until(&mut socket, 1).await;
    assert_eq!(fresh.texts(), ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_session_is_unknown_waits_for_one_opening_and_no_longer_than_for_any() {
    let site = site(&Anywire::builder().handler(echo).build());
    let mut peer = forgotten(&site).await;
    let mut silent = peer.attach_socket().await;
    let before = Instant::now();
    assert_eq!(silent.closed().await.0, 4100, "the code of the refusal");
    assert_eq!(before.elapsed().as_secs(), 10);

    let mut again = peer.attach_socket().await;
    again.records().await;
    again.body(peer.resume()).await;
    assert_eq!(again.next().await, SocketEvent::Closed(4100, "unknown session".into()), "asked twice");

    let mut wild = peer.attach_socket().await;
    wild.records().await;
    wild.text("m").await;
    assert_eq!(wild.closed().await.0, 4004);

    // The opening may come together with the attach, and ahead of the answer.
    let mut eager = peer.attach_socket().await;
    eager.body(Body::new(Spelling::WebSocket).with_text('o', &[&1, &9, &attempt()], "")).await;
    assert!(matches!(eager.records().await[..], [Record::LinkClose(4100, _)]));
    assert!(matches!(eager.records().await[0], Record::New(..)));
}
