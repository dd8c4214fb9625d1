//! The native protocol over HTTP: which route takes which head, and what it answers. PROTOCOL.md is its text.

use std::{pin::Pin, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use bytestring::ByteString;
use futures::StreamExt;

use super::http::{answer, refuse};
use crate::{
    codec::native::{Head, Pass, Reader, Said, VERSION},
    config::{Origins, Transport, millis},
    hub::Member,
    message::Spelling,
    server::{
        core::{Core, unlock},
        handler::{AnyHandler, AuthData, Ready, Turns},
        live::SessionHandle,
        opening::{Found, Refusal},
        origin::Verdict,
        remote::Remote,
        session::Session,
        timekeeper,
    },
    session::{Attach, CloseReason, Wire},
    shared::Shared,
    transport::{self, BodyError, Link},
};

/// A rejection's text is cut to this.
const REJECTION: usize = 1024;

const VERSION_NOT_SPOKEN: CloseReason = CloseReason::fixed(4400, "protocol version not spoken");
const ORIGIN_REFUSED: CloseReason = CloseReason::fixed(4300, "this origin may not open sessions here");
const ORIGIN_UNKNOWN: CloseReason =
    CloseReason::fixed(4300, "no Origin header; only a server that allows any origin opens sessions without one");
const WRONG_HEAD: CloseReason = CloseReason::fixed(4004, "not the head record of this request");
const TOO_SLOW: CloseReason = CloseReason::fixed(4007, "took too long");
const BODY_TOO_LARGE: CloseReason = CloseReason::fixed(4006, "body too large");
const BODY_BROKEN: CloseReason = CloseReason::fixed(4004, "the body broke off");

/// A route over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Poll,
    XhrStream,
    FetchStream,
    Send,
}

impl Kind {
    /// What the last part of a path means.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Kind::Open, Kind::Poll, Kind::XhrStream, Kind::FetchStream, Kind::Send]
            .into_iter()
            .find(|kind| kind.path() == name)
    }

    fn path(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Send => "send",
            other => other.transport().name(),
        }
    }

    fn transport(self) -> Transport {
        match self {
            Kind::XhrStream => Transport::XhrStream,
            Kind::FetchStream => Transport::FetchStream,
            Kind::Open | Kind::Poll | Kind::Send => Transport::XhrPoll,
        }
    }
}

/// What the routes serve from.
pub(super) struct Front<S> {
    pub(super) core: Arc<Core>,
    pub(super) handler: AnyHandler<S>,
}

impl<S> Clone for Front<S> {
    fn clone(&self) -> Self {
        Front { core: self.core.clone(), handler: self.handler.clone() }
    }
}

/// A session, and its handler if this open was the first and the handler is still to be started.
pub(crate) struct Opened {
    pub(crate) member: Arc<Member>,
    fresh: Option<(Ready, SessionHandle)>,
}

impl Opened {
    /// Starts the handler, once the first flight is in its inbox.
    #[expect(clippy::disallowed_methods, reason = "the one task of a session: its handler's")]
    pub(crate) fn start(&mut self) {
        if let Some((ready, handle)) = self.fresh.take() {
            let future = ready(Session::new(handle));
            tokio::spawn(Turns::new(self.member.shared.clone(), future));
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Front<S> {
    /// Reads and understands a request, and attaches it to its session.
    pub(super) fn admit(self, kind: Kind, state: S, request: Request) -> Admitting {
        Box::pin(self.read(kind, state, request))
    }

    async fn read(self, kind: Kind, state: S, request: Request) -> Result<Next, Refusal> {
        let (parts, body) = request.into_parts();
        let spelling = match query(&parts, "bytes") {
            Some("1") => Spelling::Bytes,
            _ => Spelling::Text,
        };
        let verdict = self.core.config.origins.judge(&parts.headers, &parts.uri);
        if verdict == Verdict::Refused {
            return Err(ORIGIN_REFUSED.into());
        }
        let begun = Begun::new(&self.core, &parts);
        let body = transport::read_body(body.into_data_stream(), self.core.config.body_limit());
        let body = match tokio::time::timeout(self.core.config.open_timeout, body).await {
            Err(_) => return Err(TOO_SLOW.into()),
            Ok(Err(BodyError::TooLarge)) => return Err(BODY_TOO_LARGE.into()),
            Ok(Err(BodyError::Broken)) => return Err(BODY_BROKEN.into()),
            Ok(Ok(body)) => body,
        };
        let (head, body) = read_head(spelling, body)?;
        match (kind, head) {
            (Kind::Open, Head::Open { ordinal, attempt, auth, .. }) => {
                let opened = self.open(parts, state, verdict, &attempt, auth).await?;
                first_flight(opened, ordinal, spelling, body)
            }
            (Kind::Poll | Kind::XhrStream | Kind::FetchStream, Head::Resume { ordinal, turn, seen, pass, .. }) => {
                self.resume(kind, (ordinal, turn, seen), &pass, begun, spelling, body)
            }
            (Kind::Send, Head::Upload { pass, .. }) => self.upload(&pass, begun, spelling, body),
            _ => Err(WRONG_HEAD.into()),
        }
    }

    /// The session of an opening: made by the first with its attempt id, found by the others.
    pub(super) async fn open(
        &self,
        mut parts: Parts,
        state: S,
        verdict: Verdict,
        attempt: &ByteString,
        auth: ByteString,
    ) -> Result<Opened, Refusal> {
        if verdict == Verdict::Unknown {
            if self.core.config.origins != Origins::Any {
                return Err(ORIGIN_UNKNOWN.into());
            }
            parts.headers.remove(header::COOKIE);
        }
        let claim = match self.core.attempts.claim(attempt).await? {
            Found::Session(member) => return Ok(Opened { member, fresh: None }),
            Found::First(claim) => claim,
        };
        self.core.admit_new()?;
        let remote = Remote::new(&parts, &self.core.config.trusted_proxies);
        parts.extensions.insert(AuthData(auth));
        let ready = tokio::time::timeout(self.core.config.open_timeout, (self.handler)(parts, state)).await;
        let ready = match ready {
            Err(_) => return Err(TOO_SLOW.into()),
            Ok(Ok(ready)) => ready,
            Ok(Err(rejection)) => {
                let refusal = rejected(rejection).await;
                claim.reject(refusal.clone());
                return Err(refusal);
            }
        };
        self.core.admit_new()?; // Others may have come while the extractors ran.
        timekeeper::ensure(&self.core);
        let member = self.core.create();
        claim.open(&member);
        let remote = Arc::new(remote);
        tracing::debug!(session = %member.id(), remote = ?remote.address, "opened");
        let handle = SessionHandle { core: self.core.clone(), member: member.clone(), remote };
        Ok(Opened { member, fresh: Some((ready, handle)) })
    }

    fn resume(
        &self,
        kind: Kind,
        (ordinal, turn, seen): (u64, u64, bool),
        pass: &Pass,
        begun: Begun,
        spelling: Spelling,
        mut body: transport::Body,
    ) -> Result<Next, Refusal> {
        let wire = match kind {
            // Nothing has come down yet on this ordinal: whether it does is what the client wants to know first.
            _ if !seen => Wire::Opening,
            Kind::Poll => Wire::Poll { hold: millis(self.core.config.hold) },
            _ => Wire::Stream,
        };
        let attach = Attach { ordinal, turn, wire, opening: false, seen, received: pass.received };
        let link = self.attach(pass, attach, kind.transport())?;
        drop(begun); // The link holds grace off from here on.
        // A malformed record ends the link, which then says so.
        let _ = transport::take(&link, &mut body);
        if wire != Wire::Stream {
            return Ok(Next::Flush { link, spelling, wait: seen });
        }
        let stream = transport::stream(link, spelling, self.core.config.stream_budget);
        Ok(Next::Answered(Box::new(answer(spelling, Body::from_stream(stream)))))
    }

    fn upload(
        &self,
        pass: &Pass,
        begun: Begun,
        spelling: Spelling,
        mut body: transport::Body,
    ) -> Result<Next, Refusal> {
        let received = pass.received;
        let attach = Attach { ordinal: 0, turn: 0, wire: Wire::Upload, opening: false, seen: false, received };
        let link = self.attach(pass, attach, Transport::XhrPoll)?;
        drop(begun);
        transport::take(&link, &mut body)?;
        let response = answer(spelling, Body::from(transport::upload_answer(&link, spelling)));
        Ok(Next::Answered(Box::new(response)))
    }

    /// Attaches to the session of a pass.
    pub(super) fn attach(&self, pass: &Pass, attach: Attach, transport: Transport) -> Result<Link, CloseReason> {
        let member = unlock(&self.core, &pass.id, &pass.secret)?;
        self.core.admit_back()?;
        tracing::trace!(session = %member.id(), %transport, attach.ordinal, attach.turn, "attach");
        Link::attach(member.shared.clone(), attach, transport)
    }
}

/// A request on its way in, in a box of its own: it takes much more room than what waits behind it.
pub(super) type Admitting = Pin<Box<dyn Future<Output = Result<Next, Refusal>> + Send>>;

/// The answer to a request that was admitted, or not. While it waits for something to say it holds no more than that takes.
pub(super) async fn finish(next: Result<Next, Refusal>) -> Response {
    match next {
        Ok(Next::Answered(response)) => *response,
        Ok(Next::Flush { link, spelling, wait }) => {
            answer(spelling, Body::from(transport::answer(link, spelling, wait).await))
        }
        Err(refusal) => refuse(&refusal),
    }
}

/// How a request goes on.
pub(super) enum Next {
    /// Boxed: a poll that waits has no need of the room.
    Answered(Box<Response>),
    /// The answer is what the link says in its first flush; with `wait`, it waits for something beyond the start.
    Flush { link: Link, spelling: Spelling, wait: bool },
}

/// Attaches an opening, takes its first flight and starts the handler, whose first words ride on the answer.
fn first_flight(
    mut opened: Opened,
    ordinal: u64,
    spelling: Spelling,
    mut body: transport::Body,
) -> Result<Next, Refusal> {
    let attach = Attach { ordinal, turn: 0, wire: Wire::Opening, opening: true, seen: false, received: 0 };
    let link = Link::attach(opened.member.shared.clone(), attach, Transport::XhrPoll);
    if let Ok(link) = &link {
        let _ = transport::take(link, &mut body);
    }
    opened.start();
    Ok(Next::Flush { link: link?, spelling, wait: false })
}

/// The head record of a request, its version checked.
pub(super) fn read_head(spelling: Spelling, mut rest: Bytes) -> Result<(Head, transport::Body), CloseReason> {
    let mut reader = Reader::new(spelling);
    let head = match reader.read(&mut rest)? {
        Some(Said::Head(head)) => head,
        _ => return Err(WRONG_HEAD),
    };
    let (Head::Open { version, .. } | Head::Resume { version, .. } | Head::Upload { version, .. }) = head;
    if version == VERSION { Ok((head, transport::Body { reader, rest })) } else { Err(VERSION_NOT_SPOKEN) }
}

/// Holds off the end of grace of the session that a request names, while the request is on its way in.
pub(super) struct Begun(Option<Arc<Shared>>);

impl Begun {
    pub(super) fn new(core: &Core, parts: &Parts) -> Self {
        let member = query(parts, "session").and_then(|id| core.find(id));
        Begun(member.map(|member| {
            member.shared.begin();
            member.shared.clone()
        }))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.abandon();
        }
    }
}

/// A parameter of the query; ids need no decoding.
pub(super) fn query<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pairs = parts.uri.query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

pub(super) const REFUSED_ORIGIN: CloseReason = ORIGIN_REFUSED;
pub(super) const HEAD_EXPECTED: CloseReason = WRONG_HEAD;
pub(super) const FIRST_TOO_SLOW: CloseReason = TOO_SLOW;

/// What an extractor's rejection becomes.
async fn rejected(rejection: Response) -> Refusal {
    let status = match rejection.status() {
        status if status.is_client_error() || status.is_server_error() => status,
        _ => StatusCode::FORBIDDEN,
    };
    let mut body = rejection.into_body().into_data_stream();
    let mut text = Vec::new();
    while let (true, Some(Ok(piece))) = (text.len() < REJECTION, body.next().await) {
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8_lossy(&text);
    let mut end = text.len().min(REJECTION);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = if end == 0 { status.canonical_reason().unwrap_or("rejected") } else { &text[..end] };
    Refusal { reason: CloseReason::new(4301, text), status }
}
