//! Nodes on one engine, and members of their rooms.
#![allow(unreachable_pub)]

use std::time::Duration;

use anywire::{Anywire, Auth, Builder, InProcess, InProcessNode, LocalClient, Server, Session, Stats};
use tokio::time::sleep;

/// One node, and what its connections can be cut by.
pub struct Node {
    pub server: Server,
    pub plug: InProcessNode,
}

/// Joins the rooms that its auth data names, and says what its client says to the room `said`.
pub async fn joiner(Auth(rooms): Auth<Vec<String>>, session: Session) {
    for room in &rooms {
        session.join(room);
    }
    while let Some(message) = session.recv().await {
        session.within("said").send(message);
    }
}

pub async fn node(engine: &InProcess, set: impl Fn(Builder) -> Builder) -> Node {
    let plug = engine.node();
    let server = set(Anywire::builder()).cluster(plug.clone()).handler(joiner).build();
    server.live().ready().await;
    Node { server, plug }
}

/// Starts `count` nodes, which know each other then.
pub async fn nodes_with(engine: &InProcess, count: usize, set: impl Fn(Builder) -> Builder) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(node(engine, &set).await);
    }
    until("all nodes know each other", || {
        nodes.iter().all(|node| node.server.live().cluster().unwrap().nodes.len() == count)
    })
    .await;
    nodes
}

pub async fn nodes(engine: &InProcess, count: usize) -> Vec<Node> {
    nodes_with(engine, count, |builder| builder).await
}

/// Waits for a condition, for up to a minute of tokio's clock.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute: {what}");
}

impl Node {
    pub async fn member(&self, rooms: &[&str]) -> LocalClient {
        let auth = serde_json::to_string(rooms).unwrap();
        let mut client = LocalClient::open(&self.server, (), &auth).await.unwrap();
        // Its handler has joined the rooms.
        client.idle().await;
        client
    }

    pub fn session(&self, client: &LocalClient) -> Session {
        self.server.session(client.id()).unwrap()
    }

    pub fn stats(&self) -> Stats {
        self.server.live().stats()
    }
}

/// All texts that the client gets until nothing comes for two seconds.
pub async fn all_of(client: &mut LocalClient) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(message) = client.recv_within(Duration::from_secs(2)).await {
        all.push(message.as_text().unwrap().to_owned());
    }
    all
}

/// All texts that each of the clients gets.
pub async fn all_of_each(clients: &mut [LocalClient]) -> Vec<Vec<String>> {
    let mut each = Vec::new();
    for client in clients {
        each.push(all_of(client).await);
    }
    each
}
