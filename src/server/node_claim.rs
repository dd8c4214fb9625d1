//! The claim of an attempt among the nodes of a cluster: of all openings with one attempt id, on whichever nodes, one makes
//! the session.

use std::{sync::Arc, time::Duration};

use bytestring::ByteString;
use tokio::time::{sleep, timeout};

use super::other_nodes::{CLAIM_HOLDS, Claimable, Claimed, OtherNodes};
use crate::clock::Clock;

/// An opening waits for this time until its node has joined the cluster. The others must know of a node before it serves;
/// behind this time it serves all the same.
const JOINING: Duration = Duration::from_secs(2);

/// Between two looks whether another node has an attempt, at first and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// This node's claim of an attempt. When it is dropped it is given back, so that another node may open with the attempt.
pub(super) struct NodeClaim {
    nodes: Arc<dyn OtherNodes>,
    attempt: ByteString,
    clock: Clock,
    /// When the engine was asked last.
    asked: u64,
    /// No other node has claimed the attempt. Otherwise the engine does not answer.
    pub(super) is_certain: bool,
    kept: bool,
}

impl NodeClaim {
    /// Claims an attempt, or returns the name of the node that has it.
    ///
    /// Waits for the engine, for a few seconds at most. Cancel-safe: the claim is given back.
    pub(super) async fn make(nodes: &Arc<dyn OtherNodes>, attempt: &ByteString, clock: Clock) -> Result<Self, String> {
        let _ = timeout(JOINING, nodes.ready()).await;
        let (nodes, attempt) = (nodes.clone(), attempt.clone());
        NodeClaim { nodes, attempt, clock, asked: 0, is_certain: false, kept: false }.ask().await
    }

    /// Whether another node may have taken the claim since it was made.
    pub(super) fn is_old(&self) -> bool {
        self.is_certain && self.clock.now() - self.asked >= CLAIM_HOLDS
    }

    /// The claim, made once more, or the name of the node that has the attempt.
    ///
    /// Waits for the engine, for two seconds at most. Cancel-safe: the claim is given back.
    pub(super) async fn renewed(self) -> Result<Self, String> {
        self.ask().await
    }

    /// Claims an attempt once more whose engine did not answer, and keeps the claim; or returns the name of the node that
    /// has the attempt. The engine may not answer now either.
    ///
    /// Waits for the engine, for two seconds at most. Cancel-safe: the claim is given back.
    pub(super) async fn again(self) -> Result<(), String> {
        Self::keep(Some(self.ask().await?));
        Ok(())
    }

    async fn ask(mut self) -> Result<Self, String> {
        (self.asked, self.is_certain) = (self.clock.now(), false);
        match self.nodes.claim(Claimable::Attempt(&self.attempt)).await {
            Claimed::Here => self.is_certain = true,
            Claimed::Unknown => {}
            Claimed::Elsewhere(node) => {
                Self::keep(Some(self));
                return Err(node);
            }
        }
        Ok(self)
    }

    /// The attempt is decided: later openings with it come to this node, if it is one of a cluster.
    pub(super) fn keep(claim: Option<Self>) {
        if let Some(mut claim) = claim {
            claim.kept = true;
        }
    }
}

impl Drop for NodeClaim {
    fn drop(&mut self) {
        if !self.kept {
            self.nodes.release(Claimable::Attempt(&self.attempt));
        }
    }
}

/// Waits until another node has claimed an attempt, without a limit, and returns its name. Cancel-safe.
pub(super) async fn claimed_elsewhere(nodes: &dyn OtherNodes, attempt: &str) -> String {
    let (mut pause, longest) = LOOKS;
    loop {
        if let Some(node) = nodes.look(Claimable::Attempt(attempt)).await {
            return node;
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}
