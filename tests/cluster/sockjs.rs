//! SockJS over three nodes: the client draws the name of its session, and any node may get it first.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anywire::{Anywire, Session};
use axum::{extract::FromRequestParts, http::request::Parts};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    house::House,
    sockjs_client::{Client, Got},
    support::echo,
};

fn client(house: &House, nth: usize) -> Client {
    Client { site: house.node(nth) }
}

#[tokio::test(start_paused = true)]
async fn a_poll_and_a_send_reach_different_nodes() {
    let house = House::of_echoes();
    let url = client(&house, 0).open("/echo").await;
    for nth in 0..9 {
        client(&house, (nth + 1) % 3).say(&url, &format!("[\"{nth}\"]")).await;
        client(&house, (nth + 2) % 3).hear(&url, &format!("a[\"{nth}\"]")).await;
    }
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn scripts_poll_and_send_at_different_nodes() {
    let house = House::of_echoes();
    let url = "/echo/000/jsonp-session";
    client(&house, 0).get(&format!("{url}/jsonp?c=f")).await.is(200, "/**/f(\"o\");\r\n");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sent = client(&house, 1).ask("POST", &format!("{url}/jsonp_send"), &form, "d=%5B%22x%22%5D").await;
    sent.is(200, "ok");
    client(&house, 2).get(&format!("{url}/jsonp?c=f")).await.is(200, "/**/f(\"a[\\\"x\\\"]\");\r\n");
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_stream_is_known_for_as_long_as_it_lives() {
    let house = House::of_echoes();
    let url = "/echo/000/long-lived";
    let (head, mut stream) = client(&house, 0).stream("POST", &format!("{url}/xhr_streaming"), &[]).await;
    assert_eq!((head.status, stream.chunk().await.len()), (200, 2049));
    assert_eq!(stream.chunk().await, "o\n");
    for round in 1..=2 {
        let until = tokio::time::Instant::now() + Duration::from_secs(1500);
        while tokio::time::Instant::now() < until {
            assert_eq!(stream.chunk().await, "h\n");
        }
        client(&house, round).say(url, "[\"here\"]").await;
        let mut frame = stream.chunk().await;
        while frame == "h\n" {
            frame = stream.chunk().await;
        }
        assert_eq!(frame, "a[\"here\"]\n");
    }
}

#[tokio::test(start_paused = true)]
async fn raced_first_requests_open_one_session() {
    let house = House::of_echoes();
    let url = "/echo/000/raced";
    let polls = (0..3).map(|nth| {
        let client = client(&house, nth);
        async move { client.post(&format!("{url}/xhr"), "").await.body }
    });
    let mut bodies = futures::future::join_all(polls).await;
    bodies.sort();
    assert_eq!(bodies.iter().filter(|body| *body == "o\n").count(), 1, "{bodies:?}");
    assert_eq!(house.sessions().iter().sum::<usize>(), 1);
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_has_are_unknown() {
    let house = House::of_echoes();
    for nth in 0..3 {
        assert_eq!(client(&house, nth).post("/echo/000/nobody/xhr_send", "[\"x\"]").await.head.status, 404);
    }
    let url = client(&house, 0).open("/echo").await;
    house.ready().await;
    house.handles[0].cut_links();
    assert_eq!(client(&house, 1).post(&format!("{url}/xhr_send"), "[\"x\"]").await.head.status, 503);
    house.heal(0).await;
    client(&house, 1).say(&url, "[\"x\"]").await;
    client(&house, 2).hear(&url, "a[\"x\"]").await;
    house.kill(0).await;
    assert_eq!(client(&house, 1).post(&format!("{url}/xhr_send"), "[\"x\"]").await.head.status, 404);
}

#[tokio::test(start_paused = true)]
async fn websockets_are_sessions_of_the_node_that_they_reach() {
    let house = House::of_echoes();
    let mut sockets = Vec::new();
    for nth in 0..3 {
        let mut socket = client(&house, nth).socket("/echo/000/one-name/websocket").await;
        socket.hears("o").await;
        sockets.push(socket);
    }
    assert_eq!(house.sessions(), [1, 1, 1]);
}

/// The body of a poll does not matter, here or there.
#[tokio::test(start_paused = true)]
async fn a_poll_with_a_body_is_forwarded() {
    let house = House::of_echoes();
    let url = client(&house, 0).open("/echo").await;
    client(&house, 0).say(&url, "[\"x\"]").await;
    let polled = client(&house, 1).post(&format!("{url}/xhr"), "a body").await;
    assert_eq!((polled.head.status, &*polled.body), (200, "a[\"x\"]\n"));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_has_forgotten_is_told_the_names_again() {
    let house = House::of_echoes();
    let url = client(&house, 0).open("/echo").await;
    house.engine.forget();
    sleep(Duration::from_secs(3)).await;
    // These have not heard of the name before.
    client(&house, 1).say(&url, "[\"x\"]").await;
    client(&house, 2).hear(&url, "a[\"x\"]").await;
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_full_node_serves_the_sessions_of_others_and_opens_none() {
    let house = House::new(3, Anywire::builder().max_sessions(1).handler(echo));
    let urls = [client(&house, 0).open("/echo").await, client(&house, 1).open("/echo").await];
    for url in &urls {
        client(&house, 2).say(url, "[\"x\"]").await;
    }
    client(&house, 1).hear(&urls[0], "a[\"x\"]").await;
    client(&house, 0).hear(&urls[1], "a[\"x\"]").await;
    let name = "/echo/000/another";
    let refused = client(&house, 0).post(&format!("{name}/xhr"), "").await;
    assert!(refused.body.starts_with("c[4200,"), "{}", refused.body);
    client(&house, 2).post(&format!("{name}/xhr"), "").await.is(200, "o\n");
    assert_eq!(house.sessions(), [1, 1, 1]);
}

/// An extractor that takes as many seconds as the request says.
struct Takes;

impl<S: Sync> FromRequestParts<S> for Takes {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        if let Some(seconds) = parts.headers.get("x-takes") {
            sleep(Duration::from_secs(seconds.to_str().unwrap().parse().unwrap())).await;
        }
        Ok(Takes)
    }
}

/// Three nodes with that extractor, and the number of handlers that all of them have started.
async fn house_of_takes() -> (House, Arc<AtomicUsize>) {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let handler = async move |_: Takes, session: Session| {
        count.fetch_add(1, Ordering::Relaxed);
        echo(session).await;
    };
    let house = House::new(3, Anywire::builder().open_timeout(Duration::from_secs(30)).handler(handler));
    house.ready().await;
    (house, started)
}

/// The first node gets a request that opens a session in so many seconds.
fn opens_in(house: &House, seconds: &'static str, url: &str) -> JoinHandle<Got> {
    let (client, url) = (client(house, 0), format!("{url}/xhr"));
    tokio::spawn(async move { client.ask("POST", &url, &[("x-takes", seconds)], "").await })
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_lost_the_name_while_its_extractors_ran_starts_no_handler() {
    let (house, started) = house_of_takes().await;
    let url = "/echo/000/lost";
    let slow = opens_in(&house, "16", url);
    sleep(Duration::from_secs(1)).await;
    house.kill(0).await;
    client(&house, 1).post(&format!("{url}/xhr"), "").await.is(200, "o\n");
    house.heal(0).await;
    assert!(!slow.is_finished(), "its extractors run still");
    client(&house, 1).say(url, "[\"x\"]").await;
    slow.await.unwrap().is(200, "a[\"x\"]\n");
    assert_eq!((started.load(Ordering::Relaxed), house.sessions()), (1, vec![0, 1, 0]));
    // The name is not in use at the first node either.
    client(&house, 0).say(url, "[\"y\"]").await;
    client(&house, 0).hear(url, "a[\"y\"]").await;
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_takes_long_opens_where_it_began() {
    let (house, started) = house_of_takes().await;
    let slow = opens_in(&house, "16", "/echo/000/kept");
    sleep(Duration::from_secs(15)).await;
    let other = client(&house, 1).post("/echo/000/kept/xhr", "").await;
    other.is(200, "c[2010,\"Another connection still open\"]\n");
    slow.await.unwrap().is(200, "o\n");
    client(&house, 1).say("/echo/000/kept", "[\"x\"]").await;
    client(&house, 2).hear("/echo/000/kept", "a[\"x\"]").await;
    // It opens all the same while the engine is away.
    let slow = opens_in(&house, "16", "/echo/000/away");
    sleep(Duration::from_secs(1)).await;
    house.engine.cut();
    slow.await.unwrap().is(200, "o\n");
    assert_eq!((started.load(Ordering::Relaxed), house.sessions()), (2, vec![1, 0, 0]));
}
