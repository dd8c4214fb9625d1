//! The promises of histories.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anywire::{Cluster, Past, Place, Publication, RECORDED, Record, Recorded, Retention};
use axum::body::Bytes;
use futures::future::join_all;
use tokio::time::sleep;

use super::node::Node;

type Make<'a> = &'a dyn Fn() -> Cluster;

/// No test takes so long that a record goes at its age.
pub const KEEP: Retention = Retention::new(1_000, Duration::from_secs(3_600));

pub fn topic(name: &str) -> Bytes {
    [RECORDED, name.as_bytes()].concat().into()
}

/// A record whose body names its publisher and its number.
pub fn record(topic: &Bytes, publisher: u64, number: u64, keep: Retention) -> Record {
    Record::new(topic.clone(), format!("{publisher} {number}"), publisher, number, keep)
}

/// The records of a publisher with these numbers.
pub fn records(topic: &Bytes, publisher: u64, numbers: impl IntoIterator<Item = u64>) -> Vec<Record> {
    numbers.into_iter().map(|number| record(topic, publisher, number, KEEP)).collect()
}

/// A node that is connected and has an interest in these topics.
async fn follower(make: Make<'_>, topics: &[&Bytes]) -> Node {
    let node = Node::connected(make()).await;
    node.bus.interest(topics.iter().copied().cloned().collect(), vec![]).await.unwrap();
    node
}

pub async fn all(node: &Node, topic: &Bytes) -> Past {
    node.bus.history(topic, KEEP, None).await.unwrap()
}

pub fn bodies(past: &Past) -> Vec<Bytes> {
    past.records.iter().map(|(_, _, body)| body.clone()).collect()
}

/// Each record says which one came before it.
pub fn assert_whole(records: &[Recorded]) {
    for pair in records.windows(2) {
        assert_eq!(pair[0].place, Place::new(pair[1].place.epoch, pair[1].before), "{pair:?}");
        assert!(pair[0].place.offset < pair[1].place.offset);
    }
}

pub async fn records_have_one_order(make: Make<'_>) {
    const PUBLISHERS: u64 = 4;
    const BATCHES: u64 = 20;
    const BATCH: u64 = 10;
    let room = topic("room");
    let mut readers = vec![follower(make, &[&room]).await, follower(make, &[&room]).await];
    let mut writers = Vec::new();
    for _ in 0..PUBLISHERS {
        writers.push(Node::connected(make()).await);
    }
    assert!(writers[0].bus.keeps_histories());
    let appending = (0..PUBLISHERS).zip(&writers).map(|(publisher, writer)| {
        let (bus, room) = (writer.bus.clone(), room.clone());
        tokio::spawn(async move {
            for batch in 0..BATCHES {
                bus.append(records(&room, publisher, batch * BATCH + 1..=(batch + 1) * BATCH)).await.unwrap();
            }
        })
    });
    join_all(appending).await.into_iter().for_each(|done| done.unwrap());
    let all_of_them = usize::try_from(PUBLISHERS * BATCHES * BATCH).unwrap();
    let mut lists = Vec::new();
    for reader in &mut readers {
        lists.push(reader.records(all_of_them).await);
    }
    assert_whole(&lists[0]);
    assert_eq!(lists[0][0].before, 0);
    assert!(lists[0] == lists[1], "the nodes have different orders");
    let mut last = HashMap::new();
    for recorded in &lists[0] {
        assert_eq!(recorded.topic, room);
        let (publisher, number) = std::str::from_utf8(&recorded.body).unwrap().split_once(' ').unwrap();
        let before = last.insert(publisher.to_owned(), number.parse::<u64>().unwrap()).unwrap_or(0);
        assert_eq!(number.parse::<u64>().unwrap(), before + 1, "of publisher {publisher}");
    }
    let past = all(&writers[0], &room).await;
    assert!(past.records.iter().zip(&lists[0]).all(|((offset, age, body), recorded)| {
        recorded.place == Place::new(past.epoch, *offset) && *body == recorded.body && *age < 60_000
    }));
    assert_eq!((past.records.len(), past.before), (all_of_them, 0));
    assert_eq!(past.last, lists[0].last().unwrap().place.offset);
    for reader in &mut readers {
        reader.nothing_more().await;
    }
}

pub async fn a_history_is_read_behind_a_place(make: Make<'_>) {
    let room = topic("room");
    let mut node = follower(make, &[&room]).await;
    let nothing = all(&node, &room).await;
    assert_eq!((nothing.last, nothing.before, nothing.records.len()), (0, 0, 0));
    node.bus.append(records(&room, 1, 1..=5)).await.unwrap();
    let places: Vec<Place> = node.records(5).await.into_iter().map(|recorded| recorded.place).collect();
    for (behind, place) in (1..).zip(&places) {
        let past = node.bus.history(&room, KEEP, Some(*place)).await.unwrap();
        let expected: Vec<String> = (behind + 1..=5).map(|number| format!("1 {number}")).collect();
        assert_eq!(bodies(&past), expected);
        let of_past = (past.epoch, past.before, past.last);
        assert_eq!(of_past, (place.epoch, place.offset, places[4].offset), "nothing is missing");
    }
    let Place { epoch, offset, .. } = places[3];
    for elsewhere in [Place::new(epoch.wrapping_add(1), offset), Place::new(epoch, 0)] {
        let past = node.bus.history(&room, KEEP, Some(elsewhere)).await.unwrap();
        assert_eq!((past.epoch, past.before, past.records.len()), (epoch, 0, 5));
    }
}

pub async fn the_history_tells_what_it_has_no_more(make: Make<'_>) {
    let room = topic("short");
    let keep = Retention::new(3, Duration::from_secs(60));
    let mut node = follower(make, &[&room]).await;
    let append = async |numbers: std::ops::RangeInclusive<u64>| {
        let batch = numbers.map(|number| record(&room, 1, number, keep)).collect();
        node.bus.append(batch).await.unwrap();
    };
    append(1..=2).await;
    append(3..=8).await;
    let places: Vec<Place> = node.records(8).await.into_iter().map(|recorded| recorded.place).collect();
    for (behind, missing) in [(None, true), (Some(0), true), (Some(3), true), (Some(5), false), (Some(6), false)] {
        let past = node.bus.history(&room, keep, behind.map(|at: usize| places[at])).await.unwrap();
        assert_eq!(past.last, places[7].offset);
        let first = behind.map_or(6, |at| (at + 2).max(6));
        let expected: Vec<String> = (first..=8).map(|number| format!("1 {number}")).collect();
        assert_eq!(bodies(&past), expected, "behind {behind:?}");
        let asked = behind.map_or(0, |at| places[at].offset);
        assert_eq!(past.before > asked, missing, "behind {behind:?}: {past:?}");
    }
}

pub async fn a_batch_that_is_appended_again_is_kept_once(make: Make<'_>) {
    let (room, other) = (topic("room"), topic("other"));
    let mut reader = follower(make, &[&room, &other]).await;
    let writer = Node::connected(make()).await;
    let batch = [records(&room, 7, 1..=3), records(&other, 7, 1..=3)].concat();
    writer.bus.append(batch.clone()).await.unwrap();
    // The whole batch, a part of it, and a part of it with more behind.
    writer.bus.append(batch.clone()).await.unwrap();
    writer.bus.append(batch[1..5].to_vec()).await.unwrap();
    writer.bus.append([records(&room, 7, 2..=4), records(&other, 7, 3..=5)].concat()).await.unwrap();
    // Another publisher has numbers of its own.
    reader.bus.append(records(&room, 8, 1..=1)).await.unwrap();
    writer.bus.append(vec![]).await.unwrap();
    let received = reader.records(10).await;
    for (topic, expected) in
        [(&room, vec!["7 1", "7 2", "7 3", "7 4", "8 1"]), (&other, vec!["7 1", "7 2", "7 3", "7 4", "7 5"])]
    {
        let of_topic: Vec<Recorded> = received.iter().filter(|recorded| recorded.topic == *topic).cloned().collect();
        assert_whole(&of_topic);
        assert_eq!(of_topic.into_iter().map(|recorded| recorded.body).collect::<Vec<_>>(), expected);
        assert_eq!(bodies(&all(&writer, topic).await), expected);
    }
    reader.nothing_more().await;
}

/// Each history has its own bounds, and a record that is too old is not there any more, or the nodes see its age.
pub async fn records_go_at_their_age(make: Make<'_>) {
    let (short, long) = (topic("short"), topic("long"));
    let age = Duration::from_millis(1_500);
    let mut node = follower(make, &[&short, &long]).await;
    node.bus.append(vec![record(&short, 1, 1, Retention::new(9, age)), record(&long, 1, 1, KEEP)]).await.unwrap();
    node.records(2).await;
    while !bodies(&node.bus.history(&short, Retention::new(9, age), None).await.unwrap()).is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
    let past = all(&node, &long).await;
    assert_eq!(bodies(&past), ["1 1"]);
    assert!((1_400..60_000).contains(&past.records[0].1), "its age is {} ms", past.records[0].1);
    node.bus.append(vec![record(&short, 1, 2, Retention::new(9, age))]).await.unwrap();
    assert_eq!(node.recorded().await.body, "1 2");
    assert_eq!(bodies(&node.bus.history(&short, Retention::new(9, age), None).await.unwrap()), ["1 2"]);
}

pub async fn records_are_bytes_of_all_kinds(make: Make<'_>) {
    let bytes: Vec<u8> = (0..=255).collect();
    let long = "a name ".repeat(500);
    let names: [&[u8]; 4] = [b"", b"\r\n* > . {a}", &bytes, long.as_bytes()];
    let topics = names.map(|name| Bytes::from([RECORDED, name].concat()));
    let bodies_ = [Bytes::new(), bytes.clone().into(), Bytes::from(vec![b'\n'; 1_000_000])];
    let mut reader = follower(make, &topics.iter().collect::<Vec<_>>()).await;
    let writer = Node::connected(make()).await;
    for topic in &topics {
        let batch = (1..).zip(&bodies_).map(|(n, body)| Record::new(topic.clone(), body.clone(), u64::MAX, n, KEEP));
        writer.bus.append(batch.collect()).await.unwrap();
        let received = reader.records(bodies_.len()).await;
        assert!(received.iter().zip(&bodies_).all(|(got, body)| got.topic == *topic && got.body == *body));
        assert!(bodies(&all(&reader, topic).await) == bodies_, "they are kept as they are");
    }
    // The largest number is behind all others.
    writer.bus.append(records(&topics[0], 1, [u64::MAX - 1, u64::MAX, u64::MAX - 1])).await.unwrap();
    assert_eq!(reader.records(2).await[1].body, format!("1 {}", u64::MAX));
    reader.nothing_more().await;
}

/// Bounds that no engine keeps are the nearest that it does. A record comes all the same.
pub async fn a_history_has_any_bounds(make: Make<'_>) {
    let mut node = Node::connected(make()).await;
    for keep in [Retention::new(0, Duration::ZERO), Retention::new(u32::MAX, Duration::MAX)] {
        let room = topic(&format!("{keep:?}"));
        node.bus.interest(vec![room.clone()], vec![]).await.unwrap();
        node.bus.append(vec![record(&room, 1, 1, keep), record(&room, 1, 2, keep)]).await.unwrap();
        let received = node.records(2).await;
        assert_whole(&received);
        let past = node.bus.history(&room, keep, None).await.unwrap();
        if keep.records > 0 {
            assert_eq!((past.last, past.before, past.records.len()), (received[1].place.offset, 0, 2));
        } else {
            assert!(past.records.len() < 2, "{past:?}");
        }
    }
}

pub async fn records_come_to_those_who_want_them(make: Make<'_>) {
    let (room, other) = (topic("room"), topic("other"));
    let mut reader = follower(make, &[&room]).await;
    let mut elsewhere = follower(make, &[&other]).await;
    let writer = Node::connected(make()).await;
    writer.bus.append(records(&room, 1, 1..=2)).await.unwrap();
    writer.bus.publish(vec![Publication::new("plain", "x")]).await.unwrap();
    assert_eq!(reader.records(2).await[1].body, "1 2");
    reader.bus.interest(vec![], vec![room.clone()]).await.unwrap();
    writer.bus.append(records(&room, 1, 3..=3)).await.unwrap();
    reader.nothing_more().await;
    elsewhere.nothing_more().await;
    // A node that asks again finds what came meanwhile.
    reader.bus.interest(vec![room.clone()], vec![]).await.unwrap();
    assert_eq!(bodies(&all(&reader, &room).await), ["1 1", "1 2", "1 3"]);
    writer.bus.append(records(&room, 1, 4..=4)).await.unwrap();
    assert_eq!(reader.recorded().await.body, "1 4");
}

/// Appends while something fails again and again, as a node does: a batch that failed is appended again, until it is
/// taken. `fail` is called until all is appended.
#[cfg(any(feature = "redis", feature = "nats", feature = "host"))]
pub async fn nothing_confirmed_is_lost(
    bus: std::sync::Arc<dyn anywire::Bus>,
    reader: &Node,
    mut fail: impl AsyncFnMut(),
) {
    const BATCHES: u64 = 150;
    let room = topic("room");
    let appending = tokio::spawn({
        let room = room.clone();
        async move {
            for batch in 0..BATCHES {
                let numbers = batch * 5 + 1..=batch * 5 + 5;
                while bus.append(records(&room, 1, numbers.clone())).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
    while !appending.is_finished() {
        fail().await;
        sleep(Duration::from_millis(100)).await;
    }
    appending.await.unwrap();
    let past = loop {
        match reader.bus.history(&room, KEEP, None).await {
            Ok(past) => break past,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    };
    let expected: Vec<String> = (1..=BATCHES * 5).map(|number| format!("1 {number}")).collect();
    assert_eq!(bodies(&past), expected, "each record is kept once, in order");
    let offsets: HashSet<u64> = past.records.iter().map(|(offset, _, _)| *offset).collect();
    assert_eq!(offsets.len(), past.records.len());
}
