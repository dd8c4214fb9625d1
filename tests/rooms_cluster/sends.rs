//! Messages to one session, on whatever node it is.

use std::time::Duration;

use anywire::{Anywire, InProcess, SendError, SendToError};
use tokio::time::sleep;

use super::{
    lab::{all_of, nodes, nodes_with, until},
    support::echo,
};

#[tokio::test]
async fn alone_all_sessions_are_here() {
    let server: anywire::Server = Anywire::builder().handler(echo).message_limit(10).build();
    let live = server.live();
    let mut client = anywire::LocalClient::open(&server, (), "").await.unwrap();
    let id = client.id().to_string();
    assert_eq!(live.send_to(&id, "hello").await, Ok(()));
    assert_eq!(client.recv().await.unwrap().as_text(), Some("hello"));
    assert_eq!(live.send_to(&id, "more than ten bytes").await, Err(SendToError::NotSent(SendError::TooLarge)));
    for nobody in ["", "x", "somebody.1", "other.00000000-0000-4000-8000-000000000000"] {
        assert_eq!(live.send_to(nobody, "hello").await, Err(SendToError::Unknown), "{nobody}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_of_any_node_is_reached_from_all() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut client = nodes[1].member(&[]).await;
    let id = client.id().to_string();
    for (at, node) in nodes.iter().enumerate() {
        for number in 0..3 {
            assert_eq!(node.server.live().send_to(&id, format!("{at} {number}")).await, Ok(()));
        }
        assert_eq!(node.server.live().send_to(&id, vec![at as u8]).await, Ok(()), "bytes too");
    }
    let mut got = Vec::new();
    while let Some(message) = client.recv_within(Duration::from_secs(2)).await {
        got.push(message.as_text().map_or_else(|| format!("{:?}", message.as_bytes()), str::to_owned));
    }
    let each = |at: usize| (0..3).map(move |number| format!("{at} {number}")).chain([format!("[{at}]")]);
    assert_eq!(got, (0..3).flat_map(each).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_other_node_says_why_not() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, |builder| builder.outbox(2_000).message_limit(1_000)).await;
    let live = nodes[0].server.live();
    let client = nodes[1].member(&[]).await;
    let id = client.id().to_string();
    let mut sent = 0;
    let full = loop {
        match live.send_to(&id, "x".repeat(500)).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 1_000, "nobody receives");
    };
    assert_eq!(full, SendToError::NotSent(SendError::Full));
    assert_eq!(full.to_string(), SendError::Full.to_string());
    assert_eq!(live.send_to(&id, "x".repeat(1_001)).await, Err(SendToError::NotSent(SendError::TooLarge)));
    assert_eq!(live.of("/x").send_to(&id, "no such channel").await, Err(SendToError::Unknown));
    let nobody = format!("{}.00000000-0000-4000-8000-000000000000", id.rsplit_once('.').unwrap().0);
    assert_eq!(live.send_to(&nobody, "x").await, Err(SendToError::Unknown));
    nodes[1].session(&client).abort();
    let over = live.send_to(&id, "x").await.unwrap_err();
    assert!(matches!(over, SendToError::Unknown | SendToError::NotSent(SendError::Closed)), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_reached_is_no_end_of_its_session() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let live = nodes[0].server.live();
    let mut client = nodes[1].member(&[]).await;
    let id = client.id().to_string();
    nodes[1].plug.cut_links();
    assert_eq!(live.send_to(&id, "lost").await, Err(SendToError::Unreachable));
    nodes[1].plug.heal();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(live.send_to(&id, "found").await, Ok(()));
    assert_eq!(all_of(&mut client).await, ["found"]);
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_dead_node_are_over() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let client = nodes[1].member(&[]).await;
    let id = client.id().to_string();
    let live = nodes[0].server.live();
    assert_eq!(live.send_to(&id, "x").await, Ok(()));
    nodes[1].plug.cut_directory();
    nodes[1].plug.cut_links();
    until("the other node is dead", || live.cluster().unwrap().nodes.len() == 1).await;
    assert_eq!(live.send_to(&id, "x").await, Err(SendToError::Unknown));
}
