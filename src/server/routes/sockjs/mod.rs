//! SockJS 0.3.3: which request means what.

mod answer;
mod claims;
mod names;
mod page;
mod receive;
mod send;
mod service;
mod table;

use std::{pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::Response,
    routing,
};

use self::{
    answer::{Answer, Extras, error, preflight, respond, wrong_method},
    claims::NodeClaims,
    names::Names,
    service::Service,
    table::Endpoint,
};
use crate::{
    config::{SockJs, millis},
    server::{core::most_remembered, gateway::Gateway, routes::elsewhere},
    transport::handshake,
};

/// The end of the route of everything below the mount. The axum crate has a parameter of this name where it nests
/// services, and leaves it out of those that the application's extractors see.
const TAIL: &str = "/{*__private__axum_nest_tail_param}";

/// The routes at this path and below it.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(gateway: Gateway<S>, path: &str, settings: SockJs) -> Router<S> {
    routes_with(gateway, path, settings, &[])
}

/// The same. If there are `protocols`, the bare WebSocket is also served at the path itself, and carries one of these
/// sub-protocols, the first of them that the client knows.
pub(crate) fn routes_with<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    path: &str,
    settings: SockJs,
    protocols: &'static [&'static str],
) -> Router<S> {
    let path = path.trim_end_matches('/');
    let config = &gateway.core.config;
    let remembered = millis(config.grace).max(millis(settings.disconnect_delay));
    let names = Arc::new(Names::new(remembered, most_remembered(config.max_sessions)));
    let claims = NodeClaims::new(&gateway.core, path, &names);
    let forwarded = Arc::new(Service {
        gateway: gateway.forwarded(),
        settings: settings.clone(),
        names: names.clone(),
        claims: claims.clone(),
        protocols,
    });
    let length = path.len();
    let core = gateway.core.clone();
    let mounted =
        elsewhere::mount(&core, claims.mount(), move |request| forwarded.clone().respond((), request, length));
    let service = Arc::new(Service { gateway, settings, names, claims, protocols });
    let serve = move |State(state): State<S>, request: Request| {
        let _mounted = &mounted;
        service.clone().respond(state, request, length)
    };
    let (route, router) = (routing::any(serve), Router::new());
    let router = if path.is_empty() { router } else { router.route(path, route.clone()) };
    router.route(&format!("{path}/"), route.clone()).route(&format!("{path}{TAIL}"), route)
}

impl<S: Clone + Send + Sync + 'static> Service<S> {
    /// Answers a request to these routes, whose path has this length.
    fn respond(
        self: Arc<Self>,
        state: S,
        request: Request,
        length: usize,
    ) -> impl Future<Output = Response> + Send + use<S> {
        let core = self.gateway.core.clone();
        elsewhere::start(&core);
        let reusable = request.version() < Version::HTTP_2;
        let asks = request.method() == Method::OPTIONS;
        let (parts, body) = request.into_parts();
        let below = parts.uri.path().get(length..).unwrap_or_default();
        let found = Endpoint::of(below).map(|(endpoint, name)| (endpoint, name.to_owned()));
        let extras = found.as_ref().map(|(endpoint, _)| Extras::of(&core, &self.settings, *endpoint, &parts));
        // A parked poll keeps everything that is captured, so the request is not.
        let answering: Pin<Box<dyn Future<Output = Answer> + Send>> = match found {
            Some((endpoint, name)) => Box::pin(self.serve(state, parts, body, endpoint, name)),
            None => Box::pin(async { Answer::ready(error(StatusCode::NOT_FOUND, "there is nothing here\n")) }),
        };
        async move {
            let mut response = answering.await.finish(respond).await;
            let forwarded = elsewhere::is_forwarded(&response);
            let headers = response.headers_mut();
            if !forwarded {
                extras.into_iter().for_each(|extras| extras.apply(headers, asks));
            }
            // The client's next request shall reach the server that takes over.
            if reusable && core.is_draining() {
                headers.entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
            }
            response
        }
    }

    /// Judges a request, and answers it or begins to.
    ///
    /// The future is not that of an `async fn`, which would hold its arguments twice.
    fn serve(
        self: Arc<Self>,
        state: S,
        parts: Parts,
        body: axum::body::Body,
        endpoint: Endpoint,
        name: String,
    ) -> impl Future<Output = Answer> + Send {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let kept = self.gateway.hooks.keep(&parts);
        async move {
            let answered = match endpoint {
                Endpoint::Greeting if !self.protocols.is_empty() && handshake::is_asked(&parts) => {
                    return Box::pin(self.open_socket(state, parts, false)).await;
                }
                Endpoint::Greeting if reads => return Answer::ready(page::greeting()),
                Endpoint::Iframe if reads => {
                    let origins = &self.core().config.origins;
                    return Answer::ready(page::iframe(&parts, self.settings.script.as_deref(), origins));
                }
                _ if parts.method == Method::OPTIONS && endpoint.allows().starts_with("OPTIONS") => {
                    return Answer::ready(preflight(endpoint));
                }
                Endpoint::Info if reads => self.gateway.judge(&parts).map_err(Into::into).map(|_| {
                    let websocket = self.serves_sockets();
                    Answer::ready(page::info(websocket, self.settings.cookie))
                }),
                Endpoint::Socket | Endpoint::RawSocket if matches!(parts.method, Method::GET | Method::CONNECT) => {
                    // Boxed: a request by which a client receives need not carry the room for it.
                    let framed = matches!(endpoint, Endpoint::Socket);
                    return Box::pin(self.open_socket(state, parts, framed)).await;
                }
                Endpoint::Receive(receiver) if parts.method == receiver.method => {
                    self.receive(state, parts, receiver, &name).await
                }
                Endpoint::Send(sender) if parts.method == Method::POST => {
                    Box::pin(self.take(parts, body, sender, &name)).await
                }
                _ => return Answer::ready(wrong_method(endpoint)),
            };
            answered.unwrap_or_else(|refusal| {
                self.gateway.refused("sockjs", &refusal.reason, kept.as_deref());
                Answer::ready(error(refusal.status, &refusal.reason.text))
            })
        }
    }
}
