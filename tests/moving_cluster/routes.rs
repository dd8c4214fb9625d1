//! The requests of a session that moves, by each route.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::sleep;

use crate::{
    support::{DOWNLINKS, Record},
    talk::{Talk, counting, shut_down},
};

const LONG: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn a_new_link_of_any_downlink_brings_the_session() {
    let (house, handlers) = counting().await;
    let mut talks = Vec::new();
    for _ in DOWNLINKS {
        let mut talk = Talk::polls(&house.node(0)).await;
        talk.say().await;
        talks.push(talk);
    }
    let _shutdown = shut_down(&house, 0, LONG).await;
    for (talk, (route, ..)) in talks.iter_mut().zip(DOWNLINKS) {
        let before = house.sessions();
        talk.peer.site = house.node(1);
        talk.peer.switch();
        let mut answer = talk.peer.attach(route).await;
        let records = answer.next().await.unwrap();
        assert!(matches!(records[0], Record::Full(_)), "{route}: {records:?}");
        talk.peer.take(&records);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(house.sessions(), [before[0] - 1, before[1] + 1, 0], "{route}");
        talk.say().await;
    }
    assert_eq!(handlers.moved.load(Relaxed), DOWNLINKS.len());
}

#[tokio::test(start_paused = true)]
async fn a_websocket_brings_the_session_whether_its_url_names_it_or_not() {
    let (house, handlers) = counting().await;
    let mut talks = [Talk::socket(&house.node(0)).await, Talk::socket(&house.node(0)).await];
    for talk in &mut talks {
        talk.say().await;
    }
    let _shutdown = shut_down(&house, 0, LONG).await;
    for (talk, named) in talks.iter_mut().zip([true, false]) {
        talk.peer.site = house.node(1);
        talk.peer.switch();
        let path = if named { format!("websocket?session={}", talk.peer.id) } else { "websocket".to_owned() };
        let mut socket = talk.peer.site.websocket(&path).await;
        socket.body(talk.peer.resume()).await;
        talk.peer.take(&socket.records().await);
        assert!(talk.peer.seen);
        socket.text("v:").await;
        talk.line = crate::talk::Line::Socket(Box::new(socket));
        talk.say().await;
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(house.sessions(), [0, 2, 0]);
    assert_eq!(handlers.moved.load(Relaxed), 2);
    assert_eq!(house.servers[1].live().stats().cluster_tunnels, 0);
}

#[tokio::test(start_paused = true)]
async fn requests_at_any_node_follow_the_session() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 0, LONG).await;
    // A request that makes no link stays with the session where it is.
    for nth in [1, 2, 0] {
        talk.peer.site = house.node(nth);
        talk.say().await;
    }
    assert_eq!(house.sessions(), [1, 0, 0]);
    talk.peer.site = house.node(1);
    talk.link().await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(house.sessions(), [0, 1, 0]);
    for nth in [2, 0, 1, 2, 0] {
        talk.peer.site = house.node(nth);
        talk.say().await;
    }
    assert_eq!(talk.links, 2, "all went on over the same link");
}

#[tokio::test(start_paused = true)]
async fn a_page_takes_a_session_over_as_it_moves() {
    let (house, handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 0, LONG).await;
    let peer = &mut talk.peer;
    peer.site = house.node(2);
    peer.ordinal += 16;
    (peer.turn, peer.got) = (0, Vec::new());
    let attempt = crate::support::attempt();
    let fields: [&dyn std::fmt::Display; 6] = [&1, &peer.ordinal, &attempt, &peer.id, &peer.secret, &peer.received];
    let head = peer.body().record('t', &fields);
    let records = peer.site.post(&peer.path("open"), head.bytes).await.records();
    assert!(matches!(records[0], Record::New(1, _)), "{records:?}");
    peer.take(&records);
    sleep(Duration::from_millis(100)).await;
    assert_eq!((house.sessions(), handlers.moved.load(Relaxed)), (vec![0, 0, 1], 1));
}
