//! Revision 4 of the protocol, which clients 1 and 2 speak over Engine.IO 3.

use anywire::{Events, Fault, Session};

use super::{
    application, builder,
    client::{Came, Client, Socket},
};

/// A client of revision 4 whose handshake has these parameters besides its own.
fn older(builder: anywire::Builder<anywire::SessionHandler<()>>, query: &str) -> Client {
    let mut client = Client::of(&builder.build(), 3);
    client.query.push_str(query);
    client
}

/// The WebSocket of such a client, behind the packet that opens Engine.IO.
async fn socket(client: &Client) -> Socket {
    let mut socket = client.socket().await;
    assert!(socket.text().await.starts_with("0{"));
    socket
}

/// A client whose `/` is open.
async fn joined() -> Socket {
    let mut socket = socket(&older(application(), "")).await;
    socket.hears("40").await;
    socket.hears("42[\"auth\",{}]").await;
    socket
}

#[tokio::test(start_paused = true)]
async fn the_root_opens_unasked_with_the_query_of_the_handshake() {
    for (query, auth) in [
        ("", "{}"),
        ("&token=a+b%26c&t=1&b64=1", "{\"token\":\"a b&c\"}"),
        ("&room=1&room=2", "{\"room\":[\"1\",\"2\"]}"),
    ] {
        let mut socket = socket(&older(application(), query)).await;
        socket.hears("40").await;
        socket.hears(&format!("42[\"auth\",{auth}]")).await;
    }
    let client = older(application(), "&b64=1&token=x");
    let sid = client.open().await;
    client.hear(&sid, &["40", "42[\"auth\",{\"token\":\"x\"}]"]).await;
    // It may be asked for all the same, which opens nothing anew.
    client.say(&sid, &["40", "42[\"message\",1]"]).await;
    client.hear(&sid, &["42[\"message-back\",1]"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_opens_with_a_query_and_no_payload() {
    for (packet, auth) in [
        ("40/custom", "{}"),
        ("40/custom,", "{}"),
        ("40/custom?token=x", "{\"token\":\"x\"}"),
        ("40/custom?token=x,", "{\"token\":\"x\"}"),
        ("40/custom?token=%C3%A9&a=1&a=2,", "{\"a\":[\"1\",\"2\"],\"token\":\"é\"}"),
    ] {
        let mut client = joined().await;
        client.say(packet).await;
        client.hears("40/custom,").await;
        client.hears(&format!("42/custom,[\"auth\",{auth}]")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_data_of_its_fault_or_its_text() {
    let refuses = || {
        Events::new().on_open(async |session: Session| -> Result<(), Fault> {
            session.emit("never", "heard").await.unwrap();
            Err(Fault::new("login", "say \"please\""))
        })
    };
    let mut client = socket(&older(application().namespace("/polite", refuses()), "")).await;
    client.hears("40").await;
    client.hears("42[\"auth\",{}]").await;
    for (packet, answer) in [
        ("40/polite,", "44/polite,\"say \\\"please\\\"\""),
        ("40/closed?x=1,", "44/closed,{\"retry\":7}"),
        ("40/random?x=1,", "44/random,{\"message\":\"Invalid namespace\"}"),
    ] {
        client.say(packet).await;
        client.hears(answer).await;
    }
    client.say("42[\"message\",\"still here\"]").await;
    client.hears("42[\"message-back\",\"still here\"]").await;
    // A client that does not get in has no namespace, and is closed in the end.
    let mut client = socket(&older(builder().events(refuses()), "")).await;
    client.hears("44\"say \\\"please\\\"\"").await;
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_before_the_root_has_opened_waits_for_it() {
    let (open, opens) = tokio::sync::oneshot::channel::<()>();
    let opens = std::sync::Arc::new(tokio::sync::Mutex::new(Some(opens)));
    let events = Events::new()
        .on_open(async move |_: Session| {
            let opens = opens.lock().await.take();
            opens.unwrap().await.unwrap();
        })
        .on("message", async |session: Session| session.emit("heard", ()).await.unwrap());
    let mut client = socket(&older(builder().events(events), "")).await;
    client.say("42[\"message\",1]").await;
    client.is_quiet().await;
    open.send(()).unwrap();
    client.hears("40").await;
    client.hears("42[\"heard\"]").await;
}

#[tokio::test(start_paused = true)]
async fn events_answers_and_attachments_travel_as_in_the_later_revision() {
    let placeholder = "{\"_placeholder\":true,\"num\":0}";
    let mut client = joined().await;
    client.say("427[\"message-with-ack\",1]").await;
    client.hears("437[1]").await;
    client.say(&format!("451-[\"message\",{placeholder}]")).await;
    client.say_bytes(&[4, 1, 2, 3]).await;
    client.hears(&format!("451-[\"message-back\",{placeholder}]")).await;
    assert_eq!(client.next().await, Came::Binary(vec![4, 1, 2, 3]));
    client.say("41").await;
    client.say("42[\"message\",1]").await;
    client.is_closed().await;
    // Over polls that take no bytes the attachment is base64.
    let client = older(application(), "&b64=1");
    let sid = client.open().await;
    client.poll(&sid).await;
    let head = format!("451-0[\"message-with-ack\",{placeholder}]");
    client.say(&sid, &[&head]).await;
    client.say(&sid, &["b4AQID"]).await;
    client.hear(&sid, &[&format!("461-0[{placeholder}]"), "b4AQID"]).await;
}
