//! The cases of the published suite that are about Socket.IO. They run over real sockets, but for those in which time
//! counts.

use anywire::EngineIo;
use serde_json::{Value, json};

use super::{
    application,
    client::{Came, Client, Socket, sid_of},
    router,
    support::Site,
};

/// A client of the suite's application whose WebSocket is open. No ping comes between what is awaited.
async fn socket() -> Socket {
    let site = Site::socket_of(&application().build(), |server| router(server, EngineIo::new())).await;
    opened(&Client::new(site, 4)).await
}

async fn opened(client: &Client) -> Socket {
    let mut socket = client.socket().await;
    assert!(socket.text().await.starts_with("0{"));
    socket
}

/// A client in this process, where time is the test's, with the suite's heartbeats.
fn quick() -> Client {
    Client::quick_of(&application().build(), 4)
}

/// A client that has joined `/`.
async fn joined() -> Socket {
    join(socket().await).await
}

async fn join(mut socket: Socket) -> Socket {
    connect(&mut socket, "40", "40").await;
    socket.hears("42[\"auth\",{}]").await;
    socket
}

/// Opens a namespace, and returns what the server says of it.
async fn connect(socket: &mut Socket, packet: &str, beginning: &str) {
    socket.say(packet).await;
    let answer = socket.text().await;
    let data: Value = serde_json::from_str(answer.strip_prefix(beginning).expect(&answer)).unwrap();
    let keys: Vec<_> = data.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["sid"]);
    assert!(data["sid"].is_string());
}

#[tokio::test]
async fn namespaces_are_opened_with_auth_data_and_without() {
    for (packet, answer, auth) in [
        ("40", "40", "42[\"auth\",{}]"),
        ("40{\"token\":\"123\"}", "40", "42[\"auth\",{\"token\":\"123\"}]"),
        ("40/custom,", "40/custom,", "42/custom,[\"auth\",{}]"),
        ("40/custom", "40/custom,", "42/custom,[\"auth\",{}]"),
        ("40/custom,{\"token\":\"abc\"}", "40/custom,", "42/custom,[\"auth\",{\"token\":\"abc\"}]"),
    ] {
        let mut socket = socket().await;
        connect(&mut socket, packet, answer).await;
        socket.hears(auth).await;
    }
    let mut socket = socket().await;
    socket.say("40/random").await;
    socket.hears("44/random,{\"message\":\"Invalid namespace\"}").await;
    socket.say("40/closed,").await;
    let refused = socket.text().await;
    let refused: Value = serde_json::from_str(refused.strip_prefix("44/closed,").unwrap()).unwrap();
    assert_eq!(refused, json!({ "message": "not today", "data": { "retry": 7 }, "code": "login" }));
    // Nothing that the handler sends is lost, and the other namespaces are as they were.
    connect(&mut socket, "40", "40").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_no_namespace_is_closed() {
    // Three pings come within the second that it has.
    let mut client = quick().socket().await;
    sid_of(&client.text().await);
    for _ in 0..3 {
        client.hears("2").await;
        client.say("3").await;
    }
    client.is_closed().await;
    let mut client = opened(&quick()).await;
    client.say("4abc").await;
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_stays_when_its_last_namespace_is_left() {
    let mut client = join(opened(&quick()).await).await;
    client.say("41").await;
    client.hears("2").await;
    client.say("3").await;
    client.hears("2").await;
    let mut client = join(opened(&quick()).await).await;
    connect(&mut client, "40/custom,", "40/custom,").await;
    client.hears("42/custom,[\"auth\",{}]").await;
    client.say("41/custom,").await;
    client.say("42[\"message\",\"still here\"]").await;
    client.hears("42[\"message-back\",\"still here\"]").await;
}

#[tokio::test]
async fn events_and_answers_come_back_with_their_attachments() {
    let mut client = joined().await;
    client.say("42[\"message\",1,\"2\",{\"3\":[true]}]").await;
    client.hears("42[\"message-back\",1,\"2\",{\"3\":[true]}]").await;
    client.say("42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]").await;
    client.hears("43456[1,\"2\",{\"3\":[false]}]").await;
    let placeholders = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";
    for (event, answer) in [
        (format!("452-[\"message\",{placeholders}]"), format!("452-[\"message-back\",{placeholders}]")),
        (format!("452-789[\"message-with-ack\",{placeholders}]"), format!("462-789[{placeholders}]")),
    ] {
        client.say(&event).await;
        client.say_bytes(&[1, 2, 3]).await;
        client.say_bytes(&[4, 5, 6]).await;
        client.hears(&answer).await;
        assert_eq!(client.next().await, Came::Binary(vec![1, 2, 3]));
        assert_eq!(client.next().await, Came::Binary(vec![4, 5, 6]));
    }
}

#[tokio::test]
async fn what_is_no_packet_closes_the_connection() {
    for packet in ["4abc", "42{}", "42abc[\"message\"]", "42", "40", "42/custom,[\"x\"]", "451-[\"x\"]\u{0}", "47[]"] {
        let mut client = joined().await;
        client.say(packet).await;
        client.is_closed().await;
    }
    let mut client = joined().await;
    client.say_bytes(&[1]).await;
    client.is_closed().await;
    let mut client = joined().await;
    client.say("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
    client.say("42[\"message\"]").await;
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_is_not_in_the_answer_with_the_end_of_its_namespaces() {
    for revision in [4, 3] {
        let client = Client::of(&application().build(), revision);
        let sid = client.open().await;
        if revision == 4 {
            client.say(&sid, &["40"]).await;
        }
        let opened = client.poll(&sid).await;
        assert!(opened.text().contains("42[\"auth\",{}]"), "{}", opened.text());
        client.say(&sid, &["42[\"leave\"]"]).await;
        client.hear(&sid, &["41"]).await;
        client.hear(&sid, &["1"]).await;
    }
}
