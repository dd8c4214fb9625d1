//! The differences to the reference server that the guide's chapter on moving lists.

use anywire::{Anywire, Args, Auth, EngineIo, Events, Fault, Session};
use axum::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    builder,
    client::{Came, Client, Socket, sid_of},
    router, support,
};

fn events() -> Events {
    let refuse = async || -> Result<(), Fault> { Err(Fault::new("no", "not today").with_data(7)) };
    let show = async |Auth(auth): Auth<Value>, session: Session| session.emit("auth", auth).await.unwrap();
    let other = async |session: Session| session.emit("other", ()).await.unwrap();
    Events::new()
        .on_open(show)
        .on("refuse", refuse)
        .on("leave", async |session: Session| session.close(1000, ""))
        .on_other(other)
}

fn client(revision: u8) -> Client {
    Client::of(&builder().message_limit(1000).events(events()).namespace("/n*", events()).build(), revision)
}

async fn joined() -> Socket {
    let mut socket = client(4).socket().await;
    sid_of(&socket.text().await);
    socket.say("40{}").await;
    assert!(socket.text().await.starts_with("40{"));
    socket.hears("42[\"auth\",{}]").await;
    socket
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_an_ack_with_an_error() {
    let mut socket = joined().await;
    socket.say("427[\"refuse\"]").await;
    socket.hears("437[{\"error\":{\"code\":\"no\",\"message\":\"not today\",\"data\":7}}]").await;
}

#[tokio::test(start_paused = true)]
async fn names_that_are_reserved_here_alone_are_refused() {
    let mut socket = joined().await;
    for name in ["open", "closed", "error", "gap", "transport", "interrupted", "resumed"] {
        socket.say(&format!("42[\"{name}\"]")).await;
        socket.say(&format!("427[\"{name}\"]")).await;
        let text = "this name is reserved: clients use it for events of their own";
        let error = json!({ "error": { "code": "name", "message": text } });
        let answer = socket.text().await;
        let answer: Value = serde_json::from_str(answer.strip_prefix("437").expect(&answer)).unwrap();
        assert_eq!(answer, json!([error]), "{name}");
    }
    socket.say("42[\"opened\"]").await;
    socket.hears("42[\"other\"]").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_has_32_namespaces_besides_the_root() {
    let mut socket = joined().await;
    for nth in 1..=32 {
        socket.say(&format!("40/n{nth},{{}}")).await;
        let opened = socket.text().await;
        assert!(opened.starts_with(&format!("40/n{nth},")), "{opened}");
        socket.hears(&format!("42/n{nth},[\"auth\",{{}}]")).await;
    }
    socket.say("40/n33,{}").await;
    let refused = socket.text().await;
    let refused: Value = serde_json::from_str(refused.strip_prefix("44/n33,").expect(&refused)).unwrap();
    assert_eq!(refused, json!({ "message": "a connection has at most 32 namespaces besides /", "code": "full" }));
}

#[tokio::test(start_paused = true)]
async fn a_handlers_close_ends_its_namespace_alone() {
    let mut socket = joined().await;
    socket.say("42[\"leave\"]").await;
    socket.hears("41").await;
    socket.say("40/n,{}").await;
    assert!(socket.text().await.starts_with("40/n,"));
}

#[tokio::test(start_paused = true)]
async fn a_large_packet_ends_a_websocket_with_1009_and_is_refused_by_polling() {
    let large = format!("42[\"say\",\"{}\"]", "x".repeat(1000));
    let mut socket = joined().await;
    socket.say(&large).await;
    assert_eq!(socket.next().await, Came::Closed(1009));

    let client = client(4);
    let sid = client.open().await;
    client.say(&sid, &["40{}"]).await;
    client.post(&sid, format!("4{}", &large[1..])).await.is(413, "");
    let opened = client.poll(&sid).await;
    assert!(opened.packets().starts_with("40{"), "{opened:?}");
}

#[tokio::test(start_paused = true)]
async fn the_auth_data_of_revision_3_are_the_query() {
    let mut client = client(3);
    client.query.push_str("&token=a%20b");
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    socket.hears("40").await;
    socket.hears("42[\"auth\",{\"token\":\"a b\"}]").await;
    socket.say("40/n?room=7").await;
    socket.hears("40/n,").await;
    socket.hears("42/n,[\"auth\",{\"room\":\"7\"}]").await;
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_revision_and_a_strange_origin_are_refused() {
    let got = client(4).ask(Method::GET, "transport=polling", "").await;
    got.is(400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");

    let strict = Anywire::builder().events(events()).build();
    let mut client = Client::of_router(router(&strict, EngineIo::new()), 4);
    for origin in [None, Some("https://other.test")] {
        client.headers = origin.map(|origin| ("origin", origin.to_owned())).into_iter().collect();
        assert_eq!(client.handshake().await.status, 403, "{origin:?}");
        let refused = client.try_socket("EIO=4&transport=websocket").await.err().expect("no WebSocket");
        assert_eq!(refused.status, 403, "{origin:?}");
    }
    client.headers = vec![("origin", format!("http://{}", support::HOST))];
    assert_eq!(client.handshake().await.status, 200);
}

/// The clients of python-socketio give up on an answer with more than 16 packets, an attachment being one.
#[tokio::test(start_paused = true)]
async fn a_client_in_python_gets_few_packets_in_one_answer() {
    let sends = async |session: Session| {
        for number in 0..20 {
            let bytes = vec![Bytes::from_static(&[1]); 10];
            session.emit("ten", Args((number, bytes))).await.unwrap();
        }
    };
    let mut client = Client::of(&builder().events(Events::new().on_open(sends)).build(), 4);
    client.headers.push(("user-agent", "python-requests/2.32.3".to_owned()));
    let sid = client.open().await;
    client.say(&sid, &["40"]).await;
    let mut heads = 0;
    while heads < 20 {
        let polled = client.poll(&sid).await;
        let packets: Vec<&str> = polled.packets().split('\x1e').collect();
        assert!(packets.len() <= 16, "{}", packets.len());
        for packet in packets.iter().filter(|packet| packet.starts_with("45")) {
            assert!(packet.starts_with(&format!("4510-[\"ten\",{heads},")), "{packet}");
            heads += 1;
        }
    }
}
