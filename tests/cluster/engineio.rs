//! Engine.IO over three nodes.

use axum::http::Method;

use crate::{
    client::{Came, Client},
    house::House,
};

fn client(house: &House, nth: usize) -> Client {
    Client::new(house.node(nth), 4)
}

fn unknown(code: u8, message: &str) -> String {
    format!("{{\"code\":{code},\"message\":\"{message}\"}}")
}

#[tokio::test(start_paused = true)]
async fn polls_and_uploads_reach_each_node() {
    let house = House::of_echoes();
    let sid = client(&house, 0).open().await;
    for nth in 0..9 {
        let packet = format!("4message {nth}");
        client(&house, nth % 3).say(&sid, &[&packet]).await;
        client(&house, (nth + 1) % 3).hear(&sid, &[&packet]).await;
    }
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn scripts_poll_at_each_node() {
    let house = House::of_echoes();
    let sid = client(&house, 0).open().await;
    client(&house, 1).say(&sid, &["4one"]).await;
    let got = client(&house, 2).get(&format!("transport=polling&sid={sid}&j=7")).await;
    got.is(200, "___eio[7](\"4one\");");
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_to_a_websocket_at_another_node() {
    for (poll, socket) in [(0, 1), (1, 2), (2, 0)] {
        let house = House::of_echoes();
        let sid = client(&house, poll).open().await;
        let elsewhere = client(&house, socket);
        let mut socket = elsewhere.beside(&sid).await;
        socket.say("2probe").await;
        socket.hears("3probe").await;
        let waiting = elsewhere.poll(&sid).await;
        assert_eq!(waiting.packets(), "6");
        socket.say("5").await;
        for round in 0..5 {
            socket.say(&format!("4{round}")).await;
            assert_eq!(socket.next().await, Came::Text(format!("4{round}")));
        }
        elsewhere.poll(&sid).await.is(400, &unknown(3, "Bad request"));
        assert_eq!(house.sessions().iter().sum::<usize>(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_at_another_node_that_is_cut_ends_the_session() {
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |session: anywire::Session| {
        let ended = ended.clone();
        async move {
            while session.recv().await.is_some() {}
            ended.send(session.close_reason().map(|reason| reason.code())).unwrap();
        }
    };
    let house = House::new(3, anywire::Anywire::builder().handler(handler));
    let sid = client(&house, 0).open().await;
    let elsewhere = client(&house, 1);
    let waits = tokio::time::timeout(std::time::Duration::from_secs(5), elsewhere.poll(&sid)).await;
    assert!(waits.is_err(), "there is nothing to say");
    assert_eq!(ends.recv().await, Some(Some(1006)));
    elsewhere.poll(&sid).await.is(400, &unknown(1, "Session ID unknown"));
}

#[tokio::test(start_paused = true)]
async fn refusals_of_another_nodes_session() {
    let house = House::of_echoes();
    let sid = client(&house, 0).open().await;
    house.ready().await;
    let wrong = format!("{}{}", &sid[..sid.len() - 32], "0".repeat(32));
    for nth in 0..3 {
        client(&house, nth).poll(&wrong).await.is(400, &unknown(1, "Session ID unknown"));
    }
    house.handles[0].cut_links();
    let got = client(&house, 1).post(&sid, "4lost").await;
    assert_eq!(got.status, 503, "{}", got.text());
    // A client gives its session up when a poll fails, so that this one waits.
    let waiting = client(&house, 1);
    let poll = async { waiting.hear(&sid, &["4on"]).await };
    let healing = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        house.heal(0).await;
        client(&house, 2).say(&sid, &["4on"]).await;
    };
    tokio::join!(poll, healing);
    house.kill(0).await;
    client(&house, 1).poll(&sid).await.is(400, &unknown(1, "Session ID unknown"));
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    assert_eq!(client(&house, 1).try_socket(&query).await.err().map(|got| got.status), Some(400));
}

#[tokio::test(start_paused = true)]
async fn answers_of_another_node_have_each_header_once() {
    let house = House::of_echoes();
    let sid = client(&house, 0).open().await;
    let mut all = Vec::new();
    for nth in [0, 1] {
        let mut client = client(&house, nth);
        client.headers.push(("origin", format!("http://{}", crate::support::HOST)));
        let query = format!("EIO=4&transport=polling&sid={sid}");
        let got = client.ask(Method::POST, &query, "4x").await;
        let mut headers: Vec<_> = got.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|header| !header.starts_with("content-length") && !header.starts_with("date"));
        headers.sort();
        all.push(headers);
    }
    assert_eq!(all[0], all[1]);
}
