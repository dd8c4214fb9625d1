//! The members that a send reaches, on each node.

use std::collections::HashSet;

use anywire::{Delivered, InProcess};

use super::lab::{all_of, all_of_each, nodes, until};

fn delivered(sent: usize, published: bool) -> Delivered {
    let mut delivered = Delivered::default();
    (delivered.sent, delivered.published) = (sent, published);
    delivered
}

#[tokio::test(start_paused = true)]
async fn a_send_reaches_the_members_that_it_names_on_all_nodes() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    // Two of each kind, on different nodes.
    let kinds: [&[&str]; 4] = [&["a"], &["a", "b"], &["b"], &[]];
    let mut members = Vec::new();
    for (at, kind) in kinds.iter().enumerate() {
        members.push(nodes[at % 3].member(kind).await);
        members.push(nodes[(at + 1) % 3].member(kind).await);
    }
    let first = nodes[0].session(&members[0]);
    let live = nodes[2].server.live();
    live.to("a").send("all of a");
    live.to("a").except(&first).send("not the first");
    first.to("a").send("not me");
    first.within("a").send("me too");
    live.to("a").except_room("b").send("not b");
    live.to("b").except_room("a").send("b but not a");
    live.to_any(["b", "a", "b"]).send("each once");
    live.to_any(["b", "a"]).except(&first).send("each but one");
    live.all().except_room("a").send("none of a");
    live.all().send("everybody");
    live.to("nobody").send("to nobody");
    let got = all_of_each(&mut members).await;
    let a: HashSet<usize> = [0, 1, 2, 3].into();
    let b: HashSet<usize> = [2, 3, 4, 5].into();
    for (at, got) in got.iter().enumerate() {
        let (in_a, in_b, is_first) = (a.contains(&at), b.contains(&at), at == 0);
        let want = [
            ("all of a", in_a),
            ("not the first", in_a && !is_first),
            ("not me", in_a && !is_first),
            ("me too", in_a),
            ("not b", in_a && !in_b),
            ("b but not a", in_b && !in_a),
            ("each once", in_a || in_b),
            ("each but one", (in_a || in_b) && !is_first),
            ("none of a", !in_a),
            ("everybody", true),
            ("to nobody", false),
        ];
        // The order of what goes to different rooms is not one.
        let want: HashSet<&str> = want.iter().filter(|(_, gets)| *gets).map(|(text, _)| *text).collect();
        assert_eq!(got.iter().map(String::as_str).collect::<HashSet<_>>(), want, "member {at}");
        assert_eq!(got.len(), want.len(), "member {at} gets each once: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_and_sends_hears_itself_once() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    for round in 0..20 {
        let room = format!("room {round}");
        let mut client = nodes[round % 2].member(&[]).await;
        let session = nodes[round % 2].session(&client);
        session.join(&room);
        let delivered = session.within(&room).send("hello");
        assert_eq!((delivered.sent, delivered.published), (0, true), "it comes back through the engine");
        assert_eq!(all_of(&mut client).await, ["hello"]);
    }
}

#[tokio::test(start_paused = true)]
async fn now_is_at_once_here_and_local_is_here_alone() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut here = nodes[0].member(&["a"]).await;
    let mut there = nodes[1].member(&["a"]).await;
    let live = nodes[0].server.live();
    live.to("a").send("before");
    assert_eq!(live.to("a").now().send("now"), delivered(1, true));
    assert_eq!(here.recv().await.unwrap().as_text(), Some("now"), "what is in order takes longer");
    assert_eq!(live.to("a").local().send("local"), delivered(1, false));
    assert_eq!(all_of(&mut here).await, ["local", "before"]);
    assert_eq!(all_of(&mut there).await, ["before", "now"]);
    assert_eq!(live.to("none").now().send("now"), delivered(0, true));
    assert_eq!(live.all().local().send("all here"), delivered(1, false));
    assert_eq!(all_of(&mut here).await, ["all here"]);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_skipped_is_skipped_by_the_members_that_are_behind_on_any_node() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut quick = nodes[1].member(&["a"]).await;
    let mut slow = nodes[1].member(&["a"]).await;
    slow.cut();
    let live = nodes[0].server.live();
    live.to("a").send("kept");
    live.to("a").droppable().send("droppable");
    live.to("a").latest("key").send("older");
    live.to("a").latest("key").send("newer");
    assert_eq!(all_of(&mut quick).await, ["kept", "droppable", "older", "newer"]);
    slow.resume().unwrap();
    assert_eq!(all_of(&mut slow).await, ["kept", "newer"]);
    assert_eq!(nodes[1].stats().skipped_total, 1, "the older value is replaced, and not skipped");
    assert!(live.to("a").latest("k".repeat(257)).send("too long").too_large);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_alone_publishes_nothing() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 1).await;
    let mut client = nodes[0].member(&["a"]).await;
    let live = nodes[0].server.live();
    assert_eq!(live.to("a").send("1"), delivered(1, false));
    assert_eq!(live.to_any(["a", "b"]).send("2"), delivered(1, false));
    assert_eq!(live.all().send("3"), delivered(1, false));
    assert_eq!(live.to("b").send("4"), delivered(0, false));
    assert_eq!(all_of(&mut client).await, ["1", "2", "3"]);
    let stats = nodes[0].stats();
    assert_eq!((stats.cluster_published_total, stats.cluster_received_total, stats.cluster_nodes), (0, 0, 1));
    assert_eq!(stats.room_sends_total, 4);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_members_gets_nothing() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut near = nodes[0].member(&["a"]).await;
    let mut far = nodes[1].member(&["a"]).await;
    nodes[2].member(&["b"]).await;
    for number in 0..50 {
        nodes[number % 3].server.live().to("a").send(number.to_string());
    }
    assert_eq!(all_of(&mut near).await.len(), 50);
    assert_eq!(all_of(&mut far).await.len(), 50);
    let received: Vec<u64> = nodes.iter().map(|node| node.stats().cluster_received_total).collect();
    assert_eq!(received, [33, 33, 0]);
    let published: Vec<u64> = nodes.iter().map(|node| node.stats().cluster_published_total).collect();
    assert_eq!(published, [17, 17, 16]);

    // It is the same when the members have gone for some time.
    nodes[1].session(&far).leave("a");
    all_of(&mut near).await;
    all_of(&mut near).await;
    all_of(&mut near).await;
    all_of(&mut near).await;
    nodes[0].server.live().to("a").send("last");
    assert_eq!(all_of(&mut near).await, ["last"]);
    assert_eq!(nodes[1].stats().cluster_received_total, 33);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_takes_the_interest_with_it() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut client = nodes[0].member(&["a"]).await;
    nodes[1].server.live().to("a").send("first");
    assert_eq!(all_of(&mut client).await, ["first"]);
    client.close(1000, "");
    until("it is gone", || nodes[0].server.live().members("a").is_empty()).await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    nodes[1].server.live().to("a").send("second");
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(nodes[0].stats().cluster_received_total, 1);
}

#[tokio::test(start_paused = true)]
async fn namespaces_events_and_bytes_go_to_all_nodes() {
    use anywire::Message;
    use axum::body::Bytes;

    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut here = nodes[0].member(&["a"]).await;
    let mut there = nodes[1].member(&["a"]).await;
    let live = nodes[0].server.live();
    live.to("a").send(vec![0, 255, 128]);
    live.to("a").emit("file", (1, Bytes::from_static(b"\0\xff"), "text"));
    live.to("a").send("");
    for client in [&mut here, &mut there] {
        assert_eq!(client.recv().await, Some(Message::from(vec![0, 255, 128])));
        let event = client.recv().await.unwrap();
        assert_eq!(event.as_text(), Some(r#"["file",[1,{"_placeholder":true,"num":0},"text"]]"#));
        assert_eq!(client.recv().await, Some(Message::from("")));
    }
    // A room of a namespace is another room.
    live.of("/chat").to("a").send("to nobody");
    live.of("/chat").all().emit("nobody", ());
    live.of("/chat").to_any(["a", "b"]).send("to nobody");
    for client in [&mut here, &mut there] {
        assert_eq!(all_of(client).await, [""; 0]);
    }
}
