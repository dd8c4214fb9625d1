//! Requests, in both directions and to rooms.

use std::time::Duration;

use anywire::{Answers, Data, EngineIo, Events, Fault, Reply, Request, RequestError, SendError, Session};
use axum::Router;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    builder,
    client::{Came, Client, Socket},
    join, raw, router,
    support::{EventClient, Lives, Site, at_rest, count, until},
};

const PLACEHOLDER: &str = "{\"_placeholder\":true,\"num\":0}";

/// A client of this revision whose `/` is open.
async fn joined(site: &Site, revision: u8) -> Socket {
    let mut socket = Client::new(site.clone(), revision).socket().await;
    assert!(socket.text().await.starts_with("0{"));
    match revision {
        4 => join(&mut socket, "/").await,
        _ => socket.hears("40").await,
    }
    socket
}

fn events() -> Events {
    Events::new()
        .on_open(async |session: Session| {
            session.join("jury");
        })
        .on("double", async |Data(number): Data<u32>| -> Result<Reply<u32>, Fault> {
            match number {
                0 => Err(Fault::new("zero", "it is nothing").with_data(json!({ "number": 0 }))),
                number => Ok(Reply(2 * number)),
            }
        })
        .on("reverse", async |Data(bytes): Data<Bytes>| Reply(bytes.iter().rev().copied().collect::<Bytes>()))
}

fn house() -> (Lives, Site) {
    let server = builder().events(events()).namespace("/adm", events()).build();
    (Lives::of_server(&server), Site::of(&server, |server| router(server, EngineIo::new())))
}

/// The id in a request that the client hears.
async fn asked(client: &mut Socket, beginning: &str, json: &str) -> u64 {
    let question = client.text().await;
    let id = question.strip_prefix(beginning).and_then(|rest| rest.strip_suffix(json)).expect(&question);
    id.parse().expect(&question)
}

#[tokio::test(start_paused = true)]
async fn the_server_asks_the_client() {
    for revision in [4, 3] {
        let (live, site) = house();
        let mut client = joined(&site, revision).await;
        let session = live.sessions().remove(0);
        let ask = |name: &'static str| -> JoinHandle<Result<Value, RequestError>> {
            let session = session.clone();
            tokio::spawn(async move { session.request(name, 1).await })
        };
        let first = ask("first?");
        let id = asked(&mut client, "42", "[\"first?\",1]").await;
        let second = ask("second?");
        let later = asked(&mut client, "42", "[\"second?\",1]").await;
        assert_ne!(id, later);
        client.say(&format!("43{later}[{{\"a\":1}}]")).await;
        assert_eq!(second.await.unwrap(), Ok(json!({ "a": 1 })));
        // An answer to nothing, twice the same answer, and one in another namespace.
        client.say("4399999[1]").await;
        client.say(&format!("43{later}[2]")).await;
        client.say(&format!("43{id}[5]")).await;
        assert_eq!(first.await.unwrap(), Ok(json!(5)));
        // A client that leaves answers no more.
        let third = ask("third?");
        asked(&mut client, "42", "[\"third?\",1]").await;
        client.say("41").await;
        assert_eq!(third.await.unwrap(), Err(RequestError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_bytes_comes_with_its_attachments() {
    let (live, site) = house();
    let mut client = joined(&site, 4).await;
    join(&mut client, "/adm").await;
    for (namespace, written) in [("/", ""), ("/adm", "/adm,")] {
        let session = live.of(namespace).sessions().remove(0);
        let answer =
            tokio::spawn(async move { session.request::<_, _, Bytes>("file?", Bytes::from_static(&[9])).await });
        let id = asked(&mut client, &format!("451-{written}"), &format!("[\"file?\",{PLACEHOLDER}]")).await;
        assert_eq!(client.next().await, Came::Binary(vec![9]));
        client.say(&format!("461-{written}{id}[{PLACEHOLDER}]")).await;
        client.say_bytes(&[1, 2, 3]).await;
        assert_eq!(answer.await.unwrap(), Ok(Bytes::from_static(&[1, 2, 3])));
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_asks_and_a_refusal_is_an_answer_with_an_error() {
    for revision in [4, 3] {
        let (_, site) = house();
        let mut client = joined(&site, revision).await;
        client.say("420[\"double\",21]").await;
        client.hears("430[42]").await;
        client.say("421[\"double\",0]").await;
        let refused = client.text().await;
        let refused: Value = serde_json::from_str(refused.strip_prefix("431").expect(&refused)).unwrap();
        let error = json!({ "code": "zero", "message": "it is nothing", "data": { "number": 0 } });
        assert_eq!(refused, json!([{ "error": error }]));
        for (question, code) in [("422[\"double\",\"x\"]", "data"), ("422[\"nothing\"]", "unknown"), ("422[7]", "name")]
        {
            client.say(question).await;
            let refused = client.text().await;
            let refused: Value = serde_json::from_str(refused.strip_prefix("432").expect(&refused)).unwrap();
            assert_eq!(refused[0]["error"]["code"], code);
        }
        client.say(&format!("451-3[\"reverse\",{PLACEHOLDER}]")).await;
        let bytes = |bytes: &[u8]| if revision == 3 { [&[4], bytes].concat() } else { bytes.to_vec() };
        client.say_bytes(&bytes(&[1, 2])).await;
        client.hears(&format!("461-3[{PLACEHOLDER}]")).await;
        assert_eq!(client.next().await, Came::Binary(bytes(&[2, 1])));
        // The largest id that JavaScript counts.
        client.say("429007199254740991[\"double\",1]").await;
        client.hears("439007199254740991[2]").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_of_all_kinds_of_clients_is_asked() {
    const VOTE: Request<String, bool> = Request::new("vote");
    let server = builder().events(events()).build();
    let (live, site) = (Lives::of_server(&server), Site::of(&server, |server| router(server, EngineIo::new())));
    let mut native =
        EventClient::open(&Site::of(&server, |server| Router::new().nest("/live", server.routes())), "events").await;
    let mut later = joined(&site, 4).await;
    let mut older = joined(&site, 3).await;
    let mut silent = joined(&site, 4).await;
    let mut leaves = joined(&site, 4).await;
    let mut bare = raw::Client::open(&Router::new().nest("/ws", server.raw())).await;
    until("all have joined", || live.members("jury").len() == 6).await;
    at_rest().await;
    let votes = tokio::spawn(live.to("jury").request(VOTE, "guilty?").within(Duration::from_secs(5)).into_future());
    let (id, packet) = native.asked().await;
    assert_eq!(packet, "[\"vote\",\"guilty?\"]");
    let mut ids = Vec::new();
    for client in [&mut later, &mut older, &mut silent, &mut leaves] {
        ids.push(asked(client, "42", &packet).await);
    }
    assert!(count() > 1 || ids.iter().all(|other| *other == id), "one packet for all on one node");
    native.answer(id, "[true]").await;
    later.say(&format!("43{}[false]", ids[0])).await;
    later.say(&format!("43{}[true]", ids[0])).await;
    older.say(&format!("43{}[\"perhaps\"]", ids[1])).await;
    leaves.say("1").await;
    let votes: Answers<bool> = votes.await.unwrap();
    assert_eq!((votes.answers.len(), votes.values().filter(|guilty| **guilty).count()), (3, 1));
    assert!(votes.answers.iter().any(|(_, answer)| matches!(answer, Err(RequestError::Data(_)))), "{votes:?}");
    let mut missing: Vec<_> = votes.missing.iter().map(|(_, reason)| format!("{reason:?}")).collect();
    missing.sort();
    let mut expected = [RequestError::Timeout, RequestError::Closed, RequestError::NotSent(SendError::NoEvents)]
        .map(|it| format!("{it:?}"));
    expected.sort();
    assert_eq!(missing, expected);
    live.to("jury").send("nothing else");
    assert_eq!(bare.next().await, raw::Came::Text("nothing else".to_owned()));
    silent.hears("42[\"message\",\"nothing else\"]").await;
}
