//! Which handler an event has.

use std::{collections::HashMap, sync::Arc};

use super::{
    asked::Asked,
    handler::{AnyEventHandler, EventHandler, erase, limit},
    incoming::Incoming,
    layer::{Layers, Next},
    opening::AnyOpenHandler,
    reply::Answer,
};
use crate::{dialect::Fault, server::api::session::Session};

/// A handler, and how it runs.
pub(super) struct Route<S> {
    /// The name of its events; `None` if they have any.
    name: Option<Box<str>>,
    handler: AnyEventHandler<S>,
    /// How many events of a session it handles at a time, beside others; `None` if they wait for it.
    pub(super) limit: Option<usize>,
    /// It tells the routes of a table apart.
    pub(super) number: usize,
}

impl<S: Send + Sync + 'static> Route<S> {
    pub(super) fn new<H: EventHandler<M, S>, M: 'static>(number: usize, name: Option<&str>, handler: H) -> Self {
        Route { name: name.map(Into::into), limit: limit(&handler), handler: erase(handler), number }
    }
}

/// All that a router has, when nothing is added any more.
pub(super) struct Table<S> {
    pub(super) routes: HashMap<Box<str>, Route<S>>,
    pub(super) other: Route<S>,
    pub(super) layers: Layers<S>,
    pub(super) on_open: Option<AnyOpenHandler<S>>,
    pub(super) on_end: Option<AnyEventHandler<S>>,
    pub(super) on_fault: Option<AnyEventHandler<S>>,
}

impl<S: Send + Sync + 'static> Table<S> {
    pub(super) fn route(&self, name: &str) -> &Route<S> {
        self.routes.get(name).unwrap_or(&self.other)
    }

    /// Handles one event of a session and answers it.
    pub(super) async fn handle(&self, session: &Session, route: &Route<S>, mut event: Incoming, state: &Arc<S>) {
        let asked = event.take_asked();
        let copy = self.on_fault.as_ref().map(|_| event.copy());
        let other = route.name.is_none().then(|| event.shared_name());
        let answer = if self.layers.is_empty() {
            (route.handler)(event, state.clone()).await
        } else {
            Next::new(&self.layers, &route.handler, state).run(event).await
        };
        let fault = answer.as_ref().err().cloned();
        if let Some(fault) = &fault {
            let name = route.name.as_deref().or(other.as_deref()).unwrap_or_default();
            note(session, name, fault, asked.is_some());
        }
        answer_to(session, asked, answer).await;
        if let (Some(on_fault), Some(mut copy), Some(fault)) = (&self.on_fault, copy, fault) {
            copy.set_fault(fault);
            log(session, "on_fault", on_fault(copy, state.clone()).await);
        }
    }

    /// The session is over.
    pub(super) async fn end(&self, session: &Session, state: &Arc<S>) {
        if let Some(on_end) = &self.on_end {
            log(session, "on_end", on_end(Incoming::of_server(session, "closed"), state.clone()).await);
        }
    }
}

/// Counts a fault, and logs it if it is not an answer, which the client gets to know.
fn note(session: &Session, name: &str, fault: &Fault, asked: bool) {
    session.core.counters.event_faults.add(1);
    let session_id = session.id();
    if !asked && session.core.may_warn() {
        tracing::warn!(session = %session_id, name, %fault, "an event that is no request failed");
    } else {
        tracing::debug!(session = %session_id, name, %fault, asked, "an event failed");
    }
}

async fn answer_to(session: &Session, asked: Option<Asked>, answer: Answer) {
    let Some(asked) = asked else { return };
    if let Err(error) = asked.answer(session, answer).await {
        tracing::debug!(session = %session.id(), id = asked.id, %error, "an answer was not sent");
    }
}

/// Logs the fault of a handler that nobody waits for.
fn log(session: &Session, what: &str, answer: Answer) {
    if let Err(fault) = answer {
        tracing::warn!(session = %session.id(), %fault, "{what} failed");
    }
}
