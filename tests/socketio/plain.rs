//! Handlers that know messages alone, and clients of Socket.IO.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use anywire::{Session, SessionHandler};

use super::{
    builder,
    client::{Came, Client, Socket},
    join,
    support::{Lives, echo, until},
};

const BYTES: &str = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";

/// A client whose `/` is open.
async fn joined(builder: anywire::Builder<SessionHandler<()>>) -> (Lives, Client, Socket) {
    let server = builder.build();
    let client = Client::of(&server, 4);
    let mut socket = client.socket().await;
    assert!(socket.text().await.starts_with("0{"));
    join(&mut socket, "/").await;
    (Lives::of_server(&server), client, socket)
}

/// Names the kind of each message that it receives, and sends it back.
async fn tell(session: Session) {
    while let Some(message) = session.recv().await {
        let kind = if message.as_text().is_some() { "text" } else { "bytes" };
        session.emit(kind, ()).await.unwrap();
        session.send(message).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_the_client_is_a_message_and_so_is_one_of_the_server() {
    let (_, _, mut client) = joined(builder().handler(tell)).await;
    for text in ["\"x\"", "\"\"", "\"say \\\"é\\\"\\n\"", "\"[1]\""] {
        client.say(&format!("42[\"message\",{text}]")).await;
        client.hears("42[\"text\"]").await;
        client.hears(&format!("42[\"message\",{text}]")).await;
    }
    // `send` of some clients has spaces in its JSON.
    client.say("42[ \"message\" , \"x\" ]").await;
    client.hears("42[\"text\"]").await;
    client.hears("42[\"message\",\"x\"]").await;
    client.say(BYTES).await;
    client.say_bytes(&[1, 2]).await;
    client.hears("42[\"bytes\"]").await;
    client.hears(BYTES).await;
    assert_eq!(client.next().await, Came::Binary(vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_no_message_is_its_json_and_a_request_is_refused() {
    let (_, _, mut client) = joined(builder().handler(echo)).await;
    for json in ["[\"other\",1]", "[\"message\"]", "[\"message\",1]", "[\"message\",\"a\",\"b\"]"] {
        client.say(&format!("42{json}")).await;
        client.hears(&format!("42[\"message\",{}]", serde_json::Value::from(json))).await;
    }
    client.say("427[\"message\",\"x\"]").await;
    let refused = client.text().await;
    assert!(refused.starts_with("437[{\"error\":{\"code\":\"no-events\","), "{refused}");
    client.hears("42[\"message\",\"[\\\"message\\\",\\\"x\\\"]\"]").await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_ends_the_namespace() {
    let (live, _, mut client) = joined(builder().handler(async |session: Session| {
        session.recv().await;
        session.send("bye").await.unwrap();
    }))
    .await;
    client.say("42[\"message\",\"x\"]").await;
    client.hears("42[\"message\",\"bye\"]").await;
    client.hears("41").await;
    assert!(live.is_empty());
    join(&mut client, "/").await;
}

/// The values of a session and all that it holds are gone when it is over, however it ends.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_session_that_is_over() {
    for end in ["left", "closed", "cut", "malformed"] {
        let value = Arc::new(AtomicUsize::new(0));
        let kept = value.clone();
        let (live, _, mut client) = joined(builder().handler(async move |session: Session| {
            session.join("room");
            session.insert(kept.clone());
            while session.recv().await.is_some() {
                kept.fetch_add(1, SeqCst);
            }
        }))
        .await;
        client.say(&format!("42[\"message\",\"{}\"]", "x".repeat(100_000))).await;
        until("it came", || value.load(SeqCst) == 1).await;
        // This packet is never whole.
        client.say(&format!("452-[\"{}\",1]", "x".repeat(200_000))).await;
        client.say_bytes(&[0; 300_000]).await;
        until("what came of it counts", || live.stats().bytes > 500_000).await;
        let values = Arc::strong_count(&value);
        match end {
            // The packet is of no namespace, and stays.
            "left" => client.say("42[\"x\"]").await,
            "closed" => client.say("1").await,
            "malformed" => client.say("4abc").await,
            _ => {}
        }
        if end != "cut" {
            client.is_closed().await;
        }
        drop(client);
        until(end, || live.is_empty() && live.stats().bytes == 0).await;
        until(end, || Arc::strong_count(&value) < values && live.members("room").is_empty()).await;
    }
}
