//! [`InProcess`], an engine for tests: all nodes are in one process.

mod node;
mod state;
mod wires;

use std::{fmt, sync::Arc, time::Duration};

use self::{
    node::Node,
    state::{Part, Shared},
};
use super::{secret::Secret, settings::Cluster};

/// An engine for tests, in the memory of one process: each server that is built with a clone of it is a node of the same
/// cluster. It works under tokio's paused clock, and fails when it is told to. It keeps histories: up to 65,536 of them, and
/// 256 MiB, of which those go first that nobody has written to for the longest time.
///
/// ```
/// # use anywire::{Anywire, InProcess, Session};
/// # async fn chat(_: Session) {}
/// let engine = InProcess::new();
/// let a = Anywire::builder().cluster(engine.clone()).handler(chat).build();
/// // A node whose connections can be cut apart from those of the others.
/// let handle = engine.node();
/// let b = Anywire::builder().cluster(handle.clone()).handler(chat).build();
/// handle.cut_bus();
/// # let _: (anywire::Server, anywire::Server) = (a, b);
/// ```
///
/// A server that is dropped is a node that was killed: the others cannot connect to it from then on, and its lease stays
/// until it ends.
#[derive(Clone, Default)]
pub struct InProcess(Arc<Shared>);

/// One node of an [`InProcess`], whose connections can be cut. It is an argument of
/// [`Builder::cluster`](crate::Builder::cluster); if another server is built with it later, that is the node restarted.
#[derive(Clone)]
pub struct InProcessNode {
    shared: Arc<Shared>,
    number: u64,
}

impl InProcess {
    /// A cluster without nodes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A node for one server. Servers that are built with the engine itself get one each.
    #[must_use]
    pub fn node(&self) -> InProcessNode {
        InProcessNode { shared: self.0.clone(), number: self.0.state().add() }
    }

    /// Takes the engine away from all nodes, as if its server were stopped: what they ask it for fails, and what they
    /// publish is not carried. It loses nothing that it knows. The links between nodes stay.
    pub fn cut(&self) {
        self.0.state().cut_all(true);
    }

    /// Gives the engine back, behind [`cut`](Self::cut). What was cut of single nodes stays cut.
    pub fn heal(&self) {
        self.0.state().cut_all(false);
    }

    /// Loses the next publications: the engine takes so many as it always does, and no node gets them, not even their
    /// publisher. Those with a history are in that. The number replaces what is left of an earlier one.
    pub fn lose_next(&self, publications: u64) {
        self.0.state().lose_all(publications);
    }

    /// Makes the engine slow: from now on it does everything that it is asked for so much later. The order stays. Default:
    /// it is not slow.
    pub fn delay(&self, delay: Duration) {
        self.0.state().delay = delay;
    }

    /// Makes the engine forget all leases, claims, notes and histories, as one that was restarted without its data.
    pub fn forget(&self) {
        self.0.state().forget();
    }
}

impl InProcessNode {
    /// Cuts the node off the bus: what it publishes fails, and it gets no publications. Those that are published meanwhile
    /// are lost for it.
    pub fn cut_bus(&self) {
        self.shared.state().cut(self.number, Part::Bus, true);
    }

    /// Cuts the node off the directory: it can renew no lease and claim nothing.
    pub fn cut_directory(&self) {
        self.shared.state().cut(self.number, Part::Directory, true);
    }

    /// Cuts its links with all other nodes, with what is under way in them, and makes no new ones.
    pub fn cut_links(&self) {
        self.shared.state().cut(self.number, Part::Links, true);
    }

    /// Gives everything back that was cut of this node.
    pub fn heal(&self) {
        let mut state = self.shared.state();
        for part in [Part::Bus, Part::Directory, Part::Links] {
            state.cut(self.number, part, false);
        }
    }

    /// Brings publications to this node so much later than to the others, in their order, from now on. Default: at the same
    /// time. What else it asks of the engine is as fast as before.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay_of(self.number, delay);
    }

    /// Loses the next publications that this node would get, so many; the others get them. Nothing tells the node. The
    /// number replaces what is left of an earlier one.
    pub fn lose_next(&self, publications: u64) {
        self.shared.state().lose(self.number, publications);
    }
}

impl From<InProcess> for Cluster {
    fn from(engine: InProcess) -> Self {
        engine.node().into()
    }
}

impl From<InProcessNode> for Cluster {
    fn from(node: InProcessNode) -> Self {
        let node = Arc::new(Node::new(node.shared, node.number));
        Cluster::new(node.clone(), node.clone()).with(node, Secret::new("nodes of one process"))
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl fmt::Debug for InProcessNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessNode").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
