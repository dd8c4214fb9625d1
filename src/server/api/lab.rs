//! Several nodes of one server, for the tests of this crate.

use std::sync::Arc;

use super::server::Server;
use crate::{
    cluster::Cluster,
    config::Config,
    server::{core::Core, nodes::Nodes},
};

impl<S: Clone + Send + Sync + 'static> Server<S> {
    /// Makes this server the node of the first of these handles to a cluster, and others with the same settings and
    /// handlers the nodes of the rest. Nobody has taken the routes of this server yet.
    #[doc(hidden)]
    pub fn as_nodes(&self, handles: impl IntoIterator<Item = Cluster>) -> Vec<Self> {
        let mut nodes = Vec::new();
        for handle in handles {
            let node = match nodes.is_empty() {
                true => self.clone(),
                false => {
                    let config = Config { node: String::new(), ..self.core().config.clone() };
                    self.with_core(Arc::new(Core::new(config)))
                }
            };
            node.core().join(Nodes::new(node.core(), handle, None));
            nodes.push(node);
        }
        nodes
    }

    /// Whether this is a handle to the same server.
    #[doc(hidden)]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.core(), other.core())
    }
}
