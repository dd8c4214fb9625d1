//! Nodes that shut down one after the other, under clients that go on talking.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::sleep;

use crate::{
    support::Site,
    talk::{Talk, counting, shut_down},
};

const WINDOW: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_loses_nothing_on_any_transport() {
    let (house, handlers) = counting().await;
    let first = house.node(0);
    let mut talks = vec![Talk::polls(&first).await, Talk::socket(&first).await, Talk::socket(&first).await];
    for route in ["fetch-stream", "xhr-stream"] {
        talks.push(Talk::stream(&first, route).await);
    }
    let all = talks.len();
    for talk in &mut talks {
        talk.say().await;
    }
    for (nth, left) in [(0, vec![1, 2]), (1, vec![2])] {
        let before: Vec<usize> = house.sessions();
        let sites: Vec<Site> = left.iter().map(|nth| house.node(*nth)).collect();
        let shutdown = shut_down(&house, nth, WINDOW).await;
        while !shutdown.is_finished() {
            for talk in &mut talks {
                talk.go_on(&sites).await;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let report = shutdown.await.unwrap();
        assert_eq!((report.moved, report.ended, report.cut), (before[nth], 0, 0), "node {nth}");
        assert_eq!(house.sessions()[nth], 0);
        assert_eq!(house.sessions().iter().sum::<usize>(), all);
    }
    for talk in &mut talks {
        // Their node is the last one, and those of their ids are gone.
        talk.peer.site = house.node(2);
        talk.say().await;
        assert!(talk.said > 20, "{}", talk.said);
    }
    assert_eq!(handlers.ended.load(Relaxed), 0);
    let started = handlers.started.load(Relaxed);
    assert_eq!(started, all + handlers.moved.load(Relaxed));
    let moved: u64 = house.servers.iter().map(|server| server.live().stats().cluster_moved_total).sum();
    let taken: u64 = house.servers.iter().map(|server| server.live().stats().cluster_taken_total).sum();
    // One that was handed on before its client came has moved twice, and its handler has started once.
    assert!(moved == taken && moved >= handlers.moved.load(Relaxed) as u64, "{moved} {taken}");
}

#[tokio::test(start_paused = true)]
async fn sessions_without_a_link_are_pushed_and_go_on_where_their_client_comes() {
    let (house, handlers) = counting().await;
    let mut talks = Vec::new();
    for _ in 0..6 {
        let mut talk = Talk::polls(&house.node(0)).await;
        talk.say().await;
        talks.push(talk);
    }
    let report = shut_down(&house, 0, Duration::from_secs(8)).await.await.unwrap();
    assert_eq!((report.moved, report.ended, report.cut), (6, 0, 0));
    assert_eq!(handlers.moved.load(Relaxed), 0, "no handler starts before its client comes");
    for (number, talk) in talks.iter_mut().enumerate() {
        talk.peer.site = house.node(1 + number % 2);
        talk.link().await;
        talk.say().await;
    }
    assert_eq!(handlers.moved.load(Relaxed), 6);
    assert_eq!(house.sessions(), [0, 3, 3], "each is where its client is");
}

#[tokio::test(start_paused = true)]
async fn the_last_node_cuts_its_sessions() {
    let (house, handlers) = counting().await;
    let mut talk = Talk::polls(&house.node(0)).await;
    talk.say().await;
    let mut ends = Vec::new();
    for nth in 0..3 {
        ends.push(shut_down(&house, nth, Duration::from_secs(10)).await);
    }
    let mut reports = Vec::new();
    for end in ends {
        reports.push(end.await.unwrap());
    }
    // It has moved as long as there was anybody who goes on.
    let (moved, cut): (usize, usize) = (reports.iter().map(|r| r.moved).sum(), reports.iter().map(|r| r.cut).sum());
    assert_eq!(cut, 1, "{reports:?}");
    assert!(moved <= 2, "{reports:?}");
    assert_eq!(handlers.started.load(Relaxed), 1);
}
