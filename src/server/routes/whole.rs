//! A handler that gets its request whole. axum's extractors take it apart first, and their future holds it more than
//! once, which a parked poll would keep.

use axum::{extract::Request, handler::Handler, response::Response};

/// A function of a request and the application's state.
#[derive(Clone)]
pub(super) struct Whole<F>(pub(super) F);

impl<F, T, S> Handler<(Request, S), S> for Whole<F>
where
    F: FnOnce(Request, S) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Response> + Send + 'static,
{
    type Future = T;

    fn call(self, request: Request, state: S) -> T {
        (self.0)(request, state)
    }
}
