//! The handler of a session that has moved starts with the client's next request.

use std::sync::Arc;

use axum::http::request::Parts;

use super::state::{Movable, Stage};
use crate::{
    hub::Member,
    server::{
        api::{
            auth::AuthData,
            handler::{Boxed, Outcome, Turns},
            session::Session,
        },
        gateway::Gateway,
        opened::asked,
        refusal::{OpenError, Refusal},
    },
    session::reason,
};

/// Whether a session's handler waits to be started, by the client's next request.
pub(in crate::server) fn is_waiting(member: &Member) -> bool {
    Movable::of(member).is_some_and(|movable| waits(&movable, member))
}

fn waits(movable: &Movable, member: &Member) -> bool {
    let shared = &member.shared;
    match movable.state().stage {
        Stage::Waits => shared.close_reason().is_none(),
        // It was to move, its handler has returned, and nobody has taken it.
        Stage::Runs => shared.moves() && shared.has_no_handler() && shared.close_reason().is_none(),
        Stage::Starts | Stage::Freezes => false,
    }
}

/// Starts the handler of a session that waits for that. `parts` is the request of its client, which has shown the secret;
/// the extractors run on it, with the auth data of the opening.
///
/// Waits for the extractors, for the open timeout. Cancel-safe: the handler waits still.
///
/// # Errors
/// Fails if an extractor rejects: the session has ended then, with code 4301. It fails also if they take too long, or if this
/// gateway has no handler: the next request tries again.
pub(in crate::server) async fn start_if_waiting<S>(
    gateway: &Gateway<S>,
    member: &Arc<Member>,
    mut parts: Parts,
    state: S,
) -> Result<(), OpenError> {
    let Some(movable) = Movable::of(member).filter(|movable| waits(movable, member)) else { return Ok(()) };
    let Some(handler) = &gateway.handler else { return Err(reason::NOT_HERE.into()) };
    let Some(starting) = Starting::begin(&movable, member) else { return Ok(()) };
    parts.extensions.insert(AuthData(movable.state().auth.clone()));
    let ready = tokio::time::timeout(gateway.core.config.open_timeout, handler(parts, state)).await;
    let session = Session { core: gateway.core.clone(), member: member.clone() };
    let ready = match ready.map_err(|_| OpenError::from(reason::TOOK_TOO_LONG))? {
        Ok(mut ready) => asked(&mut ready, &session).await.map(|()| ready),
        Err(rejection) => Err(OpenError::Rejected(Box::new(rejection))),
    };
    match ready {
        Ok(ready) => {
            starting.done();
            member.shared.stays();
            start(session, ready.handler);
            Ok(())
        }
        Err(OpenError::Rejected(rejection)) => {
            let refusal: Refusal = OpenError::Rejected(rejection).into_refusal().await;
            member.shared.abort(refusal.reason.clone());
            gateway.core.hub.retire(member);
            Err(OpenError::Refused(refusal))
        }
        Err(later) => Err(later),
    }
}

type HandlerOf = Box<dyn FnOnce(Session) -> Boxed<Outcome> + Send>;

#[expect(clippy::disallowed_methods, reason = "the one task of a session: its handler's")]
fn start(session: Session, handler: HandlerOf) {
    tokio::spawn(Turns::new(session.clone(), handler(session)));
}

/// A handler whose extractors run. Dropped before it is [done](Self::done), the handler waits again.
struct Starting<'a> {
    movable: &'a Movable,
    before: Stage,
    done: bool,
}

impl<'a> Starting<'a> {
    /// `None` if another request has begun that.
    fn begin(movable: &'a Movable, member: &Member) -> Option<Self> {
        let mut state = movable.state();
        let waits = match state.stage {
            Stage::Waits => true,
            Stage::Runs => member.shared.moves() && member.shared.has_no_handler(),
            Stage::Starts | Stage::Freezes => false,
        };
        let before = state.stage;
        waits.then(|| {
            state.stage = Stage::Starts;
            Starting { movable, before, done: false }
        })
    }

    fn done(mut self) {
        self.done = true;
        let mut state = self.movable.state();
        if self.before == Stage::Runs {
            state.restart();
        }
        state.stage = Stage::Runs;
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.movable.state().stage = self.before;
        }
    }
}
