//! Rooms with a history, which the engine keeps for all nodes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Builder, History, InProcess, JoinError, Joined, LocalClient};
use tokio::{task::yield_now, time::sleep};

use super::lab::{Node, all_of, all_of_each, node, nodes_with, until};

const ROOM: &str = "kept:1";

fn kept(builder: Builder) -> Builder {
    builder.rooms("kept:*", History::last(1_000))
}

fn short(builder: Builder) -> Builder {
    builder.rooms("kept:*", History::last(3))
}

/// A member that joins by a position, and how it has joined.
async fn joiner(node: &Node, position: Option<&str>) -> (LocalClient, Joined) {
    let client = node.member(&[]).await;
    let joined = node.session(&client).join_since(ROOM, position).await.unwrap();
    (client, joined)
}

fn texts(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

/// All nodes send, one behind another.
async fn send(nodes: &[Node], numbers: std::ops::Range<usize>) {
    for number in numbers {
        let delivered = nodes[number % nodes.len()].server.live().to(ROOM).send(number.to_string());
        assert!(delivered.published);
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_on_any_node_gets_the_past_and_then_the_news() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 3, kept).await;
    send(&nodes, 0..20).await;
    let joins = async |at: usize, pause: u64| {
        sleep(Duration::from_millis(pause)).await;
        joiner(&nodes[at], None).await
    };
    let (_, mut one, mut two, mut three, mut again) =
        tokio::join!(send(&nodes, 20..80), joins(0, 3), joins(1, 11), joins(2, 30), joins(0, 45));
    for (client, joined) in [&mut one, &mut two, &mut three, &mut again] {
        assert!(joined.complete && joined.replayed >= 20, "{joined:?}");
        assert_eq!(all_of(client).await, texts(0..80));
    }
    assert!(nodes.iter().all(|node| node.stats().cluster_missed_total == 0));
}

#[tokio::test(start_paused = true)]
async fn a_position_is_good_on_all_nodes_and_behind_the_death_of_its_own() {
    let engine = InProcess::new();
    let mut nodes = nodes_with(&engine, 3, kept).await;
    let (first, empty) = joiner(&nodes[0], None).await;
    assert_eq!((empty.replayed, empty.complete), (0, true));
    let still = joiner(&nodes[1], Some(empty.position.as_str())).await.1;
    assert_eq!((still.replayed, still.complete), (0, true), "nothing was said since");
    send(&nodes, 0..5).await;
    let (second, five) = joiner(&nodes[0], None).await;
    assert_eq!(five.replayed, 5);
    send(&nodes, 5..7).await;
    drop((first, second));
    drop(nodes.remove(0));
    for node in &nodes {
        let (mut late, joined) = joiner(node, Some(five.position.as_str())).await;
        assert_eq!((joined.replayed, joined.complete), (2, true));
        assert_eq!(all_of(&mut late).await, texts(5..7));
    }
    // A new process has the past too.
    let new = self::node(&engine, kept).await;
    let (mut late, joined) = joiner(&new, Some(five.position.as_str())).await;
    assert_eq!((joined.replayed, joined.complete), (2, true));
    assert_eq!(all_of(&mut late).await, texts(5..7));
    for foreign in ["", "nonsense", "1.2.3", &format!("{}0", five.position)] {
        let joined = joiner(&new, Some(foreign)).await.1;
        assert_eq!((joined.replayed, joined.complete), (7, false), "{foreign:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_outlives_all_nodes() {
    let engine = InProcess::new();
    let alone = node(&engine, kept).await;
    send(std::slice::from_ref(&alone), 0..3).await;
    let position = joiner(&alone, None).await.1.position;
    drop(alone);
    let next = node(&engine, kept).await;
    let (mut late, joined) = joiner(&next, None).await;
    assert_eq!((joined.replayed, joined.complete, &joined.position), (3, true, &position));
    assert_eq!(all_of(&mut late).await, texts(0..3));
}

#[tokio::test(start_paused = true)]
async fn what_a_node_did_not_get_is_fetched_and_comes_in_order() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 3, kept).await;
    let mut members = Vec::new();
    for node in &nodes {
        members.push(joiner(node, None).await.0);
    }
    nodes[1].plug.lose_next(3);
    send(&nodes, 0..30).await;
    let cut = async {
        sleep(Duration::from_millis(5)).await;
        nodes[2].plug.cut_bus();
        sleep(Duration::from_millis(300)).await;
        nodes[2].plug.heal();
    };
    let (_, ()) = tokio::join!(send(&nodes, 30..200), cut);
    send(&nodes, 200..203).await;
    for (at, all) in all_of_each(&mut members).await.into_iter().enumerate() {
        let mut sorted: Vec<usize> = all.iter().map(|text| text.parse().unwrap()).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..203).collect::<Vec<_>>(), "node {at}");
    }
    // A message that waited at one node has its place behind what the others said meanwhile, and that is the same for all.
    let (mut one, _) = joiner(&nodes[0], None).await;
    let (mut two, _) = joiner(&nodes[2], None).await;
    assert_eq!(all_of(&mut one).await, all_of(&mut two).await);
    assert!(nodes.iter().all(|node| node.stats().cluster_missed_total == 0));
}

#[tokio::test(start_paused = true)]
async fn the_order_of_the_history_is_that_of_all_members() {
    let engine = InProcess::new();
    let nodes = Arc::new(nodes_with(&engine, 3, kept).await);
    let mut members = Vec::new();
    for node in nodes.iter() {
        members.push(joiner(node, None).await.0);
        members.push(node.member(&[ROOM]).await);
    }
    let sending = (0..3).map(|at| {
        let nodes = nodes.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                let live = nodes[at].server.live();
                let text = format!("{at} {number}");
                match number % 5 {
                    0 => live.to(ROOM).now().send(text),
                    1 => live.to_any([ROOM, "plain"]).send(text),
                    2 => live.to(ROOM).send_numbered(|_| text.clone().into()),
                    _ => live.to(ROOM).send(text),
                };
                yield_now().await;
            }
        })
    });
    for sending in sending.collect::<Vec<_>>() {
        sending.await.unwrap();
    }
    for node in nodes.iter() {
        members.push(joiner(node, None).await.0);
    }
    let all = all_of_each(&mut members).await;
    assert_eq!(all[0].len(), 300);
    for (at, other) in all.iter().enumerate() {
        assert_eq!(*other, all[0], "member {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_go_on_while_the_engine_is_away_and_have_one_history_again() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, kept).await;
    let mut members = [joiner(&nodes[0], None).await.0, joiner(&nodes[1], None).await.0];
    send(&nodes, 0..4).await;
    let before = joiner(&nodes[0], None).await.1.position;
    assert_eq!(all_of_each(&mut members).await, [texts(0..4), texts(0..4)]);
    engine.cut();
    until("the nodes are apart", || nodes.iter().all(|node| node.server.live().cluster().unwrap().split)).await;
    let mut during = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let live = node.server.live();
        assert!(live.to(ROOM).send(format!("away {at}")).sent > 0, "they get it at once");
        live.to(ROOM).send_numbered(|position| {
            during.push(position.to_string());
            format!("numbered {at}").into()
        });
    }
    // A session that comes now finds what its node has, and the position is the last one that all know.
    let (mut late, joined) = joiner(&nodes[0], Some(before.as_str())).await;
    assert_eq!((joined.replayed, joined.complete, &joined.position), (2, true, &before));
    assert_eq!(all_of(&mut late).await, ["away 0", "numbered 0"]);
    engine.heal();
    until("the nodes are together", || nodes.iter().all(|node| !node.server.live().cluster().unwrap().split)).await;
    let told = all_of_each(&mut members).await;
    for (at, told) in told.iter().enumerate() {
        assert_eq!(told[..2], [format!("away {at}"), format!("numbered {at}")]);
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(told.len(), 4, "nobody gets anything twice: {told:?}");
    }
    let ([one, two], complete) = both(&nodes, None).await;
    assert_eq!((one.len(), &one, complete), (8, &two, [true; 2]), "one history");
    let (behind, complete) = both(&nodes, Some(before.as_str())).await;
    assert_eq!((behind[0].len(), &behind[0], complete), (4, &behind[1], [true; 2]));
    for position in &during {
        let (again, complete) = both(&nodes, Some(position)).await;
        assert_eq!((again, complete), ([one.clone(), one.clone()], [false; 2]), "it may lack any of them");
    }
}

/// All that joiners on both nodes get, and whether it is complete.
async fn both(nodes: &[Node], position: Option<&str>) -> ([Vec<String>; 2], [bool; 2]) {
    let (mut one, first) = joiner(&nodes[0], position).await;
    let (mut two, second) = joiner(&nodes[1], position).await;
    let got = [all_of(&mut one).await, all_of(&mut two).await];
    one.close(1000, "");
    two.close(1000, "");
    (got, [first.complete, second.complete])
}

#[tokio::test(start_paused = true)]
async fn what_the_history_is_too_short_for_is_told() {
    let engine = InProcess::new();
    let gaps = Arc::new(Mutex::new(0));
    let told = gaps.clone();
    let nodes = nodes_with(&engine, 2, move |builder| {
        let told = told.clone();
        short(builder).on_room_gap(move |gap| *told.lock().unwrap() += gap.count())
    })
    .await;
    let (mut near, first) = joiner(&nodes[0], None).await;
    let (mut far, _) = joiner(&nodes[1], None).await;
    nodes[1].plug.cut_bus();
    let live = nodes[0].server.live();
    for number in 0..5 {
        live.to(ROOM).send(number.to_string());
        sleep(Duration::from_millis(1)).await;
    }
    nodes[1].plug.heal();
    assert_eq!(all_of(&mut near).await, texts(0..5));
    assert_eq!(all_of(&mut far).await, texts(2..5));
    assert_eq!((nodes[1].stats().cluster_missed_total, *gaps.lock().unwrap()), (1, 1), "one at least");
    for node in &nodes {
        let (mut late, joined) = joiner(node, Some(first.position.as_str())).await;
        assert_eq!((joined.replayed, joined.complete), (3, false));
        assert_eq!(all_of(&mut late).await, texts(2..5));
    }
}

#[tokio::test(start_paused = true)]
async fn numbered_messages_of_all_nodes_tell_positions_that_differ() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 3, kept).await;
    let mut positions = Vec::new();
    for number in 0..9 {
        let live = nodes[number % 3].server.live();
        let delivered = live.to(ROOM).send_numbered(|position| {
            positions.push(position.to_string());
            number.to_string().into()
        });
        assert!(delivered.published);
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(positions.iter().collect::<BTreeSet<_>>().len(), 9);
    for (number, position) in positions.iter().enumerate() {
        let (mut late, joined) = joiner(&nodes[(number + 1) % 3], Some(position)).await;
        assert!(joined.complete);
        assert_eq!(all_of(&mut late).await, texts(number + 1..9));
        late.close(1000, "");
    }
    // Another message takes the position while this one is made.
    let live = nodes[0].server.live();
    let mut tries = Vec::new();
    live.to(ROOM).send_numbered(|position| {
        tries.push(position.to_string());
        if tries.len() == 1 {
            live.to(ROOM).send("overtakes it");
        }
        position.as_str().into()
    });
    assert_eq!(tries.len(), 2);
    let (mut late, joined) = joiner(&nodes[1], Some(&tries[0])).await;
    assert!(joined.complete);
    assert_eq!(all_of(&mut late).await, [tries[1].clone()]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "has no history in which a message has a position")]
async fn a_numbered_message_is_for_all_nodes() {
    let engine = InProcess::new();
    let alone = node(&engine, kept).await;
    alone.server.live().to(ROOM).local().send_numbered(|_| "x".into());
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_a_join_waits_no_longer_than_its_time() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, kept).await;
    send(&nodes, 0..3).await;
    nodes[0].plug.cut_bus();
    let mut client = nodes[0].member(&[]).await;
    let session = nodes[0].session(&client);
    // Dropped while it waits, it has done nothing.
    let dropped = tokio::time::timeout(Duration::from_millis(500), session.join_since(ROOM, None)).await;
    assert!(dropped.is_err() && session.rooms().is_empty());
    let begun = tokio::time::Instant::now();
    let joined = session.join_since(ROOM, None).await.unwrap();
    assert_eq!((joined.replayed, joined.complete, begun.elapsed().as_secs()), (0, false, 2));
    assert_eq!(session.join_since(ROOM, None).await, Err(JoinError::Member));
    nodes[0].server.live().to(ROOM).send("here");
    assert_eq!(all_of(&mut client).await, ["here"]);
    nodes[0].plug.heal();
    until("the node is together with the other", || !nodes[0].server.live().cluster().unwrap().split).await;
    nodes[1].server.live().to(ROOM).send("there");
    assert_eq!(all_of(&mut client).await, ["there"], "what was before it joined is no news");
    let (mut late, joined) = joiner(&nodes[0], None).await;
    assert_eq!((joined.replayed, joined.complete), (5, true));
    assert_eq!(all_of(&mut late).await, ["0", "1", "2", "here", "there"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_members_gets_nothing_and_forgets_the_past() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, kept).await;
    let (client, _) = joiner(&nodes[0], None).await;
    let send = |number: usize| nodes[1].server.live().to(ROOM).send(number.to_string());
    send(0);
    until("it has come", || nodes[0].stats().cluster_received_total == 1).await;
    let session = nodes[0].session(&client);
    session.leave(ROOM);
    // A session that comes back soon is served from what the node has.
    assert_eq!(session.join_since(ROOM, None).await.unwrap().replayed, 1);
    session.leave(ROOM);
    sleep(Duration::from_secs(6)).await;
    send(1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(nodes[0].stats().cluster_received_total, 1, "it asks for nothing any more");
    let joined = session.join_since(ROOM, None).await.unwrap();
    assert_eq!((joined.replayed, joined.complete), (2, true));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_skipped_and_what_is_local_is_in_no_history() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, kept).await;
    let mut members = [joiner(&nodes[0], None).await.0, joiner(&nodes[1], None).await.0];
    let live = nodes[0].server.live();
    live.to(ROOM).send("1");
    live.to(ROOM).droppable().send("2");
    live.to(ROOM).latest("key").send("3");
    live.to(ROOM).droppable().now().send("4");
    live.to(ROOM).local().send("5");
    live.to(ROOM).send("6");
    let [mut near, far] = <[Vec<String>; 2]>::try_from(all_of_each(&mut members).await).unwrap();
    assert_eq!(far, ["1", "2", "3", "4", "6"]);
    near.sort_unstable();
    assert_eq!(near, ["1", "2", "3", "4", "5", "6"]);
    sleep(Duration::from_millis(100)).await;
    let new = node(&engine, kept).await;
    for node in nodes.iter().chain([&new]) {
        let (mut late, joined) = joiner(node, None).await;
        assert_eq!((joined.replayed, joined.complete), (2, true));
        assert_eq!(all_of(&mut late).await, ["1", "6"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_has_lost_all_begins_a_new_history() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, kept).await;
    let (mut here, _) = joiner(&nodes[0], None).await;
    send(&nodes, 0..3).await;
    let position = joiner(&nodes[0], None).await.1.position;
    engine.forget();
    send(&nodes, 3..6).await;
    assert_eq!(all_of(&mut here).await, texts(0..6));
    // The node that follows the room knows what was before.
    let (mut late, joined) = joiner(&nodes[0], Some(position.as_str())).await;
    assert_eq!((all_of(&mut late).await, joined.complete), (texts(3..6), true));
    let (mut late, joined) = joiner(&nodes[1], Some(position.as_str())).await;
    assert_eq!((all_of(&mut late).await, joined.complete), (texts(3..6), false));
}
