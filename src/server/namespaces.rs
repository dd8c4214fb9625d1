//! The channels of a session: its namespaces besides `/`, each with a handler. They run in the task of the
//! session, beside its own handler. Where `/` is a channel too, nothing runs beside them.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{http::request::Parts, response::Response};

use super::{
    api::{
        auth::AuthData,
        handler::{AnyHandler, Boxed, Outcome, Ready},
        session::Session,
    },
    catch::catch,
    recovery::recover,
    refusal::OpenError,
};
use crate::{
    dialect::{Fault, not_opened},
    hub::{Member, ROOT},
    session::{CloseReason, reason},
    shared::{ChannelAsked, ChannelSet},
};

/// The handlers of namespaces, by name or pattern.
type Namespaces<S> = Arc<[(String, AnyHandler<S>)]>;

type Panic = Box<dyn Any + Send>;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handler of sessions whose clients may also open these namespaces.
pub(super) fn with_namespaces<S: Clone + Send + Sync + 'static>(
    root: AnyHandler<S>,
    namespaces: Vec<(String, AnyHandler<S>)>,
) -> AnyHandler<S> {
    let namespaces: Namespaces<S> = namespaces.into();
    Arc::new(move |parts, state| Box::pin(prepare(root.clone(), namespaces.clone(), parts, state)))
}

async fn prepare<S: Clone + Send + Sync + 'static>(
    root: AnyHandler<S>,
    namespaces: Namespaces<S>,
    parts: Parts,
    state: S,
) -> Result<Ready, Response> {
    let openings = Openings::new(namespaces, parts.clone(), state.clone());
    let Ready { opening, handler, .. } = root(parts, state).await?;
    let handler = move |session: Session| -> Boxed<Outcome> {
        let root = handler(session.clone());
        Box::pin(run(root, openings, session))
    };
    Ok(Ready { opening, channels: ChannelSet::Others, handler: Box::new(handler) })
}

/// A handler of sessions whose clients open `/` as they open the other namespaces. A session closes if its client
/// has opened none within `patience`.
pub(super) fn all_namespaces<S: Clone + Send + Sync + 'static>(
    root: AnyHandler<S>,
    mut namespaces: Vec<(String, AnyHandler<S>)>,
    patience: Duration,
) -> AnyHandler<S> {
    namespaces.insert(0, (ROOT.to_owned(), root));
    let namespaces: Namespaces<S> = namespaces.into();
    Arc::new(move |parts, state| {
        let openings = Openings::new(namespaces.clone(), parts, state);
        let handler = move |session: Session| -> Boxed<Outcome> {
            Box::pin(run(Box::pin(stay(session.clone(), patience)), openings, session))
        };
        let ready = Ready { opening: None, channels: ChannelSet::All, handler: Box::new(handler) };
        Box::pin(std::future::ready(Ok(ready)))
    })
}

/// Waits for the end of a session that its channels use.
async fn stay(session: Session, patience: Duration) -> Outcome {
    let joined = poll_fn(|cx| session.member.shared.poll_any_channel(cx));
    if tokio::time::timeout(patience, joined).await.is_err() {
        session.member.shared.close(reason::NO_NAMESPACE);
    }
    session.closed().await;
    Ok(())
}

/// The bytes of a request that is kept.
fn size(parts: &Parts) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
    headers.sum::<usize>() + size_of::<Parts>() + parts.uri.path().len()
}

/// All that the opening of a channel needs.
struct Openings<S> {
    namespaces: Namespaces<S>,
    /// The request that opened the session.
    parts: Box<Parts>,
    state: S,
}

impl<S: Clone + Send + Sync + 'static> Openings<S> {
    fn new(namespaces: Namespaces<S>, parts: Parts, state: S) -> Self {
        Openings { namespaces, parts: Box::new(parts), state }
    }

    /// The handler of a channel that the client has asked for, which opens it first.
    fn start(&self, asked: ChannelAsked, session: &Session) -> Running {
        let ChannelAsked { number, namespace, auth } = asked;
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => namespace.starts_with(beginning),
            None => *namespace == *pattern,
        };
        let handler = self.namespaces.iter().find(|(pattern, _)| fits(pattern)).map(|(_, handler)| handler.clone());
        let member = Member::of_channel(session.member.session(), number, namespace);
        let channel = Open(Session { core: session.core.clone(), member });
        let Some(handler) = handler else {
            let fault = Fault::unknown_namespace();
            return Box::pin(async move { channel.refuse(&fault).await });
        };
        let mut parts = (*self.parts).clone();
        parts.extensions.insert(AuthData(auth));
        Box::pin(serve(channel, handler(parts, self.state.clone())))
    }
}

/// Opens a channel, and runs its handler.
async fn serve(channel: Open, prepared: Boxed<Result<Ready, Response>>) {
    let limit = channel.0.core.config.open_timeout;
    let opened = tokio::time::timeout(limit, async {
        let ready = prepared.await?;
        if let Some(opening) = ready.opening {
            opening(channel.0.clone()).await?;
        }
        Ok(ready.handler)
    });
    let handler = match opened.await {
        Ok(Ok(handler)) => handler,
        Ok(Err(rejection)) => return channel.refuse(&fault_of(rejection).await).await,
        Err(_) => return channel.refuse(&Fault::new("timeout", "it took too long to open")).await,
    };
    if channel.accept() {
        let outcome = handler(channel.0.clone()).await;
        channel.returned(outcome);
    }
}

/// The fault of an extractor's rejection, or of `on_open`.
async fn fault_of(rejection: Response) -> Fault {
    let text = OpenError::Rejected(Box::new(rejection)).into_refusal().await.reason.text;
    serde_json::from_str(&text).unwrap_or_else(|_| Fault::new("refused", &*text))
}

/// A channel from its opening to its end. When it is dropped it leaves everything.
struct Open(Session);

impl Open {
    fn number(&self) -> u64 {
        self.0.member.channel.as_ref().map_or(0, |channel| channel.number)
    }

    /// Opens the channel. Returns false if its client has left.
    fn accept(&self) -> bool {
        let open = self.0.member.shared.accept_channel(self.number());
        if open {
            self.0.core.hub.open_channel(&self.0.member);
        }
        open
    }

    /// Sends that the channel does not open, and why.
    async fn refuse(self, fault: &Fault) {
        let session = self.0.root();
        let packet = not_opened(self.0.namespace(), fault);
        tracing::debug!(session = %session.id(), namespace = self.0.namespace(), %fault, "a namespace was refused");
        if session.member.shared.remove_channel(self.number()) && session.send_payload(packet.into()).await.is_err() {
            tracing::debug!(session = %session.id(), "a client does not learn that a namespace was refused");
        }
    }

    /// The handler has returned.
    fn returned(self, outcome: Outcome) {
        match outcome {
            Ok(()) => self.0.end(reason::CLOSED),
            Err(error) => {
                let (session, namespace) = (self.0.id(), self.0.namespace());
                tracing::warn!(%session, namespace, error, "the handler of a namespace failed");
                self.0.end(reason::HANDLER_FAILED);
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.core.hub.retire(&self.0.member);
        self.0.member.shared.remove_channel(self.number());
    }
}

/// Runs the handler of a session and those of its channels, until all have returned. They take turns in being
/// the first, so that each gets its part of the task's time. A panic of one closes the session.
async fn run<S: Clone + Send + Sync + 'static>(
    mut root: Boxed<Outcome>,
    openings: Openings<S>,
    session: Session,
) -> Outcome {
    let _held = session.core.runtime.pool().hold(size(&openings.parts));
    let mut channels = Channels { openings, session: session.clone(), running: Vec::new(), first: 0, panic: None };
    let returned = catch(poll_fn(|cx| channels.poll_beside(cx, |cx| root.as_mut().poll(cx)))).await;
    drop(root);
    session.core.hub.retire_alone(&session.member);
    session.member.shared.close(reason_of(&returned));
    session.member.shared.end_channels();
    poll_fn(|cx| channels.poll_rest(cx)).await;
    match (returned, channels.panic) {
        (Err(panic), _) | (Ok(_), Some(panic)) => resume_unwind(panic),
        (Ok(outcome), None) => outcome,
    }
}

fn reason_of(returned: &Result<Outcome, Panic>) -> CloseReason {
    match returned {
        Ok(Ok(())) => reason::CLOSED,
        Ok(Err(_)) => reason::HANDLER_FAILED,
        Err(_) => reason::HANDLER_PANICKED,
    }
}

struct Channels<S> {
    openings: Openings<S>,
    session: Session,
    /// The handlers. One that has returned is removed.
    running: Vec<Option<Running>>,
    /// The place at which the next poll begins.
    first: usize,
    /// A panic of a channel's handler.
    panic: Option<Panic>,
}

impl<S: Clone + Send + Sync + 'static> Channels<S> {
    /// Polls the channels and, at its place among them, the session's own handler.
    fn poll_beside<T>(&mut self, cx: &mut Context<'_>, mut root: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        while let Poll::Ready(Some(asked)) = self.session.member.shared.poll_channel_asked(cx) {
            if !recover(&asked, &self.session) {
                self.running.push(Some(self.openings.start(asked, &self.session)));
            }
        }
        let places = self.running.len() + 1;
        self.first = (self.first + 1) % places;
        let mut polled = Poll::Pending;
        for place in (self.first..places).chain(0..self.first) {
            if place < self.running.len() {
                self.poll_channel(place, cx);
            } else {
                polled = root(cx);
            }
        }
        self.running.retain(Option::is_some);
        polled
    }

    /// Polls the channels until all have returned.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (0..self.running.len()).for_each(|place| self.poll_channel(place, cx));
        self.running.retain(Option::is_some);
        if self.running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_channel(&mut self, place: usize, cx: &mut Context<'_>) {
        let Some(channel) = &mut self.running[place] else { return };
        match catch_unwind(AssertUnwindSafe(|| channel.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) => {}
            Err(panic) => {
                self.panic = Some(panic);
                self.session.member.shared.close(reason::HANDLER_PANICKED);
            }
        }
        self.running[place] = None;
    }
}
