//! Sessions that hold more memory than there is: who may go on, and whose session ends.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use anywire::{Anywire, History, Session};
use support::{Peer, Record, attempt, echo, site};
use tokio::time::{advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps its session, which is in a room, and does nothing.
async fn idle(session: Session) {
    session.join("room");
    std::future::pending::<()>().await;
}

/// Takes the messages of a session and acknowledges all of them.
async fn take_all(peer: &mut Peer, count: usize) {
    while peer.got.len() < count {
        peer.poll().await;
    }
    peer.upload().await;
}

#[tokio::test(start_paused = true)]
async fn a_large_message_to_a_room_counts_once_and_nobody_is_refused_or_lost() {
    let server = Anywire::builder().max_bytes(8 << 20).handler(idle).build();
    let site = site(&server);
    let mut peers = Vec::new();
    for _ in 0..40 {
        peers.push(Peer::open(&site).await);
    }
    // Nobody has a request open: all are away.
    assert_eq!(server.to("room").send("x".repeat(600 << 10)).sent, 40);
    let newcomer = Peer::open(&site).await;
    assert_eq!(server.session(&newcomer.id).map(|session| session.is_closed()), Some(false));
    for peer in &mut peers {
        take_all(peer, 1).await;
    }
    assert_eq!(server.len(), 41);
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_most_ends_when_memory_is_short_and_is_told_why() {
    let server = Anywire::builder().max_bytes(2 << 20).max_sessions(100).handler(idle).build();
    let site = site(&server);
    let (mut honest, mut hoarder, mut other) =
        (Peer::open(&site).await, Peer::open(&site).await, Peer::open(&site).await);
    for peer in [&mut honest, &mut hoarder, &mut other] {
        peer.upload().await; // The secret was used.
    }
    let session = |peer: &Peer| server.session(&peer.id).unwrap();
    session(&honest).try_send("small").unwrap();
    for _ in 0..3 {
        session(&hoarder).try_send("x".repeat(400 << 10)).unwrap();
        session(&other).try_send("x".repeat(200 << 10)).unwrap();
    }
    assert_eq!(server.len(), 3);
    session(&other).try_send("x".repeat(400 << 10)).unwrap();
    assert_eq!(server.len(), 2, "it ends at once");
    hoarder.turn = 1;
    let records = hoarder.send_poll().await.records();
    let [Record::LinkClose(4105, why)] = &records[..] else { panic!("{records:?}") };
    let stats = server.live().stats();
    assert!(stats.evicted_total > 0 && stats.evicted_bytes_total > 0, "{stats:?}");
    assert!(why.contains("max_bytes"), "{why}");
    take_all(&mut honest, 1).await;
    take_all(&mut other, 4).await;
    assert_eq!(server.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn polls_and_acknowledgements_are_taken_however_short_memory_is() {
    let server = Anywire::builder()
        .max_bytes(1 << 20)
        .max_sessions(100)
        .rooms("kept", History::last(100).bytes(4 << 20))
        .handler(echo)
        .build();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    let session = server.session(&peer.id).unwrap();
    session.try_send("a").unwrap();
    // The history of a room counts, and no end of a session frees it.
    for _ in 0..3 {
        server.to("kept").send("x".repeat(400_000));
    }
    assert_eq!(Peer::new(&site).post_open(&attempt(), "").await.refusal(503).0, 4201);
    take_all(&mut peer, 1).await;
    assert_eq!(session.unacknowledged(), 0);
    peer.send("b").await;
    take_all(&mut peer, 2).await;
    peer.switch();
    let mut socket = peer.resume_socket().await;
    session.try_send("c").unwrap();
    peer.take_until(&mut socket, 3).await;
    assert_eq!(peer.texts(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn new_sessions_are_refused_before_others_end_unless_those_make_no_progress() {
    let server = Anywire::builder().max_bytes(1 << 20).max_sessions(100).handler(idle).build();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    peer.upload().await;
    let session = server.session(&peer.id).unwrap();
    session.try_send("x".repeat(900_000)).unwrap();
    let answer = Peer::new(&site).post_open(&attempt(), "").await;
    let (code, why) = answer.refusal(503);
    assert!(code == 4201 && why.contains("max_bytes"), "{code} {why}");
    assert!(answer.headers.contains_key("retry-after"));
    peer.switch();
    assert_eq!(peer.send_poll().await.status, 200, "a session that exists comes back");
    advance(14 * SECOND).await;
    assert_eq!(Peer::new(&site).post_open(&attempt(), "").await.refusal(503).0, 4201);
    advance(2 * SECOND).await;
    Peer::open(&site).await;
    assert_eq!(session.close_reason().map(|reason| reason.code()), Some(4105));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_acknowledges_nothing_ends_and_one_that_does_lives() {
    let server = Anywire::builder().max_sessions(100).handler(idle).build();
    let site = site(&server);
    let (mut slow, mut quick) = (Peer::open(&site).await, Peer::open(&site).await);
    let (session, other) = (server.session(&slow.id).unwrap(), server.session(&quick.id).unwrap());
    session.try_send("x".repeat(100_000)).unwrap();
    let mut seconds = 0;
    while session.close_reason().is_none() {
        // It polls, and never acknowledges.
        slow.received = 0;
        slow.turn += 1;
        slow.send_poll().await;
        other.try_send("y").unwrap();
        quick.poll().await;
        sleep(SECOND).await;
        seconds += 1;
        assert!(seconds < 100);
    }
    // A minute, and ten seconds for the length of the message.
    assert!((69..=72).contains(&seconds), "{seconds} s");
    assert_eq!(session.close_reason().map(|reason| reason.code()), Some(4105));
    assert!(!other.is_closed());
}

#[tokio::test(start_paused = true)]
async fn while_memory_is_short_messages_wait_at_the_client_and_none_is_lost() {
    let server = Anywire::builder()
        .max_bytes(1 << 20)
        .max_sessions(100)
        .rooms("kept", History::last(100).bytes(4 << 20))
        .handler(|session: Session| async move {
            let mut received = 0;
            while session.recv().await.is_some() {
                received += 1;
                sleep(SECOND).await;
                session.try_send(received.to_string()).unwrap();
            }
        })
        .build();
    let mut peer = Peer::open(&site(&server)).await;
    // The history of a room counts, and no end of a session frees it.
    for _ in 0..3 {
        server.to("kept").send("x".repeat(400_000));
    }
    for _ in 0..9 {
        peer.put("x".repeat(1_000));
    }
    assert_eq!(peer.upload().await, [Record::Pause(2, 1)], "no more than the floor");
    let mut pauses = 1;
    while !peer.outbox.is_empty() {
        peer.poll().await;
        if peer.paused.is_none() && !peer.outbox.is_empty() {
            pauses += usize::from(matches!(peer.upload().await[..], [Record::Pause(..)]));
        }
    }
    while peer.got.len() < 9 {
        peer.poll().await;
    }
    assert_eq!(peer.texts().last(), Some(&"9"));
    assert!(pauses > 2, "{pauses}");
}

#[tokio::test(start_paused = true)]
async fn an_echo_survives_neighbours_that_hoard() {
    let server = Anywire::builder().max_bytes(4 << 20).max_sessions(100).handler(echo).build();
    let site = site(&server);
    let mut honest = Peer::open(&site).await;
    let mut hoarders = Vec::new();
    for _ in 0..10 {
        hoarders.push(Peer::open(&site).await);
    }
    for (round, hoarder) in hoarders.iter_mut().enumerate() {
        // The answers are never acknowledged.
        for _ in 0..3 {
            hoarder.put("x".repeat(500_000));
            let body = hoarder.flight(hoarder.upload_head());
            hoarder.site.post(&hoarder.path("send"), body.bytes).await;
        }
        honest.send("hello").await;
        take_all(&mut honest, round + 1).await;
    }
    assert!(server.session(&honest.id).is_some_and(|session| !session.is_closed()));
    assert!(server.len() < 11, "some hoarders have ended");
}
