//! Handlers: an async function of the application that takes axum's extractors and, last, a [`Session`].

use std::{
    fmt::Display,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use futures::FutureExt;

use super::session::Session;
use crate::{
    session::{CloseReason, reason},
    shared::ChannelSet,
};

/// How a handler has ended: an error as text.
pub(crate) type Outcome = Result<(), String>;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler whose extractors are done.
pub(crate) struct Ready {
    /// A function that runs before the session opens, if there is one.
    pub(crate) opening: Option<Opening>,
    /// The channels that the session may have.
    pub(crate) channels: ChannelSet,
    /// Takes the session and returns the handler's future.
    pub(crate) handler: Box<dyn FnOnce(Session) -> Boxed<Outcome> + Send>,
}

/// Takes a session that is not open yet. The session is refused with the answer, if there is one.
pub(crate) type Opening = Box<dyn FnOnce(Session) -> Boxed<Result<(), Response>> + Send>;

/// A handler with a state `S`, behind a pointer.
pub(crate) type AnyHandler<S> = Arc<dyn Fn(Parts, S) -> Boxed<Result<Ready, Response>> + Send + Sync>;

/// A handler of sessions: an `async fn` whose arguments are up to eight extractors of axum
/// ([`FromRequestParts`]) and, last, a [`Session`].
///
/// The extractors run once for each session, on the request that opened it. They have the [open
/// timeout](crate::Builder::open_timeout). If one rejects, the client gets code 4301 with the text of the
/// rejection, and over HTTP its status.
///
/// The session ends when the handler returns, whatever clones of it live; one that is [to
/// move](crate::guide::many_nodes) goes on elsewhere. It may return `()`, or a
/// `Result<(), E>` whose error can be displayed: an `Err` closes the session with code 1011 and a fixed text,
/// and the error is logged at the level `warn`. A panic closes it with 1011 too.
///
/// The trait is implemented for such functions and closures, and cannot be implemented elsewhere.
///
/// ```
/// use anywire::Session;
/// use axum::http::HeaderMap;
///
/// async fn greet(headers: HeaderMap, session: Session) {
///     let _ = session.send(format!("{} headers", headers.len())).await;
/// }
/// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
/// # check(greet);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle sessions",
    note = "a handler is an `async fn` that takes axum extractors (at most eight, each `FromRequestParts`), then a `Session`, and returns `()` or `Result<(), E>` with `E: Display`",
    note = "its future must be `Send`: it must not hold an `Rc`, a `RefCell`'s borrow or a `MutexGuard` of std across an `.await`"
)]
pub trait Handler<T, S>: Clone + Send + Sync + 'static {
    /// Runs the extractors.
    #[doc(hidden)]
    fn prepare(
        self,
        parts: Parts,
        state: S,
        sealed: sealed::Sealed,
    ) -> impl Future<Output = Result<sealed::Prepared, Response>> + Send;
}

/// Types that only this crate can name, so that only it implements [`Handler`] and [`Returned`].
mod sealed {
    /// Only this crate has one.
    #[derive(Clone, Copy, Debug)]
    pub struct Sealed;

    /// A handler whose extractors are done.
    pub struct Prepared(pub(super) super::Ready);
}

/// The types that a handler may return: `()`, or `Result<(), E>` where `E` is any error that can be displayed.
///
/// The session ends in both cases. An `Err` closes it with code 1011 and a fixed text; the error itself is
/// logged at the level `warn` and not sent to the client.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "a handler returns `()` or `Result<(), E>` with `E: Display`"
)]
pub trait Returned {
    #[doc(hidden)]
    fn outcome(self, sealed: sealed::Sealed) -> Result<(), String>;
}

impl Returned for () {
    fn outcome(self, _: sealed::Sealed) -> Outcome {
        Ok(())
    }
}

impl<E: Display> Returned for Result<(), E> {
    fn outcome(self, _: sealed::Sealed) -> Outcome {
        self.map_err(|error| error.to_string())
    }
}

pub(crate) fn erase<H, T, S>(handler: H) -> AnyHandler<S>
where
    H: Handler<T, S>,
    S: Send + 'static,
{
    Arc::new(move |parts, state| {
        let handler = handler.clone();
        Box::pin(
            async move { handler.prepare(parts, state, sealed::Sealed).await.map(|sealed::Prepared(ready)| ready) },
        )
    })
}

macro_rules! handler {
    ($($T:ident)*) => {
        impl<F, Fut, R, S, $($T,)*> Handler<($($T,)*), S> for F
        where
            F: FnOnce($($T,)* Session) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: Returned,
            S: Send + Sync + 'static,
            $($T: FromRequestParts<S> + Send + 'static,)*
        {
            #[allow(non_snake_case, unused_variables, unused_mut, reason = "there may be no extractor")]
            async fn prepare(
                self,
                mut parts: Parts,
                state: S,
                _: sealed::Sealed,
            ) -> Result<sealed::Prepared, Response> {
                $(let $T = match $T::from_request_parts(&mut parts, &state).await {
                    Ok(value) => value,
                    Err(rejection) => return Err(rejection.into_response()),
                };)*
                // An async block would hold the handler's future twice, and each session keeps that memory.
                let handler = move |session: Session| -> Boxed<Outcome> {
                    Box::pin(self($($T,)* session).map(|returned| returned.outcome(sealed::Sealed)))
                };
                Ok(sealed::Prepared(Ready { opening: None, channels: ChannelSet::None, handler: Box::new(handler) }))
            }
        }
    };
}

handler!();
handler!(T1);
handler!(T1 T2);
handler!(T1 T2 T3);
handler!(T1 T2 T3 T4);
handler!(T1 T2 T3 T4 T5);
handler!(T1 T2 T3 T4 T5 T6);
handler!(T1 T2 T3 T4 T5 T6 T7);
handler!(T1 T2 T3 T4 T5 T6 T7 T8);

/// The handler's task. Links are woken when the handler yields and not at each send, so that everything sent
/// in one turn is one write.
pub(crate) struct Turns {
    handler: Boxed<Outcome>,
    /// It is boxed so that a task fits into the smallest size that tokio allocates.
    life: Box<Life>,
}

/// Why a handler's session closes.
#[derive(Clone, Copy)]
enum Ending {
    /// The handler has returned, or was dropped with its runtime.
    Over,
    Failed,
    Panicked,
}

impl Ending {
    fn reason(self) -> CloseReason {
        match self {
            Ending::Over => reason::CLOSED,
            Ending::Failed => reason::HANDLER_FAILED,
            Ending::Panicked => reason::HANDLER_PANICKED,
        }
    }
}

/// The session ends with this, whatever clones of it live.
struct Life {
    session: Session,
    /// The handler was polled before.
    polled: bool,
    /// The reason with which the session closes if it ends now; `None` once it did.
    ending: Option<Ending>,
    /// It tells the lines apart that handlers log. `None` if nobody subscribes to it.
    span: Option<Box<tracing::Span>>,
}

impl Turns {
    pub(crate) fn new(session: Session, handler: Boxed<Outcome>) -> Self {
        session.member.shared.start_handler();
        let span = tracing::info_span!("session", id = %session.member.id());
        let span = (!span.is_disabled()).then(|| Box::new(span));
        Turns { handler, life: Box::new(Life { session, polled: false, ending: Some(Ending::Over), span }) }
    }
}

impl Life {
    /// The handler has returned, or panicked, or its runtime is gone. A second call does nothing.
    fn end(&mut self) {
        let Some(ending) = self.ending.take() else { return };
        #[cfg(feature = "cluster")]
        if matches!(ending, Ending::Over) && self.session.member.shared.goes_on() {
            return; // Elsewhere, or here with its client's next request.
        }
        if matches!(ending, Ending::Panicked) {
            self.session.core.counters.handler_panics.add(1);
        }
        self.session.core.hub.retire(&self.session.member);
        self.session.member.shared.close(ending.reason());
    }

    fn returned(&mut self, outcome: Outcome, in_first_poll: bool) {
        let id = self.session.member.id();
        if let Err(error) = outcome {
            tracing::warn!(session = %id, error, "the handler failed");
            self.ending = Some(Ending::Failed);
        }
        // The hub has the member, and so has this task. Further ones are clones of the session.
        if in_first_poll && Arc::strong_count(&self.session.member) > 2 {
            tracing::debug!(session = %id, "ends although clones of it live: its handler has returned at once");
        }
        self.end();
    }
}

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        /// Ends the turn even if the handler panics.
        struct Turn<'a>(&'a mut Life);
        impl Drop for Turn<'_> {
            fn drop(&mut self) {
                self.0.session.member.shared.end_turn();
            }
        }
        let Turns { handler, life } = &mut *self;
        let _within = life.span.as_deref().map(|span| span.clone().entered());
        life.session.member.shared.begin_turn();
        let turn = Turn(life);
        let in_first_poll = !std::mem::replace(&mut turn.0.polled, true);
        turn.0.ending = Some(Ending::Panicked); // Unless the poll returns.
        let polled = handler.as_mut().poll(cx);
        turn.0.ending = Some(Ending::Over);
        polled.map(|outcome| turn.0.returned(outcome, in_first_poll))
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.life.end();
        self.life.session.member.shared.finish_handler();
    }
}
