//! Polls and uploads beyond the published suites.

use std::time::Duration;

use anywire::{Args, EngineIo, Message, Session};
use axum::{
    body::Body,
    http::{Method, Request},
};
use bytes::Bytes;

use crate::{
    builder,
    client::{Client, ending, ending_of, is_pending, sid_of, transport},
    router,
    support::{Everywhere, HOST, Site, echo, until},
};

#[tokio::test]
async fn the_first_answer_is_the_open_packet_alone() {
    async fn greets(session: Session) {
        let _ = session.send("welcome").await;
        session.recv().await;
    }
    for revision in [4, 3] {
        let client = Client::of(&builder().handler(greets).build(), revision);
        let got = client.handshake().await;
        let sid = sid_of(client.unframed(got.packets()));
        assert_eq!(got.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(got.header("referrer-policy"), Some("no-referrer"));
        client.hear(&sid, &["4welcome"]).await;
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.hears("4welcome").await;
    }
}

#[tokio::test]
async fn a_session_names_its_transport() {
    let client = Client::of(&builder().handler(transport).build(), 4);
    let sid = client.open().await;
    client.say(&sid, &["4?"]).await;
    client.hear(&sid, &["4polling"]).await;
    let mut socket = client.upgrade(&sid).await;
    socket.say("4?").await;
    socket.hears("4websocket").await;
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    socket.say("4?").await;
    socket.hears("4websocket").await;
}

/// As many as a handler receives before other tasks get their turn.
#[tokio::test]
async fn all_answers_to_an_upload_are_in_one_poll() {
    for revision in [4, 3] {
        let client = Client::here(revision);
        let sid = client.open().await;
        let packets: Vec<String> = (0..100).map(|number| format!("4{number}")).collect();
        let packets: Vec<&str> = packets.iter().map(String::as_str).collect();
        client.say(&sid, &packets).await;
        client.hear(&sid, &packets).await;
    }
}

#[tokio::test]
async fn two_uploads_at_once_are_one_too_many() {
    let (server, mut ends) = ending();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let (send, body) = futures::channel::mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    send.unbounded_send(Ok(Bytes::from_static(b"4slow"))).unwrap();
    // `join!` polls in order, so that the first is under way when the second begins.
    let slow = client.post(&sid, Body::from_stream(body));
    let fast = async {
        let got = client.post(&sid, "4fast").await;
        drop(send);
        got
    };
    let (slow, fast) = tokio::join!(biased; slow, fast);
    fast.is(400, "");
    assert_eq!(slow.status, 400, "{}", slow.text());
    assert_eq!(ends.recv().await.map(|(code, _)| code), Some(4001));
    assert_eq!(client.poll(&sid).await.status, 400);
}

#[tokio::test]
async fn an_upload_that_breaks_off_ends_the_session() {
    let (server, mut ends) = ending();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let chunks = [Ok(Bytes::from_static(b"4x")), Err(std::io::Error::other("cut"))];
    let got = client.post(&sid, Body::from_stream(futures::stream::iter(chunks))).await;
    got.is(400, "");
    assert_eq!(ends.recv().await, Some((4004, "the body broke off".to_owned())));
}

#[tokio::test]
async fn a_poll_that_is_cut_ends_the_session() {
    let (server, mut ends) = ending();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let query = format!("/engine.io/?EIO=4&transport=polling&sid={sid}");
    let request = Request::get(query).header("host", HOST).body(Body::empty()).unwrap();
    let site = Site::of(&server, |server| router(server, EngineIo::new()));
    let mut waits = Box::pin(site.send(request));
    assert!(is_pending(&mut waits).await);
    drop(waits);
    assert_eq!(ends.recv().await.map(|(code, _)| code), Some(1006));
    assert_eq!(client.poll(&sid).await.status, 400);
}

#[tokio::test]
async fn a_connection_that_is_cut_under_a_poll_ends_the_session() {
    use tokio::io::AsyncWriteExt;
    let (server, mut ends) = ending();
    let client = Client::new(Site::socket_of(&server, |server| router(server, EngineIo::new())).await, 4);
    let sid = client.open().await;
    let mut connection = client.site.connect().await;
    let head = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    drop(connection);
    assert_eq!(ends.recv().await.map(|(code, _)| code), Some(1006));
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whole_and_the_session_goes_on() {
    let (server, mut ends) = ending_of(builder().message_limit(100));
    for (revision, fits) in [(4, "b"), (3, "b4")] {
        let client = Client::of(&server, revision);
        let sid = client.open().await;
        let long = format!("4{}", "x".repeat(101));
        client.post(&sid, client.payload(&["4first", &long])).await.is(413, "");
        client.post(&sid, "x".repeat(70_000)).await.is(413, "");
        // Base64 makes it longer, and does not count.
        let bytes = base64_of(100);
        let (long, bytes) = (format!("4{}", "x".repeat(100)), format!("{fits}{bytes}"));
        client.say(&sid, &[&long, &bytes, "4after"]).await;
        let got = client.poll(&sid).await;
        assert!(got.bytes.len() > 200 && !String::from_utf8_lossy(&got.bytes).contains("first"));
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.say(&long).await;
        socket.hears(&long).await;
        socket.say(&format!("{long}x")).await;
        socket.is_closed().await;
        assert_eq!(ends.recv().await.map(|(code, _)| code), Some(4006), "a WebSocket has nothing to refuse with");
    }
}

fn base64_of(bytes: usize) -> String {
    let full = "AAAA".repeat(bytes / 3);
    match bytes % 3 {
        1 => full + "AA==",
        2 => full + "AAA=",
        _ => full,
    }
}

#[tokio::test]
async fn bytes_are_no_body_of_revision_4() {
    let client = Client::here(4);
    let sid = client.open().await;
    let query = format!("EIO=4&transport=polling&sid={sid}");
    let typed = Client { headers: vec![("content-type", "application/octet-stream".into())], ..client.clone() };
    typed.ask(Method::POST, &query, "4x").await.is(400, "");
    assert_eq!(client.poll(&sid).await.status, 400);
}

#[tokio::test]
async fn an_upload_waits_while_the_inbox_is_full() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let handler = async move |session: Session| {
        gate.clone().wait_for(|open| *open).await.unwrap();
        echo(session).await;
    };
    let server = builder().inbox(1_000).handler(handler).build();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let long = format!("4{}", "x".repeat(600));
    let packets = [&*long; 4];
    let mut waits = Box::pin(client.post(&sid, client.payload(&packets)));
    for _ in 0..100 {
        assert!(is_pending(&mut waits).await);
        tokio::task::yield_now().await;
    }
    open.send(true).unwrap();
    waits.await.is(200, "ok");
    client.hear(&sid, &packets).await;
}

#[tokio::test]
async fn a_close_comes_behind_the_messages() {
    async fn closes(session: Session) {
        let _ = session.send("1").await;
        let _ = session.send("2").await;
        session.close(3000, "bye");
    }
    for revision in [4, 3] {
        let server = builder().handler(closes).build();
        let client = Client::of(&server, revision);
        let sid = client.open().await;
        // Clients handle the end before the messages of the same payload.
        client.hear(&sid, &["41", "42"]).await;
        client.hear(&sid, &["1"]).await;
        client.poll(&sid).await.is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.hears("41").await;
        socket.hears("42").await;
        socket.is_closed().await;
        until("nothing is left", || server.everywhere().is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_fetches_ends_all_the_same() {
    async fn closes(session: Session) {
        session.close(3000, "bye");
        session.closed().await;
    }
    for revision in [4, 3] {
        let server = builder().grace(Duration::from_secs(2)).handler(closes).build();
        let client = Client::quick_of(&server, revision);
        let sid = client.open().await;
        let mut pings = 0;
        // A client of revision 3 may ping for ever.
        while client.post(&sid, client.payload(&[if revision == 3 { "2" } else { "4x" }])).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            pings += 1;
        }
        assert!((4..=25).contains(&pings), "{pings}");
        until("nothing is left", || server.everywhere().is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_crosses_the_clients_close_is_answered_empty_once() {
    for revision in [4, 3] {
        let client = Client::here(revision);
        let sid = client.open().await;
        client.say(&sid, &["1"]).await;
        client.hear(&sid, &["6"]).await;
        assert_eq!(client.poll(&sid).await.status, 400);
        let sid = client.open().await;
        client.say(&sid, &["1"]).await;
        tokio::time::sleep(Duration::from_millis(104)).await;
        assert_eq!(client.poll(&sid).await.status, 400);
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_tells_a_client_that_polls() {
    let (server, mut ends) = ending();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let waits = tokio::spawn({
        let (client, sid) = (client.clone(), sid.clone());
        async move { client.poll(&sid).await }
    });
    client.say(&sid, &["4x"]).await;
    waits.await.unwrap().is(200, "4x");
    let (got, _) = tokio::join!(client.poll(&sid), server.shutdown(Duration::from_secs(1)));
    got.is(200, "1");
    assert_eq!(ends.recv().await.map(|(code, _)| code), Some(1001));
    assert_eq!(client.handshake().await.status, 503);
}

#[tokio::test]
async fn a_room_reaches_clients_of_every_family_and_form() {
    async fn joins(session: Session) {
        session.join("all");
        let _ = session.send("joined").await;
        session.recv().await;
    }
    let server = builder().handler(joins).build();
    let (four, three) = (Client::of(&server, 4), Client::of(&server, 3));
    let text = Client { query: "EIO=3&b64=1".into(), ..three.clone() };
    let mut sids = Vec::new();
    for client in [&four, &three, &text] {
        let sid = client.open().await;
        client.hear(&sid, &["4joined"]).await;
        sids.push(sid);
    }
    let (mut socket4, mut socket3) = (four.socket().await, three.socket().await);
    for socket in [&mut socket4, &mut socket3] {
        sid_of(&socket.text().await);
        socket.hears("4joined").await;
    }
    server.to("all").send(Message::from("€"));
    server.to("all").send(Message::from(vec![1, 2, 3]));
    four.poll(&sids[0]).await.is(200, "4€\x1ebAQID");
    assert_eq!(three.poll(&sids[1]).await.bytes, b"\0\x04\xff4\xe2\x82\xac\x01\x04\xff\x04\x01\x02\x03");
    text.poll(&sids[2]).await.is(200, "2:4€6:b4AQID");
    socket4.hears("4€").await;
    socket3.hears("4€").await;
    assert_eq!(socket4.next().await, crate::client::Came::Binary(vec![1, 2, 3]));
    assert_eq!(socket3.next().await, crate::client::Came::Binary(vec![4, 1, 2, 3]));
}

#[tokio::test]
async fn a_message_that_the_payload_cannot_carry_as_text_arrives_whole() {
    let client = Client::here(4);
    let sid = client.open().await;
    let mut socket = client.upgrade(&sid).await;
    socket.say("4a\x1eb").await;
    socket.hears("4a\x1eb").await;
    async fn sends(session: Session) {
        let _ = session.send("a\x1eb").await;
        session.recv().await;
    }
    let client = Client::of(&builder().handler(sends).build(), 4);
    let sid = client.open().await;
    client.hear(&sid, &["bYR5i"]).await;
}

/// python-engineio gives up on an answer with more than 16 packets.
#[tokio::test]
async fn a_client_in_python_gets_few_packets_in_one_answer() {
    const AGENTS: [(&str, usize); 3] =
        [("python-requests/2.32.3", 16), ("Python/3.12 aiohttp/3.11.11", 16), ("Mozilla/5.0", 300)];
    async fn bursts(session: Session) {
        for number in 0..100 {
            session.send(number.to_string()).await.unwrap();
            session.send(vec![number]).await.unwrap();
            session.emit("all", Args((number, "x"))).await.unwrap();
        }
        session.recv().await;
    }
    for (agent, most) in AGENTS {
        for revision in [4, 3] {
            let mut client = Client::of(&builder().handler(bursts).build(), revision);
            client.query.push_str("&b64=1");
            client.headers.push(("user-agent", agent.to_owned()));
            let sid = client.open().await;
            let mut got = Vec::new();
            while got.len() < 300 {
                let polled = client.poll(&sid).await;
                let packets = client.packets(polled.packets());
                assert!(packets.len() <= most, "{agent} {}", packets.len());
                got.extend(packets);
            }
            for (number, three) in got.chunks(3).enumerate() {
                assert_eq!(three[0], format!("4{number}"));
                assert!(three[2].starts_with(&format!("4[\"all\",{number},")), "{}", three[2]);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_longer_than_a_flush_is_followed_by_the_rest() {
    let client = Client::here(4);
    let sid = client.open().await;
    let long = format!("4{}", "x".repeat(50_000));
    for _ in 0..2 {
        client.say(&sid, &[&long, &long, &long]).await;
    }
    let mut rest = 6;
    while rest > 0 {
        let got = client.poll(&sid).await;
        let packets: Vec<&str> = got.packets().split('\x1e').collect();
        assert!(packets.iter().all(|packet| *packet == long));
        rest -= packets.len();
    }
}
