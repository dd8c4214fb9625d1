//! Three nodes of one server, over pipes, where tokio's clock may be paused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anywire::{Anywire, Builder, InProcess, InProcessNode, Origins, Server, Session, SessionHandler};
use axum::Router;

use crate::support::{Site, echo};

/// A killed node counts as living for no longer.
pub const LEASE: Duration = Duration::from_secs(12);

pub struct House {
    pub engine: InProcess,
    /// The handle of each node to the cluster, by which its faults are ordered.
    pub handles: Vec<InProcessNode>,
    pub servers: Vec<Server>,
    /// All nodes: each request reaches any.
    pub site: Site,
}

impl House {
    pub fn new(count: usize, builder: Builder<SessionHandler<()>>) -> Self {
        let engine = InProcess::new();
        let handles: Vec<_> = (0..count).map(|_| engine.node()).collect();
        let servers =
            builder.origins(Origins::Any).build().as_nodes(handles.iter().map(|handle| handle.clone().into()));
        let site = Site::among(servers.iter().map(routes).collect());
        House { engine, handles, servers, site }
    }

    /// Three nodes that send every message back.
    pub fn of_echoes() -> Self {
        Self::new(3, Anywire::builder().handler(echo))
    }

    /// Three nodes, and the number of sessions that all of them have opened.
    pub fn counting() -> (Self, Arc<AtomicUsize>) {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        let handler = move |session: Session| {
            count.fetch_add(1, Ordering::Relaxed);
            echo(session)
        };
        (Self::new(3, Anywire::builder().handler(handler)), opened)
    }

    /// One node for all requests.
    pub fn node(&self, nth: usize) -> Site {
        self.site.node(nth)
    }

    pub async fn ready(&self) {
        for server in &self.servers {
            server.live().ready().await;
        }
    }

    /// The number of sessions on each node.
    pub fn sessions(&self) -> Vec<usize> {
        self.servers.iter().map(Server::len).collect()
    }

    /// Gives back what was cut of a node, and waits until the others try again.
    pub async fn heal(&self, nth: usize) {
        self.handles[nth].heal();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Cuts a node off from all others, so that it counts as dead after its lease.
    pub async fn kill(&self, nth: usize) {
        self.handles[nth].cut_directory();
        self.handles[nth].cut_links();
        self.handles[nth].cut_bus();
        tokio::time::sleep(LEASE).await;
    }
}

/// The routes of one node: native ones at `/live`, and those of the other families.
fn routes(server: &Server) -> Router {
    Router::new()
        .nest("/live", server.routes())
        .merge(server.engineio("/engine.io"))
        .merge(server.sockjs("/echo"))
        .nest("/raw", server.raw())
}
