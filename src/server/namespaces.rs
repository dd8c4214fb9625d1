//! The channels of a session: its namespaces besides `/`, each with a handler. They run in the task of the
//! session, beside its own handler. Where `/` is a channel too, nothing runs beside them.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{http::request::Parts, response::Response};
use tokio::time::Sleep;

use super::{
    api::{
        auth::AuthData,
        handler::{AnyHandler, Boxed, Outcome, Ready},
        session::Session,
    },
    catch::catch,
    kept_request::KeptRequest,
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

/// Gives the channel and its handler once it is open, and nothing if it was refused.
type Opening = Boxed<Option<(Boxed<Outcome>, Open)>>;

/// The session's own part beside its channels.
enum Root {
    /// Its handler runs.
    Handler(Boxed<Outcome>),
    /// `/` is a channel too, and nothing runs beside the channels. The session closes if none is open when the time is
    /// up.
    Channel(Option<Pin<Box<Sleep>>>),
}

/// A channel whose client has asked for it.
enum Running {
    Opening(Opening),
    /// Its opening is gone, with the memory that it took. The handler is dropped before the channel leaves.
    Open(Boxed<Outcome>, Open),
}

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
    let openings = Openings { namespaces, request: KeptRequest::of(&parts), state: state.clone() };
    let Ready { opening, handler, .. } = root(parts, state).await?;
    let handler = move |session: Session| -> Boxed<Outcome> {
        let root = Root::Handler(handler(session.clone()));
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
        let openings = Openings { namespaces: namespaces.clone(), request: KeptRequest::from_parts(parts), state };
        let handler = move |session: Session| -> Boxed<Outcome> {
            let root = Root::Channel(Some(Box::pin(tokio::time::sleep(patience))));
            Box::pin(run(root, openings, session))
        };
        let ready = Ready { opening: None, channels: ChannelSet::All, handler: Box::new(handler) };
        Box::pin(std::future::ready(Ok(ready)))
    })
}

/// A handler of sessions in which this one runs beside a channel `/`, for which it asks itself. The handler `root` is that
/// of the channel.
pub(super) fn with_driver<S: Clone + Send + Sync + 'static>(
    root: AnyHandler<S>,
    driver: impl Fn(Session) -> Boxed<Outcome> + Clone + Send + Sync + 'static,
) -> AnyHandler<S> {
    let namespaces: Namespaces<S> = [(ROOT.to_owned(), root)].into();
    Arc::new(move |parts, state| {
        let openings = Openings { namespaces: namespaces.clone(), request: KeptRequest::from_parts(parts), state };
        let driver = driver.clone();
        let handler = move |session: Session| -> Boxed<Outcome> {
            let root = Root::Handler(driver(session.clone()));
            Box::pin(run(root, openings, session))
        };
        let ready = Ready { opening: None, channels: ChannelSet::All, handler: Box::new(handler) };
        Box::pin(std::future::ready(Ok(ready)))
    })
}

/// All that the opening of a channel needs.
struct Openings<S> {
    namespaces: Namespaces<S>,
    /// The request that opened the session.
    request: KeptRequest,
    state: S,
}

impl<S: Clone + Send + Sync + 'static> Openings<S> {
    /// The opening of a channel that the client has asked for.
    fn start(&self, asked: ChannelAsked, session: &Session) -> Opening {
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
            return Box::pin(async move {
                channel.refuse(&fault).await;
                None
            });
        };
        let mut parts = self.request.parts();
        parts.extensions.insert(AuthData(auth));
        Box::pin(open(channel, handler(parts, self.state.clone())))
    }
}

/// Opens a channel, and returns it with its handler.
async fn open(channel: Open, prepared: Boxed<Result<Ready, Response>>) -> Option<(Boxed<Outcome>, Open)> {
    let limit = channel.0.core.config.open_timeout;
    let opened = tokio::time::timeout(limit, async {
        let ready = prepared.await?;
        if let Some(opening) = ready.opening {
            opening(channel.0.clone()).await?;
        }
        Ok(ready.handler)
    });
    let refused = match opened.await {
        Ok(Ok(handler)) => return channel.accept().then(|| (handler(channel.0.clone()), channel)),
        Ok(Err(rejection)) => fault_of(rejection).await,
        Err(_) => Fault::new("timeout", "it took too long to open"),
    };
    channel.refuse(&refused).await;
    None
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

    /// Sends that the channel does not open, and why. It counts until that is sent, so that a client that reads nothing
    /// cannot make ever more of them wait.
    async fn refuse(self, fault: &Fault) {
        let session = self.0.root();
        let packet = not_opened(self.0.namespace(), fault);
        tracing::debug!(session = %session.id(), namespace = self.0.namespace(), %fault, "a namespace was refused");
        if session.member.shared.refuse_channel(self.number()) && session.send_payload(packet.into()).await.is_err() {
            tracing::debug!(session = %session.id(), "a client does not learn that a namespace was refused");
        }
    }

    /// The handler has returned.
    fn returned(&self, outcome: Outcome) {
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
///
/// The future is not that of an `async fn`, which would hold its arguments twice.
fn run<S: Clone + Send + Sync + 'static>(
    mut root: Root,
    openings: Openings<S>,
    session: Session,
) -> impl Future<Output = Outcome> + Send {
    let held = session.core.runtime.pool().hold(openings.request.size());
    let mut channels = Channels { openings, session, running: Vec::new(), first: 0, panic: None };
    async move {
        let _held = held;
        let returned = catch(poll_fn(|cx| channels.poll_beside(cx, &mut root))).await;
        drop(root);
        let session = &channels.session;
        session.core.hub.retire_alone(&session.member);
        session.member.shared.close(reason_of(&returned));
        session.member.shared.end_channels();
        poll_fn(|cx| channels.poll_rest(cx)).await;
        match (returned, channels.panic.take()) {
            (Err(panic), _) | (Ok(_), Some(panic)) => resume_unwind(panic),
            (Ok(outcome), None) => outcome,
        }
    }
}

fn reason_of(returned: &Result<Outcome, Panic>) -> CloseReason {
    match returned {
        Ok(Ok(())) => reason::CLOSED,
        Ok(Err(_)) => reason::HANDLER_FAILED,
        Err(_) => reason::HANDLER_PANICKED,
    }
}

impl Running {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Running::Opening(opening) = self {
            match ready!(opening.as_mut().poll(cx)) {
                Some((handler, channel)) => *self = Running::Open(handler, channel),
                None => return Poll::Ready(()),
            }
        }
        if let Running::Open(handler, channel) = self {
            let outcome = ready!(handler.as_mut().poll(cx));
            channel.returned(outcome);
        }
        Poll::Ready(())
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
    /// Polls the channels and, at its place among them, the session's own handler. Is ready when that has returned or,
    /// if there is none, when the session is over.
    fn poll_beside(&mut self, cx: &mut Context<'_>, root: &mut Root) -> Poll<Outcome> {
        let mut asked = self.session.member.shared.poll_channel_asked(cx);
        while let Poll::Ready(Some(channel)) = asked {
            if !recover(&channel, &self.session) {
                let opening = self.openings.start(channel, &self.session);
                // Most sessions have one channel: a vector that doubles would make room for four.
                self.running.reserve_exact(1);
                self.running.push(Some(Running::Opening(opening)));
            }
            asked = self.session.member.shared.poll_channel_asked(cx);
        }
        let places = self.running.len() + 1;
        self.first = (self.first + 1) % places;
        let mut polled = Poll::Pending;
        for place in (self.first..places).chain(0..self.first) {
            match root {
                _ if place < self.running.len() => self.poll_channel(place, cx),
                Root::Handler(handler) => polled = handler.as_mut().poll(cx),
                Root::Channel(_) => {}
            }
        }
        self.running.retain(Option::is_some);
        match root {
            Root::Handler(_) => polled,
            Root::Channel(_) if asked.is_ready() => Poll::Ready(Ok(())),
            Root::Channel(patience) => self.poll_patience(patience, cx),
        }
    }

    /// Closes the session if no channel has opened in time.
    fn poll_patience(&self, patience: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if self.running.iter().any(|channel| matches!(channel, Some(Running::Open(..)))) {
            *patience = None;
        }
        let Some(timer) = patience else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        self.session.member.shared.close(reason::NO_NAMESPACE);
        Poll::Ready(Ok(()))
    }

    /// Polls the channels until all have returned.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (0..self.running.len()).for_each(|place| self.poll_channel(place, cx));
        self.running.retain(Option::is_some);
        if self.running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_channel(&mut self, place: usize, cx: &mut Context<'_>) {
        let Some(channel) = &mut self.running[place] else { return };
        match catch_unwind(AssertUnwindSafe(|| channel.poll(cx))) {
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
