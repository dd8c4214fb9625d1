//! Clients that come by a node which shuts down to a session of another: they come by another way before it ends.

use std::time::Duration;

use anywire::Anywire;
use axum::{body::Body, http::Request};
use tokio::time::{Instant, sleep};

use crate::{
    house::House,
    support::{Record, Site, SocketEvent, echo},
    talk::{Line, Talk, counting, shut_down},
};

const WINDOW: Duration = Duration::from_secs(20);

async fn get(site: &Site, path: &str) -> String {
    let answer = site.ask(Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The delay after which a peer is to make a new link, from the records of a link that has one.
fn delay(records: &[Record]) -> Option<Duration> {
    records.iter().find_map(|record| match record {
        Record::GoAway(delay) => Some(Duration::from_millis(*delay)),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_tunnelled_websocket_is_asked_to_come_by_another_way() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::socket(&house.node(0)).await;
    talk.say().await;
    talk.peer.site = house.node(1);
    talk.link().await;
    talk.say().await;
    assert_eq!(house.servers[1].live().stats().cluster_tunnels, 1);
    let began = Instant::now();
    let shutdown = shut_down(&house, 1, WINDOW).await;
    let Line::Socket(socket) = &mut talk.line else { unreachable!() };
    let delay = loop {
        match socket.next().await {
            SocketEvent::Records(records) => {
                talk.peer.take(&records);
                if let Some(delay) = delay(&records) {
                    break delay;
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(began.elapsed() + delay < WINDOW, "{:?} and {delay:?}", began.elapsed());
    // The old link serves until the new one does.
    talk.say().await;
    sleep(delay).await;
    talk.peer.site = house.node(2);
    talk.link().await;
    talk.say().await;
    assert_eq!(house.servers[1].live().stats().cluster_tunnels, 0);
    let report = shutdown.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (0, 0, 0));
    assert_eq!(house.sessions(), [1, 0, 0]);
    talk.say().await;
}

#[tokio::test(start_paused = true)]
async fn forwarded_polls_and_streams_are_asked_to_come_by_another_way() {
    for route in ["xhr-poll", "fetch-stream", "xhr-stream"] {
        let (house, _handlers) = counting().await;
        let mut talk = Talk::polls(&house.node(0)).await;
        talk.say().await;
        talk.peer.site = house.node(1);
        talk.link().await;
        talk.peer.turn += 1;
        let (site, path, body) = (talk.peer.site.clone(), talk.peer.path(route), talk.peer.resume().bytes);
        let asked = tokio::spawn(async move {
            let (mut answer, mut found) = (site.stream(&path, body).await, None);
            while found.is_none() {
                found = delay(&answer.next().await.expect("it ends without a word"));
            }
            found.unwrap()
        });
        sleep(Duration::from_secs(1)).await;
        assert!(!asked.is_finished());
        let began = Instant::now();
        let shutdown = shut_down(&house, 1, WINDOW).await;
        let delay = asked.await.unwrap();
        assert!(began.elapsed() < WINDOW / 4 && began.elapsed() + delay < WINDOW, "{route}: {delay:?}");
        talk.peer.site = house.node(2);
        talk.link().await;
        talk.say().await;
        shutdown.await.unwrap();
        talk.say().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_comes_by_a_node_which_shuts_down_already_is_asked_too() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::socket(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 1, WINDOW).await;
    talk.peer.site = house.node(1);
    talk.link().await;
    let began = Instant::now();
    let delay = loop {
        let Line::Socket(socket) = &mut talk.line else { unreachable!() };
        let SocketEvent::Records(records) = socket.next().await else { panic!("the link ended") };
        talk.peer.take(&records);
        if let Some(delay) = delay(&records) {
            break delay;
        }
    };
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&delay), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_straight_again_is_not_asked() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::socket(&house.node(0)).await;
    talk.peer.site = house.node(1);
    talk.link().await;
    talk.peer.site = house.node(0);
    talk.link().await;
    talk.say().await;
    shut_down(&house, 1, WINDOW).await.await.unwrap();
    talk.say().await;
    assert_eq!((talk.leaves, talk.peer.go_away), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_poll_of_engine_io_is_answered_before_the_node_between_ends() {
    let house = House::new(3, Anywire::builder().handler(echo));
    house.ready().await;
    sleep(Duration::from_secs(2)).await;
    let opened = get(&house.node(0), "/engine.io/?EIO=4&transport=polling").await;
    let sid = opened.split('"').nth(3).unwrap();
    let path = format!("/engine.io/?EIO=4&transport=polling&sid={sid}");
    let site = house.node(1);
    let polling = tokio::spawn(async move { get(&site, &path).await });
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let window = Duration::from_secs(8);
    let shutdown = shut_down(&house, 1, window).await;
    assert_eq!(polling.await.unwrap(), "6");
    assert!(began.elapsed() < window, "{:?}", began.elapsed());
    shutdown.await.unwrap();
    assert_eq!(house.sessions(), [1, 0, 0], "the session lives");
}
