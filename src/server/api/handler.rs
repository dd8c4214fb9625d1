//! Handlers: an async function of the application that takes axum's extractors and, last, a [`Session`].

use std::{
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

use super::session::Session;
use crate::shared::SharedSession;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler whose extractors are done. It takes its session and returns its future.
pub(crate) type Ready = Box<dyn FnOnce(Session) -> Boxed<()> + Send>;

/// A handler with a state `S`, behind a pointer.
pub(crate) type AnyHandler<S> = Arc<dyn Fn(Parts, S) -> Boxed<Result<Ready, Response>> + Send + Sync>;

/// A handler of sessions: an `async fn` whose arguments are up to eight extractors of axum
/// ([`FromRequestParts`]) and, last, a [`Session`].
///
/// The extractors run once for each session, on the request that opened it. They have the [open
/// timeout](crate::Builder::open_timeout). If one rejects, the client gets code 4301 with the text of the
/// rejection, and over HTTP its status. The session ends when the handler returns.
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
    note = "a handler is an `async fn` that takes axum extractors (at most eight, each `FromRequestParts`), then a `Session`, and returns `()`"
)]
pub trait Handler<T, S>: Clone + Send + Sync + 'static {
    /// Runs the extractors.
    #[doc(hidden)]
    fn prepare(self, parts: Parts, state: S) -> impl Future<Output = Result<Prepared, Response>> + Send;
}

/// A handler whose extractors are done.
#[doc(hidden)]
pub struct Prepared(Ready);

pub(crate) fn erase<H, T, S>(handler: H) -> AnyHandler<S>
where
    H: Handler<T, S>,
    S: Send + 'static,
{
    Arc::new(move |parts, state| {
        let handler = handler.clone();
        Box::pin(async move { handler.prepare(parts, state).await.map(|Prepared(ready)| ready) })
    })
}

macro_rules! handler {
    ($($T:ident)*) => {
        impl<F, Fut, S, $($T,)*> Handler<($($T,)*), S> for F
        where
            F: FnOnce($($T,)* Session) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = ()> + Send + 'static,
            S: Send + Sync + 'static,
            $($T: FromRequestParts<S> + Send + 'static,)*
        {
            #[allow(non_snake_case, unused_variables, unused_mut, reason = "there may be no extractor")]
            async fn prepare(self, mut parts: Parts, state: S) -> Result<Prepared, Response> {
                $(let $T = match $T::from_request_parts(&mut parts, &state).await {
                    Ok(value) => value,
                    Err(rejection) => return Err(rejection.into_response()),
                };)*
                Ok(Prepared(Box::new(move |session| Box::pin(self($($T,)* session)))))
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
    shared: Arc<SharedSession>,
    handler: Boxed<()>,
}

impl Turns {
    pub(crate) fn new(shared: Arc<SharedSession>, handler: Boxed<()>) -> Self {
        shared.start_handler();
        Turns { shared, handler }
    }
}

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        /// Ends the turn even if the handler panics.
        struct Turn<'a>(&'a SharedSession);
        impl Drop for Turn<'_> {
            fn drop(&mut self) {
                self.0.end_turn();
            }
        }
        let this = &mut *self;
        this.shared.begin_turn();
        let _turn = Turn(&this.shared);
        this.handler.as_mut().poll(cx)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.shared.finish_handler();
    }
}
