//! Socket.IO: its clients are carried by Engine.IO, and a page finds its script and our own routes here too.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing,
};

use super::{client, engineio, native};
use crate::{
    config::SocketIo,
    server::{gateway::Gateway, refusal::guarded},
};

/// The routes at this path: Engine.IO, the script, and below them the native routes for the pages that have loaded the
/// script from here. `gateway` opens native sessions, and `channels` those of Socket.IO's clients.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    channels: Gateway<S>,
    path: &str,
    settings: SocketIo,
) -> Router<S> {
    let SocketIo { engine, client, .. } = settings;
    let script = routing::any(move |request: Request| {
        let client = client.clone();
        async move { script(&request, client.map(Body::from)) }
    });
    let folder = path.trim_end_matches('/');
    engineio::routes(channels, path, engine, engineio::Dialect::SocketIo)
        .route(&format!("{folder}/socket.io.js"), script)
        .nest(&format!("{folder}/anywire"), native::routes(gateway))
}

/// Serves the script: the one that the application has set, or our own.
fn script(request: &Request, own: Option<Body>) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return guarded((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response());
    }
    match (own, client::file("io.js")) {
        (Some(own), _) => {
            let mut response = guarded(Response::new(own));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(client::JAVASCRIPT));
            response
        }
        (None, Some(file)) => file.serve(request.headers()),
        (None, None) => StatusCode::NOT_FOUND.into_response(),
    }
}
