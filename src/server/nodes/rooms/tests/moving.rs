//! A session leaves its rooms on one node, and another one comes to them on another node in its place.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use tokio::time::sleep;

use crate::{
    Anywire, Auth, Builder, History, InProcess, InProcessNode, LocalClient, Server, Session,
    hub::Member,
    server::other_nodes::{Expected, OtherNodes, Parted},
    sync::lock,
};

/// A session joins the rooms that its auth data names.
async fn joiner(Auth(rooms): Auth<Vec<String>>, session: Session) {
    for room in &rooms {
        session.join_as(room, "somebody");
    }
    while session.recv().await.is_some() {}
}

struct Node {
    server: Server,
    plug: InProcessNode,
}

async fn nodes(count: usize, set: impl Fn(Builder) -> Builder) -> Vec<Node> {
    let engine = InProcess::new();
    let mut nodes = Vec::new();
    for _ in 0..count {
        let plug = engine.node();
        let server = set(Anywire::builder()).cluster(plug.clone()).handler(joiner).build();
        server.live().ready().await;
        nodes.push(Node { server, plug });
    }
    // Each has beaten since the last one has come.
    sleep(Duration::from_secs(3)).await;
    nodes
}

impl Node {
    async fn client(&self, rooms: &[&str]) -> (LocalClient, Arc<Member>) {
        let auth = serde_json::to_string(rooms).unwrap();
        let mut client = LocalClient::open(&self.server, (), &auth).await.unwrap();
        client.idle().await;
        let member = self.server.live().core.find(client.id().as_ref()).here().unwrap();
        (client, member)
    }

    fn cluster(&self) -> Arc<dyn OtherNodes> {
        self.server.live().core.nodes().unwrap().clone()
    }

    /// A session that has come to this node, and is in no room yet.
    async fn comer(&self) -> (LocalClient, Arc<Member>) {
        let (client, member) = self.client(&[]).await;
        self.server.live().core.hub.take_apart(&member).unwrap();
        (client, member)
    }
}

async fn expect(to: &Node, from: &Node, member: &Arc<Member>) -> Box<dyn Expected> {
    let rooms = from.cluster().rooms_of(member);
    to.cluster().expect(&rooms).await.expect("the engine confirms it")
}

async fn all_of(client: &mut LocalClient) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(message) = client.recv_within(Duration::from_secs(2)).await {
        all.push(message.as_text().unwrap().to_owned());
    }
    all
}

/// Three nodes send to a room, to all, and to two rooms at once, and a session goes from the first to the second: it gets all
/// of it in the order that a member of the third node has.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "several senders at a time")]
async fn nothing_is_lost_or_doubled_on_the_way() {
    for (pause, has_history) in [(0, false), (1, false), (7, false), (40, false), (0, true), (7, true), (40, true)] {
        let set = |builder: Builder| if has_history { builder.rooms("a", History::last(2_000)) } else { builder };
        let nodes = nodes(3, set).await;
        let (mut before, member) = nodes[0].client(&["a", "b"]).await;
        let (mut still, _) = nodes[2].client(&["a", "b"]).await;
        let (mut behind, comer) = nodes[1].comer().await;
        sleep(Duration::from_millis(100)).await;
        let sending = nodes.iter().enumerate().map(|(at, node)| {
            let live = node.server.live();
            tokio::spawn(async move {
                for number in 0..300 {
                    let text = format!("{at} {number}");
                    match number % 4 {
                        0 => live.all().send(text),
                        1 => live.to_any(["a", "b"]).send(text),
                        _ => live.to("a").send(text),
                    };
                    sleep(Duration::from_millis(at as u64 % 2)).await;
                    tokio::task::yield_now().await;
                }
            })
        });
        let sending: Vec<_> = sending.collect();
        sleep(Duration::from_millis(20)).await;
        let expected = expect(&nodes[1], &nodes[0], &member).await;
        sleep(Duration::from_millis(pause)).await;
        let Parted { positions, back: _back } = nodes[0].cluster().part(&member).await.unwrap();
        sleep(Duration::from_millis(pause)).await;
        assert!(expected.admit(&comer, &positions).await);
        for sending in sending {
            sending.await.unwrap();
        }
        let (first, second, all) = (all_of(&mut before).await, all_of(&mut behind).await, all_of(&mut still).await);
        assert!(!first.is_empty() && !second.is_empty(), "it moves in the midst of it");
        assert_eq!(first.len() + second.len(), 900, "pause {pause}: {} and {}", first.len(), second.len());
        // Each room has one order, and so has what is for all.
        for kind in 0..4 {
            let of_kind = |text: &&String| text.rsplit(' ').next().unwrap().parse::<u32>().unwrap() % 4 == kind;
            let got: Vec<_> = first.iter().chain(&second).filter(of_kind).collect();
            assert_eq!(got, all.iter().filter(of_kind).collect::<Vec<_>>(), "pause {pause}, kind {kind}");
        }
        assert_eq!(nodes[1].server.live().stats().skipped_total, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_callers_deliver_themselves_comes_too() {
    let nodes = nodes(2, |builder| builder).await;
    let (mut before, member) = nodes[0].client(&["a"]).await;
    let (mut behind, comer) = nodes[1].comer().await;
    let [a, b] = [0, 1].map(|at| nodes[at].server.live());
    sleep(Duration::from_millis(100)).await;
    let expected = expect(&nodes[1], &nodes[0], &member).await;
    b.to("a").now().send("1");
    a.to("a").now().send("2");
    // Both nodes have received them.
    sleep(Duration::from_millis(100)).await;
    b.to("a").now().send("on its way");
    let parted = nodes[0].cluster().part(&member).await.unwrap();
    a.to("a").now().send("3");
    b.to("a").now().send("4");
    a.to("a").local().send("to nobody");
    a.all().send("5");
    let same: Vec<_> = member.rooms();
    assert!(same.is_empty() && a.presence("a").names().is_empty());
    sleep(Duration::from_millis(100)).await;
    assert!(expected.admit(&comer, &parted.positions).await);
    b.to("a").now().send("6");
    let (mut first, mut second) = (all_of(&mut before).await, all_of(&mut behind).await);
    first.sort_unstable();
    second.sort_unstable();
    assert_eq!(first, ["1", "2"]);
    assert_eq!(second, ["3", "4", "5", "6", "on its way"]);
    assert_eq!(b.presence("a").names(), ["somebody"], "its name has come along");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_takes_comes_back_to_its_rooms() {
    let nodes = nodes(2, |builder| builder).await;
    let (mut client, member) = nodes[0].client(&["a"]).await;
    let [a, b] = [0, 1].map(|at| nodes[at].server.live());
    sleep(Duration::from_millis(100)).await;
    a.to("a").send("1");
    let Parted { positions, back } = nodes[0].cluster().part(&member).await.unwrap();
    b.to("a").send("2");
    a.all().send("3");
    a.to("a").now().send("4");
    sleep(Duration::from_millis(100)).await;
    assert!(back.admit(&member, &positions).await);
    a.to("a").send("5");
    let mut all = all_of(&mut client).await;
    all.sort_unstable();
    assert_eq!(all, ["1", "2", "3", "4", "5"]);
    assert_eq!(a.members("a").len(), 1);
}

/// A session, and what brings it back to its rooms.
type Back = (Box<dyn Expected>, Arc<Member>, Bytes);

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_behind_what_is_delivered_and_though_nobody_waits_for_it() {
    let back: Arc<Mutex<Option<Back>>> = Arc::default();
    let nodes = nodes(2, |builder| {
        let back = back.clone();
        // This is called while something is delivered.
        builder.on_room_gap(move |_| {
            let taken = lock(&back).take();
            drop(taken.map(|(back, member, positions)| back.admit(&member, &positions)));
        })
    })
    .await;
    let (mut client, member) = nodes[0].client(&["a"]).await;
    let _other = nodes[0].client(&["b"]).await;
    let live = nodes[1].server.live();
    sleep(Duration::from_millis(100)).await;
    live.to("b").send("first");
    sleep(Duration::from_millis(100)).await;
    let Parted { positions, back: expected } = nodes[0].cluster().part(&member).await.unwrap();
    live.to("a").send("1");
    live.all().send("2");
    sleep(Duration::from_millis(100)).await;
    *lock(&back) = Some((expected, member, positions));
    nodes[0].plug.lose_next(1);
    live.to("b").send("lost");
    sleep(Duration::from_millis(10)).await;
    live.to("b").send("last");
    sleep(Duration::from_millis(100)).await;
    assert!(lock(&back).is_none(), "it came back");
    live.to("a").send("3");
    assert_eq!(all_of(&mut client).await, ["1", "2", "3"]);
    assert_eq!(nodes[0].server.live().stats().skipped_total, 1, "that of the other room");
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_told() {
    let nodes = nodes(3, |builder| builder).await;
    let (_before, member) = nodes[0].client(&["a"]).await;
    let (mut behind, comer) = nodes[1].comer().await;
    let live = nodes[2].server.live();
    sleep(Duration::from_millis(100)).await;
    let expected = expect(&nodes[1], &nodes[0], &member).await;
    live.to("a").send("1");
    sleep(Duration::from_millis(100)).await;
    let parted = nodes[0].cluster().part(&member).await.unwrap();
    nodes[1].plug.lose_next(2);
    live.to("a").send("2");
    sleep(Duration::from_millis(10)).await;
    live.to("a").send("3");
    sleep(Duration::from_millis(10)).await;
    live.to("a").send("4");
    sleep(Duration::from_millis(100)).await;
    assert!(expected.admit(&comer, &parted.positions).await);
    assert_eq!(all_of(&mut behind).await, ["4"]);
    assert_eq!(nodes[1].server.live().stats().skipped_total, 2);
}

/// The node that gives a session away receives later than the one that takes it: it catches up first.
#[tokio::test(start_paused = true)]
async fn a_session_leaves_a_node_that_is_behind() {
    let nodes = nodes(3, |builder| builder).await;
    let (mut before, member) = nodes[0].client(&["a"]).await;
    let (mut behind, comer) = nodes[1].comer().await;
    let live = nodes[2].server.live();
    sleep(Duration::from_millis(100)).await;
    nodes[0].plug.delay(Duration::from_millis(700));
    for text in ["1", "2"] {
        live.to("a").send(text);
    }
    sleep(Duration::from_millis(100)).await;
    let expected = expect(&nodes[1], &nodes[0], &member).await;
    live.to("a").send("3");
    assert!(nodes[0].cluster().catch_up().await);
    let parted = nodes[0].cluster().part(&member).await.unwrap();
    live.to("a").send("4");
    assert!(expected.admit(&comer, &parted.positions).await);
    let all: Vec<_> = all_of(&mut before).await.into_iter().chain(all_of(&mut behind).await).collect();
    assert_eq!(all, ["1", "2", "3", "4"]);
    assert_eq!(nodes[1].server.live().stats().skipped_total, 0);
}

#[tokio::test(start_paused = true)]
async fn no_session_leaves_a_node_that_is_too_far_behind() {
    let nodes = nodes(2, |builder| builder).await;
    nodes[0].plug.delay(Duration::from_millis(2_500));
    assert!(!nodes[0].cluster().catch_up().await);
    nodes[0].plug.delay(Duration::ZERO);
    sleep(Duration::from_secs(3)).await;
    assert!(nodes[0].cluster().catch_up().await);
    nodes[1].plug.delay(Duration::MAX);
    assert!(nodes[0].cluster().catch_up().await && !nodes[1].cluster().catch_up().await);
    nodes[0].plug.cut_bus();
    assert!(!nodes[0].cluster().catch_up().await);
    let (_client, member) = nodes[0].client(&["new"]).await;
    let rooms = nodes[0].cluster().rooms_of(&member);
    assert!(!nodes[0].cluster().hears(&rooms), "the engine has not confirmed it");
    nodes[0].plug.heal();
    sleep(Duration::from_secs(3)).await;
    assert!(nodes[0].cluster().hears(&rooms));
}

/// A node that has been killed has no answer to what was missed behind a cut. It is waited for until it counts as gone.
#[tokio::test(start_paused = true)]
async fn a_node_that_has_gone_is_not_waited_for() {
    let mut nodes = nodes(3, |builder| builder).await;
    let gone = nodes.pop().unwrap();
    let _client = nodes[0].client(&["a"]).await;
    gone.server.live().to("a").send("1");
    sleep(Duration::from_millis(100)).await;
    drop(gone);
    nodes[0].plug.cut_bus();
    sleep(Duration::from_millis(100)).await;
    nodes[0].plug.heal();
    let (cluster, is_sure) = (nodes[0].cluster(), AtomicBool::new(false));
    let waits = async {
        while !cluster.catch_up().await {}
        is_sure.store(true, Ordering::Relaxed);
    };
    let goes = async {
        sleep(Duration::from_secs(3)).await;
        while cluster.figures().names.len() > 2 {
            assert!(!is_sure.load(Ordering::Relaxed), "it is among those that live");
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(5)).await;
        assert!(is_sure.load(Ordering::Relaxed));
    };
    tokio::join!(waits, goes);
}

/// A process that has ended is not forgotten by one node sooner than by another: no gap is told where nothing is missing.
#[tokio::test(start_paused = true)]
async fn a_session_moves_while_the_end_of_a_process_is_a_while_ago() {
    let mut nodes = nodes(3, |builder| builder).await;
    let (_still, mut member) = nodes[0].client(&["a"]).await;
    let _other = nodes[1].client(&["a"]).await;
    let gone = nodes.pop().unwrap();
    sleep(Duration::from_millis(100)).await;
    gone.server.live().to("a").send("1");
    sleep(Duration::from_millis(100)).await;
    drop(gone);
    let mut clients = Vec::new();
    for _ in 0..40 {
        let (client, comer) = nodes[1].comer().await;
        let expected = expect(&nodes[1], &nodes[0], &member).await;
        sleep(Duration::from_secs(1)).await;
        let parted = nodes[0].cluster().part(&member).await.unwrap();
        assert!(expected.admit(&comer, &parted.positions).await);
        assert_eq!(nodes[1].server.live().stats().skipped_total, 0);
        clients.push(client);
        nodes.swap(0, 1);
        member = comer;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_nothing_moves() {
    let nodes = nodes(2, |builder| builder).await;
    let (mut client, member) = nodes[0].client(&["a"]).await;
    let rooms = nodes[0].cluster().rooms_of(&member);
    nodes.iter().for_each(|node| node.plug.cut_bus());
    sleep(Duration::from_secs(3)).await;
    assert!(nodes[1].cluster().expect(&rooms).await.is_none());
    assert!(nodes[0].cluster().part(&member).await.is_none());
    nodes[0].server.live().to("a").send("still here");
    assert_eq!(all_of(&mut client).await, ["still here"]);
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_no_session() {
    let nodes = nodes(2, |builder| builder).await;
    let (_client, member) = nodes[0].client(&["a"]).await;
    let (mut behind, comer) = nodes[1].comer().await;
    let rooms = nodes[0].cluster().rooms_of(&member);
    for cut in 0..rooms.len() {
        assert!(nodes[1].cluster().expect(&rooms.slice(..cut)).await.is_none());
    }
    let expected = expect(&nodes[1], &nodes[0], &member).await;
    let parted = nodes[0].cluster().part(&member).await.unwrap();
    assert!(!expected.admit(&comer, &parted.positions.slice(1..)).await);
    // A session whose rooms were not expected learns that it may miss something.
    let none = nodes[1].cluster().expect(&crate::cluster::rooms::write_keys([].into_iter())).await.unwrap();
    assert!(none.admit(&comer, &parted.positions).await);
    assert_eq!(nodes[1].server.live().stats().skipped_total, 1);
    nodes[1].server.live().to("a").send("1");
    assert_eq!(all_of(&mut behind).await, ["1"]);
}

/// Not all that is published while a session is on its way is kept. A room with much of it loses its own.
#[tokio::test(start_paused = true)]
async fn a_busy_room_takes_nothing_from_a_quiet_one() {
    let nodes = nodes(3, |builder| builder.message_limit(2 << 20).outbox(64 << 20)).await;
    let (_before, member) = nodes[0].client(&["busy", "quiet"]).await;
    let (mut behind, comer) = nodes[1].comer().await;
    let live = nodes[2].server.live();
    sleep(Duration::from_millis(100)).await;
    let expected = expect(&nodes[1], &nodes[0], &member).await;
    let parted = nodes[0].cluster().part(&member).await.unwrap();
    live.to("quiet").send("first");
    for number in 0..48 {
        live.to("busy").send(format!("{number} {}", "x".repeat(256 << 10)));
        sleep(Duration::from_millis(50)).await;
    }
    let last = "y".repeat(300 << 10);
    live.to("quiet").send(&*last);
    sleep(Duration::from_millis(100)).await;
    assert!(expected.admit(&comer, &parted.positions).await);
    let all = all_of(&mut behind).await;
    let (busy, quiet): (Vec<_>, Vec<_>) = all.iter().partition(|text| text.ends_with('x'));
    assert!(quiet == ["first", &*last], "{} messages", quiet.len());
    assert!((1..48).contains(&busy.len()) && busy.last().unwrap().starts_with("47 "), "{}", busy.len());
    assert_eq!(nodes[1].server.live().stats().skipped_total, 48 - busy.len() as u64, "the gap is told");
}
