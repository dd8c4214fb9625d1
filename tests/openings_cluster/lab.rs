//! Nodes whose handlers note what they see.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{Anywire, Builder, InProcessNode, Server, Session};
use axum::Router;
use tokio::time::sleep;

use crate::support::{Peer, Record, Site};

/// The messages that handlers have seen.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A handler that notes that it runs, and what it receives.
    pub fn handler(
        &self,
    ) -> impl Fn(Session) -> futures::future::BoxFuture<'static, ()> + Clone + Send + Sync + 'static {
        let seen = self.clone();
        move |session: Session| {
            let seen = seen.clone();
            Box::pin(async move {
                seen.add("runs");
                let _ = session.send("hello").await;
                while let Some(message) = session.recv().await {
                    seen.add(message.as_text().unwrap_or("?"));
                }
                seen.add("ends");
            })
        }
    }
}

pub struct Node {
    pub server: Server,
    pub site: Site,
}

impl Node {
    pub fn of(server: Server) -> Self {
        Node { site: Site::here(Router::new().nest("/live", server.routes())), server }
    }

    pub async fn joined(self) -> Self {
        self.server.live().ready().await;
        self
    }
}

pub fn builder(name: &str, place: &InProcessNode) -> Builder {
    Anywire::builder().node(name).cluster(place.clone())
}

/// A node with a handler that notes what it sees.
pub async fn noting(name: &str, place: &InProcessNode, seen: &Seen) -> Node {
    Node::of(builder(name, place).handler(seen.handler()).build()).joined().await
}

pub async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

/// Opens by POST with a message, and takes what the answer brings.
pub async fn open(site: &Site, attempt: &str, text: &str) -> Peer {
    let mut peer = Peer::new(site);
    peer.put(text);
    let records = peer.post_open(attempt, "").await.records();
    assert!(matches!(records[0], Record::New(..)), "{records:?}");
    peer.take(&records);
    peer
}

/// The number of a session, without the name of its node.
pub fn number(peer: &Peer) -> &str {
    peer.id.rsplit_once('.').unwrap().1
}
