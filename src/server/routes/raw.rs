//! A bare WebSocket: any client of RFC 6455 reaches the handler, without a protocol of ours.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing,
};
use hyper::upgrade::OnUpgrade;

use crate::{
    codec::{Codec, raw::RawCodec},
    config::Transport,
    server::{
        connection::{Run, Upgrade, UpgradedStream},
        gateway::{Gateway, Opened, Page},
        refusal::{OpenError, guarded},
        routes::elsewhere,
        terms::Terms,
    },
    session::{Attach, CloseReason, LinkKind, Names, reason, rules::RAW},
    shared::Credential,
    transport::{Link, Socket, handshake},
};

/// The version of the protocol that a client must ask for (RFC 6455, section 4.4).
const VERSION: (HeaderName, HeaderValue) = (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));

/// The one route, at the mount itself.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(gateway: Gateway<S>) -> Router<S> {
    let serve = move |State(state): State<S>, request: Request| {
        elsewhere::start(&gateway.core);
        let gateway = gateway.clone();
        async move {
            let (parts, _) = request.into_parts();
            let kept = gateway.hooks.keep(&parts);
            let (terms, limit) = (gateway.core.terms(&RAW), gateway.core.config.message_limit);
            let opening = Opening { terms, codec: RawCodec::new(limit), limit, first: None, protocols: &[] };
            accept(&gateway, state, parts, opening).await.unwrap_or_else(|error| {
                gateway.refused("raw", &error.reason(), kept.as_deref());
                error.into_response()
            })
        }
    };
    // Over HTTP/2 a WebSocket is opened by CONNECT.
    let wrong_method = async || guarded((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response());
    Router::new().route("/", routing::get(serve.clone()).connect(serve).fallback(wrong_method))
}

/// How a session begins that is one WebSocket.
pub(super) struct Opening<C> {
    pub(super) terms: Terms,
    pub(super) codec: C,
    /// The largest message of the WebSocket.
    pub(super) limit: usize,
    /// The message with which the server begins.
    pub(super) first: Option<&'static str>,
    /// The sub-protocols, the best one first. The client gets the first that it knows.
    pub(super) protocols: &'static [&'static str],
}

/// Opens the session, answers the handshake and begins with the link. If the session is refused, the answer
/// to the handshake is the refusal: the connection is not upgraded.
pub(super) async fn accept<S: Clone + Send + Sync + 'static, C: Codec>(
    gateway: &Gateway<S>,
    state: S,
    mut parts: Parts,
    opening: Opening<C>,
) -> Result<Response, OpenError> {
    let verdict = gateway.judge(&parts)?;
    let response = match handshake::accept(&parts) {
        Ok(response) => response.map(|()| Body::empty()),
        Err(_) if parts.headers.get(VERSION.0).is_some_and(|version| version != VERSION.1) => {
            return Ok(guarded((StatusCode::UPGRADE_REQUIRED, [VERSION]).into_response()));
        }
        Err(what) => return Err(CloseReason::malformed(what).into()),
    };
    let response = handshake::with_protocol(response, &parts, opening.protocols);
    let upgrade = Upgrade::take(&mut parts).ok_or(reason::NO_UPGRADE)?;
    let page = Page::of_socket(verdict, Names::default());
    let opened = gateway.open_new(parts, state, page, None, opening.terms).await?;
    upgrade.begin(|upgrade| begin(upgrade, opened, opening));
    Ok(response)
}

/// Waits for the upgraded connection and attaches it. Returns the future that serves the link; `None` if the
/// connection does not come: then the session ends, and its handler is not started.
async fn begin<C: Codec>(upgrade: OnUpgrade, mut opened: Opened, opening: Opening<C>) -> Option<Run> {
    let io = UpgradedStream::of(upgrade).await?;
    let attach =
        Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names: None };
    let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, Transport::WebSocket).ok()?;
    opened.start();
    let mut socket = Socket::new(io, opening.limit);
    opening.first.into_iter().for_each(|text| socket.put_text(text));
    Some(Box::pin(socket.run(link, opening.codec, None, Vec::new())))
}
