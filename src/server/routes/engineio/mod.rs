//! Engine.IO, revisions 3 and 4: which request means what. The names of the protocol's errors and their order are
//! those of the reference server.

mod answer;
mod handshake;
mod params;
mod poll;
mod refusal;
mod socket;
mod upload;

use std::{pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::IntoResponse,
    routing,
};
use bytestring::ByteString;

use self::{
    answer::Answer,
    params::{Carrying, Params},
    refusal::EngineRefusal,
};
use crate::{
    codec::engineio::{Carrier, EngineCodec, Revision},
    config::{EngineIo, Transport, millis},
    server::{
        core::{Core, Terms},
        gateway::Gateway,
        origin::{Asked, Cors, Verdict},
        refusal::guarded,
    },
    session::{
        Stage,
        rules::{ENGINE_IO_3, ENGINE_IO_4},
    },
    shared::SharedSession,
};

/// The route at this path, with a slash at its end and without: clients add one, and some leave it out. The path
/// is an argument because a router that is nested at a path has no route for the slash behind it.
pub(crate) fn routes<S>(gateway: Gateway<S>, path: &str, settings: EngineIo, dialect: Dialect) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let path = path.trim_end_matches('/');
    let settings = Arc::new(settings);
    let serve = move |State(state): State<S>, request: Request| {
        let asked = Asked { headers: request.headers(), uri: request.uri(), extensions: request.extensions() };
        let cors = Cors::of(&gateway.core.config, asked);
        let preflight = is_preflight(&request);
        let core = gateway.core.clone();
        let reusable = request.version() < Version::HTTP_2;
        let engine = Engine { gateway: gateway.clone(), settings: settings.clone(), dialect };
        // A parked poll keeps everything that is captured, so the request is not.
        let answering: Pin<Box<dyn Future<Output = Answer> + Send>> = match preflight {
            true => Box::pin(async { Answer::ready(guarded(StatusCode::NO_CONTENT.into_response())) }),
            false => Box::pin(engine.serve(state, request)),
        };
        async move {
            let mut response = answering.await.finish().await;
            cors.apply(response.headers_mut(), preflight);
            // The client's next request shall reach the server that takes over.
            if reusable && core.is_draining() {
                response.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
            }
            response
        }
    };
    let (route, router) = (routing::any(serve), Router::new());
    let router = if path.is_empty() { router } else { router.route(path, route.clone()) };
    router.route(&format!("{path}/"), route)
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The meaning of the clients' messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// They are messages.
    Plain,
    /// They are packets of Socket.IO.
    SocketIo,
}

impl Dialect {
    /// The name of the routes for those who count refusals.
    fn name(self) -> &'static str {
        match self {
            Dialect::Plain => "engineio",
            Dialect::SocketIo => "socketio",
        }
    }
}

/// The server and the settings of these routes.
struct Engine<S> {
    gateway: Gateway<S>,
    settings: Arc<EngineIo>,
    dialect: Dialect,
}

/// A session that a request names by its sid.
struct Named {
    shared: Arc<SharedSession>,
    /// The id of the session alone.
    id: ByteString,
    secret: Box<str>,
    revision: Revision,
    stage: Stage,
}

impl<S: Clone + Send + Sync + 'static> Engine<S> {
    /// Judges a request, and answers it or begins to.
    async fn serve(self, state: S, request: Request) -> Answer {
        let (parts, body) = request.into_parts();
        let kept = self.gateway.hooks.keep(&parts);
        let upgrade = is_upgrade(&parts);
        let answered = match self.judge(&parts) {
            Err(refusal) => Err(refusal),
            Ok((params, verdict)) => match (self.named(&params), upgrade) {
                (Err(refusal), _) => Err(refusal),
                (Ok(Some(named)), true) => self.upgrade(parts, verdict, named).await,
                (Ok(None), true) => self.open_socket(parts, state, verdict, &params).await,
                (Ok(Some(named)), false) if params.carrying != Carrying::Polling || named.moved() => {
                    Err(EngineRefusal::bad_request("this session has another transport"))
                }
                (Ok(Some(named)), false) => match parts.method {
                    Method::GET => poll::answer(&self, named, &params).await,
                    Method::POST => upload::take(&self, named, &params, &parts, body).await,
                    _ => Err(EngineRefusal::wrong_method()),
                },
                (Ok(None), false) => self.open_by_poll(parts, state, verdict, &params).await,
            },
        };
        answered.unwrap_or_else(|refusal| {
            self.gateway.refused(self.dialect.name(), &refusal.reason, kept.as_deref());
            Answer::ready(refusal.respond(upgrade))
        })
    }

    /// The checks that all requests pass: the transport, and the origin.
    fn judge(&self, parts: &Parts) -> Result<(Params, Verdict), EngineRefusal> {
        let params = Params::of(parts).filter(|params| self.serves(params.carrying));
        let params = params.ok_or_else(EngineRefusal::unknown_transport)?;
        if parts.headers.get(header::ORIGIN).is_some_and(|origin| origin.to_str().is_err()) {
            return Err(EngineRefusal::bad_request("an origin is plain text"));
        }
        let verdict = self.gateway.judge(parts).map_err(EngineRefusal::forbidden)?;
        Ok((params, verdict))
    }

    fn serves(&self, carrying: Carrying) -> bool {
        !self.core().config.without.contains(&carrying.transport())
    }

    /// The session that a request names, if it names one.
    fn named(&self, params: &Params) -> Result<Option<Named>, EngineRefusal> {
        let Some(sid) = &params.sid else { return Ok(None) };
        let named = params::session(sid).and_then(|(id, secret)| {
            let member = self.core().find(id).here()?;
            let (stage, client_pings) = member.shared.stage(secret)?;
            let revision = if client_pings { Revision::V3 } else { Revision::V4 };
            let (shared, id, secret) = (member.shared.clone(), id.into(), secret.into());
            Some(Named { shared, id, secret, revision, stage })
        });
        named.map(Some).ok_or_else(EngineRefusal::unknown_sid)
    }

    /// The revision that a handshake asks for, if it is served.
    fn revision(&self, params: &Params) -> Result<Revision, EngineRefusal> {
        let served = self.settings.revisions;
        match params.revision {
            Some(Revision::V3) if served[0] => Ok(Revision::V3),
            Some(Revision::V4) if served[1] => Ok(Revision::V4),
            _ => Err(EngineRefusal::version()),
        }
    }

    fn terms(&self, revision: Revision) -> Terms {
        let rules = match revision {
            Revision::V3 => &ENGINE_IO_3,
            Revision::V4 => &ENGINE_IO_4,
        };
        let (defaults, settings) = (self.core().terms(rules), &self.settings);
        Terms {
            interval: settings.ping_interval.map_or(defaults.interval, millis),
            timeout: settings.ping_timeout.map_or(defaults.timeout, millis),
            confirm_timeout: millis(settings.upgrade_timeout),
            ..defaults
        }
    }

    fn codec(&self, revision: Revision, carrier: Carrier) -> EngineCodec {
        EngineCodec::new(revision, self.core().config.message_limit, carrier)
    }

    fn core(&self) -> &Core {
        &self.gateway.core
    }
}

impl Named {
    /// Whether polls come too late.
    fn moved(&self) -> bool {
        self.stage == Stage::WebSocket
    }
}

/// Whether a request asks for a WebSocket.
fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(header::UPGRADE).map(HeaderValue::as_bytes);
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
        || (parts.version == Version::HTTP_2 && parts.method == Method::CONNECT)
}

impl Carrying {
    fn transport(self) -> Transport {
        match self {
            Carrying::Polling => Transport::Polling,
            Carrying::WebSocket => Transport::WebSocket,
        }
    }
}
