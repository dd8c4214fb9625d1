//! Rooms: which members get a message, in which order, and what happens to slow members.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Anywire, Auth, Delivered, LocalClient, SendError, Server, Session, SlowMember};
use support::{
    Everywhere, Lives, Payload, Peer, Record, Site, Socket, Spelling, assert_sent, at_rest, attempt, site, until,
};
use tokio::time::sleep;

/// Joins the rooms that its auth data names, and waits.
async fn joiner(Auth(rooms): Auth<Vec<String>>, session: Session) {
    for room in &rooms {
        assert!(session.join(room));
    }
    while session.recv().await.is_some() {}
}

fn joiners() -> (Server, Site) {
    let server = Anywire::builder().outbox(4096).handler(joiner).build();
    let site = site(&server);
    (server, site)
}

async fn member(site: &Site, rooms: &[&str]) -> (Peer, Socket) {
    let auth = format!("[{}]", rooms.iter().map(|room| format!("{room:?}")).collect::<Vec<_>>().join(","));
    let member = Peer::open_socket_with(site, &attempt(), &auth).await;
    at_rest().await;
    member
}

fn sent(sent: usize) -> Delivered {
    let mut delivered = Delivered::default();
    delivered.sent = sent;
    delivered
}

fn ids(handles: &[Session]) -> HashSet<String> {
    handles.iter().map(|handle| handle.id().to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_send_reaches_exactly_the_members_that_it_names() {
    let (server, site) = joiners();
    let lives = Lives::of_server(&server);
    let mut members = [
        member(&site, &["a"]).await,
        member(&site, &["a", "b"]).await,
        member(&site, &["b"]).await,
        member(&site, &[]).await,
    ];
    let handle = |at: usize| server.anywhere(&members[at].0.id).unwrap();
    let [first, both, last, outside] = [handle(0), handle(1), handle(2), handle(3)];
    assert_eq!(ids(&lives.members("a")), ids(&[first.clone(), both.clone()]));
    assert_eq!(both.rooms().len(), 2);

    // Each message is sent to the members listed behind it.
    let mut want = vec![Vec::new(); 4];
    let mut expect = async |message: &'static str, delivered: Delivered, who: &[usize]| {
        assert_sent(&delivered, who.len());
        who.iter().for_each(|&at| want[at].push(message));
        // Sends of several nodes are in one order only if each waits for the one before.
        at_rest().await;
        want.clone()
    };
    expect("all of a", server.to("a").send("all of a"), &[0, 1]).await;
    expect("not me", first.to("a").send("not me"), &[1]).await;
    expect("me too", first.within("a").send("me too"), &[0, 1]).await;
    expect("from outside", outside.to("a").send("from outside"), &[0, 1]).await;
    expect("all but", server.to("a").except(&both).send("all but"), &[0]).await;
    expect("nobody", server.to("a").except(&both).except(&first).send("nobody"), &[]).await;
    expect("not b", server.to("a").except_room("b").send("not b"), &[0]).await;
    expect("b but not a", server.to("b").except_room("a").send("b but not a"), &[2]).await;
    expect("no such room", server.to("c").send("no such room"), &[]).await;
    assert!(last.leave("b"));
    assert!(!last.leave("b"), "it is not in it any more");
    at_rest().await;
    expect("after leaving", server.to("b").send("after leaving"), &[1]).await;
    assert!(last.join("a"));
    assert!(!last.join("a"), "it is in it already");
    at_rest().await;
    let want = expect("after joining", server.to("a").send("after joining"), &[0, 1, 2]).await;
    for (at, (peer, socket)) in members.iter_mut().enumerate() {
        peer.take_until(socket, want[at].len()).await;
        assert_eq!(peer.texts(), want[at], "member {at}");
        assert_eq!(socket.quiet().await, None, "member {at} gets nothing else");
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_link_gets_the_same_message() {
    let (server, site) = joiners();
    let (mut by_socket, mut socket) = member(&site, &["a"]).await;
    let mut others = Vec::new();
    for spelling in [Spelling::Text, Spelling::Bytes] {
        let mut peer = Peer::new(&site);
        peer.spelling = spelling;
        let answer = peer.post_open(&attempt(), "[\"a\"]").await;
        peer.take(&answer.records());
        others.push(peer);
    }
    at_rest().await;
    let payloads = [Payload::from("é💥"), Payload::Binary(vec![0, 255, 128]), Payload::from("")];
    for payload in &payloads {
        let message = match payload {
            Payload::Text(text) => anywire::Message::from(text.as_str()),
            Payload::Binary(bytes) => anywire::Message::from(bytes.as_slice()),
        };
        assert_sent(&server.to("a").send(message), 3);
    }
    by_socket.take_until(&mut socket, 3).await;
    assert_eq!(by_socket.got, payloads);
    for peer in &mut others {
        peer.poll().await;
        assert_eq!(peer.got, payloads);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_members_are_closed_and_the_others_do_not_notice() {
    let (server, site) = joiners();
    let (mut quick, mut socket) = member(&site, &["a"]).await;
    let mut slow = Peer::open_with(&site, &attempt(), "[\"a\"]").await;
    let mut skipped = Peer::open_with(&site, &attempt(), "[\"b\"]").await;
    for number in 0..10 {
        let text = format!("{number}{}", "x".repeat(1000));
        let delivered = server.to("a").send(text.as_str());
        match number {
            0..3 => assert_eq!(delivered, sent(2), "{number}"),
            3 => assert_eq!((delivered.sent, delivered.slow), (1, 1)),
            _ => assert_eq!(delivered, sent(1)),
        }
        let delivered = server.to("b").droppable().send(text.as_str());
        assert_eq!((delivered.sent, delivered.skipped), if number < 3 { (1, 0) } else { (0, 1) });
        quick.take_until(&mut socket, number + 1).await;
        socket.text(format!("a{}:", number + 1)).await;
        until("it was acknowledged", || server.anywhere(&quick.id).unwrap().unacknowledged() == 0).await;
    }
    slow.turn = 1;
    let records = slow.send_poll().await.records();
    assert!(matches!(records.last(), Some(Record::LinkClose(4105, _))), "{records:?}");
    assert!(server.anywhere(&slow.id).is_none());
    assert_eq!(server.members("a").len(), 1, "it is not in the room any more");
    skipped.poll().await;
    assert_eq!((skipped.got.len(), &skipped.gaps[..]), (3, &[(4, 10)][..]), "the member learns what it missed");
}

#[tokio::test(start_paused = true)]
async fn the_policy_for_slow_members_may_stop_them_or_leave_a_gap() {
    for policy in [SlowMember::Reopen, SlowMember::Stop, SlowMember::Gap] {
        let server = Anywire::builder().outbox(4096).slow_members(policy).handler(joiner).build();
        let site = site(&server);
        let mut slow = Peer::open_with(&site, &attempt(), "[\"a\"]").await;
        let send = |number: usize| server.to("a").send(format!("{number}{}", "x".repeat(2500)));
        let delivered: Vec<Delivered> = (1..=3).map(send).collect();
        assert_eq!(delivered[0], sent(1));
        slow.turn = 1;
        let records = slow.send_poll().await.records();
        let code = match records.last() {
            Some(Record::LinkClose(code, _)) => Some(*code),
            _ => None,
        };
        if policy == SlowMember::Gap {
            assert_eq!((delivered[1].skipped, delivered[2].skipped, code), (1, 1, None));
            slow.take(&records);
            assert_eq!((slow.got.len(), &slow.gaps[..]), (1, &[(2, 3)][..]));
        } else {
            let expected = if policy == SlowMember::Stop { 4311 } else { 4105 };
            assert_eq!((delivered[1].slow, code), (1, Some(expected)));
            assert!(
                !records.iter().any(|record| matches!(record, Record::Full(_))),
                "it is not resumed before it is closed: {records:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_for_a_moment_is_not_slow_with_default_settings() {
    let server = Anywire::builder().handler(joiner).build();
    let site = site(&server);
    let (mut ann, socket) = member(&site, &["a"]).await;
    drop(socket);
    let session = server.anywhere(&ann.id).unwrap();
    until("the cut was noticed", || !session.is_connected()).await;
    let picture = "x".repeat(480_000);
    for _ in 0..3 {
        assert_sent(&server.to("a").send(picture.as_str()), 1);
    }
    sleep(Duration::from_millis(1500)).await;
    let mut socket = ann.resume_socket().await;
    ann.take_until(&mut socket, 3).await;
    assert_eq!(ann.got, [&*picture; 3].map(Into::into));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_gets_the_newest_value_of_each_key() {
    let (server, site) = joiners();
    let (mut ann, socket) = member(&site, &["a"]).await;
    drop(socket);
    let session = server.anywhere(&ann.id).unwrap();
    until("the cut was noticed", || !session.is_connected()).await;
    for price in 1..=50 {
        for key in ["ACME", "INIT"] {
            assert_eq!(server.to("a").latest(key).send(format!("{key} {price}")), sent(1));
        }
        assert_eq!(server.to("a").droppable().send("typing").skipped, 1);
        assert_eq!(session.send_droppable("frame"), Ok(false));
    }
    assert_eq!(session.send_latest("ACME", "ACME 51"), Ok(true));
    assert_eq!(session.send_latest(&"k".repeat(257), "x"), Err(SendError::TooLarge));
    assert_eq!(server.to("a").latest("k".repeat(257)).send("x").sent, 0);
    let mut socket = ann.resume_socket().await;
    ann.take_until(&mut socket, 2).await;
    assert_eq!(ann.got, ["ACME 51".into(), "INIT 50".into()]);
    assert_eq!(ann.gaps, [(1, 100)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_is_in_no_room_and_joins_none() {
    let (server, site) = joiners();
    let (peer, socket) = member(&site, &["a"]).await;
    let handle = server.anywhere(&peer.id).unwrap();
    handle.abort();
    let lives = Lives::of_server(&server);
    until("it has left", || lives.members("a").is_empty()).await;
    drop(socket);
    sleep(Duration::from_secs(61)).await;
    until("it is forgotten", || lives.is_empty()).await;
    assert!(!handle.join("a"));
    assert!(lives.members("a").is_empty());
    assert_sent(&server.to("a").send("x"), 0);
    assert!(handle.rooms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_keeps_its_rooms_for_grace() {
    let (server, site) = joiners();
    let (mut peer, socket) = member(&site, &["a"]).await;
    drop(socket);
    sleep(Duration::from_secs(30)).await;
    assert_sent(&server.to("a").send("meanwhile"), 1);
    let mut socket = peer.resume_socket().await;
    peer.take_until(&mut socket, 1).await;
    assert_eq!(peer.texts(), ["meanwhile"]);
    drop(socket);
    sleep(Duration::from_secs(61)).await;
    until("it has left", || Lives::of_server(&server).members("a").is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_limit_reaches_nobody() {
    let server = Anywire::builder().message_limit(10).handler(joiner).build();
    let (mut peer, mut socket) = member(&site(&server), &["a"]).await;
    let delivered = server.to("a").send("12345678901");
    assert!(delivered.too_large && delivered.sent == 0);
    assert_sent(&server.to("a").send("1234567890"), 1);
    peer.take_until(&mut socket, 1).await;
    assert_eq!(peer.texts(), ["1234567890"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_members_see_one_order_even_if_many_send_at_once() {
    const SENDERS: usize = 8;
    const EACH: usize = 200;
    let server = Anywire::builder().handler(joiner).build();
    let site = site(&server);
    let mut members = Vec::new();
    for _ in 0..6 {
        members.push(member(&site, &["a"]).await);
    }
    // A session is open before its handler has run, and here the handlers run on other threads.
    until("all have joined", || server.members("a").len() == 6).await;
    let started = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (live, started) = (server.live(), started.clone());
            tokio::spawn(async move {
                started.fetch_add(1, SeqCst);
                for number in 0..EACH {
                    assert_eq!(live.to("a").send(format!("{sender}:{number}")), sent(6));
                    if number % 16 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    let mut orders = Vec::new();
    for (mut peer, mut socket) in members {
        peer.take_until(&mut socket, SENDERS * EACH).await;
        orders.push(peer.texts().into_iter().map(str::to_owned).collect::<Vec<_>>());
    }
    for sender in senders {
        sender.await.unwrap();
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "one order for all");
    for sender in 0..SENDERS {
        let own: Vec<_> = orders[0].iter().filter(|text| text.starts_with(&format!("{sender}:"))).collect();
        assert_eq!(own.len(), EACH);
        assert!(own.iter().enumerate().all(|(number, text)| **text == format!("{sender}:{number}")));
    }
}

#[tokio::test(start_paused = true)]
async fn several_rooms_or_everybody_are_reached_once_each() {
    let server = Anywire::builder()
        .message_limit(100)
        .handler(|Auth(rooms): Auth<String>, session: Session| async move {
            for room in rooms.split_whitespace() {
                session.join(room);
            }
            session.closed().await;
        })
        .build();
    let live = server.live();
    let mut clients = Vec::new();
    for rooms in ["a b", "b c", "c", ""] {
        let mut client = LocalClient::open(&server, (), rooms).await.unwrap();
        until("it has joined", || live.session(client.id()).unwrap().rooms().len() == rooms.len().div_ceil(2)).await;
        assert_eq!(client.try_recv(), None);
        clients.push(client);
    }
    let mut reached = |delivered: Delivered, expected: &[usize]| {
        assert_eq!(delivered, sent(expected.len()));
        let got: Vec<usize> = (0..4).filter(|&nth| clients[nth].try_recv().is_some()).collect();
        assert_eq!(got, expected);
        assert!(clients.iter_mut().all(|client| client.try_recv().is_none()), "once");
    };
    let ada = live.members("a").remove(0);
    reached(live.to_any(["a", "b"]).send("x"), &[0, 1]);
    reached(live.to_any(["b", "a", "b", "nowhere"]).except(&ada).send("x"), &[1]);
    reached(live.to_any(Vec::<String>::new()).send("x"), &[]);
    reached(server.to_any(["a".to_owned(), "c".to_owned()]).except_room("b").send("x"), &[2]);
    reached(live.all().send("x"), &[0, 1, 2, 3]);
    reached(live.all().except_room("c").except(&ada).send_json(&[1, 2]).unwrap(), &[3]);
    let delivered = live.all().send("x".repeat(101));
    assert!(delivered.too_large && delivered.sent == 0);
    let delivered = live.to("nowhere").send("x");
    assert!(!delivered.too_large && delivered == Delivered::default());
}
