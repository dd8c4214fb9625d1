//! The names of the optional parts of the protocol: what a client lists, and what the server sends it. A client
//! of an earlier version lists none, as the clients of all other tests.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use anywire::{Anywire, Server, Session};
use support::{Peer, Record, Site, SocketEvent, Spelling, attempt, echo, site, until};
use tokio::time::Instant;

fn quiet() -> Server {
    Anywire::builder().handler(echo).build()
}

/// The fields of the first record of an answer.
fn first_fields(body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body).expect("the answer is text");
    let (head, _) = text.split_once(':').expect("it begins with a record");
    head.split(',').map(str::to_owned).collect()
}

/// Opens with this field of names, and returns the id, the secret, and the fields behind the grant of earlier
/// versions.
async fn open(site: &Site, names: &str) -> (String, String, Vec<String>) {
    let answer = site.post("open", format!("o1,1,{},0{names}:", attempt())).await;
    assert_eq!(answer.status, 200, "{names:?}");
    let fields = first_fields(&answer.body);
    assert_eq!(fields[0], "snew");
    (fields[2].clone(), fields[3].clone(), fields[10..].to_vec())
}

#[tokio::test(start_paused = true)]
async fn the_grant_echoes_the_names_in_force() {
    let site = site(&quiet());
    for (listed, echoed) in [
        ("", &[][..]),
        (",", &["", "10"][..]),
        (",ping", &["ping", "10"]),
        (",cred.ping", &["ping.cred", "10"]),
        (",later.ping.sooner", &["ping", "10"]),
        (",pin.pingg.PING", &["", "10"]),
        (",ping.ping,a-field-of-later", &["ping", "10"]),
    ] {
        assert_eq!(open(&site, listed).await.2, echoed, "{listed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_attach_is_answered_as_it_asks() {
    let site = site(&quiet());
    let (id, secret, _) = open(&site, ",ping").await;
    let session = format!("session={id}");
    for (turn, (listed, answered)) in
        [(",ping.cred", "sfull,0,ping.cred:"), ("", "sfull,0:"), (",", "sfull,0,:"), (",later", "sfull,0,:")]
            .into_iter()
            .enumerate()
    {
        let head = format!("r1,1,{},0,{id},{secret},0{listed}:", turn + 1);
        let answer = site.post(&format!("poll?{session}"), head).await;
        assert!(answer.body.starts_with(answered.as_bytes()), "{listed:?}: {:?}", answer.body);
    }
    let head = format!("t1,16,page,{id},{secret},0,ping:");
    let answer = site.post(&format!("open?{session}"), head).await;
    assert_eq!(first_fields(&answer.body)[10..], ["ping", "10"]);
    let secret = &first_fields(&answer.body)[3];
    let mut socket = site.websocket(&format!("websocket?{session}")).await;
    socket.text(format!("r1,17,0,0,{id},{secret},0,cred:")).await;
    assert_eq!(socket.records().await[0], Record::Full(0));
}

#[tokio::test(start_paused = true)]
async fn names_are_bounded() {
    let site = site(&quiet());
    let longest = format!(",{}", "n".repeat(256));
    assert_eq!(open(&site, &longest).await.2, ["", "10"]);
    for bad in [format!("{longest}n"), ",pi ng".into(), ",ping/cred".into(), ",é".into()] {
        let answer = site.post("open", format!("o1,1,{},0{bad}:", attempt())).await;
        assert_eq!(answer.refusal(400).0, 4004, "{bad:?}");
        let mut socket = site.websocket("websocket").await;
        socket.text(format!("o1,1,{},0{bad}:", attempt())).await;
        assert!(matches!(socket.next().await, SocketEvent::Closed(4004, _)), "{bad:?}");
    }
}

/// The spread of the next session when `sessions` are there already.
async fn spread(rate: u32, sessions: usize) -> u64 {
    let server = Anywire::builder().reconnect_rate(rate).handler(|_: Session| std::future::pending::<()>()).build();
    let site = site(&server);
    for _ in 0..sessions {
        open(&site, "").await;
    }
    let answer = site.post("open", format!("o1,1,{},0,:", attempt())).await;
    assert_eq!(answer.spelling, Spelling::Text);
    let Record::New(_, grant) = &answer.records()[0] else { panic!("{answer:?}") };
    grant.spread.expect("it comes with the names")
}

#[tokio::test(start_paused = true)]
async fn the_spread_grows_with_the_sessions_and_has_a_least() {
    assert_eq!(spread(5_000, 0).await, 10);
    assert_eq!(spread(10, 0).await, 100);
    assert_eq!(spread(10, 6).await, 700);
    assert_eq!(spread(3, 1).await, 667, "it is rounded up");
    assert_eq!(spread(0, 1).await, 2_000, "a rate of 0 counts as 1");
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_for_the_heartbeats_interval_unless_it_is_set() {
    let short = || Anywire::builder().heartbeat_interval(Duration::from_secs(3));
    for (builder, seconds) in [(short(), 3), (short().hold(Duration::from_secs(7)), 7)] {
        let site = site(&builder.handler(echo).build());
        let mut peer = Peer::open(&site).await;
        let answer = site.post("open", format!("o1,1,{},0:", attempt())).await;
        assert_eq!(first_fields(&answer.body)[9], format!("{}", seconds * 1000));
        let since = Instant::now();
        assert_eq!(peer.poll().await, [Record::Full(0)]);
        assert_eq!(since.elapsed().as_secs(), seconds, "a dead poll is found after this and the timeout");
    }
}

/// The bodies of PROTOCOL.md's example: a route and what is sent to it, or an answer without a route.
fn example() -> Vec<(Option<&'static str>, &'static str)> {
    let section = include_str!("../src/codec/EXAMPLE.md");
    let (_, code) = section.split_once("```text\n").expect("it has an example");
    let (code, _) = code.split_once("```").expect("the example ends");
    code.lines()
        .map(|line| match line.split_once(' ').expect("a mark and a body") {
            (">", request) => request.split_once(' ').map(|(route, body)| (Some(route), body)).expect("a route"),
            (_, answer) => (None, answer),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_example_of_the_protocol_is_what_happens() {
    let site = site(&quiet());
    let (mut id, mut secret, mut answer) = (String::new(), String::new(), String::new());
    let named = |text: &str, id: &str, secret: &str| text.replace("SECRET", secret).replace("ID", id);
    let example = example();
    assert_eq!(example.len(), 10);
    for (route, text) in example {
        let Some(route) = route else {
            if id.is_empty() {
                let fields = first_fields(answer.as_bytes());
                (id, secret) = (fields[2].clone(), fields[3].clone());
            }
            assert_eq!(answer, named(text, &id, &secret));
            continue;
        };
        let got = site.post(&format!("{route}?session={id}"), named(text, &id, &secret)).await;
        assert_eq!(got.status, 200, "{text}");
        answer = String::from_utf8(got.body.to_vec()).expect("the answer is text");
    }
}

/// In quiet, both halves learn within two seconds what has arrived.
#[tokio::test(start_paused = true)]
async fn an_idle_websocket_leaves_nothing_unacknowledged() {
    let server = quiet();
    let site = site(&server);
    let (id, secret, _) = open(&site, ",ping").await;
    let mut socket = site.websocket(&format!("websocket?session={id}")).await;
    let since = Instant::now();
    socket.text(format!("r1,2,0,0,{id},{secret},0,ping:")).await;
    assert_eq!(socket.records().await, [Record::Full(0)]);
    socket.text("v:n1:mx").await;
    assert_eq!(socket.records().await, [Record::Message(1, "x".into())]);
    let session = server.sessions().remove(0);
    assert_eq!(session.unacknowledged(), 1);
    assert_eq!(socket.records().await, [Record::Ack(1)]);
    assert_eq!(since.elapsed().as_secs(), 1);
    // A client acknowledges when it has received nothing for a while, and nothing answers that.
    socket.text("a1:").await;
    until("the acknowledgement was taken", || session.unacknowledged() == 0).await;
    assert!(matches!(socket.records().await[..], [Record::PingAck(_, 1)]), "the ping acknowledges once more");
    assert!((25..28).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}
