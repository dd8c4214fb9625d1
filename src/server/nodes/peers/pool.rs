//! All other processes that this one has to do with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::{
    connection::Stream,
    fault::Fault,
    peer::{Line, Peer},
};
use crate::{
    cluster::{NodeInfo, Wire},
    server::nodes::membership::Living,
    sync::lock,
};

/// The processes of the cluster, by their incarnations.
#[derive(Debug)]
pub(super) struct Pool {
    line: Arc<Line>,
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
}

impl Pool {
    pub(super) fn new(line: Line) -> Self {
        Pool { line: Arc::new(line), peers: Mutex::default() }
    }

    fn peer(&self, info: &NodeInfo) -> Arc<Peer> {
        let mut peers = lock(&self.peers);
        peers.entry(info.incarnation).or_insert_with(|| Peer::new(info.incarnation, &info.address)).clone()
    }

    /// The processes of a node that live, the newest first.
    fn peers(&self, living: &Living, node: &str) -> Result<Vec<Arc<Peer>>, Fault> {
        let named = living.nodes.iter().filter(|info| info.name == node);
        let peers: Vec<_> = named.map(|info| self.peer(info)).collect();
        match peers.is_empty() {
            false => Ok(peers),
            // All know a node before its first session opens. Only who does not hear of new ones cannot tell.
            true if living.joined && !living.away => Err(Fault::Dead),
            true => Err(Fault::Silent),
        }
    }

    /// A place for one request to a node. Waits for a connection to it.
    ///
    /// # Errors
    /// Fails with [`Fault::Dead`] only if all processes of the node are gone.
    pub(super) async fn stream(&self, living: &Living, node: &str) -> Result<Stream, Fault> {
        let mut worst = Fault::Dead;
        for peer in self.peers(living, node)? {
            match peer.stream(&self.line).await {
                Ok(stream) => return Ok(stream),
                Err(Fault::Dead) => {}
                Err(fault) => worst = fault,
            }
        }
        Err(worst)
    }

    /// A connection for one WebSocket to a node. Waits for it.
    ///
    /// # Errors
    /// Fails as [`stream`](Self::stream) does.
    pub(super) async fn tunnel(&self, living: &Living, node: &str) -> Result<Box<dyn Wire>, Fault> {
        let mut worst = Fault::Dead;
        for peer in self.peers(living, node)? {
            match peer.tunnel(&self.line).await {
                Ok(wire) => return Ok(wire),
                Err(Fault::Dead) => {}
                Err(fault) => worst = fault,
            }
        }
        Err(worst)
    }

    /// Closes connections that nobody needs, and forgets processes that are gone.
    pub(super) fn tidy(&self, living: &Living) {
        let now = self.line.clock.now();
        let lives = |incarnation: u64| living.nodes.iter().any(|info| info.incarnation == incarnation);
        let peers: Vec<(u64, Arc<Peer>)> = lock(&self.peers).iter().map(|(key, peer)| (*key, peer.clone())).collect();
        let gone: Vec<u64> =
            peers.into_iter().filter(|(key, peer)| !peer.tidy(now) && !lives(*key)).map(|(key, _)| key).collect();
        lock(&self.peers).retain(|key, _| !gone.contains(key));
    }
}
