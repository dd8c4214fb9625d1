//! The result of an opening: a session that it made or found, or the name of the node that has it.

use std::{future::poll_fn, sync::Arc};

use super::{
    api::{
        handler::{Boxed, Outcome, Ready, Turns},
        session::Session,
    },
    grace_hold::GraceHold,
    node_claim::NodeClaim,
    opening::Claim,
    refusal::OpenError,
};
use crate::{hub::Member, session::reason, shared::SharedSession};

/// The session of an opening.
pub(super) enum Opening {
    Here(Opened),
    /// The node with this name has it.
    Elsewhere(String),
}

/// A session that an opening got. If this opening made it, it holds the handler that is still to be started.
///
/// When it is dropped before the handler was started, it removes the session, because no link will come that
/// could end it.
pub(super) struct Opened {
    pub(super) shared: Arc<SharedSession>,
    pub(super) fresh: Option<(Ready, Session)>,
    /// Another node may have made a session for the same opening. The application sees this one only when its client has
    /// shown that it uses it.
    pub(super) on_proof: bool,
    /// The claim of its attempt among the nodes, which is made once more before its handler starts.
    pub(super) unsure: Option<NodeClaim>,
}

impl Opened {
    /// A session that another opening made.
    pub(super) fn again(member: &Member) -> Self {
        Opened { shared: member.shared.clone(), fresh: None, on_proof: false, unsure: None }
    }

    /// Keeps the claim of its attempt among the nodes, if this is one of several. Extractors and the application may have taken
    /// so long that it has to be made once more; the error is the name of the node that has the attempt by now.
    ///
    /// Waits for the engine then, for two seconds at most. Cancel-safe: the claim is given back.
    pub(super) async fn claimed_by(&mut self, claim: Option<NodeClaim>) -> Result<(), String> {
        let Some(mut claim) = claim else { return Ok(()) };
        if claim.is_old() {
            let _hold = GraceHold::of(&self.shared);
            claim = claim.renewed().await?;
        }
        self.on_proof = !claim.is_certain;
        if self.on_proof {
            self.unsure = Some(claim);
        } else {
            NodeClaim::keep(Some(claim));
        }
        Ok(())
    }

    /// Decides the attempt of this opening: later openings with it find the session.
    pub(super) fn decide(&self, claim: Claim) {
        if let Some((_, session)) = &self.fresh {
            claim.open(&session.member);
        }
    }

    /// Whether the application is to be asked before the session opens.
    pub(super) fn is_asked_for(&self) -> bool {
        !self.on_proof && self.fresh.as_ref().is_some_and(|(ready, _)| ready.opening.is_some())
    }

    /// Lets the application refuse a session that nobody knows of yet.
    ///
    /// Waits for the application. Cancel-safe: the session is removed.
    pub(super) async fn ask(&mut self) -> Result<(), OpenError> {
        match &mut self.fresh {
            Some((ready, session)) => asked(ready, session).await,
            None => Ok(()),
        }
    }

    /// Starts the handler if this opening made the session. Call it after the opening's messages are in the
    /// inbox.
    #[expect(clippy::disallowed_methods, reason = "the one task of a session: its handler's")]
    pub(super) fn start(&mut self) {
        if let Some((ready, session)) = self.fresh.take() {
            let future = match self.on_proof {
                false => (ready.handler)(session.clone()),
                true => proven_first(ready, session.clone(), self.unsure.take()),
            };
            tokio::spawn(Turns::new(session, future));
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((_, session)) = self.fresh.take() {
            session.core.forget(session.member.id());
            session.core.hub.retire(&session.member); // No handler will.
        }
    }
}

/// A handler that runs once the client has shown that it knows the session's secret, and never if the session ends before.
///
/// The engine, which was away, may be back. If it says that another node has the attempt, a handler there has perhaps seen
/// its messages: this session ends, and its client opens another one and learns what was perhaps received.
/// A client that has closed it meanwhile would learn nothing, so what it has sent is handed over.
fn proven_first(mut ready: Ready, session: Session, unsure: Option<NodeClaim>) -> Boxed<Outcome> {
    Box::pin(async move {
        if !poll_fn(|cx| session.member.shared.poll_proven(cx)).await {
            NodeClaim::keep(unsure);
            return Ok(());
        }
        if let Some(claim) = unsure
            && let Err(node) = claim.again().await
            && session.close_reason().is_none()
        {
            tracing::debug!(session = %session.member.id(), node, "another node has the session of this opening");
            session.member.shared.abort(reason::ATTEMPT_USED);
            return Ok(());
        }
        if let Err(refused) = asked(&mut ready, &session).await {
            session.end(refused.into_refusal().await.reason);
            return Ok(());
        }
        (ready.handler)(session).await
    })
}

/// Asks the application whether it wants the session, if it wants to be asked, for the open timeout.
pub(super) async fn asked(ready: &mut Ready, session: &Session) -> Result<(), OpenError> {
    let Some(opening) = ready.opening.take() else { return Ok(()) };
    let judged = tokio::time::timeout(session.core.config.open_timeout, opening(session.clone())).await;
    judged.map_err(|_| reason::TOOK_TOO_LONG)?.map_err(|refusal| OpenError::Rejected(Box::new(refusal)))
}
