//! A session over a bare WebSocket: rooms, back-pressure, heartbeat, and every way in which it ends.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Anywire, Message, Session, Transport};

use crate::{
    client::{BINARY, Came, Client, PING, PONG, TEXT},
    router,
    support::{Peer, Site, echo, until},
};

/// Where a handler leaves the reason for which its session ended, and how many messages may not have arrived.
type End = Arc<Mutex<Option<(u16, usize)>>>;

/// Receives until the end and notes it.
async fn note_end(session: Session, end: End) {
    while session.recv().await.is_some() {}
    *end.lock().unwrap() = session.close_reason().map(|reason| (reason.code(), session.unacknowledged()));
}

#[tokio::test]
async fn one_room_one_handler_for_native_clients_and_bare_ones() {
    async fn chat(session: Session) {
        session.join("lobby");
        while let Some(message) = session.recv().await {
            session.within("lobby").send(message);
        }
    }
    let server = Anywire::builder().handler(chat).build();
    let routes = router(&server);
    let (mut native, mut socket) = Peer::open_socket(&Site::here(routes.clone())).await;
    let (mut one, mut two) = (Client::open(&routes).await, Client::open(&routes).await);
    until("three members", || server.sessions().iter().filter(|session| !session.rooms().is_empty()).count() == 3)
        .await;
    assert!(server.sessions().iter().all(|session| session.transport() == Transport::WebSocket));
    one.send(TEXT, "from one").await;
    two.send(BINARY, [1, 2]).await;
    let mut got = Vec::new();
    for client in [&mut one, &mut two] {
        let mut both = vec![client.next().await, client.next().await];
        both.sort_by_key(|came| matches!(came, Came::Binary(_)));
        assert_eq!(both, [Came::Text("from one".into()), Came::Binary(vec![1, 2])]);
        got.push(both);
    }
    native.take_until(&mut socket, 2).await;
    assert!(native.texts().contains(&"from one"));
}

#[tokio::test]
async fn acknowledged_resolves_when_the_message_was_written() {
    async fn handler(session: Session) {
        session.send("first").await.unwrap();
        session.acknowledged().await.unwrap();
        assert_eq!(session.unacknowledged(), 0);
        session.send("second").await.unwrap();
    }
    let mut client = Client::open(&router(&Anywire::builder().handler(handler).build())).await;
    assert_eq!(client.next().await, Came::Text("first".into()));
    assert_eq!(client.next().await, Came::Text("second".into()));
    assert!(matches!(client.next().await, Came::Close(1000, _)), "the handler has returned");
}

#[tokio::test]
async fn the_end_of_the_connection_is_the_end_of_the_session() {
    let end = End::default();
    let noted = end.clone();
    let server = Anywire::builder().handler(move |session| note_end(session, noted.clone())).build();
    let client = Client::open(&router(&server)).await;
    until("a session", || server.len() == 1).await;
    drop(client);
    until("the handler's end", || end.lock().unwrap().is_some()).await;
    assert_eq!(end.lock().unwrap().map(|(code, _)| code), Some(1006));
}

#[tokio::test]
async fn the_client_s_code_reaches_the_handler() {
    for code in [1000, 1001, 3210, 4321] {
        let end = End::default();
        let noted = end.clone();
        let server = Anywire::builder().handler(move |session| note_end(session, noted.clone())).build();
        let mut client = Client::open(&router(&server)).await;
        client.close(code, "").await;
        assert!(matches!(client.next().await, Came::Close(..)));
        until("the handler's end", || end.lock().unwrap().is_some()).await;
        assert_eq!(*end.lock().unwrap(), Some((code, 0)));
    }
}

#[tokio::test]
async fn the_server_s_code_reaches_the_client_behind_all_messages() {
    async fn handler(session: Session) {
        for number in 0..3 {
            session.send(number.to_string()).await.unwrap();
        }
        session.close(3456, "enough");
    }
    let mut client = Client::open(&router(&Anywire::builder().handler(handler).build())).await;
    for number in 0..3 {
        assert_eq!(client.next().await, Came::Text(number.to_string()));
    }
    assert_eq!(client.next().await, Came::Close(3456, "enough".into()));
    client.close(3456, "").await;
    assert_eq!(client.next().await, Came::End);
}

#[tokio::test]
async fn a_handler_that_panics_ends_with_1011() {
    async fn handler(session: Session) {
        session.recv().await;
        panic!("on purpose");
    }
    let mut client = Client::open(&router(&Anywire::builder().handler(handler).build())).await;
    client.send(TEXT, "go").await;
    assert!(matches!(client.next().await, Came::Close(1011, _)));
}

#[tokio::test]
async fn a_server_that_goes_away_closes_with_1001() {
    let server = Anywire::builder().handler(echo).build();
    let mut client = Client::open(&router(&server)).await;
    client.send(TEXT, "here").await;
    assert_eq!(client.next().await, Came::Text("here".into()));
    let shutdown = tokio::spawn({
        let live = server.live();
        async move { live.shutdown(Duration::ZERO).await }
    });
    assert!(matches!(client.next().await, Came::Close(1001, _)));
    client.close(1001, "").await;
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_member_that_reads_too_slowly_ends_with_1008_and_the_room_goes_on() {
    async fn member(session: Session) {
        session.join("lobby");
        while session.recv().await.is_some() {}
    }
    let server = Anywire::builder().handler(member).outbox(64 * 1024).build();
    let routes = router(&server);
    let (mut slow, mut prompt) = (Client::open(&routes).await, Client::open(&routes).await);
    until("two members", || server.to("lobby").send("hello").sent == 2).await;
    let payload = "x".repeat(10_000);
    let mut sent = 0;
    until("a slow member", || {
        sent += 1;
        server.to("lobby").except_room("prompt").send(Message::from(payload.clone())).slow > 0
    })
    .await;
    assert!(sent < 100, "{sent} messages were kept for one member");
    // The messages that were on their way come, then the reason.
    loop {
        match slow.next().await {
            Came::Text(_) => {}
            Came::Close(code, _) => break assert_eq!(code, 1008),
            other => panic!("{other:?}"),
        }
    }
    drop(prompt.next().await);
}

#[tokio::test(start_paused = true)]
async fn silence_is_asked_by_a_ping_and_no_answer_ends_the_session() {
    let end = End::default();
    let noted = end.clone();
    let builder =
        Anywire::builder().heartbeat_interval(Duration::from_secs(25)).heartbeat_timeout(Duration::from_secs(20));
    let server = builder.handler(move |session| note_end(session, noted.clone())).build();
    let mut client = Client::open(&router(&server)).await;
    for _ in 0..3 {
        let started = tokio::time::Instant::now();
        let Came::Ping(payload) = client.next().await else { panic!("a ping") };
        assert_eq!(started.elapsed().as_secs(), 25);
        client.send(PONG, payload).await;
    }
    until("a round trip", || server.sessions().first().is_some_and(|session| session.round_trip().is_some())).await;
    let started = tokio::time::Instant::now();
    assert!(matches!(client.next().await, Came::Ping(_)));
    // Whatever comes counts as life.
    client.send(TEXT, "I live").await;
    assert!(matches!(client.next().await, Came::Ping(_)));
    assert!(matches!(client.next().await, Came::Close(..)), "no answer came");
    assert_eq!(started.elapsed().as_secs(), 25 + 25 + 20);
    until("the handler's end", || end.lock().unwrap().is_some()).await;
}

#[tokio::test]
async fn a_handler_that_does_not_read_stops_the_client_and_loses_nothing() {
    const MESSAGES: usize = 400;
    let gate = Arc::new(tokio::sync::Notify::new());
    let got = Arc::new(AtomicUsize::new(0));
    let (waits, counts) = (gate.clone(), got.clone());
    let handler = move |session: Session| {
        let (gate, got) = (waits.clone(), counts.clone());
        async move {
            gate.notified().await;
            while let Some(message) = session.recv().await {
                let number: usize = message.as_text().unwrap()[..6].parse().unwrap();
                assert_eq!(got.fetch_add(1, SeqCst), number);
            }
        }
    };
    let server = Anywire::builder().inbox(64 * 1024).handler(handler).build();
    let mut client = Client::open(&router(&server)).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = sent.clone();
    let sending = tokio::spawn(async move {
        for number in 0..MESSAGES {
            client.send(TEXT, format!("{number:06}{}", "x".repeat(4_000))).await;
            progress.store(number + 1, SeqCst);
        }
        client
    });
    // The client fills the inbox, one read beyond it, and what is in flight between the two; then it waits.
    let mut last = usize::MAX;
    until("the client waits", || std::mem::replace(&mut last, sent.load(SeqCst)) == sent.load(SeqCst) && last > 0)
        .await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(sent.load(SeqCst) < MESSAGES / 2, "{} of {MESSAGES} were taken", sent.load(SeqCst));
    assert_eq!(got.load(SeqCst), 0);
    gate.notify_one();
    let client = sending.await.unwrap();
    until("all messages", || got.load(SeqCst) == MESSAGES).await;
    drop(client);
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_within_bounds_and_nobody_else_notices() {
    let routes = router(&Anywire::builder().handler(echo).build());
    let (mut flooder, mut other) = (Client::open(&routes).await, Client::open(&routes).await);
    let flood = tokio::spawn(async move {
        // The client does not read: in the end its writes wait, since the server stops reading.
        for _ in 0..10_000 {
            flooder.send(PING, [7; 125]).await;
        }
    });
    for number in 0..100 {
        other.send(TEXT, number.to_string()).await;
        assert_eq!(other.next().await, Came::Text(number.to_string()));
    }
    assert!(!flood.is_finished(), "1.3 MB of pongs were kept for a client that takes none");
    flood.abort();
}

#[tokio::test]
async fn there_is_no_way_back_into_the_session() {
    let server = Anywire::builder().handler(echo).build();
    let routes = router(&server);
    let client = Client::open(&routes).await;
    until("a session", || server.len() == 1).await;
    let id = server.sessions()[0].id().to_string();
    let site = Site::here(routes);
    for secret in ["", "x", &"0".repeat(32)] {
        let body = format!("r1,2,1,0,{id},{secret},0:");
        let answer = site.post(&format!("xhr-poll?session={id}"), body).await;
        assert_ne!(answer.status, 200, "{secret:?}");
    }
    assert!(server.sessions()[0].is_connected());
    drop(client);
}
