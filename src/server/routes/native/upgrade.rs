//! The native protocol over WebSocket: the handshake, then the session.

use std::pin::Pin;

use axum::{body::Body, extract::Request, http::request::Parts, response::Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{
    answer::refuse,
    params,
    request::{read_head, resume_attach},
};
use crate::{
    codec::{
        Codec,
        native::{Head, NativeCodec, Spelling},
    },
    config::Transport,
    server::{
        gateway::{Gateway, GraceHold},
        origin::Verdict,
    },
    session::{Attach, CloseReason, LinkKind, reason},
    shared::Credential,
    transport::{self, Link, NoMessage, Socket, handshake},
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
    let response = match handshake::accept(&parts) {
        Ok(response) => response.map(|()| Body::empty()),
        Err(what) => return refuse(&CloseReason::malformed(what).into()),
    };
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return refuse(&reason::NO_UPGRADE.into());
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
        Err(_) => reason::TOOK_TOO_LONG,
        Ok(Err(NoMessage::Violation(violation))) => NativeCodec::violation(violation),
        Ok(Err(NoMessage::Gone)) => return None,
        Ok(Ok((first, early))) => match attach(&gateway, state, parts, verdict, first).await {
            Ok((link, body)) => return Some(Box::pin(socket.run(link, body.codec, body.rest, early))),
            Err(reason) => reason,
        },
    };
    tracing::debug!(code = refusal.code, reason = &*refusal.text, "refused");
    socket.close::<NativeCodec>(refusal).await;
    None
}

async fn attach<S: Clone + Send + Sync + 'static>(
    gateway: &Gateway<S>,
    state: S,
    parts: Parts,
    verdict: Verdict,
    first: bytes::Bytes,
) -> Result<(Link, transport::Body<NativeCodec>), CloseReason> {
    let codec = NativeCodec::new(Spelling::WebSocket, gateway.core.config.message_limit);
    let (head, mut body) = read_head(codec, first)?;
    match head {
        Head::Open { ordinal, attempt, names, auth, .. } => {
            let opened = gateway.open(parts, state, verdict, &attempt, auth).await;
            let mut opened = opened.map_err(|refusal| refusal.reason)?;
            let names = Some(names);
            let attach =
                Attach { ordinal, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names };
            let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, Transport::WebSocket);
            if let Ok(link) = &link {
                // A violation ends the link, which then sends the reason.
                let _ = transport::take(link, &mut body);
            }
            opened.start();
            Ok((link?, body))
        }
        Head::Resume { ordinal, turn, token, names, .. } => {
            let attach = Attach { turn, ..resume_attach(ordinal, LinkKind::Duplex, token.received, Some(names)) };
            Ok((gateway.attach(&token.id, &token.secret, attach, Transport::WebSocket)?, body))
        }
        Head::TakeOver { ordinal, instance, token, names, .. } => {
            let attach = resume_attach(ordinal, LinkKind::Duplex, token.received, Some(names));
            Ok((gateway.take_over(&token.id, &token.secret, &instance, attach, Transport::WebSocket)?, body))
        }
        Head::Join { .. } | Head::Upload { .. } => Err(reason::WRONG_HEAD),
    }
}
