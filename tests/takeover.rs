//! A page that was reloaded takes over the session of the page before it.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use anywire::{Anywire, Server, Session};
use support::{Body, Everywhere, Payload, Peer, Record, Socket, SocketEvent, Spelling, attempt, echo, site};

const TRANSPORTS: [&str; 3] = ["websocket", "open", "jsonp-poll"];

fn server() -> Server {
    Anywire::builder().handler(|session: Session| echo(session)).build()
}

fn head(peer: &Peer, instance: &str) -> Body {
    Body::new(Spelling::Text).record('t', &[&1, &peer.ordinal, &instance, &peer.id, &peer.secret, &peer.received])
}

/// The page after this one: it knows the stored note, and has sent nothing.
fn reloaded(peer: &Peer) -> Peer {
    let mut next = Peer { got: Vec::new(), ..peer.clone() };
    next.outbox.clear();
    next.ordinal += 16;
    (next.turn, next.seen) = (0, false);
    next
}

/// Takes over by this transport with the peer's fields. Returns the first records, and the WebSocket if it is
/// one.
async fn take_over(peer: &Peer, transport: &str, instance: &str) -> (Vec<Record>, Option<Socket>) {
    let head = head(peer, instance);
    if transport != "websocket" {
        let query = format!("&session={}", peer.id);
        return (peer.site.send_records(transport, &query, &head.bytes).await.all().await, None);
    }
    let mut socket = peer.site.websocket(&format!("websocket?session={}", peer.id)).await;
    socket.body(head).await;
    let records = match socket.next().await {
        SocketEvent::Records(records) => records,
        SocketEvent::Closed(code, reason) => vec![Record::LinkClose(code, reason)],
        SocketEvent::Broken => panic!("broken"),
    };
    (records, Some(socket))
}

fn granted(records: &[Record]) -> (u64, String, String) {
    match &records[0] {
        Record::New(received, grant) => (*received, grant.id.clone(), grant.secret.clone()),
        other => panic!("not a grant: {other:?}"),
    }
}

fn refused(records: &[Record]) -> u16 {
    match records {
        [Record::LinkClose(code, _)] => *code,
        other => panic!("no refusal: {other:?}"),
    }
}

/// Numbers the page's messages from the `received` of the answer on, and takes its records.
fn settle(peer: &mut Peer, records: &[Record]) {
    peer.last = granted(records).0;
    peer.take(records);
}

#[tokio::test(start_paused = true)]
async fn a_page_takes_over_by_each_transport() {
    for old in TRANSPORTS {
        for new in TRANSPORTS {
            let server = server();
            let site = site(&server);
            let mut peer = Peer::new(&site);
            if old == "websocket" {
                let (opened, mut socket) = Peer::open_socket(&site).await;
                peer = opened;
                peer.put("one");
                socket.flight(&peer).await;
                while peer.got.is_empty() {
                    peer.take(&socket.records().await);
                }
                // A message on its way when the page goes is lost with it, and sent again to the next page.
                peer.put("two");
                socket.text("mtwo").await;
                socket.records().await;
            } else {
                let opened = site
                    .send_records(old, "", format!("o1,1,{},0:n1:m3:onem3:two", attempt()).as_bytes())
                    .await
                    .all()
                    .await;
                peer.ordinal = 1;
                peer.last = 2;
                peer.take(&opened);
                (peer.received, peer.got) = (1, Vec::new());
            }
            let mut next = reloaded(&peer);
            let (records, socket) = take_over(&next, new, &attempt()).await;
            let (received, id, secret) = granted(&records);
            assert_eq!((received, &id), (2, &peer.id), "{old} {new}");
            assert_ne!(secret, peer.secret);
            settle(&mut next, &records);
            next.put("three");
            match socket {
                Some(mut socket) => {
                    socket.text("v:").await;
                    socket.flight(&next).await;
                    while next.got.len() < 2 {
                        next.take(&socket.records().await);
                    }
                }
                None => {
                    next.poll().await;
                    next.upload().await;
                    while next.got.len() < 2 {
                        next.poll().await;
                    }
                }
            }
            assert_eq!(next.texts(), ["two", "three"], "{old} {new}: nothing is missing, nothing comes twice");
            assert_eq!(server.everywhere().len(), 1, "{old} {new}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_older_page_is_fenced() {
    let server = server();
    let (mut peer, mut socket) = Peer::open_socket(&site(&server)).await;
    peer.put("one");
    socket.flight(&peer).await;
    while peer.got.is_empty() {
        peer.take(&socket.records().await);
    }
    let mut next = reloaded(&peer);
    let (records, _new) = take_over(&next, "websocket", &attempt()).await;
    settle(&mut next, &records);
    assert_eq!(socket.closed().await.0, 4104);

    peer.put("late");
    let body = peer.flight(peer.upload_head());
    assert_eq!(peer.site.post(&peer.path("send"), body.bytes).await.refusal(410).0, 4101);
    peer.switch();
    peer.ordinal += 99;
    assert_eq!(peer.send_poll().await.refusal(410).0, 4101);
    let (records, _) = take_over(&peer, "open", &attempt()).await;
    assert_eq!(refused(&records), 4101, "a note counts once");
    next.send("mine").await;
    next.switch();
    while next.got.is_empty() {
        next.poll().await;
    }
    assert_eq!(next.texts(), ["mine"], "no message of the older page was read");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_began_before_is_refused() {
    let server = server();
    let mut peer = Peer::open(&site(&server)).await;
    let next = reloaded(&peer);
    peer.put("late");
    let body = peer.flight(peer.upload_head()).bytes;
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let slow = futures::stream::once(async move {
        released.await.unwrap();
        Ok::<_, std::io::Error>(body)
    });
    let path = peer.path("send");
    let site = peer.site.clone();
    let upload = tokio::spawn(async move { site.post(&path, axum::body::Body::from_stream(slow)).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (records, _) = take_over(&next, "open", &attempt()).await;
    release.send(()).unwrap();
    assert_eq!(upload.await.unwrap().refusal(410).0, 4101);
    assert_eq!(granted(&records).0, 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_answers_of_the_older_page_end() {
    for route in ["xhr-poll", "xhr-stream", "eventsource"] {
        let server = server();
        let mut peer = Peer::open(&site(&server)).await;
        let next = reloaded(&peer);
        let waiting = tokio::spawn(async move { peer.attach(route).await.all().await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        take_over(&next, "open", &attempt()).await;
        let records = waiting.await.unwrap();
        assert!(matches!(records.last(), Some(Record::LinkClose(4104, _))), "{route}: {records:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_the_same_answer_by_all_its_transports() {
    let server = server();
    let peer = Peer::open(&site(&server)).await;
    let mut next = reloaded(&peer);
    let instance = attempt();
    let (first, mut socket) = take_over(&next, "websocket", &instance).await;
    let mut grants = vec![granted(&first)];
    for transport in ["open", "jsonp-poll"] {
        next.ordinal -= 1;
        grants.push(granted(&take_over(&next, transport, &instance).await.0));
    }
    assert!(grants.iter().all(|grant| *grant == grants[0]), "{grants:?}");
    assert_eq!(refused(&take_over(&next, "open", &instance).await.0), 4001, "a duplicate");
    assert_eq!(refused(&take_over(&next, "open", &attempt()).await.0), 4101, "another page");
    // The first link still works.
    let socket = socket.as_mut().unwrap();
    socket.text("v:n1:").await;
    socket.text("mhello").await;
    assert_eq!(socket.records().await, [Record::Message(1, Payload::from("hello"))]);
    // Once the new secret is used, the old one is refused.
    settle(&mut next, &first);
    next.last = 1;
    next.upload().await;
    next.secret = peer.secret.clone();
    next.ordinal += 16;
    assert_eq!(refused(&take_over(&next, "open", &instance).await.0), 4101);
}

#[tokio::test(start_paused = true)]
async fn five_pages_in_a_row_take_the_session_over() {
    let server = server();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    for round in 0..5 {
        let transport = TRANSPORTS[round % 3];
        let mut next = reloaded(&peer);
        let (records, _) = take_over(&next, transport, &attempt()).await;
        settle(&mut next, &records);
        assert_eq!((&next.id, next.received), (&peer.id, round as u64));
        assert_ne!(next.secret, peer.secret);
        next.send(format!("{round}")).await;
        next.switch();
        while next.got.is_empty() {
            next.poll().await;
        }
        peer = next;
    }
    assert_eq!(server.everywhere().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn bad_takeovers_are_refused_and_change_nothing() {
    let server = server();
    let site = site(&server);
    let peer = Peer::open(&site).await;
    let mut next = reloaded(&peer);
    for transport in TRANSPORTS {
        let wrong = Peer { secret: "x".repeat(32), ..next.clone() };
        assert_eq!(refused(&take_over(&wrong, transport, &attempt()).await.0), 4101, "{transport}");
        let unknown = Peer { id: format!("x{}", next.id), ..next.clone() };
        assert_eq!(refused(&take_over(&unknown, transport, &attempt()).await.0), 4100, "{transport}");
        let ahead = Peer { received: 9, ..next.clone() };
        assert_eq!(refused(&take_over(&ahead, transport, &attempt()).await.0), 4004, "{transport}");
    }
    let body = head(&next, &attempt());
    for route in ["send", "xhr-poll", "fetch-stream", "poll", "form-post"] {
        assert_eq!(site.send_records(route, "", &body.bytes).await.status, 400, "{route}");
    }
    for wrong in ["t2,17,abc,x,y,0:", "t1,17,,x,y,0:", "t1,17,abc,x,y:"] {
        let code = refused(&site.send_records("jsonp-poll", "", wrong.as_bytes()).await.all().await);
        assert_eq!(code, if wrong.starts_with("t2") { 4400 } else { 4004 }, "{wrong}");
    }
    // None of these requests has changed the secret.
    let (records, _) = take_over(&next, "open", &attempt()).await;
    settle(&mut next, &records);
}

#[tokio::test(start_paused = true)]
async fn after_the_end_there_is_nothing_to_take_over() {
    let server = Anywire::builder().grace(Duration::from_secs(5)).handler(|session: Session| echo(session)).build();
    let peer = Peer::open(&site(&server)).await;
    let next = reloaded(&peer);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(server.everywhere().len(), 0);
    assert_eq!(refused(&take_over(&next, "open", &attempt()).await.0), 4100);
}

#[tokio::test(start_paused = true)]
async fn the_last_messages_of_the_server_reach_the_next_page() {
    let server = Anywire::builder()
        .handler(|session: Session| async move {
            while let Some(message) = session.recv().await {
                session.send(message).await.unwrap();
                session.close(3001, "enough");
            }
        })
        .build();
    let (peer, mut socket) = Peer::open_socket(&site(&server)).await;
    socket.text("n1:").await;
    socket.text("mlast").await;
    assert!(matches!(socket.next().await, SocketEvent::Records(_)));
    let mut next = reloaded(&peer);
    let (records, _) = take_over(&next, "open", &attempt()).await;
    settle(&mut next, &records);
    while next.closed.is_none() {
        next.poll().await;
    }
    assert_eq!(next.texts(), ["last"]);
    assert_eq!(next.closed, Some((3001, "enough".to_owned())));
}
