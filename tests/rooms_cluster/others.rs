//! Topics of STOMP, namespaces and histories on several nodes.

use std::{sync::Arc, time::Duration};

use anywire::{
    Answers, Anywire, Bus, BusInbox, Cluster, Data, EngineError, Events, History, InProcess, Live, LocalClient, Order,
    Publication, Server, Session,
};
use axum::{Router, body::Body, http::Method};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{
    lab::{all_of, joiner, nodes_with, until},
    support::{Site, Socket},
};

async fn servers(engine: &InProcess) -> Vec<(Server, Site)> {
    let mut all = Vec::new();
    for _ in 0..2 {
        let events = || {
            Events::new().on("join", async |Data(room): Data<String>, session: Session| {
                session.join(&room);
            })
        };
        let server = Anywire::builder().cluster(engine.clone()).events(events()).namespace("/chat", events()).build();
        server.live().ready().await;
        let router = Router::new()
            .merge(server.socketio("/live/socket"))
            .merge(server.stomp("/live/stomp"))
            .merge(server.stomp("/live/other"));
        all.push((server, Site::here(router)));
    }
    until("they know each other", || all.iter().all(|(server, _)| server.live().cluster().unwrap().nodes.len() == 2))
        .await;
    all
}

/// The next message that is no heart-beat; `None` if none comes within a second.
async fn next(socket: &mut Socket) -> Option<String> {
    loop {
        match timeout(Duration::from_secs(1), socket.io.next()).await.ok()?? {
            Ok(Message::Text(text)) if text.as_str() != "2" && text.as_str() != "\n" => return Some(text.to_string()),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn said(socket: &mut Socket, text: &str, answer: &str) {
    socket.text(text).await;
    let answered = next(socket).await.unwrap();
    assert!(answered.starts_with(answer), "{answered:?}");
}

async fn stomp(site: &Site, path: &str) -> Socket {
    let mut socket = site.websocket(path).await;
    said(&mut socket, "CONNECT\naccept-version:1.2\nhost:x\n\n\0", "CONNECTED\n").await;
    for (id, destination) in [("t", "/topic/news"), ("q", "/queue/work")] {
        let frame = format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nreceipt:{id}\n\n\0");
        said(&mut socket, &frame, "RECEIPT\n").await;
    }
    socket
}

#[tokio::test(start_paused = true)]
async fn a_topic_of_stomp_is_one_on_all_nodes_and_a_queue_is_of_one_node() {
    let engine = InProcess::new();
    let servers = servers(&engine).await;
    let mut here = stomp(&servers[0].1, "stomp").await;
    let mut there = stomp(&servers[1].1, "stomp").await;
    let mut other = stomp(&servers[1].1, "other").await;
    here.text("SEND\ndestination:/topic/news\n\nhello\0").await;
    for socket in [&mut here, &mut there] {
        let message = next(socket).await.unwrap();
        assert!(message.starts_with("MESSAGE\n") && message.ends_with("\n\nhello\0"), "{message:?}");
        assert!(message.contains("destination:/topic/news") && message.contains("subscription:t"), "{message:?}");
        assert_eq!(next(socket).await, None, "it comes once");
    }
    assert_eq!(next(&mut other).await, None, "another path has topics of its own");
    for number in 0..4 {
        here.text(format!("SEND\ndestination:/queue/work\n\n{number}\0")).await;
        assert!(next(&mut here).await.unwrap().ends_with(&format!("{number}\0")));
    }
    assert_eq!(next(&mut there).await, None);
}

async fn in_chat(site: &Site, room: &str) -> Socket {
    let mut socket = site.websocket("socket/?EIO=4&transport=websocket").await;
    next(&mut socket).await.unwrap();
    said(&mut socket, "40/chat,", "40/chat,{").await;
    said(&mut socket, &format!("42/chat,1[\"join\",\"{room}\"]"), "43/chat,1[").await;
    socket
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_one_on_all_nodes() {
    let engine = InProcess::new();
    let servers = servers(&engine).await;
    let mut members = Vec::new();
    for (at, room) in [(0, "a"), (1, "a"), (1, "b")] {
        members.push(in_chat(&servers[at].1, room).await);
    }
    let live = servers[0].0.live();
    let chat = live.of("/chat");
    type Send = dyn Fn(&Live);
    let cases: [(&Send, [bool; 3]); 4] = [
        (&|live| _ = live.to("a").emit("said", 1), [true, true, false]),
        (&|live| _ = live.all().emit("said", 2), [true; 3]),
        (&|live| _ = live.to_any(["a", "b"]).emit("said", 3), [true; 3]),
        (&|live| _ = live.all().except_room("a").emit("said", 4), [false, false, true]),
    ];
    for (at, (send, who)) in cases.iter().enumerate() {
        send(&chat);
        for (member, gets) in members.iter_mut().zip(who) {
            let want = gets.then(|| format!("42/chat,[\"said\",{}]", at + 1));
            assert_eq!(next(member).await, want);
        }
        // The rooms of `/` are others.
        live.to("a").emit("said", "to nobody");
    }
    for member in &mut members {
        assert_eq!(next(member).await, None);
    }
}

/// Asks the engine for what a client of Socket.IO that polls has to say, or gets.
async fn polled(site: &Site, path: &str, said: Option<&str>) -> String {
    let answer = match said {
        Some(said) => site.post(path, said.to_owned()).await,
        None => site.ask(site.request(Method::GET, path).body(Body::empty()).unwrap()).await,
    };
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_to_a_namespace_asks_its_members_on_all_nodes_over_whatever_transport() {
    let engine = InProcess::new();
    let servers = servers(&engine).await;
    let mut here = in_chat(&servers[0].1, "a").await;
    let mut elsewhere = in_chat(&servers[1].1, "b").await;
    // One who polls.
    let site = &servers[1].1;
    let opened = polled(site, "socket/?EIO=4&transport=polling", None).await;
    let sid = opened.split('"').nth(3).unwrap();
    let path = format!("socket/?EIO=4&transport=polling&sid={sid}");
    for (says, gets) in [("40/chat,", "40/chat,{"), ("42/chat,1[\"join\",\"a\"]", "43/chat,1[")] {
        polled(site, &path, Some(says)).await;
        let answered = polled(site, &path, None).await;
        assert!(answered.starts_with(gets), "{answered}");
    }
    let chat = servers[0].0.live().of("/chat");
    let asked = tokio::spawn(chat.to("a").request("n?", "all").within(Duration::from_secs(60)).into_future());
    let event = next(&mut here).await.unwrap();
    let id = |event: &str| {
        event.strip_prefix("42/chat,").and_then(|rest| rest.strip_suffix("[\"n?\",\"all\"]")).unwrap().to_owned()
    };
    here.text(&format!("43/chat,{}[1]", id(&event))).await;
    let event = polled(site, &path, None).await;
    polled(site, &path, Some(&format!("43/chat,{}[2]", id(&event)))).await;
    let answered: Answers<u32> = asked.await.unwrap();
    assert!(answered.is_complete(), "{answered:?}");
    assert_eq!(answered.into_values().sum::<u32>(), 3);
    assert_eq!(next(&mut elsewhere).await, None);
}

/// An engine that keeps no histories.
struct Plain(Arc<dyn Bus>);

impl Bus for Plain {
    fn publish(&self, batch: Vec<Publication>) -> BoxFuture<'_, Result<(), EngineError>> {
        self.0.publish(batch)
    }

    fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> BoxFuture<'_, Result<(), EngineError>> {
        self.0.interest(add, drop)
    }

    fn run(&self, inbox: BusInbox) -> BoxFuture<'_, ()> {
        self.0.run(inbox)
    }

    fn order(&self) -> Order {
        self.0.order()
    }
}

async fn plain(count: usize) -> Vec<Server> {
    let engine = InProcess::new();
    let mut nodes = Vec::new();
    for _ in 0..count {
        let cluster = Cluster::from(engine.node());
        let plain = Cluster::new(Arc::new(Plain(cluster.bus())), cluster.directory());
        let plain = plain.peers("127.0.0.1:0", "a secret of the tests");
        let builder = Anywire::builder().rooms("kept:*", History::last(5)).cluster(plain);
        nodes.push(builder.handler(joiner).build());
    }
    for node in &nodes {
        node.live().ready().await;
    }
    let all_known = || nodes.iter().all(|node| node.live().cluster().unwrap().nodes.len() == count);
    until("all nodes know each other", all_known).await;
    nodes
}

async fn member(node: &Server, rooms: &str) -> LocalClient {
    let mut client = LocalClient::open(node, (), rooms).await.unwrap();
    client.idle().await;
    client
}

#[tokio::test(start_paused = true)]
async fn without_an_engine_that_keeps_histories_each_node_has_its_own() {
    let nodes = plain(2).await;
    let mut here = member(&nodes[0], r#"["kept:1"]"#).await;
    let mut gone = member(&nodes[1], r#"["kept:1"]"#).await;
    let live = nodes[0].live();
    live.to("kept:1").send("1");
    assert_eq!(all_of(&mut gone).await, ["1"]);
    gone.close(1000, "");
    sleep(Duration::from_secs(60)).await;
    live.to("kept:1").send("2");
    assert_eq!(all_of(&mut here).await, ["1", "2"]);
    let delivered = live.to("kept:1").send_numbered(|position| {
        assert!(position.as_str().ends_with(".3"), "{position}");
        "3".into()
    });
    assert!(delivered.published);
    assert_eq!(delivered.sent, 1);
    assert_eq!(all_of(&mut here).await, ["3"]);

    // One who comes later has them all on either node, in the order of that node.
    let mut positions = Vec::new();
    for node in &nodes {
        let mut late = member(node, "[]").await;
        let joined = node.session(late.id()).unwrap().join_since("kept:1", None).await.unwrap();
        assert_eq!((joined.replayed, joined.complete), (3, true));
        assert_eq!(all_of(&mut late).await, ["1", "2", "3"]);
        late.close(1000, "");
        positions.push(joined.position);
    }
    // A position of one node is none of another.
    let mut late = member(&nodes[1], "[]").await;
    let position = Some(positions[0].as_str());
    let joined = nodes[1].session(late.id()).unwrap().join_since("kept:1", position).await.unwrap();
    assert!(!joined.complete);
    assert_eq!(all_of(&mut late).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_command_and_a_local_request_are_for_the_members_on_this_node() {
    let engine = InProcess::new();
    let nodes = nodes_with(&engine, 2, |builder| builder).await;
    let mut clients: Vec<LocalClient> = Vec::new();
    for node in &nodes {
        clients.push(node.member(&["a"]).await);
    }
    let live = nodes[0].server.live();
    let request = live.to("a").local().request(anywire::Request::<u8, u8>::new("ask"), 1);
    let answers = request.within(Duration::from_secs(1)).await;
    assert_eq!(answers.answers.len() + answers.missing.len(), 1);
    assert_eq!(live.to("a").join("b"), 1);
    assert_eq!(live.to("a").sessions().len(), 1);
    assert_eq!(live.members("a").len(), 1);
    assert_eq!(live.len(), 1);
    assert_eq!(nodes[0].stats().cluster_published_total, 0, "nothing of that goes to other nodes");
    assert_eq!(live.to("a").close(1000, ""), 1);
    assert_eq!(nodes[1].server.live().members("a").len(), 1);
}
