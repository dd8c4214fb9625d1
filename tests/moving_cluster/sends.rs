//! Messages to one session while it moves.

use std::time::Duration;

use anywire::{Anywire, Live, SendToError, Session};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    house::House,
    support::{Peer, Record},
    talk::shut_down,
};

/// Each handler takes this time to return, once its session is to move.
const LINGERS: Duration = Duration::from_secs(2);

/// Behind this time of a move the handler has not returned.
const EARLY: Duration = Duration::from_millis(500);

async fn linger(session: Session) {
    while session.recv().await.is_some() {}
    sleep(LINGERS).await;
}

/// A session leaves the first of three nodes, which shuts down, for the second one, where its client polls.
async fn leaving() -> (House, JoinHandle<Peer>) {
    let house = House::new(3, Anywire::builder().movable().handler(linger));
    house.ready().await;
    sleep(Duration::from_secs(2)).await;
    let mut peer = Peer::open(&house.node(0)).await;
    drop(shut_down(&house, 0, Duration::from_secs(60)).await);
    peer.site = house.node(1);
    let client = tokio::spawn(async move {
        peer.switch();
        while peer.got.len() < 2 {
            peer.turn += 1;
            let answer = peer.send_poll().await;
            if answer.status == 200 {
                let records = answer.records();
                assert!(!records.iter().any(|record| matches!(record, Record::LinkClose(..))), "{records:?}");
                peer.take(&records);
            } else {
                assert_eq!(answer.refusal(503).0, 4202);
                sleep(Duration::from_millis(100)).await;
                peer.switch();
            }
        }
        peer
    });
    sleep(EARLY).await;
    (house, client)
}

fn id_of(house: &House) -> String {
    house.servers[0].live().sessions()[0].id().to_string()
}

fn live(house: &House, nth: usize) -> Live {
    house.servers[nth].live()
}

#[tokio::test(start_paused = true)]
async fn both_nodes_between_which_a_session_moves_send_to_it() {
    let (house, client) = leaving().await;
    let id = id_of(&house);
    let (old, new) = (live(&house, 0), live(&house, 1));
    let sent = tokio::join!(old.send_to(&id, "by the old one"), new.send_to(&id, "by the new one"));
    assert_eq!(sent, (Ok(()), Ok(())));
    assert_eq!(house.sessions(), [0, 1, 0]);
    let peer = client.await.unwrap();
    let mut texts = peer.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["by the new one", "by the old one"]);
}

#[tokio::test(start_paused = true)]
async fn a_third_node_sends_to_a_session_that_has_left_and_is_nowhere_yet() {
    let (house, client) = leaving().await;
    let id = id_of(&house);
    house.handles[1].cut_directory();
    sleep(LINGERS).await;
    let third = live(&house, 2);
    let sending = tokio::spawn(async move { (third.send_to(&id, "one").await, third.send_to(&id, "two").await) });
    sleep(Duration::from_secs(1)).await;
    assert!(!sending.is_finished(), "nobody knows whether it is taken");
    house.handles[1].heal();
    assert_eq!(sending.await.unwrap(), (Ok(()), Ok(())));
    assert_eq!(client.await.unwrap().texts(), ["one", "two"]);
    assert_eq!(house.sessions(), [0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_sends_to_a_session_that_is_nowhere_for_long_waits_for_ten_seconds() {
    let (house, client) = leaving().await;
    let id = id_of(&house);
    house.handles[1].cut_directory();
    sleep(LINGERS).await;
    house.engine.cut();
    for nth in 0..3 {
        let began = Instant::now();
        assert_eq!(live(&house, nth).send_to(&id, "x").await, Err(SendToError::Unreachable), "node {nth}");
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(10), "node {nth}: {took:?}");
    }
    client.abort();
}
