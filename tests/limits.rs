//! The bounds of outboxes, inboxes, sessions and memory; all is freed in the end.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Anywire, Overflow, Received, SendError, Session};
use support::{Payload, Peer, Record, SocketEvent, Spelling, attempt, echo, site, until};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, advance, sleep},
};

/// Keeps its session and does nothing.
async fn idle(_session: Session) {
    std::future::pending().await
}

fn kilobyte() -> String {
    "x".repeat(1024 - 64)
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_for_room_in_the_outbox() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let server = Anywire::builder()
        .outbox(4096)
        .handler(move |session: Session| {
            let count = count.clone();
            async move {
                for number in 0..10 {
                    session.send(format!("{number}{}", &kilobyte()[1..])).await.unwrap();
                    count.fetch_add(1, SeqCst);
                }
                std::future::pending::<()>().await;
            }
        })
        .build();
    let mut peer = Peer::new(&site(&server));
    let records = peer.post_open(&attempt(), "").await.records();
    assert_eq!(sent.load(SeqCst), 4, "what fits");
    assert!(records.contains(&Record::AckRequest), "{records:?}");
    assert_eq!(server.sessions()[0].try_send("y".repeat(100)).unwrap_err().reason(), SendError::Full, "never waits");
    assert_eq!(server.sessions()[0].buffered_bytes(), 4096);
    advance(Duration::from_secs(30)).await;
    assert_eq!(sent.load(SeqCst), 4);
    peer.take(&records);
    while peer.got.len() < 10 {
        peer.poll().await;
    }
    let numbers: Vec<&str> = peer.texts().iter().map(|text| &text[..1]).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_fails_or_closes_if_so_configured() {
    for overflow in [Overflow::Fail, Overflow::Close] {
        let server = Anywire::builder().outbox(2048).overflow(overflow).handler(idle).build();
        let mut peer = Peer::open(&site(&server)).await;
        let session = server.sessions()[0].clone();
        session.send(kilobyte()).await.unwrap();
        session.send(kilobyte()).await.unwrap();
        assert_eq!(session.send(kilobyte()).await, Err(SendError::Full));
        peer.turn = 1;
        let records = peer.send_poll().await.records();
        if overflow == Overflow::Close {
            assert!(matches!(records.last(), Some(Record::LinkClose(4105, _))), "{records:?}");
            assert_eq!(session.close_reason().unwrap().code(), 4105);
            assert_eq!(session.unacknowledged(), 2);
        } else {
            peer.take(&records);
            assert_eq!(peer.got.len(), 2);
            peer.upload().await;
            session.send("again").await.unwrap();
            peer.poll().await;
            assert_eq!(peer.got[2], "again".into());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_send_ends_with_the_session() {
    let server = Anywire::builder().outbox(1024).handler(idle).build();
    let _peer = Peer::open(&site(&server)).await;
    let session = server.sessions()[0].clone();
    session.send(kilobyte()).await.unwrap();
    let waiting = session.clone();
    let send = tokio::spawn(async move { waiting.send("x").await });
    tokio::task::yield_now().await;
    session.abort();
    assert_eq!(send.await.unwrap(), Err(SendError::Closed));
    assert_eq!(session.send("y").await, Err(SendError::Closed));
    assert_eq!(session.try_send("y").unwrap_err().reason(), SendError::Closed);
}

#[tokio::test(start_paused = true)]
async fn droppable_messages_leave_a_gap_that_both_sides_learn_of() {
    let server = Anywire::builder().outbox(2048).handler(idle).build();
    let mut peer = Peer::open(&site(&server)).await;
    let session = server.sessions()[0].clone();
    let sent: Vec<bool> =
        (0..6).map(|number| session.send_droppable(format!("{number}{}", &kilobyte()[1..])).unwrap()).collect();
    assert_eq!(sent, [true, true, false, false, false, false]);
    peer.poll().await;
    assert_eq!((peer.got.len(), &peer.gaps[..], peer.received), (2, &[(3, 6)][..], 6));
    peer.upload().await;
    session.try_send("after").unwrap();
    peer.poll().await;
    assert_eq!(peer.got[2], "after".into());

    // The client's own gaps reach the handler.
    let (sender, mut events) = mpsc::unbounded_channel();
    let server = Anywire::builder()
        .handler(move |session: Session| {
            let sender = sender.clone();
            async move {
                while let Some(event) = session.recv_any().await {
                    sender.send(event).unwrap();
                }
            }
        })
        .build();
    let (_, mut socket) = Peer::open_socket(&site(&server)).await;
    socket.text("n1:mone").await;
    socket.text("d2,4:d3,7:n8:meight").await;
    assert!(matches!(events.recv().await, Some(Received::Message(text)) if text == "one".into()));
    let gap = events.recv().await;
    assert!(matches!(gap, Some(Received::Gap { from: 2, to: 7 })), "adjacent gaps are one: {gap:?}");
    assert!(matches!(events.recv().await, Some(Received::Message(text)) if text == "eight".into()));
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_pauses_the_client_and_loses_nothing() {
    let leave = Arc::new(Semaphore::new(0));
    let received = Arc::new(Mutex::new(Vec::new()));
    let (gate, keep) = (leave.clone(), received.clone());
    let server = Anywire::builder()
        .inbox(8192)
        .handler(move |session: Session| {
            let (gate, keep) = (gate.clone(), keep.clone());
            async move {
                loop {
                    gate.acquire().await.unwrap().forget();
                    let Some(message) = session.recv().await else { return };
                    keep.lock().unwrap().push(message.as_text().unwrap()[..2].to_owned());
                }
            }
        })
        .build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    for number in 10..30 {
        peer.put(format!("{number}{}", &kilobyte()[2..]));
    }
    socket.flight(&peer).await;
    peer.take(&socket.records().await);
    assert_eq!(peer.paused, Some(1));
    assert_eq!(peer.outbox.len(), 12, "eight were taken");
    // A paused client may still close, answer heartbeats and acknowledge.
    socket.text("q0,0:a0:w:").await;
    peer.take(&socket.records().await);
    leave.add_permits(5);
    while peer.paused.is_some() {
        peer.take(&socket.records().await);
    }
    leave.add_permits(100);
    socket.flight(&peer).await;
    while !peer.outbox.is_empty() {
        socket.text("w:").await;
        peer.take(&socket.records().await);
        if peer.paused.is_none() && !peer.outbox.is_empty() {
            socket.flight(&peer).await;
        }
    }
    until("all was received", || received.lock().unwrap().len() >= 20).await;
    let want: Vec<String> = (10..30).map(|number| number.to_string()).collect();
    assert_eq!(*received.lock().unwrap(), want);
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_pauses_uploads_too_and_a_poll_brings_the_resume() {
    let leave = Arc::new(Semaphore::new(0));
    let gate = leave.clone();
    let server = Anywire::builder()
        .inbox(4096)
        .handler(move |session: Session| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                echo(session).await;
            }
        })
        .build();
    let mut peer = Peer::open(&site(&server)).await;
    for _ in 0..6 {
        peer.put(kilobyte());
    }
    assert_eq!(peer.upload().await, [Record::Pause(4, 1)], "an upload is taken in part");
    assert_eq!(peer.upload().await, [Record::Pause(4, 1)], "and nothing of its repeat");
    leave.add_permits(1);
    while peer.paused.is_some() {
        peer.poll().await;
    }
    assert_eq!(peer.outbox.len(), 2);
    peer.upload().await;
    while peer.got.len() < 6 {
        peer.poll().await;
    }
    assert!(peer.outbox.is_empty());
    // After a pause and its resume, polls wait again.
    let since = Instant::now();
    for _ in 0..10 {
        peer.poll().await;
    }
    assert!(since.elapsed() > Duration::from_secs(7 * 25), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_limit_is_refused_and_the_session_lives() {
    let server = Anywire::builder().message_limit(1000).handler(echo).build();
    let site = site(&server);
    assert_eq!(Peer::open(&site).await.site.post("open", "").await.status, 400);
    let (mut peer, _socket) = Peer::open_socket(&site).await;
    let session = server.session(&peer.id).unwrap();
    assert_eq!(session.try_send("x".repeat(1001)).unwrap_err().reason(), SendError::TooLarge);
    assert_eq!(session.send("x".repeat(1001)).await, Err(SendError::TooLarge));
    assert_eq!(session.send_droppable("x".repeat(1001)), Err(SendError::TooLarge));
    for payload in [Payload::from("x".repeat(1001)), Payload::Binary(vec![0; 1001]), Payload::from("é".repeat(501))] {
        let mut socket = peer.resume_socket().await;
        socket.text(format!("n{}:", peer.last + 1)).await;
        socket.payload(&payload).await;
        assert_eq!(socket.closed().await.0, 4006, "on a WebSocket");
        for spelling in [Spelling::Text, Spelling::Bytes] {
            peer.spelling = spelling;
            let body = peer.upload_head().record('n', &[&(peer.last + 1)]).payload(&payload);
            let answer = peer.site.post(&peer.path("send"), body.bytes).await;
            assert_eq!(answer.refusal(413).0, 4006, "{spelling:?}");
        }
        peer.spelling = Spelling::Text;
    }
    let mut socket = peer.resume_socket().await;
    let largest = [Payload::from("x".repeat(1000)), Payload::Binary(vec![7; 1000]), Payload::from("é".repeat(500))];
    for payload in &largest {
        peer.put(payload.clone());
    }
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 3).await;
    assert_eq!(peer.got, largest);
}

#[tokio::test(start_paused = true)]
async fn sessions_beyond_the_limit_are_refused_and_come_back_when_there_is_room() {
    let server = Anywire::builder().max_sessions(2).handler(echo).build();
    let site = site(&server);
    let mut peers = [Peer::open(&site).await, Peer::open(&site).await];
    for peer in &mut peers {
        // One whose client never came back would end for the third.
        peer.send("proof").await;
        peer.poll().await;
    }
    let mut third = Peer::new(&site);
    let attempt = attempt();
    let answer = third.post_open(&attempt, "").await;
    assert_eq!(answer.refusal(503).0, 4200);
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(third.send_open(&attempt, "").await.closed().await.0, 4200);
    for peer in &mut peers {
        peer.send("x").await;
        peer.poll().await;
        assert_eq!(peer.texts(), ["proof", "x"], "an open session does not notice");
    }
    sleep(Duration::from_secs(61)).await;
    until("grace is over", || server.is_empty()).await;
    assert_eq!(third.post_open(&attempt, "").await.status, 200, "the same attempt may come back");
}

#[tokio::test(start_paused = true)]
async fn extractors_that_wait_do_not_let_more_sessions_in() {
    use axum::extract::State;
    async fn slow(State(gate): State<Arc<Semaphore>>) {
        gate.acquire().await.unwrap().forget();
    }
    #[derive(Clone)]
    struct Passed;
    impl axum::extract::FromRequestParts<Arc<Semaphore>> for Passed {
        type Rejection = ();
        async fn from_request_parts(_: &mut axum::http::request::Parts, gate: &Arc<Semaphore>) -> Result<Self, ()> {
            slow(State(gate.clone())).await;
            Ok(Passed)
        }
    }
    let gate = Arc::new(Semaphore::new(0));
    let server = Anywire::builder().max_sessions(2).handler(|_: Passed, session: Session| echo(session)).build();
    let site = support::Site::here(axum::Router::new().nest("/live", server.routes()).with_state(gate.clone()));
    let opens: Vec<_> = (0..5)
        .map(|_| {
            let mut peer = Peer::new(&site);
            tokio::spawn(async move { peer.post_open(&attempt(), "").await.status.as_u16() })
        })
        .collect();
    tokio::task::yield_now().await;
    gate.add_permits(5);
    let mut statuses = Vec::new();
    for open in opens {
        statuses.push(open.await.unwrap());
    }
    assert_eq!(statuses, [200; 5], "each took the place of the oldest that was not used");
    assert_eq!(server.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_an_ended_session_is_free_after_grace() {
    let finish = Arc::new(Semaphore::new(0));
    let gate = finish.clone();
    // The handler does not read, and outlives its session.
    let server = Anywire::builder()
        .max_bytes(100_000)
        .handler(move |session: Session| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                drop(session);
            }
        })
        .build();
    let site = site(&server);
    for round in 0..20 {
        let mut peer = Peer::open(&site).await;
        peer.put("x".repeat(60_000));
        peer.upload().await;
        sleep(Duration::from_secs(61)).await;
        until("grace is over", || server.is_empty()).await;
        finish.add_permits(1);
        tokio::task::yield_now().await;
        assert_eq!(Peer::new(&site).post_open(&attempt(), "").await.status, 200, "round {round}");
        sleep(Duration::from_secs(61)).await;
        until("grace is over", || server.is_empty()).await;
        finish.add_permits(1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_binary_first_message_or_none_leaves_no_session() {
    use futures::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    let server = Anywire::builder().handler(idle).build();
    let site = site(&server);
    let mut socket = site.websocket("websocket").await;
    socket.io.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.closed().await.0, 4004);
    let mut socket = site.websocket("websocket").await;
    assert_eq!(socket.closed().await.0, 4007, "nothing was sent in time");
    drop(site.websocket("websocket").await);
    assert!(server.is_empty());
    // A ping before the first message is allowed.
    let mut socket = site.websocket("websocket").await;
    socket.io.send(Message::Ping(vec![1].into())).await.unwrap();
    socket.text(format!("o1,1,{},0:", attempt())).await;
    assert!(matches!(socket.next().await, SocketEvent::Records(records) if matches!(records[0], Record::New(..))));
    assert_eq!(server.len(), 1);
}
