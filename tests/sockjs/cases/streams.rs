//! Streams: XHR, event sources and htmlfiles.

use super::*;
use crate::client::{Connection, url};

#[tokio::test]
async fn xhr_options() {
    options(&Client::real().await, "/echo/abc/abc/xhr_streaming", "OPTIONS, POST").await;
}

#[tokio::test]
async fn xhr_transport() {
    let (client, url) = (Client::real().await, url("/echo"));
    let (head, mut stream) = client.stream("POST", &format!("{url}/xhr_streaming"), &[("origin", "test")]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.content_type().unwrap(), "application/javascript;charset=UTF-8");
    has_cors(&head, Some("test"));
    is_not_cached(&head);
    assert_eq!(stream.chunk().await, "h".repeat(2048) + "\n");
    assert_eq!(stream.chunk().await, "o\n");
    client.say(&url, "[\"x\"]").await;
    assert_eq!(stream.chunk().await, "a[\"x\"]\n");
}

#[tokio::test]
async fn xhr_response_limit() {
    let (client, url) = (Client::real().await, url("/echo"));
    let (_, mut stream) = client.stream("POST", &format!("{url}/xhr_streaming"), &[]).await;
    stream.chunk().await;
    assert_eq!(stream.chunk().await, "o\n");
    let text = "x".repeat(128);
    for _ in 0..31 {
        client.say(&url, &format!("[\"{text}\"]")).await;
        assert_eq!(stream.chunk().await, format!("a[\"{text}\"]\n"));
    }
    assert_eq!(stream.chunk().await, "", "it has ended");
    client.say(&url, "[\"more\"]").await;
    client.hear(&url, "a[\"more\"]").await;
}

/// Begins an event source, and reads what precedes its messages.
async fn eventsource(client: &Client, url: &str) -> Connection {
    let (head, mut stream) = client.stream("GET", &format!("{url}/eventsource"), &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.content_type().unwrap(), "text/event-stream");
    is_not_cached(&head);
    assert_eq!(stream.chunk().await, "\r\n");
    assert_eq!(stream.chunk().await, "data: o\r\n\r\n");
    stream
}

#[tokio::test]
async fn eventsource_transport() {
    let (client, url) = (Client::real().await, url("/echo"));
    let mut stream = eventsource(&client, &url).await;
    client.say(&url, "[\"x\"]").await;
    assert_eq!(stream.chunk().await, "data: a[\"x\"]\r\n\r\n");
    client.say(&url, r#"["  \u0000\n\r "]"#).await;
    assert_eq!(stream.chunk().await, "data: a[\"  \\u0000\\n\\r \"]\r\n\r\n");
    // The suite has no such text, but clients decode what comes, and drop what they cannot.
    client.say(&url, r#"["100% %41 %zz"]"#).await;
    assert_eq!(stream.chunk().await, "data: a[\"100%25 %2541 %25zz\"]\r\n\r\n");
}

#[tokio::test]
async fn eventsource_response_limit() {
    let (client, url) = (Client::real().await, url("/echo"));
    let mut stream = eventsource(&client, &url).await;
    let text = "x".repeat(4096);
    client.say(&url, &format!("[\"{text}\"]")).await;
    assert_eq!(stream.chunk().await, format!("data: a[\"{text}\"]\r\n\r\n"));
    assert_eq!(stream.chunk().await, "");
}

/// Begins an htmlfile, and reads what precedes its messages.
async fn htmlfile(client: &Client, url: &str) -> Connection {
    let (head, mut stream) = client.stream("GET", &format!("{url}/htmlfile?c=%63allback"), &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.content_type().unwrap(), "text/html;charset=UTF-8");
    is_not_cached(&head);
    let page = stream.chunk().await;
    assert!(page.len() > 1024 && page.ends_with("\r\n\r\n"));
    let lines: Vec<&str> = page.trim().lines().map(str::trim).collect();
    assert!(lines[0].eq_ignore_ascii_case("<!doctype html>"), "{page}");
    let script = lines.iter().position(|line| *line == "<script>").unwrap();
    let calls = [
        "document.domain = document.domain;",
        "var c = parent.callback;",
        "c.start();",
        "function p(d) {c.message(d);};",
        "window.onload = function() {c.stop();};",
        "</script>",
    ];
    assert_eq!(lines[script + 1..], calls);
    assert_eq!(stream.chunk().await, "<script>\np(\"o\");\n</script>\r\n");
    stream
}

#[tokio::test]
async fn htmlfile_transport() {
    let (client, url) = (Client::real().await, url("/echo"));
    let mut stream = htmlfile(&client, &url).await;
    client.say(&url, "[\"x\"]").await;
    assert_eq!(stream.chunk().await, "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n");
}

#[tokio::test]
async fn htmlfile_no_callback() {
    let got = Client::real().await.get("/echo/a/a/htmlfile").await;
    assert!(got.head.status == 500 && got.body.contains("\"callback\" parameter required"), "{got:?}");
}

#[tokio::test]
async fn htmlfile_invalid_callback() {
    let client = Client::real().await;
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let got = client.get(&format!("/echo/a/a/htmlfile?c={callback}")).await;
        assert!(got.head.status == 500 && got.body.contains("invalid \"callback\" parameter"), "{got:?}");
    }
}

#[tokio::test]
async fn htmlfile_response_limit() {
    let (client, url) = (Client::real().await, url("/echo"));
    let mut stream = htmlfile(&client, &url).await;
    let text = "x".repeat(4096);
    client.say(&url, &format!("[\"{text}\"]")).await;
    assert_eq!(stream.chunk().await, format!("<script>\np(\"a[\\\"{text}\\\"]\");\n</script>\r\n"));
    assert_eq!(stream.chunk().await, "");
}
