//! The routes of the native protocol and of the client's scripts.

mod answer;
mod downlink;
mod input;
mod moving;
mod params;
mod request;
mod shortcut;
mod table;
mod upgrade;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
    routing,
};

pub(crate) use self::shortcut::Shortcut;
use self::{
    answer::Finished,
    request::Admitting,
    table::{MOUNT, Route},
};
use super::{client, elsewhere, whole::Whole};
use crate::{
    config::Transport,
    server::{
        gateway::Gateway,
        origin::{self, Asked, Verdict},
        other_nodes::Way,
        refusal::guarded,
    },
    session::reason,
};

/// Returns the routes of the native protocol, each by its name: a route with a parameter would add it to those
/// of the path below which the routes are nested, which the application's extractors see.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(gateway: Gateway<S>) -> Router<S> {
    let forwarded = Arc::new(gateway.forwarded());
    let gateway = Arc::new(gateway);
    let mounted = elsewhere::mount(&gateway.core, MOUNT, move |request| answer(&forwarded, (), request, false));
    let serve = Whole(move |request: Request, state: S| {
        let _mounted = &mounted;
        answer(&gateway, state, request, true)
    });
    let route = routing::any(serve);
    let names = Route::names().chain([Transport::WebSocket.name()]).chain(client::names());
    names.fold(Router::new(), |router, name| router.route(&format!("/{name}"), route.clone()))
}

/// Answers a request. `for_router`: the answer goes through one.
///
/// A parked poll keeps everything that this captures, so the request is not captured.
fn answer<S: Clone + Send + Sync + 'static>(
    gateway: &Arc<Gateway<S>>,
    state: S,
    request: Request,
    for_router: bool,
) -> impl Future<Output = Response> + Send + use<S> {
    elsewhere::start(&gateway.core);
    let asked = Asked { headers: request.headers(), uri: request.uri(), extensions: request.extensions() };
    let (verdict, cors) = origin::judge_for_cors(&gateway.core.config, asked);
    let preflight = request.method() == Method::OPTIONS;
    let core = gateway.core.clone();
    let reusable = request.version() < Version::HTTP_2;
    let reply = match preflight {
        true => Reply::Now(guarded(StatusCode::NO_CONTENT.into_response())),
        false => dispatch(gateway, state, request, verdict),
    };
    async move {
        let finished = match reply {
            Reply::Now(response) => Finished::Response(response),
            Reply::Later(reply) => answer::finish(reply.await).await,
        };
        let mut response = match finished {
            Finished::Usual(content_type, body) => answer::usual(content_type, body, cors, for_router),
            Finished::Response(mut response) => {
                if !elsewhere::is_forwarded(&response) {
                    cors.apply(response.headers_mut(), preflight);
                }
                response
            }
        };
        // The client's next request shall reach the server that takes over.
        if reusable && core.is_draining() {
            response.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
        }
        response
    }
}

/// The answer to a request, at once or later.
enum Reply {
    Now(Response),
    Later(Admitting),
}

fn dispatch<S: Clone + Send + Sync + 'static>(
    gateway: &Arc<Gateway<S>>,
    state: S,
    request: Request,
    verdict: Verdict,
) -> Reply {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let without = &gateway.core.config.without;
    if let Some(route) = Route::of(name) {
        if route.is_of(without) {
            return Reply::Now(answer::refuse(&reason::NOT_SERVED.into()));
        }
        return match request.method() == route.method() {
            true => Reply::Later(request::admit(gateway.clone(), route, state, request, verdict)),
            false => Reply::Now(wrong_method(if route.is_get() { "GET" } else { "POST" })),
        };
    }
    Reply::Now(match client::file(name) {
        _ if name == Transport::WebSocket.name() && without.contains(&Transport::WebSocket) => {
            answer::refuse(&reason::NOT_SERVED.into())
        }
        _ if name == Transport::WebSocket.name() => {
            let id = session(&request);
            match elsewhere::way(&gateway.core, id, !gateway.opens()) {
                Way::To(node) if !elsewhere::brings(&gateway.core, id) => {
                    return Reply::Later(Box::pin(upgrade::forward(gateway.as_ref().clone(), node, state, request)));
                }
                // Its first message tells whether the session is to be asked for.
                _ => upgrade::serve(gateway.as_ref().clone(), state, request),
            }
        }
        None => guarded(StatusCode::NOT_FOUND.into_response()),
        Some(file) if matches!(*request.method(), Method::GET | Method::HEAD) => file.serve(request.headers()),
        Some(_) => wrong_method("GET, HEAD"),
    })
}

/// The id of the session that a request names in its URL.
fn session(request: &Request) -> Option<&str> {
    params::field(request.uri().query()?, "session")
}

fn wrong_method(allow: &'static str) -> Response {
    guarded((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response())
}
