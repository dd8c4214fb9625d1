//! The function that runs before a session of a router opens.

use std::pin::Pin;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{
    dialect::Fault,
    server::api::{handler::Opening, session::Session},
};

type Prepare<'a> = Pin<Box<dyn Future<Output = Result<Opening, Response>> + Send + 'a>>;

/// A function that opens sessions, behind a pointer. It borrows the state, which the session's events need later.
pub(super) type AnyOpenHandler<S> = Box<dyn for<'a> Fn(Parts, &'a S) -> Prepare<'a> + Send + Sync>;

/// A function that runs before a session opens: an `async fn` whose parameters are up to eight extractors of axum
/// ([`FromRequestParts`]), for the opening request, and, last, the [`Session`]. It returns `()` or
/// `Result<(), Fault>`.
///
/// The trait is implemented for such functions and closures, and cannot be implemented elsewhere. See
/// [`Events::on_open`](crate::Events::on_open).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot open sessions",
    note = "`on_open` takes an `async fn` of axum extractors (at most eight, each `FromRequestParts`), then a `Session`, that returns `()` or `Result<(), Fault>`",
    note = "its future must be `Send`: it must not hold an `Rc`, a `RefCell`'s borrow or a `MutexGuard` of std across an `.await`"
)]
pub trait OpenHandler<T, S>: Clone + Send + Sync + 'static {
    /// Runs the extractors.
    #[doc(hidden)]
    fn prepare(
        self,
        parts: Parts,
        state: &S,
        sealed: sealed::Sealed,
    ) -> impl Future<Output = Result<sealed::Prepared, Response>> + Send;
}

/// The types that [`OpenHandler`] may return.
#[diagnostic::on_unimplemented(
    message = "`on_open` cannot return `{Self}`",
    note = "it returns `()` or `Result<(), Fault>`"
)]
pub trait OpenOutcome {
    #[doc(hidden)]
    fn outcome(self, sealed: sealed::Sealed) -> Result<(), Fault>;
}

impl OpenOutcome for () {
    fn outcome(self, _: sealed::Sealed) -> Result<(), Fault> {
        Ok(())
    }
}

impl OpenOutcome for Result<(), Fault> {
    fn outcome(self, _: sealed::Sealed) -> Result<(), Fault> {
        self
    }
}

/// Types that only this crate can name, so that only it implements the traits above.
mod sealed {
    /// Only this crate has one.
    #[derive(Clone, Copy, Debug)]
    pub struct Sealed;

    /// A function whose extractors are done.
    pub struct Prepared(pub(super) super::Opening);
}

pub(super) fn erase<H, T, S>(handler: H) -> AnyOpenHandler<S>
where
    H: OpenHandler<T, S>,
    T: 'static,
    S: Send + Sync + 'static,
{
    Box::new(move |parts, state| {
        let prepared = handler.clone().prepare(parts, state, sealed::Sealed);
        Box::pin(async move { prepared.await.map(|sealed::Prepared(ready)| ready) })
    })
}

/// The answer to an opening that was refused. Its body becomes the text of the close.
fn refusal(fault: &Fault) -> Response {
    let fault_json = serde_json::to_string(fault).expect("a fault is JSON");
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/json")], fault_json).into_response()
}

macro_rules! open_handler {
    ($($T:ident)*) => {
        impl<F, Fut, R, S, $($T,)*> OpenHandler<($($T,)*), S> for F
        where
            F: FnOnce($($T,)* Session) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: OpenOutcome,
            S: Send + Sync + 'static,
            $($T: FromRequestParts<S> + Send + 'static,)*
        {
            #[allow(non_snake_case, unused_variables, unused_mut, reason = "there may be no extractor")]
            async fn prepare(
                self,
                mut parts: Parts,
                state: &S,
                _: sealed::Sealed,
            ) -> Result<sealed::Prepared, Response> {
                $(let $T = match $T::from_request_parts(&mut parts, state).await {
                    Ok(value) => value,
                    Err(rejection) => return Err(rejection.into_response()),
                };)*
                Ok(sealed::Prepared(Box::new(move |session| {
                    Box::pin(async move {
                        self($($T,)* session).await.outcome(sealed::Sealed).map_err(|fault| refusal(&fault))
                    })
                })))
            }
        }
    };
}

open_handler!();
open_handler!(T1);
open_handler!(T1 T2);
open_handler!(T1 T2 T3);
open_handler!(T1 T2 T3 T4);
open_handler!(T1 T2 T3 T4 T5);
open_handler!(T1 T2 T3 T4 T5 T6);
open_handler!(T1 T2 T3 T4 T5 T6 T7);
open_handler!(T1 T2 T3 T4 T5 T6 T7 T8);
