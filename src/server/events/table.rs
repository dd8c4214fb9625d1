//! Which handler an event has.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytestring::ByteString;
use futures::future::{BoxFuture, Either, ready as ready_now};

use super::{
    asked::Asked,
    handler::{AnyEventHandler, Boxed, EventHandler, erase, limit},
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
    /// Ordered: a router has few, and to compare names takes less than to hash one.
    pub(super) routes: BTreeMap<Box<str>, Route<S>>,
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
    pub(super) fn handle<'a>(
        &'a self,
        session: &'a Session,
        route: &'a Route<S>,
        mut event: Incoming,
        state: &'a Arc<S>,
    ) -> Handling<'a, S> {
        let asked = event.take_asked();
        let copy = self.on_fault.as_ref().map(|_| Box::new(event.copy()));
        let other = route.name.is_none().then(|| event.shared_name());
        let handler = if self.layers.is_empty() {
            (route.handler)(event, state.clone())
        } else {
            Next::new(&self.layers, &route.handler, state).step(event)
        };
        Handling { table: self, session, state, route, asked, other, copy, stage: Stage::Handler(handler) }
    }

    /// The session is over.
    pub(super) async fn end(&self, session: &Session, state: &Arc<S>) {
        if let Some(on_end) = &self.on_end {
            log(session, "on_end", on_end(Incoming::of_server(session, "closed"), state.clone()).await);
        }
    }
}

/// An event that is being handled, and answered behind that.
pub(super) struct Handling<'a, S> {
    table: &'a Table<S>,
    session: &'a Session,
    state: &'a Arc<S>,
    route: &'a Route<S>,
    asked: Option<Asked>,
    /// The name of the event, if the route has none.
    other: Option<ByteString>,
    /// The event as `on_fault` gets it, if there is such a handler.
    copy: Option<Box<Incoming>>,
    stage: Stage<'a>,
}

enum Stage<'a> {
    Handler(Boxed<Answer>),
    /// There is more to wait for, which there hardly ever is.
    Rest(BoxFuture<'a, ()>),
}

impl<S: Send + Sync + 'static> Future for Handling<'_, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Handler(handler) = &mut self.stage {
            let answer = ready!(handler.as_mut().poll(cx));
            match self.answer(answer) {
                Some(rest) => self.stage = Stage::Rest(rest),
                None => return Poll::Ready(()),
            }
        }
        let Stage::Rest(rest) = &mut self.stage else { unreachable!("the handler has returned") };
        rest.as_mut().poll(cx)
    }
}

impl<'a, S: Send + Sync + 'static> Handling<'a, S> {
    /// Answers the event. Returns what is still to be awaited.
    fn answer(&mut self, answer: Answer) -> Option<BoxFuture<'a, ()>> {
        let (table, session, state) = (self.table, self.session, self.state);
        let mut failed = None;
        if let Err(fault) = &answer {
            let name = self.route.name.as_deref().or(self.other.as_deref()).unwrap_or_default();
            note(session, name, fault, self.asked.is_some());
            failed = self.copy.take().map(|mut copy| {
                copy.set_fault(fault.clone());
                copy
            });
        }
        let id = self.asked.map(|asked| asked.id);
        let answered = match self.asked {
            Some(asked) => asked.answer(session, answer),
            None => Either::Left(ready_now(Ok(()))),
        };
        match (answered, failed) {
            (Either::Left(answered), None) => {
                sent(session, id, answered.into_inner());
                None
            }
            (answered, failed) => Some(Box::pin(async move {
                sent(session, id, answered.await);
                if let (Some(on_fault), Some(event)) = (&table.on_fault, failed) {
                    log(session, "on_fault", on_fault(*event, state.clone()).await);
                }
            })),
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
