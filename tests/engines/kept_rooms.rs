//! Whole servers whose rooms have a history, on real engines: one history for all nodes, without a hole behind a cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anywire::{Anywire, Cluster, History, LocalClient, Server, Session};
use tokio::time::{sleep, timeout};

const ROOM: &str = "kept:1";
const EACH: usize = 60;

/// A node, and the messages that its room was told to have missed.
struct Node {
    server: Server,
    missed: Arc<AtomicU64>,
}

/// It joins the room behind the position that its client tells.
async fn member(session: Session) {
    while let Some(message) = session.recv().await {
        let since = message.as_text().filter(|since| !since.is_empty());
        let joined = session.join_since(ROOM, since).await.unwrap();
        session.send(format!("joined {} {}", joined.replayed, joined.complete)).await.unwrap();
    }
}

async fn node(cluster: Cluster) -> Node {
    let missed = Arc::<AtomicU64>::default();
    let count = missed.clone();
    let server = Anywire::builder()
        .cluster(cluster)
        .rooms("kept:*", History::last(4 * EACH))
        .outbox(16 << 20)
        .on_room_gap(move |gap| {
            count.fetch_add(gap.count(), Ordering::Relaxed);
        })
        .handler(member)
        .build();
    server.live().ready().await;
    Node { server, missed }
}

/// The texts that come until these are enough.
async fn texts_until(client: &mut LocalClient, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    while !enough(&texts) {
        let message = timeout(Duration::from_secs(30), client.recv()).await;
        let message = message.unwrap_or_else(|_| panic!("nothing comes behind {:?}", texts.last()));
        texts.push(message.expect("the session lives").as_text().unwrap().to_owned());
    }
    texts
}

/// A client that has joined behind a position, or from the beginning, and what it got before it was told so.
async fn joined(node: &Node, since: &str) -> (LocalClient, Vec<String>) {
    let mut client = LocalClient::open(&node.server, (), "").await.unwrap();
    client.send(since);
    let texts = texts_until(&mut client, |texts| texts.last().is_some_and(|last| last.starts_with("joined "))).await;
    (client, texts)
}

/// Two nodes send at the same time, while `cut` cuts the connections of all; a third one comes later.
pub async fn one_history(cluster: impl Fn() -> Cluster, cut: impl Fn()) {
    let mut nodes = vec![node(cluster()).await, node(cluster()).await];
    let all_known = || nodes.iter().all(|node| node.server.live().cluster().unwrap().nodes.len() == nodes.len());
    let known = async {
        while !all_known() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), known).await.expect("the nodes know each other");
    let (mut here, before) = joined(&nodes[0], "").await;
    assert_eq!(before, ["joined 0 true"]);
    let (mut there, _) = joined(&nodes[1], "").await;
    let sending: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(|(n, node)| {
            let live = node.server.live();
            tokio::spawn(async move {
                for i in 0..EACH {
                    live.to(ROOM).send_numbered(|position| format!("{position} {n} {i}").into());
                    sleep(Duration::from_millis(3)).await;
                }
            })
        })
        .collect();
    // The cuts fall somewhere into the sending: they are faults at a moment, and wait for nothing.
    for _ in 0..3 {
        sleep(Duration::from_millis(40)).await;
        cut();
    }
    for sent in sending {
        sent.await.unwrap();
    }
    let all = texts_until(&mut here, |texts| texts.len() == 2 * EACH).await;
    for n in 0..2 {
        let of_one = all.iter().filter_map(|text| text.split_once(' ')?.1.strip_prefix(&format!("{n} ")));
        assert!(of_one.map(|i| i.parse::<usize>().unwrap()).eq(0..EACH), "those of node {n} are in order");
    }
    assert_eq!(
        texts_until(&mut there, |texts| texts.len() == 2 * EACH).await,
        all,
        "one order, which is that of the history"
    );
    assert!(nodes.iter().all(|node| node.missed.load(Ordering::Relaxed) == 0), "what a cut loses is fetched");

    // A position is good on a node that was not there.
    nodes.push(node(cluster()).await);
    let (_, mut replayed) = joined(&nodes[2], "").await;
    assert_eq!(replayed.pop().unwrap(), format!("joined {} true", all.len()));
    assert_eq!(replayed, all);
    let middle = all.len() / 2;
    let position = all[middle].split_once(' ').unwrap().0;
    for node in &nodes {
        let (_, mut replayed) = joined(node, position).await;
        assert_eq!(replayed.pop().unwrap(), format!("joined {} true", all.len() - middle - 1));
        assert_eq!(replayed, all[middle + 1..]);
    }
    let (_, replayed) = joined(&nodes[1], "of nobody").await;
    assert_eq!(replayed.last().unwrap(), &format!("joined {} false", all.len()));
}

#[cfg(all(unix, feature = "host"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_one_machine_keep_one_history() {
    let folder = super::folder::Folder::new();
    one_history(|| folder.engine().into(), || {}).await;
}
