//! Bounds: of bodies, messages, names and queues.

use std::time::Duration;

use anywire::{Session, SockJs};

use crate::{
    builder,
    client::{Came, Client, url},
    settings,
    support::echo,
};

fn small() -> Client {
    Client::of(&builder().message_limit(1000).handler(echo).build(), &settings())
}

#[tokio::test(start_paused = true)]
async fn a_message_of_the_limit_and_one_above_it() {
    let client = small();
    let url = client.open("/echo").await;
    let most = "é".repeat(500);
    client.say(&url, &format!("[\"{most}\"]")).await;
    client.hear(&url, &format!("a[\"{most}\"]")).await;
    let escaped = "\\ud83d\\ude00".repeat(250);
    client.say(&url, &format!("[\"{escaped}\"]")).await;
    client.hear(&url, &format!("a[\"{escaped}\"]")).await;
    let got = client.post(&format!("{url}/xhr_send"), &format!("[\"before\",\"{most}x\"]")).await;
    assert_eq!(got.head.status, 413);
    client.say(&url, "[\"after\"]").await;
    client.hear(&url, "a[\"after\"]").await;
    let mut socket = client.socket(&format!("{url}/websocket")).await;
    socket.hears("o").await;
    socket.say(&format!("[\"{most}\"]")).await;
    socket.hears(&format!("a[\"{most}\"]")).await;
    socket.say(&format!("[\"{most}x\"]")).await;
    socket.hears("c[4006,\"message too large\"]").await;
    assert!(matches!(socket.next().await, Came::Closed(1009, _)));
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_not_read() {
    let client = small();
    let url = client.open("/echo").await;
    for name in [&*url, &*crate::client::url("/echo")] {
        let mut connection = client.connect().await;
        connection
            .raw(&format!("POST {name}/xhr_send HTTP/1.1\r\nhost: chat.test\r\ncontent-length: 99999999\r\n\r\n[\""))
            .await;
        connection.flood().await;
        let status = connection.head().await.status;
        assert_eq!(status, if name == url { 413 } else { 404 });
    }
    client.say(&url, "[\"x\"]").await;
    client.hear(&url, "a[\"x\"]").await;
}

#[tokio::test(start_paused = true)]
async fn wrong_bodies_are_told_before_unknown_sessions() {
    let client = small();
    let send = format!("{}/xhr_send", url("/echo"));
    for (body, status) in
        [("", 500), ("[\"x", 500), ("\"x\"", 500), ("{}", 500), ("[1]", 500), ("[]", 404), ("[\"x\"]", 404)]
    {
        assert_eq!(client.post(&send, body).await.head.status, status, "{body}");
    }
    let headers = [("content-type", "image/png")];
    client.ask("POST", &send, &headers, "[\"x\"]").await.is(500, "Payload expected.");
}

#[tokio::test(start_paused = true)]
async fn half_of_a_pair_does_not_end_the_session() {
    let client = small();
    let url = client.open("/echo").await;
    client.say(&url, r#"["\ud800 \udfff ok"]"#).await;
    client.hear(&url, r#"a["\ufffd \ufffd ok"]"#).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_waits_while_the_inbox_is_full() {
    let goes = std::sync::Arc::new(tokio::sync::Mutex::new(()));
    let held = goes.clone().lock_owned().await;
    let handler = async move |session: Session| {
        drop(goes.lock().await);
        echo(session).await;
    };
    let live = builder().message_limit(1000).inbox(2000).handler(handler).build();
    let client = Client::of(&live, &settings());
    let url = client.open("/echo").await;
    let text = "x".repeat(900);
    client.say(&url, &format!("[\"{text}\"]")).await;
    client.say(&url, &format!("[\"{text}\"]")).await;
    let more = format!("[\"{text}\"]");
    let path = format!("{url}/xhr_send");
    let mut waits = Box::pin(client.post(&path, &more));
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut waits).await.is_err(), "there is no room");
    drop(held);
    waits.await.is(204, "");
    client.hear(&url, &format!("a[{0},{0},{0}]", format!("\"{text}\""))).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_not_longer_than_its_bound() {
    let client = small();
    let longest = "n".repeat(256);
    client.post(&format!("/echo/0/{longest}/xhr"), "").await.is(200, "o\n");
    assert_eq!(client.post(&format!("/echo/0/{longest}n/xhr"), "").await.head.status, 404);
}

#[tokio::test(start_paused = true)]
async fn too_many_sessions_are_told_so() {
    let handler = async |session: Session| drop(session.closed().await);
    let live = builder().max_sessions(1).handler(handler).build();
    let client = Client::of(&live, &SockJs::new());
    let first = client.open("/echo").await;
    let (_, mut stream) = client.stream("POST", &format!("{first}/xhr_streaming"), &[]).await;
    assert!(stream.chunk().await.starts_with('h'), "it has come back, so that it gives way to nobody");
    let refused = client.post(&format!("{}/xhr", url("/echo")), "").await;
    assert!(refused.head.status == 200 && refused.body.starts_with("c[4200,"), "{refused:?}");
}
