//! Nodes, links and engines that fail in the middle of a move: the session is at one node behind it.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Moving,
    lab::{Fake, Node, SECRET, three},
    lock,
};
use crate::cluster::{Claim, Cluster};

#[tokio::test(start_paused = true)]
async fn a_session_whose_parcel_is_lost_goes_on_where_it_was() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    let place = a.place.clone();
    *lock(&a.fakes.when_frozen) = Some(Box::new(move || place.cut_links()));
    b.moves.bring(&id, SECRET).await;
    assert!(!b.has(session));
    sleep(Duration::from_secs(8)).await;
    assert!(a.has(session), "it is revived");
    assert_eq!(*lock(&a.fakes.revived), 1);
    // It moves when that goes again.
    *lock(&a.fakes.when_frozen) = None;
    a.place.heal();
    sleep(Duration::from_secs(1)).await;
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session) && !a.has(session));
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_was_told_an_older_owner_is_put_right() {
    let (engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    let directory = Cluster::from(engine.node()).directory;
    let key = a.moves.state.owned.key(session);
    a.drain().await;
    b.moves.bring(&id, SECRET).await;
    let older = directory.look(&key).await.unwrap().unwrap();
    // It waits for its client at b, who comes to c.
    c.moves.learn(session, "b");
    c.moves.bring(&id, SECRET).await;
    assert!(c.has(session));
    let newer = directory.look(&key).await.unwrap().unwrap();
    assert_ne!(newer, older);
    // Its values were told anew, and the word of b came first.
    let told = directory.swap(&key, &newer, &older, Duration::from_secs(100)).await.unwrap();
    assert_eq!(told, Claim::Mine);
    c.drain().await;
    b.moves.learn(session, "c");
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session) && !c.has(session));
    // A deed that is above one's own holds.
    let higher = [&u64::MAX.to_be_bytes()[..], &newer[8..]].concat();
    let now = directory.look(&key).await.unwrap().unwrap();
    let told = directory.swap(&key, &now, &higher, Duration::from_secs(100)).await.unwrap();
    assert_eq!(told, Claim::Mine);
    let held = b.moves.state.owned.swap(session, &now, 9).await.unwrap();
    assert_eq!(held, Claim::Held(higher.into()));
}

#[tokio::test(start_paused = true)]
async fn the_directory_decides_where_nobody_confirms() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    let place = b.place.clone();
    *lock(&b.fakes.when_taken) = Some(Box::new(move || place.cut_links()));
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session) && !a.has(session), "it is not revived at two nodes");
    sleep(Duration::from_secs(20)).await;
    assert!(b.has(session) && !a.fakes.has_any());
    assert_eq!((a.moves.moved_to(session).as_deref(), *lock(&a.fakes.revived)), (Some("b"), 0));
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_dies_before_it_owns_the_session_takes_nothing() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    // It gets the parcel, and neither reaches the directory nor anybody.
    let place = b.place.clone();
    *lock(&a.fakes.when_frozen) = Some(Box::new(move || place.cut_directory()));
    let dead = tokio::time::timeout(Duration::from_secs(1), b.moves.bring(&id, SECRET)).await;
    assert!(dead.is_err());
    drop(b);
    sleep(Duration::from_secs(8)).await;
    *lock(&a.fakes.when_frozen) = None;
    assert!(a.has(session));
    c.moves.bring(&id, SECRET).await;
    assert!(c.has(session) && !a.has(session), "another one takes it");
}

#[tokio::test(start_paused = true)]
async fn a_giver_that_dies_behind_the_parcel_is_not_missed() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    let place = a.place.clone();
    *lock(&b.fakes.when_taken) = Some(Box::new(move || place.cut_links()));
    b.moves.bring(&id, SECRET).await;
    drop(a);
    assert!(b.has(session));
    sleep(Duration::from_secs(12)).await;
    assert_eq!(c.found(&id, false).await, Ok(Some("b".to_owned())), "its node is gone");
    assert_eq!(c.moves.moved_to(session).as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn no_move_begins_without_the_engine() {
    let (engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    engine.cut();
    sleep(Duration::from_secs(3)).await;
    assert!(!b.moves.brings(&id));
    engine.heal();
    sleep(Duration::from_secs(3)).await;
    // It is the owner alone that has lost it.
    a.place.cut_directory();
    b.moves.bring(&id, SECRET).await;
    assert!(a.has(session) && !b.has(session));
    assert_eq!(*lock(&a.fakes.revived), 0, "its handler runs on");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_in_between_holds_the_session_up_but_does_not_double_it() {
    let (engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    let cut = engine.clone();
    *lock(&a.fakes.when_frozen) = Some(Box::new(move || cut.cut()));
    let began = Instant::now();
    b.moves.bring(&id, SECRET).await;
    assert!(began.elapsed() < Duration::from_secs(13), "the client does not wait for ever");
    sleep(Duration::from_secs(30)).await;
    assert!(!a.has(session) && !b.has(session), "nobody knows whose it is");
    for node in [&a, &b] {
        let began = Instant::now();
        assert_eq!(node.found(&id, false).await.unwrap_err().code, 4202);
        assert!(began.elapsed() < Duration::from_secs(13), "a request does not wait for ever either");
    }
    *lock(&a.fakes.when_frozen) = None;
    engine.heal();
    sleep(Duration::from_secs(5)).await;
    assert_ne!(a.has(session), b.has(session), "one of them has it");
    b.moves.bring(&id, SECRET).await;
    assert!(b.has(session) && !a.has(session));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_take_it_says_so_at_once() {
    let (_engine, [a, b, c]) = three().await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.fakes.refuses.store(true, Relaxed);
    let began = Instant::now();
    b.moves.bring(&id, SECRET).await;
    sleep(Duration::from_millis(500)).await;
    assert!(a.has(session) && !b.has(session));
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for the time of a confirmation");
    c.moves.bring(&id, SECRET).await;
    assert!(c.has(session) && !a.has(session));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_does_not_stop_a_move() {
    let (_engine, [a, b, _c]) = three().await;
    let (id, session) = a.open(1, Fake { lingers: Duration::from_secs(2), ..Fake::default() });
    a.drain().await;
    assert!(tokio::time::timeout(Duration::from_secs(1), b.moves.bring(&id, SECRET)).await.is_err());
    sleep(Duration::from_secs(2)).await;
    assert!(b.has(session) && !a.has(session));
}

/// Until the node that has it hears of that, the directory knows whose it is.
#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_take_it_and_cannot_say_so_leaves_it_to_the_one_that_has_it() {
    let (engine, [a, b, c]) = three().await;
    let d = Node::new(&engine, "d").await;
    let (id, session) = a.open(1, Fake::default());
    a.drain().await;
    b.moves.bring(&id, SECRET).await;
    drop(a);
    sleep(Duration::from_secs(12)).await;
    let place = c.place.clone();
    *lock(&c.fakes.when_taken) = Some(Box::new(move || place.cut_links()));
    c.fakes.refuses.store(true, Relaxed);
    c.moves.learn(session, "b");
    c.moves.bring(&id, SECRET).await;
    assert!(!b.has(session) && !c.has(session), "it waits for the word of the other");
    assert_eq!(d.found(&id, false).await, Ok(Some("b".to_owned())));
    sleep(Duration::from_secs(8)).await;
    assert!(b.has(session));
    // It can go all the same.
    assert_eq!(d.moves.moved_to(session).as_deref(), Some("b"));
    d.moves.bring(&id, SECRET).await;
    assert!(d.has(session) && !b.has(session));
}
