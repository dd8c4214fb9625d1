//! The number of a room's members on all nodes.

use std::time::Duration;

use anywire::{Anywire, InProcess, Live};
use tokio::time::sleep;

use super::{
    lab::{nodes, until},
    support::echo,
};

/// Longer than a node takes to note what has changed.
const NOTED: Duration = Duration::from_secs(3);

async fn counts(lives: &[Live], room: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    for live in lives {
        counts.push(live.count(room).await);
    }
    counts
}

#[tokio::test]
async fn alone_all_members_are_here() {
    let server: anywire::Server = Anywire::builder().handler(echo).build();
    assert_eq!(server.live().count("a").await, 0);
}

#[tokio::test(start_paused = true)]
async fn all_nodes_count_all_members() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let lives: Vec<Live> = nodes.iter().map(|node| node.server.live()).collect();
    assert_eq!(counts(&lives, "a").await, [0, 0, 0]);
    let mut members = Vec::new();
    for at in [0, 0, 1, 2, 2, 2] {
        members.push(nodes[at].member(&["a", &format!("only {at}")]).await);
    }
    assert_eq!(lives[0].count("a").await, 2, "those on this node count at once");
    sleep(NOTED).await;
    assert_eq!(counts(&lives, "a").await, [6, 6, 6]);
    assert_eq!(counts(&lives, "only 1").await, [1, 1, 1]);
    nodes[2].session(&members[5]).leave("a");
    members.remove(0).close(1000, "");
    sleep(NOTED).await;
    assert_eq!(counts(&lives, "a").await, [4, 4, 4]);
    assert_eq!(counts(&lives, "b").await, [0, 0, 0]);
    assert_eq!(lives[0].of("/x").count("a").await, 0, "another namespace has rooms of its own");
}

#[tokio::test(start_paused = true)]
async fn members_of_dead_nodes_do_not_count() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let _here = nodes[0].member(&["a"]).await;
    let _there = nodes[1].member(&["a"]).await;
    sleep(NOTED).await;
    let live = nodes[0].server.live();
    assert_eq!(live.count("a").await, 2);
    // Its lease ends, and what it has noted stays.
    nodes[1].plug.cut_directory();
    until("the other node is dead", || live.cluster().unwrap().nodes.len() == 1).await;
    assert_eq!(live.count("a").await, 1);
    nodes[1].plug.heal();
    until("it is there again", || live.cluster().unwrap().nodes.len() == 2).await;
    assert_eq!(live.count("a").await, 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_directory_the_last_count_of_others_stands() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let _there = nodes[1].member(&["a"]).await;
    sleep(NOTED).await;
    let live = nodes[0].server.live();
    assert_eq!(live.count("a").await, 1);
    nodes[0].plug.cut_directory();
    let _here = nodes[0].member(&["a", "b"]).await;
    let _more = nodes[1].member(&["a", "b"]).await;
    sleep(NOTED).await;
    assert_eq!((live.count("a").await, live.count("b").await), (2, 1));
    nodes[0].plug.heal();
    sleep(NOTED).await;
    assert_eq!((live.count("a").await, live.count("b").await), (3, 2));
    assert_eq!(nodes[1].server.live().count("b").await, 2, "what could not be noted is noted later");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_has_forgotten_is_told_again() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let _members = (nodes[0].member(&["a"]).await, nodes[1].member(&["a"]).await);
    sleep(NOTED).await;
    engine.forget();
    sleep(Duration::from_secs(20)).await;
    let lives: Vec<Live> = nodes.iter().map(|node| node.server.live()).collect();
    assert_eq!(counts(&lives, "a").await, [2, 2]);
}

/// The notes of a node last for an hour, and it renews them.
#[tokio::test(start_paused = true)]
async fn a_count_that_does_not_change_is_kept() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut there = nodes[1].member(&["a"]).await;
    for _ in 0..2 * 360 {
        assert_eq!(there.recv_within(Duration::from_secs(10)).await, None);
    }
    assert_eq!(nodes[0].server.live().count("a").await, 1);
}
