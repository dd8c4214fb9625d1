//! WebSockets, framed and bare.

use super::*;
use crate::client::{Came, url};

#[tokio::test]
async fn a_plain_get() {
    assert_eq!(Client::real().await.get("/echo/0/0/websocket").await.head.status, 400);
}

#[tokio::test]
async fn invalid_connection_header() {
    let headers = [("upgrade", "WebSocket"), ("connection", "close")];
    assert_eq!(Client::real().await.ask("GET", "/echo/0/0/websocket", &headers, "").await.head.status, 400);
}

#[tokio::test]
async fn invalid_method() {
    let client = Client::real().await;
    for headers in [&[("upgrade", "WebSocket"), ("connection", "Upgrade")][..], &[]] {
        is_wrong_method(&client.ask("POST", "/echo/0/0/websocket", headers, "").await);
    }
}

fn socket_of(service: &str) -> String {
    format!("{}/websocket", url(service))
}

#[tokio::test]
async fn transport() {
    let mut socket = Client::real().await.socket(&socket_of("/echo")).await;
    socket.hears("o").await;
    socket.say("[\"a\"]").await;
    socket.hears("a[\"a\"]").await;
}

#[tokio::test]
async fn close() {
    let mut socket = Client::real().await.socket(&socket_of("/close")).await;
    socket.hears("o").await;
    socket.hears("c[3000,\"Go away!\"]").await;
    socket.is_closed().await;
}

#[tokio::test]
async fn headers_sanity() {
    let headers = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-origin", "http://asd"),
        ("sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw=="),
    ];
    let (head, _) = Client::real().await.stream("GET", &socket_of("/echo"), &headers).await;
    assert_eq!(head.status, 101);
    assert_eq!(head.header("sec-websocket-accept"), Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk="));
    assert_eq!(head.header("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(head.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    assert_eq!(head.header("content-length"), None);
}

#[tokio::test]
async fn empty_frame() {
    let mut socket = Client::real().await.socket(&socket_of("/echo")).await;
    socket.hears("o").await;
    for text in ["", "[]", "[\"a\"]"] {
        socket.say(text).await;
    }
    socket.hears("a[\"a\"]").await;
}

#[tokio::test]
async fn reuse_of_a_session_id() {
    let (client, url) = (Client::real().await, socket_of("/echo"));
    let mut one = client.socket(&url).await;
    one.hears("o").await;
    let mut two = client.socket(&url).await;
    two.hears("o").await;
    one.say("[\"a\"]").await;
    one.hears("a[\"a\"]").await;
    two.say("[\"b\"]").await;
    two.hears("a[\"b\"]").await;
    one.io.close(None).await.unwrap();
    two.io.close(None).await.unwrap();
    let mut again = client.socket(&url).await;
    again.hears("o").await;
    again.say("[\"a\"]").await;
    again.hears("a[\"a\"]").await;
}

#[tokio::test]
async fn broken_json() {
    let mut socket = Client::real().await.socket(&socket_of("/echo")).await;
    socket.hears("o").await;
    socket.say("[\"a").await;
    socket.is_closed().await;
}

#[tokio::test]
async fn raw_transport() {
    let mut socket = Client::real().await.socket("/echo/websocket").await;
    socket.say("Hello world!\u{ffff}").await;
    socket.hears("Hello world!\u{ffff}").await;
}

#[tokio::test]
async fn raw_close() {
    let mut socket = Client::real().await.socket("/close/websocket").await;
    assert_eq!(socket.next().await, Came::Closed(3000, "Go away!".into()));
}
