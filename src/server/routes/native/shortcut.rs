//! The way of an open session's requests past the router of the application.

use std::{fmt, sync::Arc};

use axum::{extract::Request, response::Response};

use super::{answer, table::Route};
use crate::server::gateway::Gateway;

/// The requests of open sessions at one path, which [`serve`](crate::serve) answers without its router.
#[derive(Clone)]
pub(crate) struct Shortcut {
    /// The path below which the routes are nested, with a slash at its end.
    folder: Arc<str>,
    /// It opens no session: those come by the router, with all that the application has put around it.
    gateway: Arc<Gateway<()>>,
}

impl Shortcut {
    pub(in crate::server) fn new<S>(path: &str, gateway: &Gateway<S>) -> Self {
        let folder = format!("{}/", path.trim_end_matches('/'));
        Shortcut { folder: folder.into(), gateway: Arc::new(gateway.forwarded()) }
    }

    /// Whether this answers a request: one of a session that is open, on this node, of which the application is not
    /// asked or told.
    pub(crate) fn takes(&self, request: &Request) -> bool {
        let name = request.uri().path().strip_prefix(&*self.folder);
        let route = name.and_then(Route::of).filter(|route| route.is_of_open_sessions());
        route.is_some_and(|route| request.method() == route.method())
            && self.gateway.core.nodes().is_none()
            && !self.gateway.hooks.see_requests()
    }

    /// Answers a request that it takes.
    pub(crate) fn answer(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        answer(&self.gateway, (), request, false)
    }
}

impl fmt::Debug for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shortcut").field("folder", &self.folder).finish_non_exhaustive()
    }
}
