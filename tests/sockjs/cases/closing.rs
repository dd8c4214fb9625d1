//! Ends of sessions, and requests that are one too many.

use super::*;
use crate::client::{Connection, url};

const STILL_OPEN: &str = "c[2010,\"Another connection still open\"]\n";
const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]\n";

/// Begins a stream, and reads its prelude and its first frame.
async fn stream(client: &Client, url: &str) -> (String, Connection) {
    let (head, mut stream) = client.stream("POST", &format!("{url}/xhr_streaming"), &[]).await;
    assert_eq!(head.status, 200);
    assert!(stream.chunk().await.starts_with("hhh"));
    (stream.chunk().await, stream)
}

#[tokio::test]
async fn close_frame() {
    let (client, url) = (Client::real().await, url("/close"));
    let (first, mut one) = stream(&client, &url).await;
    assert_eq!(first, "o\n");
    assert_eq!(one.chunk().await, "c[3000,\"Go away!\"]\n");
    let (first, mut two) = stream(&client, &url).await;
    assert_eq!(first, "c[3000,\"Go away!\"]\n");
    assert_eq!((one.chunk().await, two.chunk().await), (String::new(), String::new()));
}

#[tokio::test]
async fn close_request() {
    let (client, url) = (Client::real().await, url("/echo"));
    let (first, mut one) = stream(&client, &url).await;
    assert_eq!(first, "o\n");
    let (refused, mut two) = stream(&client, &url).await;
    assert_eq!((&*refused, &*two.chunk().await), (STILL_OPEN, ""));
    client.say(&url, "[\"still here\"]").await;
    assert_eq!(one.chunk().await, "a[\"still here\"]\n");
}

#[tokio::test]
async fn abort_of_a_stream() {
    let (client, url) = (Client::real().await, url("/echo"));
    let (first, one) = stream(&client, &url).await;
    assert_eq!(first, "o\n");
    let (refused, mut two) = stream(&client, &url).await;
    assert_eq!((&*refused, &*two.chunk().await), (STILL_OPEN, ""));
    drop(one);
    loop {
        // The server has to notice it first.
        match &*stream(&client, &url).await.0 {
            STILL_OPEN => {}
            // The reference opens another session, which the suite allows.
            answer => break assert!([INTERRUPTED, "o\n"].contains(&answer), "{answer}"),
        }
    }
}

#[tokio::test]
async fn abort_of_a_poll() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    let path = format!("{url}/xhr");
    let waits = client.waiting("POST", &path).await;
    // The poll that waits is there once another is refused; one that came before it waits itself.
    let mut others = Vec::new();
    loop {
        let mut other = client.waiting("POST", &path).await;
        let head = tokio::time::timeout(std::time::Duration::from_millis(500), other.head()).await;
        match head {
            Ok(head) => break assert_eq!(other.body(&head).await, STILL_OPEN),
            Err(_) => others.push(other),
        }
    }
    drop((waits, others));
    loop {
        match &*client.post(&path, "").await.body {
            STILL_OPEN => {}
            answer => break assert!([INTERRUPTED, "o\n"].contains(&answer), "{answer}"),
        }
    }
}
