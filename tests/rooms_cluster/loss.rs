//! The engine loses messages, is away, or says what no node has said.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::InProcess;
use tokio::time::sleep;

use super::{
    lab::{all_of, all_of_each, nodes, nodes_with, until},
    support::{Peer, Site, attempt, site},
};

type Told = Arc<Mutex<Vec<(String, Option<String>, u64)>>>;

fn site_of(node: &super::lab::Node) -> Site {
    site(&node.server)
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_loses_is_told_to_members_and_to_the_application() {
    let engine = InProcess::new();
    let told = Told::default();
    let keep = told.clone();
    let nodes = nodes_with(&engine, 2, move |builder| {
        let keep = keep.clone();
        builder.on_room_gap(move |gap| {
            let room = gap.room().map(str::to_owned);
            keep.lock().unwrap().push((gap.namespace().to_owned(), room, gap.count()));
            panic!("as an application may");
        })
    })
    .await;
    let mut near = nodes[0].member(&["a"]).await;
    let (mut peer, mut socket) = Peer::open_socket_with(&site_of(&nodes[1]), &attempt(), "[\"a\"]").await;
    let live = nodes[0].server.live();
    live.to("a").send("1");
    peer.take_until(&mut socket, 1).await;
    nodes[1].plug.lose_next(1);
    live.to("a").send("lost");
    sleep(Duration::from_millis(20)).await;
    live.to("a").send("3");
    peer.take_until(&mut socket, 2).await;
    assert_eq!((peer.texts(), &peer.gaps[..]), (vec!["1", "3"], &[(2, 2)][..]));
    assert_eq!(all_of(&mut near).await, ["1", "lost", "3"], "the sender's own members have it");
    assert_eq!(*told.lock().unwrap(), [("/".to_owned(), Some("a".to_owned()), 1)]);
    let stats = nodes[1].stats();
    assert_eq!((stats.cluster_missed_total, stats.skipped_total, stats.handler_panics_total), (1, 1, 1));

    // The next messages are delivered although the application's function has panicked; and a lost end shows by itself.
    nodes[1].plug.lose_next(1);
    live.to("a").send("lost again");
    until("the end is missed", || nodes[1].stats().cluster_missed_total == 2).await;
    live.to("a").send("5");
    peer.take_until(&mut socket, 3).await;
    assert_eq!(peer.gaps, [(2, 2), (4, 4)]);
    live.all().send("all");
    peer.take_until(&mut socket, 4).await;
    nodes[1].plug.lose_next(1);
    live.all().send("lost to all");
    until("the end is missed", || nodes[1].stats().cluster_missed_total == 3).await;
    assert_eq!(told.lock().unwrap().last(), Some(&("/".to_owned(), None, 1)));
}

#[tokio::test(start_paused = true)]
async fn rooms_go_on_without_the_engine_and_the_rest_follows() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut members = [nodes[0].member(&["a"]).await, nodes[1].member(&["a"]).await];
    let live = [nodes[0].server.live(), nodes[1].server.live()];
    live[0].to("a").send("together");
    for member in &mut members {
        assert_eq!(all_of(member).await, ["together"]);
    }
    engine.cut();
    live[0].to("a").send("first");
    sleep(Duration::from_secs(3)).await;
    assert!(live.iter().all(|live| live.cluster().unwrap().is_split()));
    assert!(nodes[0].stats().cluster_split);
    let delivered = live[0].to("a").send("second");
    assert_eq!((delivered.sent, delivered.published), (1, true), "here at once, and there later");
    live[1].to("a").send("other");
    assert_eq!(all_of_each(&mut members).await, [vec!["first", "second"], vec!["other"]]);
    engine.heal();
    until("together again", || live.iter().all(|live| !live.cluster().unwrap().is_split())).await;
    assert_eq!(all_of_each(&mut members).await, [vec!["other"], vec!["first", "second"]]);
    assert_eq!(nodes[1].stats().cluster_late_total, 2);
    assert_eq!(nodes.iter().map(|node| node.stats().cluster_missed_total).sum::<u64>(), 0, "nothing is missing");
    live[0].to("a").send("as before");
    for member in &mut members {
        assert_eq!(all_of(member).await, ["as before"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_without_its_engine_serves() {
    let engine = InProcess::new();
    engine.cut();
    let node = super::lab::node(&engine, |builder| builder).await;
    let mut client = node.member(&["a"]).await;
    let live = node.server.live();
    live.to("a").send("1");
    assert_eq!(all_of(&mut client).await, ["1"]);
    assert!(live.cluster().unwrap().is_split());
    engine.heal();
    until("it is not split", || !live.cluster().unwrap().is_split()).await;
    live.to("a").send("2");
    assert_eq!(all_of(&mut client).await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hears_nothing_notices_it_and_goes_on() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut members = [nodes[0].member(&["a"]).await, nodes[1].member(&["a"]).await];
    let live = [nodes[0].server.live(), nodes[1].server.live()];
    live[0].to("a").send("1");
    assert_eq!(all_of_each(&mut members).await, [["1"], ["1"]]);
    // It is connected, and nothing comes.
    nodes[1].plug.lose_next(u64::MAX);
    live[0].to("a").send("lost");
    sleep(Duration::from_secs(30)).await;
    assert!(live[1].cluster().unwrap().split && !live[0].cluster().unwrap().split);
    live[1].to("a").send("here at once");
    assert_eq!(all_of_each(&mut members).await, [vec!["lost", "here at once"], vec!["here at once"]]);
    nodes[1].plug.lose_next(0);
    until("it hears again", || !live[1].cluster().unwrap().split).await;
    live[0].to("a").send("heard");
    assert_eq!(all_of_each(&mut members).await, [["heard"], ["heard"]]);
    assert!(nodes[1].stats().cluster_missed_total >= 1, "the loss is told");
    assert_eq!(nodes[0].stats().cluster_missed_total, 0);
}

#[tokio::test(start_paused = true)]
async fn who_only_sends_joins_with_the_first_message() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 1).await;
    let mut client = nodes[0].member(&["a"]).await;
    let sender: anywire::Server =
        anywire::Anywire::builder().cluster(engine.clone()).handler(super::lab::joiner).build();
    assert!(sender.to("a").send("from a process without clients").published);
    assert_eq!(all_of(&mut client).await, ["from a process without clients"]);
}

#[tokio::test(start_paused = true)]
async fn the_rooms_of_a_server_that_was_dropped_are_gone() {
    let engine = InProcess::new();
    let mut nodes = nodes(&engine, 2).await;
    let mut client = nodes[0].member(&["a"]).await;
    nodes[1].member(&["a"]).await.close(1000, "");
    let gone = nodes.pop().unwrap();
    until("its session has ended", || gone.server.live().is_empty()).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    drop(gone);
    until("its tasks have ended", || tasks() + 2 <= before).await;
    let live = nodes[0].server.live();
    live.to("a").send("goes on");
    assert_eq!(all_of(&mut client).await, ["goes on"]);
    until("its lease has ended", || live.cluster().unwrap().nodes.len() == 1).await;
    let published = nodes[0].stats().cluster_published_total;
    assert_eq!(live.to("a").send("alone").sent, 1);
    assert_eq!(all_of(&mut client).await, ["alone"]);
    assert_eq!(nodes[0].stats().cluster_published_total, published);
}
