//! The ways by which clients come to sessions of this node: through other nodes, to which a balancer has brought them. When
//! one of those shuts down, its clients are asked to come by another way before it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use tokio::{task::JoinSet, time::sleep_until};

use super::{membership::Membership, roster::BEAT};
use crate::{cluster::NodeInfo, ids, server::core::Core, session::Machine, shared::SharedSession};

/// A client that comes by a node which shuts down already stays for this time at least, in milliseconds, and for twice as
/// long at most.
const STAY: u64 = 1000;

/// Of the window of another node, its clients are asked within this part, and those that are left behind that one leave.
const ASKED: (u64, u64) = (5, 8);
const LEFT: (u64, u64) = (7, 8);

/// The ways to this node's sessions.
pub(super) struct Ways {
    core: Weak<Core>,
    membership: Arc<Membership>,
}

impl Ways {
    pub(super) fn new(core: &Arc<Core>, membership: &Arc<Membership>) -> Self {
        Ways { core: Arc::downgrade(core), membership: membership.clone() }
    }

    /// The delay after which a client is to come by another way, if the process by which it comes now shuts down.
    pub(super) fn delay(&self, by: u64) -> Option<u64> {
        let living = self.membership.living();
        let goes = living.nodes.iter().any(|info| info.incarnation == by && info.draining);
        goes.then(|| STAY + ids::below(STAY))
    }

    /// Asks the clients of each node that shuts down, for as long as the server lives.
    pub(super) fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        let (core, membership) = (self.core.clone(), self.membership.clone());
        async move {
            let mut living = membership.watch();
            // They end with this.
            let (mut asking, mut tasks) = (HashMap::new(), JoinSet::new());
            loop {
                let nodes = living.borrow_and_update().nodes.clone();
                asking.retain(|process, _| nodes.iter().any(|info| info.incarnation == *process));
                for info in nodes.iter().filter(|info| info.draining && info.incarnation != membership.incarnation) {
                    asking.entry(info.incarnation).or_insert_with(|| {
                        drop(tasks.spawn(ask(core.clone(), info.clone())));
                    });
                }
                while tasks.try_join_next().is_some() {}
                if living.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Asks the clients that come by a node which shuts down to come by another: each at its own moment in the first part of the
/// window. What is left of them near its end leaves: answers that wait are given, and sessions that end with their
/// connection are closed in good order.
async fn ask(core: Weak<Core>, node: Arc<NodeInfo>) {
    // This node has learned it a beat later, perhaps.
    let window = node.window.saturating_sub(BEAT);
    let Some(clock) = core.upgrade().map(|core| core.runtime.clock()) else { return };
    let (begin, part) = (clock.now(), |(part, of): (u64, u64)| window / of * part);
    let mut others = Vec::new();
    for shared in coming(&core, node.incarnation) {
        let delay = ids::below(part(ASKED).max(1));
        match shared.look(Machine::ends_with_its_links) {
            false => shared.go_away(delay, 0),
            true => others.push((delay, Arc::downgrade(&shared))),
        }
    }
    others.sort_by_key(|(delay, _)| *delay);
    for (delay, shared) in others {
        sleep_until(clock.instant(begin + delay)).await;
        // It may have come by another way meanwhile.
        if let Some(shared) = shared.upgrade().filter(|shared| shared.comes_by(node.incarnation)) {
            shared.leave_way();
        }
    }
    sleep_until(clock.instant(begin + part(LEFT))).await;
    for shared in coming(&core, node.incarnation) {
        shared.leave_way();
    }
}

/// The sessions of this node whose clients come by another.
fn coming(core: &Weak<Core>, by: u64) -> Vec<Arc<SharedSession>> {
    let all = core.upgrade().map(|core| core.hub.all()).unwrap_or_default();
    all.into_iter().map(|member| member.shared.clone()).filter(|shared| shared.comes_by(by)).collect()
}
