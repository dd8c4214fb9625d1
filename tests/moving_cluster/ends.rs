//! The end of the window of a node that shuts down, and what clients learn that come to it behind that.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use anywire::Anywire;
use tokio::time::{Instant, sleep};

use crate::{
    house::House,
    support::{Peer, Record, attempt, echo},
    talk::{Talk, counting, shut_down},
};

const SHORT: Duration = Duration::from_millis(400);

#[tokio::test(start_paused = true)]
async fn a_window_too_short_is_made_longer_while_others_take_sessions() {
    let (house, handlers) = counting().await;
    let mut talks = Vec::new();
    for _ in 0..300 {
        let mut talk = Talk::polls(&house.node(0)).await;
        talk.say().await;
        talks.push(talk);
    }
    let began = Instant::now();
    let report = shut_down(&house, 0, SHORT).await.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (300, 0, 0));
    // Each of the two others takes 500 in a second, from the last quarter of the window on.
    let took = began.elapsed();
    assert!((Duration::from_millis(500)..Duration::from_secs(3)).contains(&took), "{took:?}");
    for (nth, talk) in talks.iter_mut().enumerate().step_by(20) {
        talk.peer.site = house.node(1 + nth % 2);
        talk.link().await;
        talk.say().await;
    }
    assert_eq!((house.sessions()[0], handlers.ended.load(Relaxed)), (0, 0));
}

/// Its client may open once more, and no other node knows the attempt as that of this session.
#[tokio::test(start_paused = true)]
async fn a_session_whose_client_has_no_answer_to_its_opening_is_given_to_nobody() {
    let (house, _handlers) = counting().await;
    let _unproven = Talk::polls(&house.node(0)).await;
    let report = shut_down(&house, 0, SHORT).await.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_of_an_opening_makes_no_other_session_behind_a_move() {
    let (house, handlers) = counting().await;
    let (id, mut peer) = (attempt(), Peer::new(&house.node(0)));
    peer.put("first");
    let records = peer.post_open(&id, "").await.records();
    peer.take(&records);
    peer.upload().await; // It is proven.
    let report = shut_down(&house, 0, SHORT).await.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (1, 0, 0));
    sleep(Duration::from_secs(3)).await;
    for node in [1, 2] {
        let mut late = Peer::new(&house.node(node));
        late.put("first");
        assert_eq!(late.post_open(&id, "").await.refusal(410).0, 4102, "node {node}");
    }
    assert_eq!((house.sessions().iter().sum::<usize>(), handlers.started.load(Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_window_is_not_made_longer_for_what_nobody_takes() {
    let (house, _handlers) = counting().await;
    Talk::polls(&house.node(0)).await.say().await;
    house.engine.cut();
    let began = Instant::now();
    let report = shut_down(&house, 0, Duration::from_secs(10)).await.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (0, 0, 1));
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_within_the_window_is_in_time() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let shutdown = shut_down(&house, 0, Duration::from_secs(40)).await;
    sleep(Duration::from_secs(27)).await;
    house.engine.cut();
    // The sessions are handed out from the 30th second on.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(house.sessions(), [1, 0, 0]);
    house.engine.heal();
    let report = shutdown.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn behind_the_window_a_client_follows_its_session() {
    let (house, _handlers) = counting().await;
    let (mut polls, mut socket) = (Talk::polls(&house.node(0)).await, Talk::socket(&house.node(0)).await);
    let mut absent = Talk::polls(&house.node(0)).await;
    for talk in [&mut polls, &mut socket, &mut absent] {
        talk.say().await;
    }
    let shutdown = shut_down(&house, 0, Duration::from_secs(10)).await;
    for talk in [&mut polls, &mut socket] {
        talk.peer.site = house.node(1);
        talk.link().await;
    }
    let report = shutdown.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (3, 0, 0));
    // The routes of the old node answer for some seconds still.
    for talk in [&mut polls, &mut socket] {
        talk.peer.site = house.node(0);
        talk.link().await;
        talk.say().await;
    }
    // A session that waits for its client wants it at a node that goes on.
    absent.peer.switch();
    assert_eq!(absent.peer.send_poll().await.refusal(503).0, 4202);
    absent.peer.site = house.node(2);
    absent.link().await;
    absent.say().await;
    assert_eq!(house.sessions()[0], 0);
}

#[tokio::test(start_paused = true)]
async fn behind_the_window_a_client_learns_how_its_session_has_ended() {
    let (house, _handlers) = counting().await;
    let mut peer = Peer::open(&house.node(0)).await;
    peer.upload().await;
    let shutdown = shut_down(&house, 0, Duration::from_secs(10)).await;
    // The session cannot move now, and its client has not come for the close.
    house.engine.cut();
    house.servers[0].live().session(&peer.id).unwrap().close(3000, "enough");
    let report = shutdown.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (0, 1, 0));
    peer.poll().await;
    assert_eq!(peer.closed, Some((3000, "enough".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn behind_the_window_a_session_that_nobody_has_is_unknown() {
    let (house, _handlers) = counting().await;
    let peer = Peer::open(&house.node(0)).await;
    let born = peer.id.split('.').next().unwrap().to_owned();
    let mut nobody = peer.clone();
    nobody.id = format!("{born}.{}", attempt());
    nobody.turn += 1;
    assert_eq!(nobody.send_poll().await.refusal(410).0, 4100);
    let shutdown = shut_down(&house, 0, Duration::from_secs(10)).await;
    assert_eq!(nobody.send_poll().await.refusal(410).0, 4100);
    shutdown.await.unwrap();
    assert_eq!(nobody.send_poll().await.refusal(410).0, 4100);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_third_node_finds_a_session_that_has_moved() {
    let house = House::new(3, Anywire::builder().movable().handler(echo));
    house.ready().await;
    sleep(Duration::from_secs(2)).await;
    let mut peer = Peer::open(&house.node(0)).await;
    let shutdown = shut_down(&house, 0, Duration::from_secs(30)).await;
    peer.site = house.node(1);
    peer.switch();
    peer.poll().await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(house.sessions(), [0, 1, 0]);
    // The third one knows no more than the name of the node where the session was born.
    house.servers[2].live().send_to(&peer.id, "while it is there").await.unwrap();
    shutdown.await.unwrap();
    house.servers[2].live().send_to(&peer.id, "once it is gone").await.unwrap();
    house.servers[1].live().send_to(&peer.id, "from its own").await.unwrap();
    while peer.got.len() < 3 {
        let records = peer.poll().await;
        assert!(!records.iter().any(|record| matches!(record, Record::LinkClose(..))), "{records:?}");
    }
    assert_eq!(peer.texts(), ["while it is there", "once it is gone", "from its own"]);
}
