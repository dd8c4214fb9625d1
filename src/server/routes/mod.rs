//! One file for each family of clients: its URLs, and what they pair.

mod accept_encoding;
mod client;
mod http;
mod native;
mod params;
mod table;
mod upgrade;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing,
};
use bytestring::ByteString;

pub(crate) use self::native::Opened;
use self::{
    native::{Admitting, Front},
    table::Kind,
};
use super::{
    core::Core,
    handler::AnyHandler,
    origin::{Cors, Verdict},
};
use crate::{config::Transport, session::CloseReason};

/// The routes of the native protocol: one for all, since `axum::serve` copies every route for every connection.
pub(crate) fn native<S: Clone + Send + Sync + 'static>(core: &Arc<Core>, handler: &AnyHandler<S>) -> Router<S> {
    let front = Front { core: core.clone(), handler: handler.clone() };
    // What is captured stays for as long as a poll is parked; the request is not.
    let serve = move |State(state): State<S>, request: Request| {
        let cors = Cors::of(&front.core.config.origins, request.headers(), request.uri());
        let preflight = request.method() == Method::OPTIONS;
        let reply = match preflight {
            true => Reply::Now(StatusCode::NO_CONTENT.into_response()),
            false => dispatch(&front, state, request),
        };
        async move {
            let mut response = match reply {
                Reply::Now(response) => response,
                Reply::Later(reply) => native::finish(reply.await).await,
            };
            cors.apply(response.headers_mut(), preflight);
            response
        }
    };
    Router::new().route("/{name}", routing::any(serve))
}

/// What a request gets.
enum Reply {
    Now(Response),
    Later(Admitting),
}

fn dispatch<S: Clone + Send + Sync + 'static>(front: &Front<S>, state: S, request: Request) -> Reply {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    if let Some(kind) = Kind::of(name) {
        return match request.method() == kind.method() {
            true => Reply::Later(front.clone().admit(kind, state, request)),
            false => Reply::Now(wrong_method(if kind.is_get() { "GET" } else { "POST" })),
        };
    }
    Reply::Now(match client::file(name) {
        _ if name == Transport::WebSocket.name() => upgrade::serve(front.clone(), state, request),
        None => StatusCode::NOT_FOUND.into_response(),
        Some(file) if matches!(*request.method(), Method::GET | Method::HEAD) => file.serve(request.headers()),
        Some(_) => wrong_method("GET, HEAD"),
    })
}

fn wrong_method(allow: &'static str) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
}

/// An opening without a network.
pub(crate) async fn open_local<S: Clone + Send + Sync + 'static>(
    core: &Arc<Core>,
    handler: &AnyHandler<S>,
    state: S,
    parts: Parts,
    attempt: &ByteString,
    auth: ByteString,
) -> Result<Opened, CloseReason> {
    let front = Front { core: core.clone(), handler: handler.clone() };
    front.open(parts, state, Verdict::Allowed, attempt, auth).await.map_err(|refusal| refusal.reason)
}
