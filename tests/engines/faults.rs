//! The faults that [`InProcess`] makes when it is told to.

use std::time::Duration;

use anywire::{BusEvent, Claim, InProcess, Publication};
use axum::body::Bytes;
use tokio::time::Instant;

use super::{
    histories::{KEEP, all, bodies, records, topic},
    node::Node,
};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_node_is_cut_off_the_bus() {
    let engine = InProcess::new();
    let handle = engine.node();
    let mut a = Node::with(handle.clone(), &["room"]).await;
    let mut b = Node::with(engine, &["room"]).await;
    handle.cut_bus();
    assert_eq!(a.event().await, BusEvent::Cut);
    assert_eq!(a.publish("room", "x").await.unwrap_err().to_string(), "the node is cut off");
    a.add(&["later"]).await.unwrap_err();
    a.remove(&["room"]).await.unwrap_err();
    b.publish("room", "for b alone").await.unwrap();
    assert_eq!(b.received().await.1, "for b alone");
    assert_eq!(a.directory.claim(b"key", b"a", LONG).await.unwrap(), Claim::Mine, "the directory is there");
    handle.heal();
    assert_eq!(a.event().await, BusEvent::Whole);
    // The topics that it asked for meanwhile are remembered.
    b.bus.publish(vec![Publication::new("room", "1"), Publication::new("later", "2")]).await.unwrap();
    assert_eq!(a.received().await, (Bytes::from("later"), Bytes::from("2")));
}

#[tokio::test(start_paused = true)]
async fn a_node_is_cut_off_the_directory() {
    let engine = InProcess::new();
    let handle = engine.node();
    let mut a = Node::with(handle.clone(), &["room"]).await;
    handle.cut_directory();
    a.directory.beat(b"a", b"", LONG).await.unwrap_err();
    a.directory.claim(b"key", b"a", LONG).await.unwrap_err();
    a.directory.look(b"key").await.unwrap_err();
    a.directory.leave(b"a").await.unwrap_err();
    a.directory.release(b"key", b"a").await.unwrap_err();
    a.publish("room", "the bus is there").await.unwrap();
    assert_eq!(a.received().await.1, "the bus is there");
    handle.heal();
    assert_eq!(a.directory.look(b"key").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_engine_is_taken_away_from_all() {
    let engine = InProcess::new();
    let handle = engine.node();
    let mut a = Node::with(handle.clone(), &["room"]).await;
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    engine.cut();
    engine.cut();
    let mut b = Node::new(engine.clone());
    b.publish("room", "x").await.unwrap_err();
    b.add(&["room"]).await.unwrap_err();
    b.directory.look(b"key").await.unwrap_err();
    assert_eq!(a.event().await, BusEvent::Cut);
    // It stays away until both are healed.
    handle.cut_bus();
    engine.heal();
    assert_eq!(b.event().await, BusEvent::Whole);
    a.publish("room", "x").await.unwrap_err();
    handle.heal();
    assert_eq!(a.event().await, BusEvent::Whole);
    assert_eq!(b.directory.look(b"key").await.unwrap(), Some(Bytes::from("a")));
    b.publish("room", "y").await.unwrap();
    assert_eq!(a.received().await.1, "y");
    assert_eq!(b.received().await.1, "y");
}

#[tokio::test(start_paused = true)]
async fn publications_are_lost_in_silence() {
    let engine = InProcess::new();
    let handle = engine.node();
    let mut a = Node::with(handle.clone(), &["room"]).await;
    let mut b = Node::with(engine.clone(), &["room"]).await;
    engine.lose_next(2);
    handle.lose_next(1);
    b.bus.publish((0..5).map(|n| Publication::new("room", n.to_string())).collect()).await.unwrap();
    assert_eq!(b.bodies(3).await, ["2", "3", "4"]);
    assert_eq!(a.bodies(2).await, ["3", "4"]);
    a.nothing_more().await;
    b.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_engine_keeps_its_order() {
    let engine = InProcess::new();
    let handle = engine.node();
    let mut a = Node::with(handle.clone(), &["room"]).await;
    let delay = Duration::from_secs(3);
    engine.delay(delay);
    let begun = Instant::now();
    a.publish("room", "1").await.unwrap();
    a.publish("room", "2").await.unwrap();
    assert_eq!(a.bodies(2).await, ["1", "2"]);
    assert_eq!(begun.elapsed(), delay * 2);
    a.directory.look(b"key").await.unwrap();
    assert_eq!(begun.elapsed(), delay * 3);
    // A connection that is lost meanwhile is an error, and nothing has happened.
    let (published, ()) = tokio::join!(a.publish("room", "3"), async {
        tokio::task::yield_now().await;
        handle.cut_bus();
    });
    published.unwrap_err();
    engine.delay(Duration::ZERO);
    handle.heal();
    a.wait_for(BusEvent::Whole).await;
    a.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn the_engine_forgets_all() {
    let engine = InProcess::new();
    let a = Node::new(engine.clone());
    let b = Node::new(engine.clone());
    a.directory.beat(b"a", b"a", LONG).await.unwrap();
    a.directory.claim(b"key", b"a", LONG).await.unwrap();
    engine.forget();
    assert_eq!(b.directory.beat(b"b", b"b", LONG).await.unwrap(), ["b"]);
    assert_eq!(b.directory.claim(b"key", b"b", LONG).await.unwrap(), Claim::Mine);
}

/// A server that is dropped gets nothing more; its lease stays, and another one may be built in its place.
#[tokio::test(start_paused = true)]
async fn a_node_dies_and_is_restarted() {
    let engine = InProcess::new();
    let handle = engine.node();
    let a = Node::with(handle.clone(), &["room"]).await;
    a.directory.beat(b"a", b"a", LONG).await.unwrap();
    let b = Node::connected(engine).await;
    drop(a);
    let mut again = Node::connected(handle).await;
    b.publish("room", "for the one before").await.unwrap();
    again.nothing_more().await;
    assert_eq!(b.directory.beat(b"b", b"b", LONG).await.unwrap().len(), 2);
    tokio::time::sleep(LONG).await;
    assert_eq!(b.directory.beat(b"b", b"b", LONG).await.unwrap(), ["b"]);
}

/// A record that is lost on its way is in the history, and the next one tells that it is missing.
#[tokio::test(start_paused = true)]
async fn a_lost_record_is_in_the_history() {
    let engine = InProcess::new();
    let (room, handle) = (topic("room"), engine.node());
    let mut a = Node::connected(handle.clone()).await;
    let mut b = Node::connected(engine.clone()).await;
    for node in [&a, &b] {
        node.bus.interest(vec![room.clone()], vec![]).await.unwrap();
    }
    b.bus.append(records(&room, 1, 1..=1)).await.unwrap();
    engine.lose_next(1);
    handle.lose_next(1);
    b.bus.append(records(&room, 1, 2..=4)).await.unwrap();
    let (first, next) = (a.recorded().await, a.recorded().await);
    assert_eq!((first.before, next.before, &next.body[..]), (0, 3, &b"1 4"[..]));
    assert_eq!(b.records(3).await.iter().map(|recorded| recorded.before).collect::<Vec<_>>(), [0, 2, 3]);
    let past = a.bus.history(&room, KEEP, Some(first.place)).await.unwrap();
    assert_eq!((past.before, bodies(&past)), (1, vec![Bytes::from("1 2"), "1 3".into(), "1 4".into()]));
    handle.cut_bus();
    assert_eq!(a.event().await, BusEvent::Cut);
    a.bus.append(records(&room, 2, 1..=1)).await.unwrap_err();
    a.bus.history(&room, KEEP, None).await.unwrap_err();
    b.bus.append(records(&room, 1, 5..=5)).await.unwrap();
    handle.heal();
    assert_eq!(a.event().await, BusEvent::Whole);
    assert_eq!(all(&a, &room).await.records.len(), 5, "what was refused is not there");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_history_has_another_epoch() {
    let engine = InProcess::new();
    let room = topic("room");
    let mut a = Node::connected(engine.clone()).await;
    a.bus.interest(vec![room.clone()], vec![]).await.unwrap();
    a.bus.append(records(&room, 1, 1..=2)).await.unwrap();
    let place = a.records(2).await[1].place;
    engine.forget();
    assert!(all(&a, &room).await.records.is_empty());
    a.bus.append(records(&room, 1, 1..=3)).await.unwrap();
    let anew = a.records(3).await;
    assert_eq!((anew[0].before, anew[2].place.offset), (0, 3));
    assert_ne!(anew[2].place.epoch, place.epoch);
    assert_eq!(a.bus.history(&room, KEEP, Some(place)).await.unwrap().records.len(), 3, "its place is nowhere");
}
