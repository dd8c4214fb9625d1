//! The promises of a bus.

use std::collections::HashMap;

use anywire::{BusEvent, Cluster, Order, Publication};
use axum::body::Bytes;
use futures::future::join_all;

use super::node::Node;

type Make<'a> = &'a dyn Fn() -> Cluster;

pub async fn a_batch_keeps_its_order(make: Make<'_>) {
    let mut reader = Node::with(make(), &["a", "b"]).await;
    let writer = Node::connected(make()).await;
    let batch: Vec<_> = (0..100).map(|n| Publication::new(["a", "b", "other"][n % 3], n.to_string())).collect();
    let expected: Vec<_> = batch.iter().filter(|publication| publication.topic != "other").cloned().collect();
    writer.bus.publish(batch).await.unwrap();
    writer.bus.publish(vec![]).await.unwrap();
    for publication in expected {
        assert_eq!(reader.received().await, (publication.topic, publication.body));
    }
    reader.nothing_more().await;
}

pub async fn all_nodes_have_one_order(make: Make<'_>) {
    const PUBLISHERS: usize = 4;
    const BATCHES: usize = 50;
    const BATCH: usize = 20;
    let mut nodes = Vec::new();
    for _ in 0..PUBLISHERS {
        nodes.push(Node::with(make(), &["room"]).await);
    }
    let publishing = nodes.iter().enumerate().map(|(publisher, node)| {
        let bus = node.bus.clone();
        tokio::spawn(async move {
            for batch in 0..BATCHES {
                let body = |n| format!("{publisher} {}", batch * BATCH + n);
                bus.publish((0..BATCH).map(|n| Publication::new("room", body(n))).collect()).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    join_all(publishing).await.into_iter().for_each(|done| done.unwrap());
    let all = PUBLISHERS * BATCHES * BATCH;
    let mut lists = Vec::new();
    for node in &mut nodes {
        lists.push(node.bodies(all).await);
    }
    for list in &lists {
        let mut last = HashMap::new();
        for body in list {
            let (publisher, n) = std::str::from_utf8(body).unwrap().split_once(' ').unwrap();
            let before = last.insert(publisher.to_owned(), n.parse::<i64>().unwrap()).unwrap_or(-1);
            assert_eq!(before + 1, n.parse::<i64>().unwrap(), "of publisher {publisher}");
        }
    }
    if nodes[0].bus.order() == Order::Total {
        assert!(lists.iter().all(|list| *list == lists[0]), "the nodes have different orders");
    }
}

pub async fn interest_begins_and_ends(make: Make<'_>) {
    let mut reader = Node::connected(make()).await;
    let mut other = Node::with(make(), &["elsewhere"]).await;
    let writer = Node::connected(make()).await;
    writer.publish("room", "before").await.unwrap();
    reader.add(&["room"]).await.unwrap();
    // Asked for twice, it comes once.
    reader.add(&["room"]).await.unwrap();
    writer.publish("room", "within").await.unwrap();
    assert_eq!(reader.received().await, (Bytes::from("room"), Bytes::from("within")));
    reader.remove(&["room", "never asked for"]).await.unwrap();
    writer.publish("room", "behind").await.unwrap();
    reader.nothing_more().await;
    other.nothing_more().await;
    reader.add(&["room"]).await.unwrap();
    writer.publish("room", "again").await.unwrap();
    assert_eq!(reader.received().await.1, "again");
}

pub async fn a_burst_arrives_whole(make: Make<'_>) {
    let mut reader = Node::with(make(), &["room"]).await;
    let writer = Node::connected(make()).await;
    let body = |n: usize| Bytes::from(format!("{n} {}", "x".repeat(100)));
    writer.bus.publish((0..10_000).map(|n| Publication::new("room", body(n))).collect()).await.unwrap();
    for (n, received) in reader.bodies(10_000).await.into_iter().enumerate() {
        assert_eq!(received, body(n));
    }
    reader.nothing_more().await;
}

pub async fn bytes_of_all_kinds_arrive(make: Make<'_>) {
    let all: Vec<u8> = (0..=255).collect();
    let topics =
        [Bytes::new(), Bytes::from("\r\n*1\r\n$4\r\nPING\r\n"), Bytes::from(all.clone()), Bytes::from("a*?[b]")];
    let bodies = [Bytes::new(), Bytes::from(all), Bytes::from(vec![b'\n'; 1 << 20])];
    let mut reader = Node::connected(make()).await;
    reader.bus.interest(topics.to_vec(), vec![]).await.unwrap();
    let writer = Node::connected(make()).await;
    for topic in &topics {
        for body in &bodies {
            writer.bus.publish(vec![Publication::new(topic.clone(), body.clone())]).await.unwrap();
            assert_eq!(reader.received().await, (topic.clone(), body.clone()));
        }
    }
    // A topic is no pattern.
    writer.publish("a1xb", "").await.unwrap();
    reader.nothing_more().await;
}

pub async fn many_topics_are_asked_for_at_once(make: Make<'_>) {
    let topics: Vec<Bytes> = (0..2_000).map(|n| Bytes::from(format!("room {n}"))).collect();
    let mut reader = Node::connected(make()).await;
    reader.bus.interest(topics.clone(), vec![]).await.unwrap();
    let writer = Node::connected(make()).await;
    let publish = |topics: &[Bytes]| topics.iter().map(|topic| Publication::new(topic.clone(), "x")).collect();
    writer.bus.publish(publish(&topics)).await.unwrap();
    for topic in &topics {
        assert_eq!(reader.received().await.0, *topic);
    }
    reader.bus.interest(vec![], topics[1..].to_vec()).await.unwrap();
    writer.bus.publish(publish(&topics)).await.unwrap();
    assert_eq!(reader.received().await.0, topics[0]);
    reader.nothing_more().await;
}

pub async fn a_node_listens_again(make: Make<'_>) {
    let mut reader = Node::with(make(), &["room"]).await;
    let writer = Node::connected(make()).await;
    for n in 0..3 {
        reader.listen_again();
        assert_eq!(reader.event().await, BusEvent::Whole);
        writer.publish("room", &n.to_string()).await.unwrap();
        assert_eq!(reader.received().await.1, n.to_string());
    }
    reader.nothing_more().await;
}

pub async fn what_is_dropped_in_the_same_call_is_dropped(make: Make<'_>) {
    let mut reader = Node::connected(make()).await;
    let topics = |names: &[&'static str]| names.iter().map(|name| Bytes::from(*name)).collect();
    reader.bus.interest(topics(&["both", "room"]), topics(&["both"])).await.unwrap();
    reader.publish("both", "x").await.unwrap();
    reader.publish("room", "x").await.unwrap();
    assert_eq!(reader.received().await.0, "room");
    reader.nothing_more().await;
}
