//! Which handler an event has.

use std::{collections::HashMap, sync::Arc};

use futures::{
    FutureExt,
    future::{Either, ready},
};

use super::{
    handler::{AnyEventHandler, EventHandler, erase, limit},
    incoming::Incoming,
    layer::{Layers, Next},
    opening::AnyOpenHandler,
    reply::Answer,
};
use crate::{
    dialect::Fault,
    server::api::{send_error::SendError, session::Session},
};

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
    ///
    /// The future is not that of an `async fn`, which would hold the event twice; it is moved for each event, and so
    /// holds little. What hardly ever is awaited behind the handler is boxed.
    pub(super) fn handle<'a>(
        &'a self,
        session: &'a Session,
        route: &'a Route<S>,
        mut event: Incoming,
        state: &'a Arc<S>,
    ) -> impl Future<Output = ()> + Send + 'a {
        let asked = event.take_asked();
        let copy = self.on_fault.as_ref().map(|_| Box::new(event.copy()));
        let other = route.name.is_none().then(|| event.shared_name());
        let handler = if self.layers.is_empty() {
            (route.handler)(event, state.clone())
        } else {
            Next::new(&self.layers, &route.handler, state).step(event)
        };
        handler.then(move |answer| {
            let mut failed = None;
            if let Err(fault) = &answer {
                let name = route.name.as_deref().or(other.as_deref()).unwrap_or_default();
                note(session, name, fault, asked.is_some());
                failed = copy.map(|mut copy| {
                    copy.set_fault(fault.clone());
                    copy
                });
            }
            let answered = match asked {
                Some(asked) => asked.answer(session, answer),
                None => Either::Left(ready(Ok(()))),
            };
            let id = asked.map(|asked| asked.id);
            match (answered, failed) {
                (Either::Left(answered), None) => {
                    sent(session, id, answered.into_inner());
                    Either::Left(ready(()))
                }
                (answered, failed) => Either::Right(Box::pin(async move {
                    sent(session, id, answered.await);
                    if let (Some(on_fault), Some(event)) = (&self.on_fault, failed) {
                        log(session, "on_fault", on_fault(*event, state.clone()).await);
                    }
                })),
            }
        })
    }

    /// The session is over.
    pub(super) async fn end(&self, session: &Session, state: &Arc<S>) {
        if let Some(on_end) = &self.on_end {
            log(session, "on_end", on_end(Incoming::of_server(session, "closed"), state.clone()).await);
        }
    }
}

/// Logs that an answer was not sent, if it was not.
fn sent(session: &Session, id: Option<u64>, sent: Result<(), SendError>) {
    if let Err(error) = sent {
        tracing::debug!(session = %session.id(), id, %error, "an answer was not sent");
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

/// Logs the fault of a handler that nobody waits for.
fn log(session: &Session, what: &str, answer: Answer) {
    if let Err(fault) = answer {
        tracing::warn!(session = %session.id(), %fault, "{what} failed");
    }
}
