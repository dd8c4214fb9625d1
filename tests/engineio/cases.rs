//! The cases of the published suites that need no clock of their own, over real sockets.

use axum::http::Method;

use crate::client::{Came, Client, RS, sid_of};

const BYTES: [u8; 4] = [1, 2, 3, 4];

async fn all() -> [Client; 2] {
    [Client::real(4).await, Client::real(3).await]
}

/// The handshake's packet has these keys, no others, and the values of the settings.
fn check_open(packet: &str, upgrades: &[&str]) {
    let open: serde_json::Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
    let mut keys: Vec<_> = open.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert!(open["sid"].as_str().is_some_and(|sid| !sid.is_empty()));
    assert_eq!(open["upgrades"], serde_json::json!(upgrades));
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&300.into(), &200.into()));
    assert_eq!(open["maxPayload"], 1_000_000);
}

#[tokio::test]
async fn a_poll_opens_a_session() {
    for client in all().await {
        let got = client.handshake().await;
        check_open(client.unframed(got.packets()), &["websocket"]);
        assert_eq!(got.header("content-type"), Some("text/plain; charset=UTF-8"));
    }
}

#[tokio::test]
async fn a_websocket_opens_a_session() {
    for client in all().await {
        check_open(&client.socket().await.text().await, &[]);
    }
}

#[tokio::test]
async fn a_handshake_states_its_revision_and_its_transport() {
    let client = Client::real(4).await;
    for query in
        ["transport=polling", "EIO=abc&transport=polling", "EIO=4", "EIO=4&transport=abc", "EIO=3&transport=abc"]
    {
        assert_eq!(client.ask(Method::GET, query, "").await.status, 400, "{query}");
    }
    for query in ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc", "EIO=3"] {
        match client.try_socket(query).await {
            Err(got) => assert_eq!(got.status, 400, "{query}"),
            // A server may also close what it has opened.
            Ok(mut socket) => socket.is_closed().await,
        }
    }
}

#[tokio::test]
async fn a_handshake_is_a_get() {
    for client in all().await {
        for method in [Method::POST, Method::PUT] {
            let query = format!("{}&transport=polling", client.query);
            assert_eq!(client.ask(method, &query, "").await.status, 400);
        }
    }
}

#[tokio::test]
async fn polls_carry_an_echo() {
    for client in all().await {
        let sid = client.open().await;
        client.say(&sid, &["4hello"]).await;
        client.hear(&sid, &["4hello"]).await;
        client.say(&sid, &["4test1", "4€uro", "4\u{1f600}test3"]).await;
        client.hear(&sid, &["4test1", "4€uro", "4\u{1f600}test3"]).await;
    }
}

#[tokio::test]
async fn polls_carry_bytes() {
    let client = Client::real(4).await;
    let sid = client.open().await;
    client.say(&sid, &["4hello", "bAQIDBA=="]).await;
    client.hear(&sid, &["4hello", "bAQIDBA=="]).await;

    let mut client = Client::real(3).await;
    let sid = client.open().await;
    client.say(&sid, &["4hello", "b4AQIDBA=="]).await;
    let got = client.poll(&sid).await;
    assert_eq!(got.bytes, b"\0\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04");
    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
    client.headers = vec![("content-type", "application/octet-stream".into())];
    client.post(&sid, got.bytes.clone()).await.is(200, "ok");
    assert_eq!(client.poll(&sid).await.bytes, got.bytes, "bytes may come in either form");
    client.query += "&b64=1";
    let sid = client.open().await;
    client.say(&sid, &["4hello", "b4AQIDBA=="]).await;
    client.poll(&sid).await.is(200, "6:4hello10:b4AQIDBA==");
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_ends_the_session() {
    for client in all().await {
        for payload in ["abc", "", "7:4hello", "4x\x1e\x1e4y"] {
            let sid = client.open().await;
            client.post(&sid, payload).await;
            assert_eq!(client.poll(&sid).await.status, 400, "{payload:?}");
        }
    }
}

#[tokio::test]
async fn two_polls_at_once_are_one_too_many() {
    for client in all().await {
        let sid = client.open().await;
        // The answers tell which came first.
        let (one, other) = tokio::join!(client.poll(&sid), client.poll(&sid));
        let (first, second) = if one.status == 200 { (one, other) } else { (other, one) };
        first.is(200, &client.payload(&["1"]));
        assert!(matches!(second.status, 400 | 500), "{}", second.status);
        assert_eq!(client.poll(&sid).await.status, 400);
    }
}

#[tokio::test]
async fn a_websocket_carries_an_echo() {
    for client in all().await {
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.say("4hello").await;
        socket.hears("4hello").await;
        let bytes = if client.revision == 4 { BYTES.to_vec() } else { [&[4], &BYTES[..]].concat() };
        socket.say_bytes(&bytes).await;
        assert_eq!(socket.next().await, Came::Binary(bytes));
    }
}

#[tokio::test]
async fn a_packet_that_cannot_be_read_closes_the_websocket() {
    for client in all().await {
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.say("abc").await;
        socket.is_closed().await;
    }
}

#[tokio::test]
async fn pings_are_answered() {
    let client = Client::real(4).await;
    let sid = client.open().await;
    for _ in 0..3 {
        client.hear(&sid, &["2"]).await;
        client.say(&sid, &["3"]).await;
    }
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    for _ in 0..3 {
        socket.hears("2").await;
        socket.say("3").await;
    }

    let client = Client::real(3).await;
    let sid = client.open().await;
    for _ in 0..3 {
        client.say(&sid, &["2"]).await;
        client.hear(&sid, &["3"]).await;
    }
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    for _ in 0..3 {
        socket.say("2").await;
        socket.hears("3").await;
    }
}

#[tokio::test]
async fn a_silent_client_is_gone() {
    for client in all().await {
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.is_closed().await;
        let sid = client.open().await;
        // The poll ends by a ping, or when the session is over.
        client.poll(&sid).await;
        while client.post(&sid, client.payload(&["4x"])).await.status == 200 {
            client.poll(&sid).await;
        }
        assert_eq!(client.poll(&sid).await.status, 400);
    }
}

#[tokio::test]
async fn a_client_closes() {
    for client in all().await {
        let sid = client.open().await;
        let leaves = client.payload(&["1"]);
        let (poll, post) = tokio::join!(client.poll(&sid), client.post(&sid, leaves));
        poll.is(200, &client.payload(&["6"]));
        post.is(200, "ok");
        assert_eq!(client.poll(&sid).await.status, 400);

        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.say("1").await;
        socket.is_closed().await;
    }
}

#[tokio::test]
async fn polls_become_a_websocket() {
    for client in all().await {
        let sid = client.open().await;
        let mut socket = client.beside(&sid).await;
        socket.say("2probe").await;
        socket.hears("3probe").await;
        client.hear(&sid, &["6"]).await;
        socket.say("5").await;
        socket.say("4hello").await;
        socket.hears("4hello").await;
    }
}

#[tokio::test]
async fn polls_come_too_late_behind_the_upgrade() {
    for client in all().await {
        let sid = client.open().await;
        let mut socket = client.beside(&sid).await;
        socket.say("2probe").await;
        socket.say("5").await;
        assert_eq!(client.poll(&sid).await.status, 400);
        socket.say("4hello").await;
        socket.hears("3probe").await;
        socket.hears("4hello").await;
    }
}

#[tokio::test]
async fn there_is_one_upgrade() {
    for client in all().await {
        let sid = client.open().await;
        let mut socket = client.beside(&sid).await;
        socket.say("2probe").await;
        socket.hears("3probe").await;
        socket.say("5").await;
        client.beside(&sid).await.is_closed().await;
        socket.say("4hello").await;
        socket.hears("4hello").await;
    }
}

#[tokio::test]
async fn a_payload_above_the_limit_is_refused() {
    for client in all().await {
        let sid = client.open().await;
        let long = client.payload(&[&format!("4{}", "x".repeat(1_000_001))]);
        client.post(&sid, long).await.is(413, "");
    }
}

#[tokio::test]
async fn delimiters_alone_end_the_session_and_cost_nothing() {
    let client = Client::real(4).await;
    let sid = client.open().await;
    client.post(&sid, RS.to_string().repeat(1_000_000)).await;
    assert_eq!(client.poll(&sid).await.status, 400);
}

#[tokio::test]
async fn a_websocket_is_closed_with_the_code_with_which_its_client_closes() {
    for client in all().await {
        for code in [1005, 1000, 4000] {
            let mut socket = client.socket().await;
            sid_of(&socket.text().await);
            socket.close(code).await;
            assert_eq!(socket.next().await, Came::Closed(code));
        }
    }
}
