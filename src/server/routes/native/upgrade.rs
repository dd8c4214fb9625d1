//! The native protocol over WebSocket: the handshake (RFC 6455; over HTTP/2 RFC 8441), then the session.

use std::pin::Pin;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::Response,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    answer::refuse,
    params,
    request::{WRONG_HEAD, read_head, resume_attach},
};
use crate::{
    codec::native::Head,
    config::Transport,
    message::Spelling,
    server::{
        gateway::{Gateway, GraceHold, TOO_SLOW},
        origin::Verdict,
    },
    session::{Attach, CloseReason, LinkKind},
    shared::Credential,
    transport::{self, Ended, Link, Socket},
};

/// Room for the head record with its auth data, beside a message of the limit.
const HEAD_ROOM: usize = 64 * 1024;

/// Answers the handshake, and starts the link's task.
#[expect(clippy::disallowed_methods, reason = "the one task of a WebSocket link")]
pub(super) fn serve<S: Clone + Send + Sync + 'static>(gateway: Gateway<S>, state: S, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let verdict = match gateway.judge(&parts) {
        Ok(verdict) => verdict,
        Err(reason) => return refuse(&reason.into()),
    };
    let response = match handshake(&parts) {
        Ok(response) => response,
        Err(reason) => return refuse(&reason.into()),
    };
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return refuse(&CloseReason::fixed(4004, "this connection cannot upgrade").into());
    };
    tokio::spawn(async move {
        // Opening and closing have boxes of their own, so that an idle link does not carry the room for them.
        let run = Box::pin(begin(gateway, state, parts, verdict, upgrade)).await;
        if let Some(run) = run {
            run.await;
        }
    });
    response
}

/// Waits for the connection and its first frame, and attaches. A refusal is sent and the connection closed.
/// The result is the future that runs the link.
async fn begin<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    state: S,
    parts: Parts,
    verdict: Verdict,
    upgrade: OnUpgrade,
) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let _grace_hold = GraceHold::new(&gateway.core, params::query(&parts, "session"));
    let upgraded = upgrade.await.ok()?;
    let mut socket = Socket::new(TokioIo::new(upgraded), gateway.core.config.message_limit + HEAD_ROOM);
    let first = tokio::time::timeout(gateway.core.config.open_timeout, socket.first()).await;
    let refusal = match first {
        Err(_) => TOO_SLOW,
        Ok(Err(Ended::Ours(reason))) => reason,
        Ok(Err(Ended::Broken | Ended::Theirs)) => return None,
        Ok(Ok((first, early))) => match attach(&gateway, state, parts, verdict, first).await {
            Ok((link, body)) => return Some(Box::pin(socket.run(link, body.reader, body.rest, early))),
            Err(reason) => reason,
        },
    };
    tracing::debug!(code = refusal.code, reason = &*refusal.text, "refused");
    socket.close(refusal).await;
    None
}

async fn attach<S: Clone + Send + Sync + 'static>(
    gateway: &Gateway<S>,
    state: S,
    parts: Parts,
    verdict: Verdict,
    first: bytes::Bytes,
) -> Result<(Link, transport::Body), CloseReason> {
    let (head, mut body) = read_head(Spelling::WebSocket, first)?;
    match head {
        Head::Open { ordinal, attempt, auth, .. } => {
            let opened = gateway.open(parts, state, verdict, &attempt, auth).await;
            let mut opened = opened.map_err(|refusal| refusal.reason)?;
            let attach = Attach { ordinal, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0 };
            let link = Link::attach(opened.member.shared.clone(), Credential::Attempt, attach, Transport::WebSocket);
            if let Ok(link) = &link {
                // A violation ends the link, which then sends the reason.
                let _ = transport::take(link, &mut body);
            }
            opened.start();
            Ok((link?, body))
        }
        Head::Resume { ordinal, turn, token, .. } => {
            let received = token.received;
            let attach = Attach { ordinal, turn, kind: LinkKind::Duplex, opening: false, seen: false, received };
            Ok((gateway.attach(&token.id, &token.secret, attach, Transport::WebSocket)?, body))
        }
        Head::TakeOver { ordinal, instance, token, .. } => {
            let attach = resume_attach(ordinal, LinkKind::Duplex, token.received);
            Ok((gateway.take_over(&token.id, &token.secret, &instance, attach, Transport::WebSocket)?, body))
        }
        Head::Join { .. } | Head::Upload { .. } => Err(WRONG_HEAD),
    }
}

/// Checks the opening handshake, and makes its answer.
fn handshake(parts: &Parts) -> Result<Response, CloseReason> {
    let bad = |text| Err(CloseReason::fixed(4004, text));
    let mut response = Response::new(Body::empty());
    if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return bad("not a WebSocket handshake of version 13");
    }
    if parts.version == Version::HTTP_2 {
        let protocol = parts.extensions.get::<hyper::ext::Protocol>();
        return match protocol {
            Some(protocol) if parts.method == Method::CONNECT && protocol.as_str() == "websocket" => Ok(response),
            _ => bad("over HTTP/2 a WebSocket is opened by an extended CONNECT"),
        };
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
    let (Some(key), true) = (key, parts.method == Method::GET) else { return bad("not a WebSocket handshake") };
    if !has_token(&parts.headers, &header::CONNECTION, "upgrade")
        || !has_token(&parts.headers, &header::UPGRADE, "websocket")
    {
        return bad("not an upgrade to WebSocket");
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(response)
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}
