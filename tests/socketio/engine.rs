//! The cases of the published suite that are about Engine.IO below Socket.IO, over real sockets.

use axum::http::Method;

use super::{
    application,
    client::{Client, sid_of},
    router, settings,
    support::Site,
};

/// A client of the suite's application, of which nothing is opened.
async fn real() -> Client {
    Client::new(Site::socket_of(&application().build(), |server| router(server, settings())).await, 4)
}

fn check_open(packet: &str, upgrades: &[&str]) {
    let open: serde_json::Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
    let mut keys: Vec<_> = open.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&300.into(), &200.into()));
    assert_eq!((&open["upgrades"], &open["maxPayload"]), (&serde_json::json!(upgrades), &1_000_000.into()));
}

#[tokio::test]
async fn handshakes() {
    let client = real().await;
    check_open(client.handshake().await.packets(), &["websocket"]);
    check_open(&client.socket().await.text().await, &[]);
    for query in ["transport=polling", "EIO=abc&transport=polling", "EIO=4", "EIO=4&transport=abc"] {
        assert_eq!(client.ask(Method::GET, query, "").await.status, 400, "{query}");
    }
    for method in [Method::POST, Method::PUT] {
        assert_eq!(client.ask(method, "EIO=4&transport=polling", "").await.status, 400);
    }
    for query in ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"] {
        assert_eq!(client.try_socket(query).await.err().expect(query).status, 400);
    }
}

#[tokio::test]
async fn heartbeats() {
    let client = real().await;
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
    // From now on no ping is answered.
    socket.is_closed().await;
    while client.poll(&sid).await.status == 200 {}
}

#[tokio::test]
async fn closes() {
    let client = real().await;
    let sid = client.open().await;
    let (poll, post) = tokio::join!(client.poll(&sid), client.post(&sid, "1"));
    poll.is(200, "6");
    post.is(200, "ok");
    assert_eq!(client.poll(&sid).await.status, 400);
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    socket.say("1").await;
    socket.is_closed().await;
}

#[tokio::test]
async fn upgrades() {
    let client = real().await;
    let sid = client.open().await;
    let mut socket = client.beside(&sid).await;
    socket.say("2probe").await;
    socket.hears("3probe").await;
    client.hear(&sid, &["6"]).await;
    socket.say("5").await;
    socket.say("40").await;
    assert!(socket.text().await.starts_with("40{\"sid\":"));

    // Polls and a second WebSocket come too late.
    let sid = client.open().await;
    let mut socket = client.beside(&sid).await;
    socket.say("2probe").await;
    socket.say("5").await;
    assert_eq!(client.poll(&sid).await.status, 400);
    socket.hears("3probe").await;
    client.beside(&sid).await.is_closed().await;
    socket.say("40").await;
    assert!(socket.text().await.starts_with("40{\"sid\":"));
}
