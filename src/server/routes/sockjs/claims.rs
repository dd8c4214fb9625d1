//! The names of sessions among the nodes of a cluster: a client may come to any node with the name that it has drawn.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::time::timeout;

use super::names::Names;
use crate::server::{
    core::Core,
    other_nodes::{Claimable, Claimed, OtherNodes},
};

/// The time between two renewals of the claims: a claim is kept for twice this time.
const RENEWAL: Duration = Duration::from_secs(300);

/// The claims that are renewed at the same time.
const AT_A_TIME: usize = 64;

/// The names of one mount, as the nodes of a cluster know them. Without a cluster a name is this node's.
#[derive(Clone)]
pub(super) struct NodeClaims(Arc<Inner>);

struct Inner {
    core: Weak<Core>,
    path: String,
    /// The name of these routes on all nodes.
    mount: String,
    names: Weak<Names>,
    renewing: AtomicBool,
}

impl NodeClaims {
    pub(super) fn new(core: &Arc<Core>, path: &str, names: &Arc<Names>) -> Self {
        NodeClaims(Arc::new(Inner {
            core: Arc::downgrade(core),
            path: path.to_owned(),
            mount: format!("sockjs {path}"),
            names: Arc::downgrade(names),
            renewing: AtomicBool::new(false),
        }))
    }

    /// The name of these routes on all nodes.
    pub(super) fn mount(&self) -> &str {
        &self.0.mount
    }

    /// Claims a name for a session that is about to open, or returns the node that has it. The engine may be away: then
    /// the session opens here.
    ///
    /// Waits for the engine. Cancel-safe: the claim ends by itself.
    pub(super) async fn claim(&self, name: &str) -> Option<String> {
        let nodes = self.0.core.upgrade()?.nodes()?.clone();
        match nodes.claim(Claimable::SockJsName { path: &self.0.path, name }).await {
            Claimed::Elsewhere(node) => Some(node),
            Claimed::Here | Claimed::Unknown => {
                self.renew();
                None
            }
        }
    }

    /// The node that has the session of this name, if it is another one.
    pub(super) async fn look(&self, name: &str) -> Option<String> {
        let nodes = self.0.core.upgrade()?.nodes()?.clone();
        nodes.look(Claimable::SockJsName { path: &self.0.path, name }).await
    }

    /// Gives up the claim of a name whose opening was refused.
    pub(super) fn release(&self, name: &str) {
        if let Some(core) = self.0.core.upgrade()
            && let Some(nodes) = core.nodes()
        {
            nodes.release(Claimable::SockJsName { path: &self.0.path, name });
        }
    }

    /// Keeps the claims from ending, for as long as there are names.
    #[expect(
        clippy::disallowed_methods,
        reason = "one task for each mount of a node of a cluster, while it has sessions"
    )]
    fn renew(&self) {
        if self.0.renewing.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(mut losses) = self.0.nodes().map(|nodes| nodes.losses()) else { return };
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                // The engine may lose the claims. The counter ends with the server, as all names do.
                let _ = timeout(RENEWAL, losses.changed()).await;
                let Some(inner) = inner.upgrade() else { return };
                if !inner.renew_all().await {
                    return;
                }
            }
        });
    }
}

impl Inner {
    /// Claims all names once more. Returns whether there are any: if not, the next claim begins anew.
    async fn renew_all(&self) -> bool {
        let mut names = self.in_use();
        if names.is_empty() {
            self.renewing.store(false, Ordering::Relaxed);
            // One that came in between relies on this task, unless it has begun another.
            names = self.in_use();
            if names.is_empty() || self.renewing.swap(true, Ordering::Relaxed) {
                return false;
            }
        }
        for some in names.chunks(AT_A_TIME) {
            let Some(nodes) = self.nodes() else { return false };
            let claim = |name: &Arc<str>| nodes.claim(Claimable::SockJsName { path: &self.path, name });
            let claims: Vec<_> = some.iter().map(claim).collect();
            drop(nodes);
            join_all(claims).await;
        }
        true
    }

    fn nodes(&self) -> Option<Arc<dyn OtherNodes>> {
        self.core.upgrade()?.nodes().cloned()
    }

    fn in_use(&self) -> Vec<Arc<str>> {
        let (Some(names), Some(core)) = (self.names.upgrade(), self.core.upgrade()) else { return Vec::new() };
        names.in_use(|session| core.hub.get(session).is_some())
    }
}
