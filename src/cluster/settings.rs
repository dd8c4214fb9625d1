//! [`Cluster`], the settings of a node.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use super::{
    engine::{Bus, Directory, EngineError},
    secret::Secret,
    wires::{Tcp, Wires},
};

/// The shortest secret of a cluster, in bytes.
const LEAST_SECRET: usize = 16;

/// The settings by which a server is one node of many: an engine, and how the nodes reach each other. See
/// [`Builder::cluster`](crate::Builder::cluster).
#[must_use]
#[derive(Clone)]
pub struct Cluster {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) peers: Option<Peers>,
    /// The name of the node, if the environment has one.
    pub(crate) node: Option<String>,
}

/// How the nodes reach each other, and the secret that they share.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub(crate) wires: Arc<dyn Wires>,
    pub(crate) secret: Secret,
}

impl Cluster {
    /// A cluster on an engine of your own.
    pub fn new(bus: Arc<dyn Bus>, directory: Arc<dyn Directory>) -> Self {
        Cluster { bus, directory, peers: None, node: None }
    }

    /// The engine's bus, for its tests, and for engines that wrap it.
    #[must_use]
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.bus.clone()
    }

    /// The engine's directory, for its tests, and for engines that wrap it.
    #[must_use]
    pub fn directory(&self) -> Arc<dyn Directory> {
        self.directory.clone()
    }

    pub(crate) fn with(mut self, wires: Arc<dyn Wires>, secret: Secret) -> Self {
        self.peers = Some(Peers { wires, secret });
        self
    }

    /// Sets the address at which the other nodes reach this one, for example `10.0.0.7:7946`, and the secret that all nodes
    /// of the cluster share. The node listens there, on a port of its own, for other nodes alone: the address is one of a
    /// private network. With port 0 it takes a free port, which the others learn.
    ///
    /// The links between nodes are not encrypted: a network that others can listen to needs a tunnel.
    ///
    /// A name is resolved at once, which blocks the thread; the first address that it has counts. That the address is one of
    /// this machine's is found when the node listens, later: until then the node does not join, and the log says why.
    ///
    /// # Panics
    /// Panics if there is no such address and port, or if it is one that no interface has (`0.0.0.0`, `[::]`, multicast); or
    /// if the secret has fewer than 16 bytes.
    pub fn peers(self, address: impl ToSocketAddrs + fmt::Debug, secret: impl AsRef<[u8]>) -> Self {
        match peers(address, secret.as_ref()) {
            Ok(Peers { wires, secret }) => self.with(wires, secret),
            Err((_, error)) => panic!("{error}"),
        }
    }
}

/// Where the other nodes reach this one by TCP. An error is that of the variable with this name.
pub(super) fn peers(
    address: impl ToSocketAddrs + fmt::Debug,
    secret: &[u8],
) -> Result<Peers, (&'static str, EngineError)> {
    let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    let Some(found) = found.filter(|found: &SocketAddr| Tcp::is_specific(found.ip())) else {
        let text = format_args!(
            "{address:?} is not an address at which the other nodes reach this one, such as \"10.0.0.7:7946\""
        );
        return Err(("ANYWIRE_PEERS", EngineError::new(text)));
    };
    if secret.len() < LEAST_SECRET {
        let text = format_args!("the secret of a cluster has at least {LEAST_SECRET} bytes");
        return Err(("ANYWIRE_SECRET", EngineError::new(text)));
    }
    Ok(Peers { wires: Arc::new(Tcp::new(found)), secret: Secret::new(secret) })
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("order", &self.bus.order()).field("peers", &self.peers).finish_non_exhaustive()
    }
}
