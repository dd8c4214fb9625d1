//! Requests of odd forms, floods, and requests that must cost nothing.

use std::{convert::Infallible, time::Duration};

use anywire::{EngineIo, Origins, RateLimit, Session};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request},
};
use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::{
    builder,
    client::{Client, ending_of, is_pending, sid_of},
    router,
    support::{HOST, echo, until},
};

/// The whole answer to a request as it is written.
async fn raw(client: &Client, request: &str) -> String {
    let mut connection = client.site.connect().await;
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Clients of HTTP/1.0 know neither chunks nor connections that stay.
#[tokio::test]
async fn an_old_program_is_answered_with_a_length() {
    let client = Client::here(4);
    let get = |query: &str| format!("GET /engine.io/?EIO=4&transport=polling{query} HTTP/1.0\r\nhost: {HOST}\r\n\r\n");
    let opened = raw(&client, &get("")).await;
    let sid = opened.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap();
    let sent = format!("POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.0\r\nhost: {HOST}\r\n");
    let sent = raw(&client, &format!("{sent}content-length: 2\r\n\r\n4x")).await;
    let polled = raw(&client, &get(&format!("&sid={sid}"))).await;
    for (answer, body) in [(&opened, "1000000}"), (&sent, "ok"), (&polled, "4x")] {
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.contains(" 200 ") && rest.ends_with(body), "{answer}");
        assert!(head.contains(&format!("content-length: {}", rest.len())), "{answer}");
        assert!(!head.contains("transfer-encoding") && !head.contains("keep-alive"), "{answer}");
    }
}

/// Old engines send whatever type they like, and some no length.
#[tokio::test]
async fn an_upload_needs_no_type_and_no_length() {
    for kind in [None, Some(""), Some("T"), Some("text/plain;charset=UTF-8"), Some("application/xml"), Some("a/b/c")] {
        let mut client = Client::here(4);
        let sid = client.open().await;
        client.headers.extend(kind.map(|kind| ("content-type", kind.to_owned())));
        let chunks = ["4on", "e\u{1e}", "4tw", "o"].map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk)));
        client.post(&sid, Body::from_stream(futures::stream::iter(chunks))).await.is(200, "ok");
        client.hear(&sid, &["4one", "4two"]).await;
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_and_the_session_goes_on() {
    let client = Client::here(4);
    let sid = client.open().await;
    let good = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let wrong = [
        ("connection", "close"),
        ("connection", ""),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", ""),
        ("sec-websocket-key", "short"),
        ("method", "POST"),
    ];
    for beside in ["", &format!("&sid={sid}")] {
        for (name, value) in wrong {
            let method = if name == "method" { value } else { "GET" };
            let mut request = Request::builder()
                .method(method)
                .uri(format!("/engine.io/?EIO=4&transport=websocket{beside}"))
                .header("host", HOST);
            for (known, right) in good {
                request = request.header(known, if known == name { value } else { right });
            }
            let answer = client.site.ask(request.body(Body::empty()).unwrap()).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (400, &b"Bad request"[..]), "{name}: {value}");
        }
    }
    client.upgrade(&sid).await;
}

/// A client that knows no session cannot make the server read.
#[tokio::test]
async fn the_body_of_an_unknown_session_is_not_read() {
    let client = Client::here(4);
    let known = client.open().await;
    let other = if known.ends_with('0') { "1" } else { "0" };
    for sid in ["nobody", &format!("{}{other}", &known[..known.len() - 1])] {
        let endless = futures::stream::pending::<Result<Bytes, Infallible>>();
        client.post(sid, Body::from_stream(endless)).await.is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    }
    client.say(&known, &["4unharmed"]).await;
    client.hear(&known, &["4unharmed"]).await;
}

/// A body of packets that mean nothing is read in small parts: others are served meanwhile.
#[tokio::test]
async fn floods_of_nothing_hold_nobody_up() {
    let floods = [
        (4, "6\u{1e}".repeat(400_000) + "6", 200),
        (4, "\u{1e}".repeat(900_000), 400),
        (4, "b\u{1e}".repeat(300_000) + "b", 200),
        (3, "1:6".repeat(300_000), 200),
        (3, "0:".repeat(400_000), 400),
        (3, "9".repeat(900_000), 400),
        (3, "\u{0}".repeat(900_000), 400),
    ];
    for (revision, flood, status) in floods {
        let drops = async |session: Session| while session.recv().await.is_some() {};
        let server = builder().handler(drops).build();
        let client = Client::of(&server, revision);
        let (sid, honest) = (client.open().await, client.open().await);
        let flooding = client.post(&sid, flood);
        let served = async {
            for _ in 0..5 {
                client.say(&honest, &["4x"]).await;
            }
        };
        let (flooded, ()) = tokio::join!(flooding, served);
        assert_eq!(flooded.status, status, "{revision} {}", flooded.text());
        client.say(&honest, &["4unharmed"]).await;
    }
}

/// A client that sends too fast waits for the answer to its upload, or is not read, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_an_upload_and_a_websocket() {
    let limited = || builder().rate_limit(RateLimit::none().messages(10).patience(Duration::MAX));
    let packets: Vec<String> = (0..30).map(|number| format!("4{number}")).collect();
    let packets: Vec<&str> = packets.iter().map(String::as_str).collect();
    for revision in [4, 3] {
        let client = Client::of(&limited().handler(echo).build(), revision);
        let sid = client.open().await;
        let start = Instant::now();
        for few in packets.chunks(10) {
            client.say(&sid, few).await;
            client.hear(&sid, few).await;
        }
        let waited = start.elapsed().as_millis();
        assert!((1_000..4_000).contains(&waited), "{waited}");

        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        let start = Instant::now();
        for packet in &packets {
            socket.say(packet).await;
        }
        for packet in &packets {
            socket.hears(packet).await;
        }
        socket.say("4last").await;
        socket.hears("4last").await;
        let waited = start.elapsed().as_millis();
        assert!((1_000..6_000).contains(&waited), "{waited}");
    }
    // One that goes on for too long is gone.
    let (server, mut ends) = ending_of(builder().rate_limit(RateLimit::none().messages(10)));
    let mut socket = Client::of(&server, 4).socket().await;
    sid_of(&socket.text().await);
    let floods = async {
        loop {
            socket.say("4flood").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (code, _) = tokio::select! {
        ended = ends.recv() => ended.unwrap(),
        () = floods => unreachable!(),
    };
    assert_eq!(code, 4203);
}

/// Where all pages may open sessions, those of another origin bring no cookies of the user's.
#[tokio::test]
async fn cookies_of_another_origin_do_not_reach_the_handler() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handler = async move |headers: HeaderMap, session: Session| {
        tell.send(headers.contains_key("cookie")).unwrap();
        echo(session).await;
    };
    let server = builder().origins(Origins::Any).handler(handler).build();
    let own = format!("http://{HOST}");
    for (origin, has) in [(own.as_str(), true), ("https://elsewhere.example", false)] {
        let mut client = Client::of(&server, 4);
        client.headers = vec![("origin", origin.to_owned()), ("cookie", "user=ada".to_owned())];
        client.open().await;
        client.socket().await;
        assert_eq!((told.recv().await, told.recv().await), (Some(has), Some(has)), "{origin}");
    }
}

/// A client that sends and never polls fills its own outbox, and waits then.
#[tokio::test(start_paused = true)]
async fn who_never_polls_holds_no_more_than_its_outbox() {
    let server = builder().outbox(100_000).inbox(100_000).message_limit(50_000).handler(echo).build();
    let live = server.live();
    let client = Client::of(&server, 4);
    let (sid, honest) = (client.open().await, client.open().await);
    let packet = format!("4{}", "x".repeat(40_000));
    let packets = [&*packet];
    for sent in 0.. {
        let mut upload = Box::pin(client.say(&sid, &packets));
        if tokio::time::timeout(Duration::from_millis(100), &mut upload).await.is_err() {
            assert!(is_pending(&mut upload).await);
            break;
        }
        assert!(sent < 10, "neither box is ever full");
    }
    assert!(live.stats().bytes < 4 * 100_000, "{}", live.stats().bytes);
    client.say(&honest, &["4unharmed"]).await;
    client.hear(&honest, &["4unharmed"]).await;
    // A client that makes no progress for a minute is gone, with all that it has sent.
    until("it is given back", || live.stats().bytes == 0).await;
}

/// The parts of a body that comes slowly have their time, and a trickle has an end.
#[tokio::test(start_paused = true)]
async fn an_upload_that_trickles_ends_the_session() {
    let client = Client::of_router(router(&builder().handler(echo).build(), EngineIo::new()), 4);
    let sid = client.open().await;
    let trickle =
        futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"4"))).then(|chunk| async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            chunk
        });
    let start = Instant::now();
    client.post(&sid, Body::from_stream(trickle)).await.is(400, "");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(client.ask(Method::GET, &format!("EIO=4&transport=polling&sid={sid}"), "").await.status, 400);
}
