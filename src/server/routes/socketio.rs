//! Socket.IO: its clients are carried by Engine.IO, and a page finds its script and our own routes here too.

use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{self, MethodRouter},
};
use bytes::Bytes;

use super::{client, engineio, native};
use crate::{
    config::SocketIo,
    server::{gateway::Gateway, refusal::guarded},
};

/// The names that a page loads the script by, and the script of ours that each is.
const SCRIPTS: [(&str, &str); 2] = [("socket.io.js", "io.js"), ("socket.io.min.js", "io.js")];

/// The module by its name, and the source maps by the names that our scripts have them by.
const OURS: [(&str, &str); 3] =
    [("socket.io.esm.min.js", "io.mjs"), ("io.js.map", "io.js.map"), ("io.mjs.map", "io.mjs.map")];

/// The routes at this path: Engine.IO, the scripts, and below them the native routes for the pages that have loaded a
/// script from here. `gateway` opens native sessions, and `channels` those of Socket.IO's clients.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    channels: Gateway<S>,
    path: &str,
    settings: SocketIo,
) -> Router<S> {
    let SocketIo { engine, client, parser, recovers, recovery, .. } = settings;
    let dialect = engineio::Dialect::SocketIo(parser, recovers.then_some(recovery));
    let folder = path.trim_end_matches('/');
    // An application that brings its own script may route its own module and maps.
    let ours = if client.is_none() { OURS.as_slice() } else { &[] };
    let mut router =
        engineio::routes(channels, path, engine, dialect).nest(&format!("{folder}/anywire"), native::routes(gateway));
    for (name, file) in SCRIPTS.iter().chain(ours) {
        router = router.route(&format!("{folder}/{name}"), script(file, client.clone()));
    }
    router
}

/// Serves the script that the application has set, or this file of ours.
fn script<S: Clone + Send + Sync + 'static>(file: &'static str, own: Option<Bytes>) -> MethodRouter<S> {
    routing::any(move |request: Request| {
        let own = own.clone();
        async move { serve(&request, file, own) }
    })
}

fn serve(request: &Request, file: &str, own: Option<Bytes>) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return guarded((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response());
    }
    match (own, client::file(file)) {
        (Some(own), _) => client::own(request.headers(), own),
        (None, Some(file)) => file.serve(request.headers()),
        (None, None) => guarded(StatusCode::NOT_FOUND.into_response()),
    }
}
