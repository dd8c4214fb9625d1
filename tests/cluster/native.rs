//! The requests of a native session, each at another node than its session.

use axum::{
    body::Body,
    http::{Method, Request, header},
};

use crate::{
    house::House,
    support::{HOST, Peer, Record, Spelling, attempt},
};

#[tokio::test(start_paused = true)]
async fn each_node_answers_polls_and_takes_uploads() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    for round in 0..9 {
        peer.site = house.node(round % 3);
        peer.send(format!("{round}")).await;
        peer.site = house.node((round + 1) % 3);
        while peer.got.len() <= round {
            peer.poll().await;
        }
    }
    assert_eq!(peer.texts(), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_another_node_that_is_cut_loses_nothing() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    peer.site = house.node(1);
    peer.switch();
    let records = peer.poll().await;
    assert!(matches!(records[0], Record::Full(_)), "{records:?}");
    let mut stream = peer.stream("fetch-stream").await;
    peer.site = house.node(2);
    peer.send("one").await;
    while peer.got.is_empty() {
        let records = stream.next().await.expect("the stream goes on");
        peer.take(&records);
    }
    // A message that comes now may be written to a stream that nobody reads.
    peer.send("two").await;
    drop(stream);
    peer.send("three").await;
    peer.switch();
    while peer.got.len() < 3 {
        peer.poll().await;
    }
    assert_eq!(peer.texts(), ["one", "two", "three"]);
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_session_learns_that_the_client_of_another_node_is_gone() {
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |session: anywire::Session| {
        let ended = ended.clone();
        async move {
            let why = session.clone();
            while session.recv().await.is_some() {}
            ended.send(why.close_reason().map(|reason| reason.code())).unwrap();
        }
    };
    let house = House::new(3, anywire::Anywire::builder().handler(handler));
    let mut peer = Peer::open(&house.node(0)).await;
    peer.site = house.node(1);
    peer.switch();
    peer.poll().await;
    let stream = peer.stream("fetch-stream").await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(ends.try_recv().is_err(), "a client that listens is there");
    drop(stream);
    assert!(ends.recv().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_page_takes_over_at_another_node() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    peer.send("one").await;
    for (nth, named) in [(1, true), (2, false), (0, true)] {
        let site = house.node(nth);
        peer.ordinal += 16;
        (peer.turn, peer.got) = (0, Vec::new());
        let fields: [&dyn std::fmt::Display; 6] =
            [&1, &peer.ordinal, &attempt(), &peer.id, &peer.secret, &peer.received];
        let head = peer.body().record('t', &fields);
        let path = if named { peer.path("open") } else { "open".to_owned() };
        let records = site.post(&path, head.bytes).await.records();
        let Record::New(received, grant) = &records[0] else { panic!("not taken over: {records:?}") };
        assert_eq!((&grant.id, *received), (&peer.id, 1));
        assert_ne!(grant.secret, peer.secret);
        peer.take(&records);
    }
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_only_the_body_names_is_found() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    for nth in [1, 2, 0] {
        let site = house.node(nth);
        peer.put("message");
        let sent = site.post("send", peer.flight(peer.upload_head()).bytes).await;
        assert_eq!(sent.status, 200);
        peer.take(&sent.records());
        peer.turn += 1;
        let polled = site.post("xhr-poll", peer.resume().bytes).await;
        assert_eq!(polled.status, 200, "{:?}", polled.body);
        peer.take(&polled.records());
    }
    assert_eq!(peer.texts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_and_answers_pass_whole() {
    let house = House::of_echoes();
    let mut peer = Peer { spelling: Spelling::Bytes, ..Peer::open(&house.node(0)).await };
    let large: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    for nth in [1, 2] {
        peer.site = house.node(nth);
        peer.send(crate::support::Payload::Binary(large.clone())).await;
        while peer.got.len() < nth {
            peer.poll().await;
        }
        assert!(peer.got[nth - 1] == crate::support::Payload::Binary(large.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_answer_has_each_header_once() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    let mut answers = Vec::new();
    for nth in [0, 1] {
        peer.switch();
        peer.turn += 1;
        let site = house.node(nth);
        let request = site.request(Method::POST, &peer.path("xhr-poll")).body(Body::from(peer.resume().bytes)).unwrap();
        let answer = site.ask(request).await;
        assert_eq!(answer.status, 200);
        let mut headers: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|header| !header.starts_with("content-length") && !header.starts_with("date"));
        headers.sort();
        answers.push(headers);
    }
    assert!(answers[0].iter().any(|header| header.starts_with("access-control-allow-origin")), "{answers:?}");
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test(start_paused = true)]
async fn preflights_are_answered_by_any_node() {
    let house = House::of_echoes();
    let peer = Peer::open(&house.node(0)).await;
    let request = Request::options(format!("/live/{}", peer.path("xhr-poll"))).header(header::HOST, HOST);
    let answer = house.node(1).ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_refused_by_the_node_of_the_session() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    peer.secret = "0".repeat(32);
    peer.switch();
    for nth in [1, 2, 0] {
        peer.site = house.node(nth);
        peer.turn += 1;
        assert_eq!(peer.send_poll().await.refusal(410).0, 4101);
    }
    assert_eq!(house.sessions(), [1, 0, 0], "the session is unharmed");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_unknown_at_each_node() {
    let house = House::new(3, anywire::Anywire::builder().handler(async |session: anywire::Session| drop(session)));
    let mut peer = Peer::open(&house.node(0)).await;
    peer.switch();
    for nth in [1, 2, 0] {
        peer.site = house.node(nth);
        peer.turn += 1;
        let answer = peer.send_poll().await;
        assert!(answer.status == 200 || answer.refusal(410).0 / 100 == 41, "{:?}", answer.body);
    }
    let nobody = format!("{}.{}", peer.id.split('.').next().unwrap(), attempt());
    peer.id = nobody;
    for nth in 0..3 {
        peer.site = house.node(nth);
        assert_eq!(peer.send_poll().await.refusal(410).0, 4100, "an id that was never given");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_cluster_knows_no_other_nodes() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    let alone = anywire::Anywire::builder().handler(crate::support::echo).build();
    peer.site = crate::support::Site::here(axum::Router::new().nest("/live", alone.routes()));
    peer.switch();
    assert_eq!(peer.send_poll().await.refusal(410).0, 4100);
    let mut socket = peer.attach_socket().await;
    assert_eq!(socket.records().await, [Record::LinkClose(4100, "unknown session".to_owned())]);
}
