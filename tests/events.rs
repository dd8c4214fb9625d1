//! Events over the wire: their records, requests both ways, and what becomes of them when a page takes over.
#![allow(unreachable_pub, clippy::disallowed_methods)]

mod support;

use std::{sync::Arc, time::Duration};

use anywire::{Anywire, Args, Data, Events, Fault, Live, Reply, RequestError, SendError, Session};
use axum::{Router, body::Bytes};
use support::{EventClient, Site};
use tokio::sync::mpsc;

fn site(events: Events) -> (Site, Live) {
    let server = Anywire::builder().events(events).build();
    (Site::of(&server, |server| Router::new().nest("/live", server.routes())), server.live())
}

async fn add(Args((a, b)): Args<(i64, i64)>) -> Reply<i64> {
    Reply(a + b)
}

async fn twice(Data(bytes): Data<Bytes>) -> Reply<Args<(Bytes, Bytes)>> {
    Reply(Args((bytes.clone(), bytes)))
}

async fn ask(session: Session) -> Result<Reply<String>, Fault> {
    let answer = session.request("name?", ()).await;
    answer.map(Reply).map_err(|error: RequestError| Fault::new("ask", error.to_string()))
}

#[tokio::test]
async fn requests_are_answered_in_order_and_what_is_wrong_concerns_its_asker_alone() {
    let (site, _) = site(Events::new().on("add", add).on("twice", twice));
    let mut client = EventClient::open(&site, "events").await;
    for request in ["e21[\"add\",1,2]", "e22[\"add\",\"x\"]", "e23[\"none\"]", "e24[\"open\"]", "e25[\"add\",4,5]"] {
        client.send(request).await;
    }
    client.send("e2[\"none\"]").await;
    client.send("e2[broken").await;
    client.send("e9[\"a later type\"]").await;
    client.send("e51-6[\"twice\",{\"num\":0,\"_placeholder\":true}]").await;
    client.bytes(b"\x01\x02").await;
    client.send("e51-7[\"twice\",{\"num\":3,\"_placeholder\":true}]").await;
    client.bytes(b"").await;
    assert_eq!(client.event().await, "e31[3]");
    let refused = client.event().await;
    assert!(refused.starts_with("e72{\"code\":\"data\",\"message\":"), "{refused}");
    assert!(client.event().await.starts_with("e73{\"code\":\"unknown\""));
    assert!(client.event().await.starts_with("e74{\"code\":\"name\""));
    assert_eq!(client.event().await, "e35[9]");
    assert_eq!(client.event().await, "e62-6[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    assert_eq!(client.any().await.into_data(), b"\x01\x02"[..]);
    assert_eq!(client.any().await.into_data(), b"\x01\x02"[..]);
    assert!(client.event().await.starts_with("e77{\"code\":\"data\""));
}

/// `JSON.stringify` has half of a character, as a cut text ends with, as an escape.
#[tokio::test]
async fn half_of_a_character_becomes_a_replacement() {
    let say = async |Data(text): Data<String>| Reply(text);
    let (site, _) = site(Events::new().on("say", say));
    let mut client = EventClient::open(&site, "events").await;
    client.send("e21[\"say\",\"a\\ud83d\"]").await;
    assert_eq!(client.event().await, "e31[\"a\u{fffd}\"]");
    client.send("e22[\"say\",\"\\ud83d\\ude00\"]").await;
    assert_eq!(client.event().await, "e32[\"\u{1f600}\"]");
}

#[tokio::test]
async fn a_handler_asks_its_own_client_although_other_events_wait() {
    let (site, _) = site(Events::new().on("ask", ask).on("add", add));
    let mut client = EventClient::open(&site, "events").await;
    client.send("e21[\"ask\"]").await;
    client.send("e22[\"add\",1,1]").await;
    client.send("e23[\"ask\"]").await;
    let asked = client.event().await;
    let id = asked.strip_prefix("e2").and_then(|rest| rest.strip_suffix("[\"name?\"]")).expect(&asked);
    client.send(&format!("e3{id}[\"ann\"]")).await;
    assert_eq!(client.event().await, "e31[\"ann\"]");
    assert_eq!(client.event().await, "e32[2]");
    let asked = client.event().await;
    let id = asked.strip_prefix("e2").and_then(|rest| rest.strip_suffix("[\"name?\"]")).expect(&asked);
    // An answer of another request is none, a repeated one neither, and a refusal is one.
    client.send("e399999[\"bob\"]").await;
    client.send(&format!("e7{id}{{\"code\":\"no\",\"message\":\"not now\"}}")).await;
    client.send(&format!("e3{id}[\"late\"]")).await;
    assert_eq!(
        client.event().await,
        "e73{\"code\":\"ask\",\"message\":\"the client refused the request: no: not now\"}"
    );
}

#[tokio::test]
async fn a_client_that_lists_no_events_gets_texts_and_cannot_be_asked() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let handler = move |session: Session| {
        let told = told.clone();
        async move {
            session.join("room");
            session.emit("said", Args(("ann", "hi"))).await.unwrap();
            assert_eq!(session.emit("picture", Bytes::from_static(b"x")).await, Err(SendError::NoEvents));
            assert_eq!(session.emit("open", ()).await, Err(SendError::BadName));
            let asked: Result<String, _> = session.request("name?", ()).await;
            told.send(asked).unwrap();
            while session.recv().await.is_some() {}
        }
    };
    let server = Anywire::builder().handler(handler).build();
    let (site, live) = (Site::of(&server, |server| Router::new().nest("/live", server.routes())), server.live());
    let mut client = EventClient::open(&site, "").await;
    assert_eq!(client.event().await, "m[\"said\",\"ann\",\"hi\"]");
    assert_eq!(tell.recv().await, Some(Err(RequestError::NotSent(SendError::NoEvents))));
    assert_eq!(live.to("room").emit("all", 5).sent, 1);
    assert_eq!(client.event().await, "m[\"all\",5]");
}

#[tokio::test]
async fn a_handler_of_messages_gets_events_as_texts_and_refuses_requests() {
    let server = Anywire::builder().handler(support::echo).build();
    let site = Site::of(&server, |server| Router::new().nest("/live", server.routes()));
    let mut client = EventClient::open(&site, "events").await;
    client.send("e2[\"said\",\"hi\"]").await;
    client.send("e27[\"add\",1]").await;
    assert_eq!(client.event().await, "m[\"said\",\"hi\"]");
    assert!(client.event().await.starts_with("e77{\"code\":\"no-events\""));
    assert_eq!(client.event().await, "m[\"add\",1]");
}

#[tokio::test]
async fn an_event_that_is_cut_in_the_middle_comes_again_as_a_whole() {
    let (site, _) = site(Events::new().on("twice", twice));
    let mut client = EventClient::open(&site, "events").await;
    let former = (client.id.clone(), client.secret().to_owned());
    client.send("e51-1[\"twice\",{\"_placeholder\":true,\"num\":0}]").await;
    client.socket = site.websocket(&format!("websocket?session={}", former.0)).await;
    client.send(&format!("r1,18,0,0,{},{},0,events:", former.0, former.1)).await;
    assert!(client.next().await.starts_with("sfull,0,"), "nothing of it was taken");
    client.send("v:n1:").await;
    client.send("e51-1[\"twice\",{\"_placeholder\":true,\"num\":0}]").await;
    client.bytes(b"x").await;
    assert!(client.event().await.starts_with("e62-1["));
}

#[tokio::test]
async fn requests_end_with_the_page_that_was_asked_and_answers_do_not_reach_the_next_one() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let go_on = Arc::new(tokio::sync::Notify::new());
    let wait = go_on.clone();
    let slow = move || {
        let wait = wait.clone();
        async move {
            wait.notified().await;
            Reply("late")
        }
    };
    let question = move |session: Session| {
        let ended = ended.clone();
        async move {
            let answer: Result<String, _> = session.request("name?", ()).within(Duration::from_secs(3600)).await;
            ended.send(answer).unwrap();
        }
    };
    let (site, _) =
        site(Events::new().on("slow", anywire::concurrent(1, slow)).on("question", question).on("add", add));
    let mut former = EventClient::open(&site, "events").await;
    former.send("e21[\"slow\"]").await;
    former.send("e22[\"question\"]").await;
    assert!(former.event().await.ends_with("[\"name?\"]"));
    let mut next = former.take_over(&site).await;
    assert_eq!(next.received, 2);
    assert_eq!(ends.recv().await, Some(Err(RequestError::Unknown)));
    go_on.notify_one();
    // The new page counts from 1 again: the answer to its own request is the first that it gets.
    next.confirm().await;
    next.send("e21[\"add\",20,22]").await;
    assert_eq!(next.event().await, "e31[42]");
}
