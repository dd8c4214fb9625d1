//! The way from polls to a WebSocket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anywire::{EngineIo, Session};
use axum::http::request::Parts;
use tokio::time::Instant;

use crate::{
    builder,
    client::{Came, Client, RS, Socket, ending, sid_of},
    router,
    support::{Site, echo},
};

async fn probed(client: &Client, sid: &str) -> Socket {
    let mut socket = client.beside(sid).await;
    socket.say("2probe").await;
    socket.hears("3probe").await;
    socket
}

fn waits(client: &Client, sid: &str) -> tokio::task::JoinHandle<crate::client::Got> {
    let (client, sid) = (client.clone(), sid.to_owned());
    tokio::spawn(async move { client.poll(&sid).await })
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_waits_is_answered_at_once_when_the_probe_comes() {
    for revision in [4, 3] {
        let client = Client::here(revision);
        let sid = client.open().await;
        let waits = waits(&client, &sid);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waits.is_finished());
        let start = Instant::now();
        let _socket = probed(&client, &sid).await;
        waits.await.unwrap().is(200, &client.payload(&["6"]));
        assert!(start.elapsed() < Duration::from_millis(5), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_during_the_probe_waits_a_moment_for_the_confirmation() {
    let client = Client::here(4);
    let sid = client.open().await;
    let mut socket = probed(&client, &sid).await;
    for _ in 0..3 {
        let start = Instant::now();
        client.hear(&sid, &["6"]).await;
        let waited = start.elapsed().as_millis();
        assert!((20..25).contains(&waited), "{waited}");
    }
    client.say(&sid, &["4during"]).await;
    client.hear(&sid, &["4during"]).await;
    let late = waits(&client, &sid);
    tokio::time::sleep(Duration::from_millis(10)).await;
    socket.say("5").await;
    late.await.unwrap().is(400, "{\"code\":3,\"message\":\"Bad request\"}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_goes_away_lets_polls_wait_again() {
    let client = Client::here(4);
    let sid = client.open().await;
    let socket = probed(&client, &sid).await;
    let poll = waits(&client, &sid);
    tokio::time::sleep(Duration::from_millis(10)).await;
    drop(socket);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!poll.is_finished(), "it is a poll as any other");
    client.say(&sid, &["4x"]).await;
    poll.await.unwrap().is(200, "4x");
    client.upgrade(&sid).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_has_its_time() {
    let client = Client::here(4);
    let sid = client.open().await;
    let start = Instant::now();
    let mut socket = probed(&client, &sid).await;
    socket.is_closed().await;
    let waited = start.elapsed().as_millis();
    assert!((10_000..10_010).contains(&waited), "{waited}");
    client.say(&sid, &["4x"]).await;
    client.hear(&sid, &["4x"]).await;
}

#[tokio::test]
async fn anything_else_closes_the_candidate_and_polls_go_on() {
    for early in ["4early", "3", "2", "1", "6", "abc"] {
        let client = Client::here(4);
        let sid = client.open().await;
        let mut socket = client.beside(&sid).await;
        socket.say(early).await;
        socket.is_closed().await;
        client.say(&sid, &["4x"]).await;
        client.hear(&sid, &["4x"]).await;
        let mut socket = client.upgrade(&sid).await;
        socket.say("4x").await;
        socket.hears("4x").await;
    }
}

#[tokio::test]
async fn a_second_websocket_beside_the_first_is_closed() {
    let client = Client::here(4);
    let sid = client.open().await;
    let mut first = probed(&client, &sid).await;
    client.beside(&sid).await.is_closed().await;
    first.say("5").await;
    first.say("4x").await;
    first.hears("4x").await;
    let mut direct = client.socket().await;
    let sid = sid_of(&direct.text().await);
    client.beside(&sid).await.is_closed().await;
    direct.say("4x").await;
    direct.hears("4x").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_meanwhile_is_in_the_queue_of_the_websocket() {
    for revision in [4, 3] {
        let (give, mut take) = tokio::sync::mpsc::unbounded_channel();
        let handler = async move |session: Session| {
            let _ = give.send(session.clone());
            echo(session).await;
        };
        let client = Client::of(&builder().handler(handler).build(), revision);
        let sid = client.open().await;
        let session = take.recv().await.unwrap();
        let mut socket = probed(&client, &sid).await;
        session.send("queued").await.unwrap();
        session.send(vec![9]).await.unwrap();
        socket.is_quiet().await;
        socket.say("5").await;
        socket.hears("4queued").await;
        let bytes = if revision == 4 { vec![9] } else { vec![4, 9] };
        assert_eq!(socket.next().await, Came::Binary(bytes));
    }
}

/// A client over real sockets whose server does not ping meanwhile.
async fn unhurried(revision: u8) -> Client {
    let server = builder().handler(echo).build();
    Client::new(Site::socket_of(&server, |server| router(server, EngineIo::new())).await, revision)
}

#[tokio::test]
async fn thousands_of_messages_keep_their_order_through_the_upgrade() {
    for revision in [4, 3] {
        let client = unhurried(revision).await;
        let sid = client.open().await;
        let mut packets = (0..5_000).map(|number| format!("4{number}"));
        let mut polled = String::new();
        let mut socket = client.beside(&sid).await;
        for round in 0..30 {
            if round == 10 {
                socket.say("2probe").await;
            }
            let some: Vec<String> = packets.by_ref().take(100).collect();
            client.say(&sid, &some.iter().map(String::as_str).collect::<Vec<_>>()).await;
            if round % 10 == 9 {
                polled += client.poll(&sid).await.packets();
                polled.push(RS);
            }
        }
        socket.hears("3probe").await;
        socket.say("5").await;
        let rest: Vec<String> = packets.collect();
        for packet in &rest {
            socket.say(packet).await;
        }
        let expected = (0..3_000).collect::<Vec<u32>>().chunks(1_000).fold(String::new(), |all, some| {
            let packets: Vec<String> = some.iter().map(|number| format!("4{number}")).collect();
            all + &client.payload(&packets.iter().map(String::as_str).collect::<Vec<_>>()) + &RS.to_string()
        });
        assert_eq!(polled, expected);
        for packet in &rest {
            socket.hears(packet).await;
        }
    }
}

/// As the official clients do it: polls and uploads go on until the probe is answered, then both end, and the client
/// moves. Over real sockets, so that each request may cross each other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_upgrades_while_it_talks_misses_nothing() {
    const MESSAGES: usize = 30;
    for revision in [4, 3] {
        let client = unhurried(revision).await;
        let rounds = (0..20).map(|_| async {
            let sid = client.open().await;
            let paused = AtomicBool::new(false);
            let polls = async {
                let mut got = Vec::new();
                while !paused.load(Ordering::SeqCst) {
                    got.extend(client.packets(client.poll(&sid).await.packets()));
                }
                got
            };
            let uploads = async {
                let mut sent = 0;
                while !paused.load(Ordering::SeqCst) && sent < MESSAGES {
                    client.say(&sid, &[&format!("4{sent}")]).await;
                    sent += 1;
                }
                sent
            };
            let probe = async {
                let socket = probed(&client, &sid).await;
                paused.store(true, Ordering::SeqCst);
                socket
            };
            let (mut got, sent, mut socket) = tokio::join!(polls, uploads, probe);
            socket.say("5").await;
            for number in sent..MESSAGES {
                socket.say(&format!("4{number}")).await;
            }
            got.retain(|packet| packet != "6");
            while got.len() < MESSAGES {
                got.push(socket.text().await);
            }
            let all: Vec<String> = (0..MESSAGES).map(|number| format!("4{number}")).collect();
            assert_eq!(got, all);
        });
        let all = futures::future::join_all(rounds);
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("no poll waits for its own end");
    }
}

#[tokio::test]
async fn the_end_of_the_websocket_is_the_end_of_the_session() {
    let (server, mut ends) = ending();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let mut socket = client.upgrade(&sid).await;
    socket.say("4x").await;
    socket.hears("4x").await;
    drop(socket);
    assert_eq!(ends.recv().await.map(|(code, _)| code), Some(1006));
    assert_eq!(client.poll(&sid).await.text(), "{\"code\":1,\"message\":\"Session ID unknown\"}");
    assert_eq!(client.try_socket(&format!("EIO=4&transport=websocket&sid={sid}")).await.err().unwrap().status, 400);
}

#[tokio::test]
async fn the_application_is_asked_about_an_upgrade() {
    let allows = Arc::new(AtomicBool::new(false));
    let asked = allows.clone();
    let server = builder()
        .authorize(move |_: Parts, _: Session| {
            let allowed = asked.load(Ordering::Relaxed);
            async move { allowed }
        })
        .handler(echo)
        .build();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let refused = client.try_socket(&format!("EIO=4&transport=websocket&sid={sid}")).await.err().unwrap();
    assert_eq!(refused.status, 403);
    client.say(&sid, &["4polls go on"]).await;
    client.hear(&sid, &["4polls go on"]).await;
    allows.store(true, Ordering::Relaxed);
    client.upgrade(&sid).await;
}
