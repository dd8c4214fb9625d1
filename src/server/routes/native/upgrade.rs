//! The native protocol over WebSocket: the handshake, then the session.

use std::pin::Pin;

use axum::{body::Body, extract::Request, http::request::Parts, response::Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{
    answer::refuse,
    input::{FirstMessage, MOST_FIRST_FLIGHT, MOST_OPENING, check_auth},
    params,
    request::{read_head, resume_attach},
};
use crate::{
    codec::{
        Codec, Violation,
        native::{Head, NativeCodec, Spelling, write_refusal},
    },
    config::{Config, Transport},
    server::{
        gateway::{Gateway, GraceHold, Page},
        origin::Verdict,
        refusal::Refusal,
    },
    session::{Attach, CloseReason, LinkKind, reason},
    shared::Credential,
    transport::{self, Link, NoMessage, Socket, handshake},
};

/// The name of the route.
const NAME: &str = "websocket";

/// Room for records beside a message of the limit.
const HEAD_ROOM: usize = 64 * 1024;

/// Answers the handshake, and starts the link's task.
#[expect(clippy::disallowed_methods, reason = "the one task of a WebSocket link")]
pub(super) fn serve<S: Clone + Send + Sync + 'static>(gateway: Gateway<S>, state: S, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let kept = gateway.hooks.keep(&parts);
    let (verdict, response, upgrade) = match judge(&gateway, &mut parts) {
        Ok(judged) => judged,
        Err(reason) => {
            gateway.refused(NAME, &reason, kept.as_deref());
            return refuse(&reason.into());
        }
    };
    // Opening and closing have boxes of their own, so that an idle link does not carry the room for them, nor the task
    // what opening takes.
    let begun = Box::pin(begin(gateway, state, parts, verdict, upgrade, kept));
    tokio::spawn(async move {
        if let Some(run) = begun.await {
            run.await;
        }
    });
    response
}

/// Checks the request, and takes the promise of its connection out of it.
fn judge<S>(gateway: &Gateway<S>, parts: &mut Parts) -> Result<(Verdict, Response, OnUpgrade), CloseReason> {
    let verdict = gateway.judge_socket(parts)?;
    let response = handshake::accept(parts).map_err(CloseReason::malformed)?.map(|()| Body::empty());
    let upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(reason::NO_UPGRADE)?;
    Ok((verdict, response, upgrade))
}

/// Waits for the connection and its first frame, and attaches. A refusal is sent and the connection closed, but
/// a client whose session is unknown here may open a new one on the same connection, which saves the time that
/// a connection takes. The result is the future that runs the link.
async fn begin<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    state: S,
    parts: Parts,
    verdict: Verdict,
    upgrade: OnUpgrade,
    kept: Option<Box<Parts>>,
) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let _grace_hold = GraceHold::new(&gateway.core, params::query(&parts, "session"));
    let upgraded = upgrade.await.ok()?;
    let mut socket = Socket::new(TokioIo::new(upgraded), MOST_OPENING);
    let mut first_message = FirstMessage::new(&gateway.core, &parts);
    let Config { open_timeout, message_limit, .. } = gateway.core.config;
    let mut early = Vec::new();
    let mut unknown = None;
    let refusal = loop {
        let first = match socket.first(early, open_timeout, |length| first_message.grow(length)).await {
            Err(NoMessage::Refused(refusal)) => break refusal,
            Err(NoMessage::Violation(Violation::TooLarge)) => break reason::OPENING_TOO_LARGE,
            Err(NoMessage::TooSlow) => break unknown.unwrap_or(reason::TOOK_TOO_LONG),
            Err(NoMessage::Violation(violation)) => break NativeCodec::violation(violation),
            Err(NoMessage::Gone) => return None,
            Ok((first, behind)) => {
                early = behind;
                first
            }
        };
        let (head, body) = match read_head(NativeCodec::new(Spelling::WebSocket, message_limit), first) {
            Ok(read) => read,
            Err(refusal) => break refusal,
        };
        if matches!(head, Head::Open { .. }) {
            match open(&gateway, state, parts, verdict, head, body).await {
                Ok((link, body)) => {
                    socket.set_limit(message_limit + HEAD_ROOM);
                    return Some(Box::pin(socket.run(link, body.codec, body.rest, early)));
                }
                Err(refusal) => break refusal,
            }
        }
        match resume(&gateway, &parts, verdict, &head).await {
            Ok(link) => {
                socket.set_limit(message_limit + HEAD_ROOM);
                return Some(Box::pin(socket.run(link, body.codec, body.rest, early)));
            }
            Err(refusal) if unknown.is_none() && refusal.is_session_gone() => {
                socket.put_text(&String::from_utf8_lossy(&write_refusal(&refusal)));
                unknown = Some(refusal);
            }
            Err(refusal) => break refusal,
        }
    };
    Refusal::from(refusal.clone()).log();
    gateway.refused(NAME, &refusal, kept.as_deref());
    socket.close::<NativeCodec>(refusal).await;
    None
}

/// Opens a session with the head of the first message.
async fn open<S: Clone + Send + Sync + 'static>(
    gateway: &Gateway<S>,
    state: S,
    parts: Parts,
    verdict: Verdict,
    head: Head,
    mut body: transport::Body<NativeCodec>,
) -> Result<(Link, transport::Body<NativeCodec>), CloseReason> {
    let Head::Open { ordinal, attempt, names, auth, .. } = head else { return Err(reason::WRONG_HEAD) };
    check_auth(&auth)?;
    let page = Page::of_socket(verdict, names);
    let opened = gateway.open(params::seen(parts), state, page, &attempt, auth).await;
    let mut opened = opened.map_err(|refusal| refusal.reason)?;
    let names = Some(names);
    let attach = Attach { ordinal, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names };
    let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, Transport::WebSocket);
    if let Ok(link) = &link {
        // A violation ends the link, which then sends the reason.
        let _ = transport::take_first(link, &mut body, MOST_FIRST_FLIGHT);
    }
    opened.start();
    Ok((link?, body))
}

/// Attaches to a session that exists.
async fn resume<S>(gateway: &Gateway<S>, parts: &Parts, verdict: Verdict, head: &Head) -> Result<Link, CloseReason> {
    let seen = || params::seen(parts.clone());
    let (duplex, transport) = (LinkKind::Duplex, Transport::WebSocket);
    match head {
        Head::Resume { ordinal, turn, token, names, .. } => {
            let page = Page::of_socket(verdict, *names);
            gateway.authorize(seen, page, (&token.id, &token.secret), Some(*ordinal)).await?;
            let attach = Attach { turn: *turn, ..resume_attach(*ordinal, duplex, token.received, Some(*names)) };
            gateway.attach(&token.id, &token.secret, attach, transport)
        }
        Head::TakeOver { ordinal, instance, token, names, .. } => {
            let page = Page::of_socket(verdict, *names);
            gateway.authorize(seen, page, (&token.id, &token.secret), None).await?;
            let attach = resume_attach(*ordinal, duplex, token.received, Some(*names));
            gateway.take_over(&token.id, &token.secret, instance, attach, transport)
        }
        Head::Open { .. } | Head::Join { .. } | Head::Upload { .. } => Err(reason::WRONG_HEAD),
    }
}
