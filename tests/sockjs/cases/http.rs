//! Answers of HTTP/1.0 and 1.1.

use super::*;
use crate::client::url;

const KEEP: [(&str, &str); 1] = [("connection", "Keep-Alive")];

#[tokio::test]
async fn synchronous_1_0() {
    let client = Client::real().await;
    let mut connection = client.connect().await;
    connection.send("GET", "/echo", "1.0", &KEEP, "").await;
    let head = connection.head().await;
    assert_eq!(head.status, 200);
    assert!(["1.0", "1.1"].contains(&&*head.version));
    assert_eq!(head.header("transfer-encoding"), None);
    assert_eq!(head.header("content-length"), Some("19"));
    assert_eq!(connection.exactly(19).await, "Welcome to SockJS!\n");
    match head.header("connection").map(str::to_lowercase).as_deref() {
        None | Some("close") => assert!(connection.is_closed().await),
        Some(other) => {
            assert_eq!(other, "keep-alive");
            connection.send("GET", "/echo", "1.0", &KEEP, "").await;
            assert_eq!(connection.head().await.status, 200);
        }
    }
}

#[tokio::test]
async fn streaming_1_0() {
    let client = Client::real().await;
    let mut connection = client.connect().await;
    connection.send("POST", &format!("{}/xhr_streaming", url("/close")), "1.0", &KEEP, "").await;
    let head = connection.head().await;
    assert_eq!(head.status, 200);
    assert_eq!((head.header("transfer-encoding"), head.header("content-length")), (None, None));
    assert_eq!(connection.exactly(2049).await, "h".repeat(2048) + "\n");
    assert_eq!(connection.exactly(2).await, "o\n");
    assert_eq!(connection.exactly(19).await, "c[3000,\"Go away!\"]\n");
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn synchronous_1_1() {
    let client = Client::real().await;
    let mut connection = client.connect().await;
    for _ in 0..2 {
        connection.send("GET", "/echo", "1.1", &KEEP, "").await;
        let head = connection.head().await;
        assert_eq!(head.status, 200);
        assert!(matches!(head.header("connection").map(str::to_lowercase).as_deref(), None | Some("keep-alive")));
        assert_eq!(connection.body(&head).await, "Welcome to SockJS!\n");
    }
}

#[tokio::test]
async fn streaming_1_1() {
    let client = Client::real().await;
    let (head, mut stream) = client.stream("POST", &format!("{}/xhr_streaming", url("/close")), &KEEP).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-length"), None);
    assert_eq!(stream.chunk().await, "h".repeat(2048) + "\n");
    assert_eq!(stream.chunk().await, "o\n");
    assert_eq!(stream.chunk().await, "c[3000,\"Go away!\"]\n");
    assert_eq!(stream.chunk().await, "");
}

#[tokio::test]
async fn a_post_without_a_length() {
    let client = Client::real().await;
    let mut connection = client.connect().await;
    connection.raw(&format!("POST {}/xhr HTTP/1.1\r\nhost: chat.test\r\n\r\n", url("/echo"))).await;
    let head = connection.head().await;
    assert_eq!((head.status, &*connection.body(&head).await), (200, "o\n"));
}
