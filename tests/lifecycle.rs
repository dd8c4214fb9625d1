//! Heartbeats, grace and closing: the life and the end of a session, in paused time.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Anywire, Builder, CloseReason, Server, Session};
use support::{Everywhere, Peer, Record, Site, Socket, SocketEvent, echo, site, until};
use tokio::time::{Instant, advance, sleep};

fn builder() -> Builder {
    Anywire::builder()
        .heartbeat_interval(Duration::from_secs(25))
        .heartbeat_timeout(Duration::from_secs(20))
        .grace(Duration::from_secs(60))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Asserts that about so many seconds have passed: deadlines are rounded up to a grain.
#[track_caller]
fn assert_passed(since: Instant, seconds: u64) {
    let passed = since.elapsed();
    let want = Duration::from_secs(seconds);
    assert!(passed >= want && passed < want + Duration::from_millis(20), "{passed:?} and not {want:?}");
}

/// A server whose handler reads up to the end of its session, and the ends that it has recorded.
fn watcher(builder: Builder) -> (Server, Site, Ends) {
    let ends = Ends::default();
    let keep = ends.clone();
    let handler = move |session: Session| {
        let keep = keep.clone();
        async move {
            let mut texts = Vec::new();
            while let Some(message) = session.recv().await {
                texts.push(message.as_text().unwrap().to_owned());
            }
            keep.0.lock().unwrap().push((texts, session.close_reason().unwrap(), session.unacknowledged()));
        }
    };
    let server = builder.handler(handler).build();
    let site = site(&server);
    (server, site, ends)
}

#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

/// The texts that a handler received, the reason why its session ended, and the count of messages that were
/// not acknowledged.
type End = (Vec<String>, CloseReason, usize);

impl Ends {
    async fn one(&self) -> End {
        until("the handler ends", || !self.0.lock().unwrap().is_empty()).await;
        let ends = self.0.lock().unwrap();
        assert_eq!(ends.len(), 1);
        ends[0].clone()
    }
}

fn only(server: &Server) -> Session {
    let sessions = server.everywhere();
    assert_eq!(sessions.len(), 1);
    sessions[0].clone()
}

/// The next ping. The acknowledgements before it are skipped.
async fn ping(socket: &mut Socket) -> u64 {
    loop {
        match socket.records().await[..] {
            [Record::Ping(id)] => return id,
            [Record::Ack(_)] => {}
            ref other => panic!("no ping: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_link_is_pinged_and_its_round_trip_measured() {
    let server = builder().handler(echo).build();
    let (_, mut socket) = Peer::open_socket(&site(&server)).await;
    let mut last_ping = Instant::now();
    for _ in 0..3 {
        let id = ping(&mut socket).await;
        assert_passed(last_ping, 25);
        last_ping = Instant::now();
        sleep(Duration::from_millis(140)).await;
        socket.text(format!("q{id},0:")).await;
        until("the pong was taken", || only(&server).round_trip() == Some(Duration::from_millis(140))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_link_is_pinged_only_if_one_direction_is_quiet() {
    let server = builder().handler(|session: Session| async move { while session.recv().await.is_some() {} }).build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    socket.text("n1:").await;
    // The client sends, and the server acknowledges each message: both receive something.
    let since = Instant::now();
    for number in 1..=6 {
        sleep(seconds(5)).await;
        peer.put("x");
        socket.payload(&"x".into()).await;
        assert_eq!(socket.records().await, [Record::Ack(number)]);
        assert_passed(since, 6 * number);
    }
    let id = ping(&mut socket).await;
    assert_passed(since, 35 + 25);
    socket.text(format!("q{id},0:")).await;
    // The server sends, and the client has nothing to send: the server must receive something.
    let since = Instant::now();
    for number in 1..=4 {
        sleep(seconds(5)).await;
        only(&server).send("tick").await.unwrap();
        assert_eq!(socket.records().await, [Record::Message(number, "tick".into())]);
    }
    ping(&mut socket).await;
    assert_passed(since, 25);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_loses_its_link_and_after_grace_its_session() {
    let (server, site, ends) = watcher(builder());
    let (_, mut socket) = Peer::open_socket(&site).await;
    let since = Instant::now();
    ping(&mut socket).await;
    assert_eq!(socket.closed().await.0, 4003);
    assert_passed(since, 45);
    drop(socket);
    assert!(!only(&server).is_connected());
    let (texts, reason, unacknowledged) = ends.one().await;
    assert_passed(since, 105);
    assert_eq!((texts.len(), reason.code(), unacknowledged), (0, 4103, 0));
    until("the session is forgotten", || server.everywhere().is_empty()).await;
    assert_passed(since, 105);
}

#[tokio::test(start_paused = true)]
async fn any_traffic_counts_as_life() {
    let server = builder().handler(echo).build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    for count in 1..=10 {
        ping(&mut socket).await;
        sleep(seconds(19)).await;
        // A message is not a pong, but it counts as life.
        peer.put("x");
        socket.text(format!("n{count}:mx")).await;
        peer.take_until(&mut socket, count).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_heartbeat_too() {
    let server = builder().handler(echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    let mut stream = peer.stream("xhr-stream").await;
    assert_eq!(stream.next().await.unwrap(), [Record::Full(0)]);
    let since = Instant::now();
    let Record::Ping(id) = stream.next().await.unwrap()[0] else { panic!("no ping") };
    assert_passed(since, 25);
    let body = peer.upload_head().record('q', &[&id, &0]);
    peer.site.post(&peer.path("send"), body.bytes).await;
    assert!(matches!(stream.next().await.unwrap()[..], [Record::Ping(_)]));
    assert_passed(since, 50);
    assert!(matches!(stream.next().await.unwrap()[..], [Record::LinkClose(4003, _)]));
    assert_passed(since, 70);
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_link_is_kept_for_grace_and_not_longer() {
    for (wait, alive) in [(59, true), (61, false)] {
        let (server, site, ends) = watcher(builder());
        let (mut peer, socket) = Peer::open_socket(&site).await;
        drop(socket);
        until("the link is gone", || !only(&server).is_connected()).await;
        sleep(seconds(wait)).await;
        if alive {
            let mut socket = peer.resume_socket().await;
            peer.put("still here");
            socket.flight(&peer).await;
            socket.text("w:").await;
            assert_eq!(socket.records().await, [Record::Ack(1)]);
            assert!(ends.0.lock().unwrap().is_empty());
        } else {
            assert_eq!(ends.one().await.1.code(), 4103);
            assert!(server.everywhere().is_empty());
            for code in [4103, 4100] {
                let mut socket = peer.attach_socket().await;
                assert_eq!(socket.closed().await.0, code);
                peer.switch();
                assert_eq!(peer.send_poll().await.refusal(410).0, code);
                peer.put("x");
                let body = peer.flight(peer.upload_head());
                assert_eq!(peer.site.post(&peer.path("send"), body.bytes).await.refusal(410).0, code);
                sleep(seconds(60)).await; // Its end is forgotten then.
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_keep_a_session_as_long_as_they_come() {
    let (server, site, ends) = watcher(builder());
    let mut peer = Peer::open(&site).await;
    for _ in 0..20 {
        peer.poll().await;
        sleep(seconds(59)).await;
    }
    peer.send("here").await;
    assert_eq!(server.everywhere().len(), 1);
    let since = Instant::now();
    peer.poll().await;
    assert_eq!(ends.one().await.0, ["here"]);
    assert_passed(since, 85);
}

#[tokio::test(start_paused = true)]
async fn an_attach_that_has_begun_delays_the_end_of_grace() {
    let (server, site, ends) = watcher(builder().open_timeout(seconds(30)));
    let mut peer = Peer::open(&site).await;
    peer.send("proof").await;
    peer.poll().await;
    sleep(seconds(50)).await;
    // The body of the poll takes until after the end of grace.
    peer.switch();
    let (sender, receiver) = tokio::sync::oneshot::channel::<Vec<u8>>();
    let body = axum::body::Body::from_stream(futures::stream::once(receiver));
    let slow = peer.clone();
    let poll = tokio::spawn(async move { slow.site.post(&slow.path("xhr-poll"), body).await });
    sleep(seconds(25)).await;
    assert!(ends.0.lock().unwrap().is_empty());
    sender.send(peer.resume().bytes).unwrap();
    assert_eq!(poll.await.unwrap().records(), [Record::Full(1)]);
    peer.send("made it").await;
    assert_eq!(server.everywhere().len(), 1);

    // An attach whose body never comes does not delay it for ever.
    let stuck = axum::body::Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    sleep(seconds(45)).await;
    peer.switch();
    assert_eq!(peer.site.post(&peer.path("xhr-poll"), stuck).await.refusal(408).0, 4007);
    until("the session is forgotten", || server.everywhere().is_empty()).await;
    assert_eq!(ends.one().await.0, ["proof", "made it"]);
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_server_follows_its_messages() {
    for socket in [true, false] {
        let server = builder()
            .handler(|session: Session| async move {
                for number in 0..5 {
                    session.send(format!("{number}")).await.unwrap();
                }
                session.close(3001, "done é");
                assert_eq!(session.try_send("after").unwrap_err().reason(), anywire::SendError::Closed);
                session.acknowledged().await.unwrap();
            })
            .build();
        let site = site(&server);
        let mut peer = if socket {
            let (mut peer, mut socket) = Peer::open_socket(&site).await;
            while peer.closed.is_none() {
                peer.take(&socket.records().await);
            }
            socket.text(format!("a{}:", peer.received)).await;
            assert_eq!(socket.closed().await.0, 1000);
            peer
        } else {
            let mut peer = Peer::open(&site).await;
            let records = peer.poll().await;
            assert!(matches!(records.last(), Some(Record::LinkClose(1000, _))), "{records:?}");
            peer
        };
        assert_eq!(peer.texts(), ["0", "1", "2", "3", "4"]);
        assert_eq!(peer.closed.take(), Some((3001, "done é".to_owned())));
        assert!(server.everywhere().is_empty());
        sleep(seconds(61)).await;
        assert!(server.everywhere().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_client_follows_its_messages() {
    let (server, site, ends) = watcher(builder());
    let (mut peer, mut socket) = Peer::open_socket(&site).await;
    peer.put("one");
    peer.put("two");
    socket.flight(&peer).await;
    socket.text("c3,3999,6:gone é").await;
    assert_eq!(socket.records().await, [Record::Ack(3)]);
    assert_eq!(socket.closed().await.0, 1000);
    assert_eq!(ends.one().await, (vec!["one".into(), "two".into()], CloseReason::new(3999, "gone é"), 0));

    let (_, site, ends) = watcher(builder());
    let peer = Peer::open(&site).await;
    let body = peer.upload_head().raw("n1:m3:onec2,1000,0:");
    assert_eq!(peer.site.post(&peer.path("send"), body.bytes.clone()).await.records(), [Record::Ack(2)]);
    // The acknowledgement was lost.
    assert_eq!(peer.site.post(&peer.path("send"), body.bytes).await.records(), [Record::Ack(2)]);
    assert_eq!(ends.one().await, (vec!["one".into()], CloseReason::new(1000, ""), 0));
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_missing_messages_is_not_taken() {
    let (server, site, ends) = watcher(builder());
    let (_, mut socket) = Peer::open_socket(&site).await;
    socket.text("c3,1000,0:w:").await;
    assert_eq!(socket.records().await, [Record::Ack(0)]);
    socket.text("n1:mone").await;
    socket.text("mtwo").await;
    socket.text("c3,1000,0:").await;
    assert_eq!(socket.records().await, [Record::Ack(3)]);
    assert_eq!(ends.one().await.0, ["one", "two"]);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn both_may_close_at_once() {
    let server = builder().handler(|session: Session| async move { session.close(3001, "server") }).build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    // The client closes before it has taken the server's close.
    socket.text("c1,3002,6:client").await;
    while peer.closed.is_none() {
        peer.take(&socket.records().await);
    }
    assert_eq!(peer.closed.as_ref().unwrap().0, 3001);
    socket.text("a1:").await;
    socket.closed().await;
    assert!(server.everywhere().is_empty());
    sleep(seconds(61)).await;
    assert!(server.everywhere().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_at_once_from_either_side() {
    let (server, site, ends) = watcher(builder());
    let (_, mut socket) = Peer::open_socket(&site).await;
    only(&server).abort();
    assert_eq!(socket.closed().await.0, 4310);
    assert_eq!(ends.one().await.1.code(), 4310);

    let (server, site, ends) = watcher(builder());
    let peer = Peer::open(&site).await;
    let mut parked = peer.clone();
    parked.turn = 1;
    let poll = tokio::spawn(async move { parked.send_poll().await });
    let id = only(&server).id();
    support::until("the poll waits", || server.anywhere(&id).unwrap().is_connected()).await;
    server.anywhere(&id).unwrap().abort();
    let records = poll.await.unwrap().records();
    assert!(matches!(records.last(), Some(Record::LinkClose(4310, _))), "{records:?}");
    assert_eq!(ends.one().await.1.code(), 4310);
    assert!(server.anywhere(&id).is_none());

    let (_server, site, ends) = watcher(builder());
    let (_, mut socket) = Peer::open_socket(&site).await;
    socket.text("x4310,3:bye").await;
    socket.closed().await;
    assert_eq!(ends.one().await.1, CloseReason::new(4310, "bye"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_ends_its_session_and_no_other() {
    let server = builder()
        .handler(|session: Session| async move {
            while let Some(message) = session.recv().await {
                assert_ne!(message.as_text(), Some("panic"), "on purpose");
                session.send(message).await.unwrap();
            }
        })
        .build();
    let site = site(&server);
    let (mut other, mut other_socket) = Peer::open_socket(&site).await;
    let (mut peer, mut socket) = Peer::open_socket(&site).await;
    peer.put("panic");
    socket.flight(&peer).await;
    while peer.closed.is_none() {
        peer.take(&socket.records().await);
    }
    assert_eq!(peer.closed.as_ref().unwrap().0, 1011);
    socket.text("a1:").await;
    socket.closed().await;
    other.put("fine");
    other_socket.flight(&other).await;
    other.take_until(&mut other_socket, 1).await;
    assert_eq!(server.everywhere().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_closes_its_session() {
    let server = builder().handler(|_session: Session| async {}).build();
    let mut peer = Peer::open(&site(&server)).await;
    if peer.closed.is_none() {
        peer.poll().await;
    }
    assert_eq!(peer.closed, Some((1000, String::new())));
}

#[tokio::test(start_paused = true)]
async fn flush_waits_until_the_client_has_acknowledged() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let server = builder()
        .handler(move |session: Session| {
            let sender = sender.clone();
            async move {
                session.acknowledged().await.unwrap();
                sender.send("nothing was sent").unwrap();
                session.send("x").await.unwrap();
                session.acknowledged().await.unwrap();
                sender.send("has it").unwrap();
                session.send("y").await.unwrap();
                assert_eq!(session.acknowledged().await.unwrap_err().code(), 4310);
                sender.send("never had it").unwrap();
            }
        })
        .build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    assert_eq!(receiver.recv().await, Some("nothing was sent"));
    peer.take_until(&mut socket, 1).await;
    assert_eq!(socket.records().await, [Record::AckRequest], "a flush asks for an acknowledgement");
    advance(seconds(1)).await;
    assert!(receiver.try_recv().is_err());
    socket.text("a1:").await;
    assert_eq!(receiver.recv().await, Some("has it"));
    peer.take_until(&mut socket, 2).await;
    only(&server).abort();
    assert_eq!(receiver.recv().await, Some("never had it"));
    assert!(matches!(socket.closed().await, (4310, _)));
    assert_eq!(socket.next().await, SocketEvent::Broken);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_is_answered_and_the_connection_closed_at_once() {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let server = builder().handler(echo).build();
    let (_, mut socket) = Peer::open_socket(&site(&server)).await;
    let before = Instant::now();
    socket.io.send(Message::Close(None)).await.unwrap();
    assert!(matches!(socket.io.next().await, Some(Ok(Message::Close(_)))));
    assert!(socket.io.next().await.is_none(), "the server closes the connection");
    assert_eq!(before.elapsed(), Duration::ZERO);
    until("the link is gone", || !only(&server).is_connected()).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_acknowledges_a_close_keeps_no_session() {
    let server = builder().handler(|_session: Session| async {}).build();
    let (_, mut socket) = Peer::open_socket(&site(&server)).await;
    let since = Instant::now();
    // The client answers every heartbeat, but never acknowledges the close.
    while since.elapsed() < seconds(600) {
        match socket.next().await {
            SocketEvent::Records(records) => {
                for record in records {
                    if let Record::Ping(id) = record {
                        socket.text(format!("q{id},0:")).await;
                    }
                }
            }
            SocketEvent::Closed(..) | SocketEvent::Broken => break,
        }
    }
    assert!(since.elapsed() < seconds(300), "{:?}", since.elapsed());
    assert!(server.everywhere().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_away_when_the_session_closes_has_the_grace_time() {
    let server = builder()
        .handler(|session: Session| async move {
            session.recv().await;
            session.send("last words").await.unwrap();
            session.close(3001, "done");
        })
        .build();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    peer.put("go");
    socket.flight(&peer).await;
    // The client receives the close, but the connection is cut half a minute later, before it acknowledges.
    assert!(!socket.records().await.is_empty());
    sleep(seconds(20)).await;
    drop(socket);
    sleep(seconds(55)).await;
    let mut socket = peer.resume_socket().await;
    while peer.closed.is_none() {
        peer.take(&socket.records().await);
    }
    assert_eq!((peer.texts(), peer.closed.clone().unwrap().0), (vec!["last words"], 3001));
}
