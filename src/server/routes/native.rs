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

use super::{
    http::{ResponseFormat, answer},
    params,
    table::{Budget, Downlink, Route},
};
use crate::{
    codec::native::{self as codec, Head, Reader, ResumeToken, VERSION},
    config::{Origins, Transport, millis},
    hub::Member,
    ids,
    message::Spelling,
    server::{
        core::Core,
        handler::{AnyHandler, AuthData, Ready, Turns},
        live::SessionHandle,
        opening::{Found, Refusal},
        origin::Verdict,
        parked_requests::{Parking, Permit},
        remote::Remote,
        session::Session,
        timekeeper,
    },
    session::{Attach, CloseReason, LinkKind, Machine, reason},
    shared::{ChunkOutcome, Credential, SharedSession},
    transport::{self, BodyError, Link, Wait},
};

/// A rejection's text is cut to this.
const REJECTION: usize = 1024;

/// A form may be so many times as long as what it brings. Encoded twice, a byte of text becomes five, and the limit is that of base64, where a
/// message takes four thirds of its length.
const FORM_GROWTH: usize = 4;

const VERSION_NOT_SPOKEN: CloseReason = CloseReason::fixed(4400, "protocol version not spoken");
const ORIGIN_REFUSED: CloseReason = CloseReason::fixed(4300, "this origin may not open sessions here");
const ORIGIN_UNKNOWN: CloseReason =
    CloseReason::fixed(4300, "no Origin header; only a server that allows any origin opens sessions without one");
const WRONG_HEAD: CloseReason = CloseReason::fixed(4004, "not the head record of this request");
const TOO_SLOW: CloseReason = CloseReason::fixed(4007, "took too long");
const BODY_TOO_LARGE: CloseReason = CloseReason::fixed(4006, "body too large");
const NOT_OPENED: CloseReason = CloseReason::fixed(4007, "no opening with this attempt id came");
const AUTH_IN_URL: CloseReason = CloseReason::fixed(4004, "auth data must not stand in a URL: open by a POST");
const BODY_BROKEN: CloseReason = CloseReason::fixed(4004, "the body broke off");

/// What the routes serve from.
pub(super) struct Gateway<S> {
    pub(super) core: Arc<Core>,
    pub(super) handler: AnyHandler<S>,
}

impl<S> Clone for Gateway<S> {
    fn clone(&self) -> Self {
        Gateway { core: self.core.clone(), handler: self.handler.clone() }
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

impl<S: Clone + Send + Sync + 'static> Gateway<S> {
    /// Reads and understands a request, and attaches it to its session.
    pub(super) fn admit(self, route: Route, state: S, request: Request) -> Admitting {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let format = match ResponseFormat::of(route, &parts, &self.core.config.origins) {
                Ok(format) => format,
                Err(response) => return Answer::Ready(response),
            };
            match self.read(route, state, parts, body, format.spelling).await {
                Ok(said) => self.respond(said, format),
                Err(refusal) => Answer::Ready(Box::new(format.refuse(&refusal))),
            }
        })
    }

    async fn read(
        &self,
        route: Route,
        state: S,
        parts: Parts,
        body: Body,
        spelling: Spelling,
    ) -> Result<Accepted, Refusal> {
        let verdict = self.core.config.origins.judge(&parts.headers, &parts.uri);
        if verdict == Verdict::Refused {
            return Err(ORIGIN_REFUSED.into());
        }
        let grace_hold = GraceHold::new(&self.core, &parts);
        let body = self.read_input(route, &parts, body).await?;
        let body = match self.gather(route, &parts, body)? {
            Ok(body) => body,
            Err(said) => return Ok(said),
        };
        let (head, mut body) = read_head(spelling, body)?;
        match (route, route.opens(), head) {
            (_, Some(transport), Head::Open { ordinal, attempt, auth, .. }) => {
                if route.is_get() && !auth.is_empty() {
                    return Err(AUTH_IN_URL.into());
                }
                let opened = self.open(parts, state, verdict, &attempt, auth).await?;
                let link = attach_opening(opened, ordinal, transport, body)?;
                Ok(match route {
                    // It hears nothing, so nothing counts as said.
                    Route::FormPost => Accepted::Records(Vec::new()),
                    _ => Accepted::Flush { link, wait: Wait::Nothing, permit: None },
                })
            }
            (Route::Down(_), Some(transport), Head::Join { ordinal, attempt, .. }) => {
                drop(parts);
                let opened = self.join(&attempt).await?;
                let link = attach_opening(opened, ordinal, transport, body)?;
                Ok(Accepted::Flush { link, wait: Wait::Nothing, permit: None })
            }
            (Route::Open | Route::Down(_), Some(transport), Head::TakeOver { ordinal, instance, token, .. }) => {
                let attach = resume_attach(ordinal, LinkKind::Opening, token.received);
                let link = self.take_over(&token, &instance, attach, transport)?;
                drop(grace_hold);
                let _ = transport::take(&link, &mut body);
                Ok(Accepted::Flush { link, wait: Wait::Nothing, permit: None })
            }
            (Route::Down(row), _, Head::Resume { ordinal, turn, seen, token, .. }) => {
                self.resume(row, (ordinal, turn, seen), &token, grace_hold, &parts, body)
            }
            (Route::Send | Route::JsonpSend | Route::FormPost, _, Head::Upload { token, .. }) => {
                self.upload(route, &token, grace_hold, spelling, body)
            }
            _ => Err(WRONG_HEAD.into()),
        }
    }

    /// What a request says: its body, or what stands for it.
    async fn read_input(&self, route: Route, parts: &Parts, body: Body) -> Result<Bytes, Refusal> {
        let limit = self.core.config.body_limit();
        let said = match route {
            _ if route.is_get() => params::data(parts)?,
            Route::FormPost => params::form(&self.read_body(body, limit.saturating_mul(FORM_GROWTH)).await?)?,
            _ => return self.read_body(body, limit).await,
        };
        if said.len() > limit { Err(BODY_TOO_LARGE.into()) } else { Ok(said) }
    }

    async fn read_body(&self, body: Body, limit: usize) -> Result<Bytes, Refusal> {
        let body = transport::read_body(body.into_data_stream(), limit);
        match tokio::time::timeout(self.core.config.open_timeout, body).await {
            Err(_) => Err(TOO_SLOW.into()),
            Ok(Err(BodyError::TooLarge)) => Err(BODY_TOO_LARGE.into()),
            Ok(Err(BodyError::Broken)) => Err(BODY_BROKEN.into()),
            Ok(Ok(body)) => Ok(body),
        }
    }

    /// The whole of an upload that comes in pieces, or the answer to a piece that does not complete it.
    fn gather(&self, route: Route, parts: &Parts, data: Bytes) -> Result<Result<Bytes, Accepted>, CloseReason> {
        if !matches!(route, Route::JsonpSend) {
            return Ok(Ok(data));
        }
        let Some((chunk, id, secret)) = params::chunk(parts, &data)? else { return Ok(Ok(data)) };
        let member = self.core.find(id).ok_or(reason::UNKNOWN)?;
        self.core.admit_back()?;
        match member.shared.take_chunk(secret, chunk, self.core.config.body_limit())? {
            ChunkOutcome::Incomplete => Ok(Err(Accepted::Records(Vec::new()))),
            ChunkOutcome::Complete(data) => Ok(Ok(data.into())),
            ChunkOutcome::Repeated => {
                let link = Link::attach(
                    member.shared.clone(),
                    Credential::Secret(secret),
                    uploading(0),
                    Transport::JsonpPoll,
                )?;
                Ok(Err(Accepted::Records(transport::upload_answer(&link, Spelling::Text))))
            }
        }
    }

    /// The session that another request opens.
    ///
    /// Where it comes from need not be known: it brings the attempt id, which only the page that opens has, as a resume brings the secret.
    async fn join(&self, attempt: &str) -> Result<Opened, Refusal> {
        let joined = tokio::time::timeout(self.core.config.open_timeout, self.core.attempts.join(attempt)).await;
        let member = joined.map_err(|_| Refusal::from(NOT_OPENED))??;
        self.core.admit_back()?;
        Ok(Opened { member, fresh: None })
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
        row: &Downlink,
        (ordinal, turn, seen): (u64, u64, bool),
        token: &ResumeToken,
        grace_hold: GraceHold,
        parts: &Parts,
        mut body: transport::Body,
    ) -> Result<Accepted, Refusal> {
        let mut permit = None;
        let (kind, wait) = match row.budget {
            // Nothing has come down yet on this ordinal: whether it does is what the client wants to know first.
            _ if !seen => (LinkKind::Opening, Wait::Nothing),
            Budget::AtOnce => (LinkKind::Poll { hold: 0 }, Wait::Nothing),
            Budget::Flush if self.holds_nothing_open(token) => (LinkKind::Poll { hold: 0 }, Wait::Rest),
            budget => match self.acquire(parts) {
                Parking::Full => (LinkKind::Poll { hold: 0 }, Wait::Rest),
                parking => {
                    permit = parking.permit();
                    match budget {
                        Budget::Bytes => (LinkKind::Stream, Wait::Something),
                        _ => (LinkKind::Poll { hold: millis(self.core.config.hold) }, Wait::Something),
                    }
                }
            },
        };
        let attach = Attach { ordinal, turn, kind, opening: false, seen, received: token.received };
        let link = self.attach(token, attach, row.transport)?;
        drop(grace_hold); // The link holds grace off from here on.
        // A malformed record ends the link, which then says so.
        let _ = transport::take(&link, &mut body);
        Ok(match kind {
            LinkKind::Stream => Accepted::Stream { link, permit },
            _ => Accepted::Flush { link, wait, permit },
        })
    }

    /// Whether the path to this client is known to hold nothing open.
    fn holds_nothing_open(&self, token: &ResumeToken) -> bool {
        self.core.find(&token.id).is_some_and(|member| member.shared.look(Machine::holds_nothing_open))
    }

    /// Whether an answer to this request may wait.
    fn acquire(&self, parts: &Parts) -> Parking {
        params::browser(parts).map_or(Parking::Uncounted, |browser| self.core.parked.acquire(browser))
    }

    fn upload(
        &self,
        route: Route,
        token: &ResumeToken,
        grace_hold: GraceHold,
        spelling: Spelling,
        mut body: transport::Body,
    ) -> Result<Accepted, Refusal> {
        let link = self.attach(token, uploading(token.received), Transport::XhrPoll)?;
        drop(grace_hold);
        transport::take(&link, &mut body)?;
        Ok(Accepted::Records(match route {
            // What is not heard was not said: an acknowledgement that is due stays due on the link that carries.
            Route::FormPost => Vec::new(),
            _ => transport::upload_answer(&link, spelling),
        }))
    }

    /// How a request goes on that has been understood.
    fn respond(&self, said: Accepted, format: ResponseFormat) -> Answer {
        match said {
            Accepted::Records(records) => Answer::Ready(Box::new(format.whole(records))),
            Accepted::Flush { link, wait, permit } => {
                let spelling = format.spelling;
                let plain = format.is_plain() && permit.is_none();
                let extras = (!plain).then(|| Box::new(Extras { format, permit }));
                Answer::FirstFlush { link, spelling, wait, extras }
            }
            Accepted::Stream { link, permit } => {
                let budget = self.core.config.stream_budget;
                let stream = transport::stream(link, format.spelling, budget, format.wrapper(), permit);
                Answer::Ready(Box::new(format.answer(Body::from_stream(stream))))
            }
        }
    }

    /// Attaches to the session of a pass.
    pub(super) fn attach(
        &self,
        token: &ResumeToken,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        let member = self.core.find(&token.id).ok_or(reason::UNKNOWN)?;
        self.core.admit_back()?;
        tracing::trace!(session = %member.id(), %transport, attach.ordinal, attach.turn, "attach");
        Link::attach(member.shared.clone(), Credential::Secret(&token.secret), attach, transport)
    }

    /// Attaches a page that goes on with the session of the one before it.
    pub(super) fn take_over(
        &self,
        token: &ResumeToken,
        instance: &str,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        let member = self.core.find(&token.id).ok_or(reason::UNKNOWN)?;
        self.core.admit_back()?;
        tracing::debug!(session = %member.id(), %transport, "taken over");
        let credential = Credential::Instance { secret: &token.secret, instance, next: ids::random() };
        Link::attach(member.shared.clone(), credential, attach, transport)
    }
}

/// What a request that was understood is to be told.
enum Accepted {
    Records(Vec<u8>),
    /// What the link says in its first flush.
    Flush {
        link: Link,
        wait: Wait,
        permit: Option<Permit>,
    },
    Stream {
        link: Link,
        permit: Option<Permit>,
    },
}

/// A request on its way in, in a box of its own: it takes much more room than what waits behind it.
pub(super) type Admitting = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How a request goes on.
pub(super) enum Answer {
    /// Boxed: a poll that waits has no need of the room.
    Ready(Box<Response>),
    /// The answer is what the link says in its first flush.
    FirstFlush { link: Link, spelling: Spelling, wait: Wait, extras: Option<Box<Extras>> },
}

/// What only some of the answers have that wait; the others shall not carry the room for it.
pub(super) struct Extras {
    format: ResponseFormat,
    permit: Option<Permit>,
}

/// The answer to a request. While it waits for something to say it holds no more than that takes.
pub(super) async fn finish(prepared: Answer) -> Response {
    match prepared {
        Answer::Ready(response) => *response,
        Answer::FirstFlush { link, spelling, wait, extras } => {
            let records = transport::answer(link, spelling, wait).await;
            match extras {
                None => answer(spelling, Body::from(records)),
                Some(extras) => {
                    drop(extras.permit);
                    extras.format.whole(records)
                }
            }
        }
    }
}

fn uploading(received: u64) -> Attach {
    resume_attach(0, LinkKind::Upload, received)
}

/// The first link of a page whose session there is.
pub(super) fn resume_attach(ordinal: u64, kind: LinkKind, received: u64) -> Attach {
    Attach { ordinal, turn: 0, kind, opening: false, seen: false, received }
}

/// Attaches an opening, takes its first flight and starts the handler, whose first words ride on the answer.
fn attach_opening(
    mut opened: Opened,
    ordinal: u64,
    transport: Transport,
    mut body: transport::Body,
) -> Result<Link, CloseReason> {
    let attach = Attach { ordinal, turn: 0, kind: LinkKind::Opening, opening: true, seen: false, received: 0 };
    let link = Link::attach(opened.member.shared.clone(), Credential::Attempt, attach, transport);
    if let Ok(link) = &link {
        let _ = transport::take(link, &mut body);
    }
    opened.start();
    link
}

/// The head record of a request, its version checked.
pub(super) fn read_head(spelling: Spelling, mut rest: Bytes) -> Result<(Head, transport::Body), CloseReason> {
    let mut reader = Reader::new(spelling);
    let head = match reader.read(&mut rest)? {
        Some(codec::Record::Head(head)) => head,
        _ => return Err(WRONG_HEAD),
    };
    let (Head::Open { version, .. }
    | Head::Join { version, .. }
    | Head::Resume { version, .. }
    | Head::TakeOver { version, .. }
    | Head::Upload { version, .. }) = head;
    if version == VERSION { Ok((head, transport::Body { reader, rest })) } else { Err(VERSION_NOT_SPOKEN) }
}

/// Holds off the end of grace of the session that a request names, while the request is on its way in and nobody knows whose it is.
pub(super) struct GraceHold(Option<Arc<SharedSession>>);

impl GraceHold {
    pub(super) fn new(core: &Core, parts: &Parts) -> Self {
        let member = params::query(parts, "session").and_then(|id| core.find(id));
        GraceHold(member.filter(|member| member.shared.expect_attach()).map(|member| member.shared.clone()))
    }
}

impl Drop for GraceHold {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.cancel_attach();
        }
    }
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
    while let (true, Some(Ok(data))) = (text.len() < REJECTION, body.next().await) {
        text.extend_from_slice(&data);
    }
    let text = String::from_utf8_lossy(&text);
    let mut end = text.len().min(REJECTION);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = if end == 0 { status.canonical_reason().unwrap_or("rejected") } else { &text[..end] };
    Refusal { reason: CloseReason::new(4301, text), status }
}
