//! Engine.IO, revisions 3 and 4: which request means what. The names of the protocol's errors and their order are
//! those of the reference server.

mod answer;
mod engine;
mod handshake;
mod params;
mod poll;
mod refusal;
mod socket;
#[cfg(test)]
mod tests;
mod upload;

use std::{pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse, Response},
    routing,
};

pub(crate) use self::engine::Dialect;
use self::{answer::Answer, engine::Engine, params::Carrying, refusal::EngineRefusal};
use crate::{
    config::EngineIo,
    server::{
        gateway::Gateway,
        origin::{self, Asked, Verdict},
        refusal::guarded,
        routes::{elsewhere, whole::Whole},
    },
};

/// The route at this path, with a slash at its end and without: clients add one, and some leave it out. The path
/// is an argument because a router that is nested at a path has no route for the slash behind it.
pub(crate) fn routes<S>(gateway: Gateway<S>, path: &str, settings: EngineIo, dialect: Dialect) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let path = path.trim_end_matches('/');
    let mount: Arc<str> = format!("engineio {path}").into();
    let engine = Engine { gateway, settings: Arc::new(settings), dialect, mount };
    let forwarded = engine.forwarded();
    let mounted = elsewhere::mount(engine.core(), &engine.mount, move |request| forwarded.clone().respond((), request));
    let serve = Whole(move |request: Request, state: S| {
        let _mounted = &mounted;
        engine.clone().respond(state, request)
    });
    let (route, router) = (routing::any(serve), Router::new());
    let router = if path.is_empty() { router } else { router.route(path, route.clone()) };
    router.route(&format!("{path}/"), route)
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight, to which the policy of origins adds the rest. Clients send what headers they like, by
/// their option `extraHeaders`, and a page that may open sessions may send them.
fn allow(preflight: &Request) -> Response {
    let mut response = guarded(StatusCode::NO_CONTENT.into_response());
    if let Some(names) = preflight.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("access-control-request-headers"));
    response
}

impl<S: Clone + Send + Sync + 'static> Engine<S> {
    /// Answers a request.
    fn respond(self, state: S, request: Request) -> impl Future<Output = Response> + Send + use<S> {
        elsewhere::start(self.core());
        let asked = Asked { headers: request.headers(), uri: request.uri(), extensions: request.extensions() };
        let (verdict, cors) = origin::judge_for_cors(&self.core().config, asked);
        let preflight = is_preflight(&request);
        let core = self.gateway.core.clone();
        let reusable = request.version() < Version::HTTP_2;
        // A parked poll keeps everything that is captured, so the request is not.
        let answering: Pin<Box<dyn Future<Output = Answer> + Send>> = match preflight {
            true => Box::pin(std::future::ready(Answer::ready(allow(&request)))),
            false => Box::pin(self.serve(state, request, verdict)),
        };
        async move {
            let mut response = answering.await.finish(answer::respond).await;
            if !elsewhere::is_forwarded(&response) {
                cors.apply(response.headers_mut(), preflight);
            }
            // The client's next request shall reach the server that takes over.
            if reusable && core.is_draining() {
                response.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
            }
            response
        }
    }

    /// Judges a request, and answers it or begins to.
    async fn serve(self, state: S, request: Request, verdict: Verdict) -> Answer {
        let (parts, body) = request.into_parts();
        let kept = self.gateway.hooks.keep(&parts);
        let upgrade = is_upgrade(&parts);
        let judged = self.judge(&parts, verdict);
        let elsewhere = judged.as_ref().ok().and_then(|params| self.node_of(params)).map(str::to_owned);
        let answered = match (judged, elsewhere) {
            (Err(refusal), _) => Err(refusal),
            (Ok(_), Some(node)) => Box::pin(self.forward(&node, parts, body)).await,
            (Ok(mut params), None) => match (self.named(&mut params), upgrade) {
                (Err(refusal), _) => Err(refusal),
                (Ok(_), true) if params.carrying != Carrying::WebSocket => {
                    Err(EngineRefusal::bad_request("polling needs no upgrade"))
                }
                // A request that comes once in a session is boxed: polls and uploads have the memory of the others.
                (Ok(Some(named)), true) => Box::pin(self.upgrade(parts, verdict, named)).await,
                (Ok(None), true) => Box::pin(self.open_socket(parts, state, verdict, &params)).await,
                (Ok(Some(named)), false) if params.carrying != Carrying::Polling || named.moved() => {
                    Err(EngineRefusal::bad_request("this session has another transport"))
                }
                (Ok(Some(named)), false) => match parts.method {
                    Method::GET => poll::answer(&self, named, &params, elsewhere::way_of(&parts)).await,
                    Method::POST => upload::take(&self, named, &params, &parts, body).await,
                    _ => Err(EngineRefusal::wrong_method()),
                },
                (Ok(None), false) => Box::pin(self.open_by_poll(parts, state, verdict, &params)).await,
            },
        };
        answered.unwrap_or_else(|refusal| {
            self.gateway.refused(self.dialect.name(), &refusal.reason, kept.as_deref());
            Answer::ready(refusal.respond(upgrade))
        })
    }
}

/// Whether a request asks for a WebSocket.
fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(header::UPGRADE).map(HeaderValue::as_bytes);
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
        || (parts.version == Version::HTTP_2 && parts.method == Method::CONNECT)
}
