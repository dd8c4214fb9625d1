//! Sessions that do not move, or not now.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use anywire::Anywire;
use tokio::time::sleep;

use crate::{
    house::House,
    support::{Peer, Record, echo},
    talk::{Talk, counting, counting_on, shut_down},
};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_is_not_movable_stays_and_is_cut() {
    let house = House::new(3, Anywire::builder().handler(echo));
    house.ready().await;
    let mut peer = Peer::open(&house.node(0)).await;
    let shutdown = shut_down(&house, 0, Duration::from_secs(10)).await;
    peer.site = house.node(1);
    peer.switch();
    peer.send("still").await;
    while peer.got.is_empty() {
        peer.poll().await;
    }
    assert_eq!(house.sessions(), [1, 0, 0]);
    let report = shutdown.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_meanwhile_counts_as_ended() {
    let house = House::new(3, Anywire::builder().movable().handler(echo));
    house.ready().await;
    let mut peer = Peer::open(&house.node(0)).await;
    let shutdown = shut_down(&house, 0, Duration::from_secs(10)).await;
    house.servers[0].live().session(&peer.id).unwrap().close(3000, "enough");
    while peer.closed.is_none() {
        peer.poll().await;
    }
    peer.upload().await;
    let report = shutdown.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_moves_nothing() {
    let (house, handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 0, LONG).await;
    let mut thief = talk.peer.clone();
    thief.secret = "0".repeat(32);
    thief.site = house.node(1);
    thief.switch();
    thief.turn += 1;
    assert_eq!(thief.send_poll().await.refusal(410).0, 4101);
    assert_eq!((house.sessions(), handlers.moved.load(Relaxed)), (vec![1, 0, 0], 0));
    talk.peer.site = house.node(1);
    talk.link().await;
    talk.say().await;
    assert_eq!(handlers.moved.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_links_are_forwarded() {
    let (house, handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 0, LONG).await;
    house.engine.cut();
    sleep(Duration::from_secs(4)).await;
    talk.peer.site = house.node(1);
    talk.link().await;
    talk.say().await;
    assert_eq!((house.sessions(), handlers.moved.load(Relaxed)), (vec![1, 0, 0], 0));
    house.engine.heal();
    sleep(Duration::from_secs(4)).await;
    talk.link().await;
    talk.say().await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!((house.sessions(), handlers.moved.load(Relaxed)), (vec![0, 1, 0], 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_node_is_gone_behind_the_move_is_found() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 0, LONG).await;
    talk.peer.site = house.node(1);
    talk.link().await;
    sleep(Duration::from_millis(100)).await;
    house.kill(0).await;
    // This one has never heard of the session.
    talk.peer.site = house.node(2);
    talk.say().await;
    assert_eq!(house.sessions()[1], 1);
    // An id that nobody has given is unknown as before.
    let mut nobody = talk.peer.clone();
    nobody.id = format!("{}.{}", nobody.id.split('.').next().unwrap(), crate::support::attempt());
    nobody.turn += 1;
    assert_eq!(nobody.send_poll().await.refusal(410).0, 4100);
}

/// A node knows where a session was, and not that it has moved on: what it cannot pass on there goes to where it is.
#[tokio::test(start_paused = true)]
async fn a_request_whose_node_is_not_reached_goes_on_to_the_one_that_has_the_session_by_now() {
    let (house, _handlers) = counting_on(4).await;
    let mut talks = Vec::new();
    for _ in 0..3 {
        talks.push(Talk::polls(&house.node(0)).await);
    }
    for (nth, to) in [(0, 1), (1, 2)] {
        for talk in &mut talks {
            talk.peer.site = house.node(3);
            talk.say().await;
        }
        let shutdown = shut_down(&house, nth, LONG).await;
        for talk in &mut talks {
            talk.peer.site = house.node(to);
            talk.link().await;
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(house.sessions()[to], 3);
        drop(shutdown);
    }
    house.handles[1].cut_links();
    // A request that was on its way when its connection broke cannot be sent again: these come behind that.
    sleep(Duration::from_secs(15)).await;
    for talk in &mut talks {
        talk.peer.site = house.node(3);
    }
    let [request, named, unnamed] = &mut talks[..] else { panic!("there are three") };
    request.peer.put("m2".to_owned());
    let body = request.peer.flight(request.peer.upload_head());
    let answer = request.peer.site.post(&request.peer.path("send"), body.bytes).await;
    assert_eq!(answer.status, 200, "{:?}", answer.records());
    for (talk, path) in [(named, true), (unnamed, false)] {
        talk.peer.switch();
        let path = if path { format!("websocket?session={}", talk.peer.id) } else { "websocket".to_owned() };
        let mut socket = talk.peer.site.websocket(&path).await;
        socket.body(talk.peer.resume()).await;
        let records = socket.records().await;
        assert!(matches!(records[0], Record::Full(_)), "{records:?}");
    }
    assert_eq!(house.sessions(), [0, 0, 3, 0]);
}

/// Its former node knows for long where it went. That node has its end, and does not send the client back.
#[tokio::test(start_paused = true)]
async fn a_session_that_has_moved_and_ended_is_gone_at_every_node() {
    let (house, _handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let _shutdown = shut_down(&house, 0, Duration::from_secs(900)).await;
    talk.peer.site = house.node(1);
    talk.link().await;
    sleep(Duration::from_millis(100)).await;
    house.servers[1].live().session(&talk.peer.id).unwrap().close(3000, "enough");
    while talk.peer.closed.is_none() {
        talk.peer.poll().await;
    }
    talk.peer.upload().await;
    for pause in [0, 1, 20, 70, 200] {
        sleep(Duration::from_secs(pause)).await;
        for nth in [0, 1, 2] {
            talk.peer.site = house.node(nth);
            talk.peer.switch();
            talk.peer.turn += 1;
            let answer = talk.peer.send_poll().await;
            let ended = match answer.status.as_u16() {
                200 => answer.records().iter().any(|record| matches!(record, Record::LinkClose(1000 | 3000, _))),
                status => status == 410,
            };
            assert!(ended, "node {nth}, {pause} s later: {} {:?}", answer.status, answer.records());
        }
    }
}
