//! The native protocol over HTTP: the requests of each route. PROTOCOL.md is the text of the protocol.

use std::pin::Pin;

use axum::{body::Body, extract::Request, http::request::Parts, response::Response};
use bytes::Bytes;

use super::{
    answer::{Accepted, Answer, ResponseFormat},
    input::{self, Input, MOST_FIRST_FLIGHT},
    moving, params,
    table::{Budget, Downlink, MOUNT, Route},
};
use crate::{
    codec::{
        ContentType,
        native::{Head, NativeCodec, ResumeToken, Spelling, VERSION},
    },
    config::{Transport, millis},
    ids,
    server::{
        core::Core,
        gateway::{Gateway, GraceHold, Opened, Opening, Page},
        network::Network,
        origin::Verdict,
        parked_requests::Parking,
        refusal::Refusal,
        remote,
        routes::elsewhere,
    },
    session::{Attach, CloseReason, LinkKind, Machine, Names, reason},
    shared::{ChunkOutcome, Credential},
    transport::{self, Link, Wait},
};

/// Polls that are held for less than this time, in milliseconds, are not held at all, because clients would make
/// one after the other.
const LEAST_HOLD: u64 = 100;

/// An answer without a record.
const NOTHING: Accepted = Accepted::Records(Vec::new(), ContentType::TEXT);

/// A request that is being read and attached. It has a box of its own, because it needs much more room than a
/// parked request.
pub(super) type Admitting = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Why a request is not answered by its session.
enum Stop {
    Refused(Refusal),
    /// The node with this name has the session, whose id is known unless it is being opened.
    Elsewhere {
        node: String,
        id: Option<String>,
        request: Box<Request>,
    },
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

impl From<CloseReason> for Stop {
    fn from(reason: CloseReason) -> Self {
        Stop::Refused(reason.into())
    }
}

/// Reads and understands a request, and attaches it to its session.
pub(super) fn admit<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    route: Route,
    state: S,
    request: Request,
) -> Admitting {
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let format = match ResponseFormat::of(route, &parts, &gateway.core.config.origins) {
            Ok(format) => format,
            Err(response) => return Answer::Ready(response),
        };
        let kept = gateway.hooks.keep(&parts);
        let refusal = match read(&gateway, route, state, parts, body, format.spelling).await {
            Ok(accepted) => return accepted.respond(format, gateway.core.config.stream_budget),
            Err(Stop::Refused(refusal)) => refusal,
            Err(Stop::Elsewhere { node, id, request }) => match forward(&gateway.core, &node, id, *request).await {
                Ok(response) => return Answer::Ready(Box::new(response)),
                Err(reason) => reason.into(),
            },
        };
        gateway.refused(route.name(), &refusal.reason, kept.as_deref());
        Answer::Ready(Box::new(format.refuse(&refusal)))
    })
}

/// Has a request answered by another node.
async fn forward(core: &Core, node: &str, id: Option<String>, request: Request) -> Result<Response, CloseReason> {
    let forwarded = elsewhere::forward_to_owner(core, (node, id.as_deref()), MOUNT, request).await;
    forwarded.inspect_err(|reason| {
        if reason.is_session_gone() {
            core.counters.lost_resumes.add(1);
        }
    })
}

/// The head of a request and what came with it.
struct Understood {
    parts: Parts,
    verdict: Verdict,
    head: Head,
    body: transport::Body<NativeCodec>,
    /// The body as it came, if another node may have the session.
    whole: Option<Bytes>,
}

async fn read<S: Clone + Send + Sync + 'static>(
    gateway: &Gateway<S>,
    route: Route,
    state: S,
    parts: Parts,
    body: Body,
    spelling: Spelling,
) -> Result<Accepted, Stop> {
    let (owner, body) = moving::find(gateway, route, &parts, body, spelling).await?;
    if let Some(node) = owner {
        let id = params::query(&parts, "session").map(str::to_owned);
        return Err(Stop::Elsewhere { node, id, request: Box::new(Request::from_parts(parts, body)) });
    }
    let verdict = gateway.judge(&parts)?;
    let grace_hold = GraceHold::new(&gateway.core, params::query(&parts, "session"));
    let mut by_address = gateway.core.admission.read(&parts, &gateway.core.config);
    let Input { data, body: whole, counted: _counted } =
        input::read(&gateway.core, route, &parts, body, spelling, &mut by_address).await?;
    let body = match gather(&gateway.core, route, &parts, data)? {
        Ok(body) => body,
        Err(accepted) => return Ok(accepted),
    };
    let (head, body) = read_head(NativeCodec::new(spelling, gateway.core.config.message_limit), body)?;
    if let Some(node) = moving::find_named(gateway, &head).await? {
        return Err(again(&node, head.session(), parts, whole));
    }
    let understood = Understood { parts, verdict, head, body, whole };
    match understood.head {
        Head::Open { .. } | Head::Join { .. } => open(gateway, route, state, understood).await,
        _ => attach(gateway, route, state, grace_hold, understood).await,
    }
}

/// The request as it came, for the node that has its session.
fn again(node: &str, id: Option<&str>, parts: Parts, whole: Option<Bytes>) -> Stop {
    let request = Box::new(Request::from_parts(parts, Body::from(whole.unwrap_or_default())));
    Stop::Elsewhere { node: node.to_owned(), id: id.map(str::to_owned), request }
}

/// Opens a session, or joins its opening.
async fn open<S: Clone + Send + Sync + 'static>(
    gateway: &Gateway<S>,
    route: Route,
    state: S,
    understood: Understood,
) -> Result<Accepted, Stop> {
    let Understood { parts, verdict, head, mut body, whole } = understood;
    let way = elsewhere::way_of(&parts);
    let as_it_came = whole.is_some().then(|| parts.clone());
    let (opening, transport, terms) = match (route, route.opens(), head) {
        (_, Some(transport), Head::Open { ordinal, attempt, names, auth, .. }) => {
            if route.is_get() && !auth.is_empty() {
                return Err(reason::AUTH_IN_URL.into());
            }
            input::check_auth(&auth)?;
            let page = Page::of_request(verdict, names);
            let opening = gateway.open(params::seen(parts), state, page, &attempt, auth).await?;
            (opening, transport, (ordinal, Some(names)))
        }
        (Route::Down(_), Some(transport), Head::Join { ordinal, attempt, .. }) => {
            drop(parts);
            (gateway.join(&attempt).await?, transport, (ordinal, None))
        }
        _ => return Err(reason::WRONG_HEAD.into()),
    };
    let opened = match (opening, as_it_came) {
        (Opening::Here(opened), _) => opened,
        (Opening::Elsewhere(node), Some(parts)) => return Err(again(&node, None, parts, whole)),
        (Opening::Elsewhere(_), None) => return Err(reason::NOT_HERE.into()),
    };
    let ordinal = terms.0;
    let link = attach_opening(opened, terms, transport, &mut body)?;
    elsewhere::note_way(&gateway.core, way, &link, ordinal);
    Ok(match route {
        // The client cannot read this answer, so nothing may be marked as sent.
        Route::FormPost => NOTHING,
        _ => Accepted::Flush { link, codec: body.codec, wait: Wait::Nothing, permit: None },
    })
}

/// Attaches to a session that exists.
async fn attach<S: Clone + Send + Sync + 'static>(
    gateway: &Gateway<S>,
    route: Route,
    state: S,
    grace_hold: GraceHold,
    understood: Understood,
) -> Result<Accepted, Stop> {
    let Understood { parts, verdict, head, mut body, .. } = understood;
    match (route, route.opens(), head) {
        (Route::Open | Route::Down(_), Some(transport), Head::TakeOver { ordinal, instance, token, names, .. }) => {
            let page = Page::of_request(verdict, names);
            gateway.authorize(|| params::seen(parts.clone()), page, (&token.id, &token.secret), None).await?;
            let attach = resume_attach(ordinal, LinkKind::Opening, token.received, Some(names));
            let link = gateway.take_over(&token.id, &token.secret, &instance, attach, transport)?;
            elsewhere::note_way(&gateway.core, elsewhere::way_of(&parts), &link, ordinal);
            drop(grace_hold);
            moving::start(gateway, &token.id, (page, &parts), state).await?;
            let _ = transport::take(&link, &mut body).await;
            Ok(Accepted::Flush { link, codec: body.codec, wait: Wait::Nothing, permit: None })
        }
        (Route::Down(row), _, Head::Resume { ordinal, turn, seen, token, names, .. }) => {
            let page = Page::of_request(verdict, names);
            gateway.authorize(|| params::seen(parts.clone()), page, (&token.id, &token.secret), Some(ordinal)).await?;
            let link = (ordinal, turn, seen, names);
            let accepted = resume(gateway, row, link, &token, grace_hold, &parts, body).await?;
            moving::start(gateway, &token.id, (page, &parts), state).await?;
            Ok(accepted)
        }
        (Route::Send | Route::JsonpSend | Route::FormPost, _, Head::Upload { token, .. }) => {
            Ok(upload(gateway, route, &token, grace_hold, body).await?)
        }
        _ => Err(reason::WRONG_HEAD.into()),
    }
}

/// Returns the whole of an upload that comes in pieces, or the answer to a piece that does not complete it.
fn gather(core: &Core, route: Route, parts: &Parts, data: Bytes) -> Result<Result<Bytes, Accepted>, CloseReason> {
    if !matches!(route, Route::JsonpSend) {
        return Ok(Ok(data));
    }
    let Some((chunk, id, secret)) = params::chunk(parts, &data)? else { return Ok(Ok(data)) };
    let member = core.member(id)?;
    core.admit_more()?;
    match member.shared.take_chunk(secret, chunk, core.config.body_limit())? {
        ChunkOutcome::Incomplete => Ok(Err(NOTHING)),
        ChunkOutcome::Complete(data) => Ok(Ok(data.into())),
        ChunkOutcome::Repeated => {
            let credential = Credential::Secret { secret, next: ids::random };
            let link = Link::attach(member.shared.clone(), credential, uploading(0), Transport::JsonpPoll)?;
            let codec = NativeCodec::new(Spelling::Text, core.config.message_limit);
            Ok(Err(upload_answer(&link, codec)))
        }
    }
}

async fn resume<S>(
    gateway: &Gateway<S>,
    row: &Downlink,
    (ordinal, turn, seen, names): (u64, u64, bool, Names),
    token: &ResumeToken,
    grace_hold: GraceHold,
    parts: &Parts,
    mut body: transport::Body<NativeCodec>,
) -> Result<Accepted, Refusal> {
    let mut permit = None;
    let (kind, wait) = match row.budget {
        // The client has received nothing on this ordinal yet. It wants to know first whether this transport
        // works.
        _ if !seen => (LinkKind::Opening, Wait::Nothing),
        Budget::AtOnce => (LinkKind::Poll { hold: 0 }, Wait::Nothing),
        Budget::Flush if holds_no_poll(&gateway.core, token) => (LinkKind::Poll { hold: 0 }, Wait::Rest),
        budget => match acquire(&gateway.core, parts) {
            Parking::Full => (LinkKind::Poll { hold: 0 }, Wait::Rest),
            parking => {
                permit = parking.permit();
                match budget {
                    Budget::Bytes => (LinkKind::Stream, Wait::Something),
                    _ => (LinkKind::Poll { hold: millis(gateway.core.config.hold()) }, Wait::Something),
                }
            }
        },
    };
    let attach = Attach { ordinal, turn, kind, opening: false, seen, received: token.received, names: Some(names) };
    let link = gateway.attach(&token.id, &token.secret, attach, row.transport)?;
    elsewhere::note_way(&gateway.core, elsewhere::way_of(parts), &link, ordinal);
    drop(grace_hold); // From here on the link keeps the grace time from ending.
    // A malformed record ends the link, which then sends the reason.
    let _ = transport::take(&link, &mut body).await;
    Ok(match kind {
        LinkKind::Stream => Accepted::Stream { link, codec: body.codec, permit },
        _ => Accepted::Flush { link, codec: body.codec, wait, permit },
    })
}

/// Returns whether no poll is held: by the server's settings, or because the path to this client is known to
/// hold no request open.
fn holds_no_poll(core: &Core, token: &ResumeToken) -> bool {
    millis(core.config.hold()) < LEAST_HOLD
        || core.find(&token.id).here().is_some_and(|member| member.shared.look(Machine::idle_limit_is_zero))
}

/// Returns whether this request may be parked.
fn acquire(core: &Core, parts: &Parts) -> Parking {
    let Some(browser) = params::browser(parts) else { return Parking::Uncounted };
    let address = remote::address(parts, &core.config.trusted_proxies);
    core.parked.acquire(browser, address.map(Network::of))
}

async fn upload<S>(
    gateway: &Gateway<S>,
    route: Route,
    token: &ResumeToken,
    grace_hold: GraceHold,
    mut body: transport::Body<NativeCodec>,
) -> Result<Accepted, Refusal> {
    let transport = if route.is_get() { Transport::JsonpPoll } else { Transport::XhrPoll };
    let link = gateway.attach(&token.id, &token.secret, uploading(token.received), transport)?;
    drop(grace_hold);
    transport::take(&link, &mut body).await?;
    Ok(match route {
        // The client cannot read this answer. An acknowledgement that is due stays due on the other link.
        Route::FormPost => NOTHING,
        _ => upload_answer(&link, body.codec),
    })
}

fn upload_answer(link: &Link, codec: NativeCodec) -> Accepted {
    let (records, content_type) = transport::upload_answer(link, codec);
    Accepted::Records(records, content_type)
}

fn uploading(received: u64) -> Attach {
    resume_attach(0, LinkKind::Upload, received, None)
}

/// Returns the terms of the first link of a page that attaches to an existing session.
pub(super) fn resume_attach(ordinal: u64, kind: LinkKind, received: u64, names: Option<Names>) -> Attach {
    Attach { ordinal, turn: 0, kind, opening: false, seen: false, received, names }
}

/// Attaches an opening, receives its messages and starts the handler, whose first messages go out with the
/// answer.
fn attach_opening(
    mut opened: Opened,
    (ordinal, names): (u64, Option<Names>),
    transport: Transport,
    body: &mut transport::Body<NativeCodec>,
) -> Result<Link, CloseReason> {
    let attach = Attach { ordinal, turn: 0, kind: LinkKind::Opening, opening: true, seen: false, received: 0, names };
    let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, transport);
    if let Ok(link) = &link {
        let _ = transport::take_first(link, body, MOST_FIRST_FLIGHT);
    }
    opened.start();
    link
}

/// Reads the head record of a request and checks its version.
pub(super) fn read_head(
    mut codec: NativeCodec,
    mut rest: Bytes,
) -> Result<(Head, transport::Body<NativeCodec>), CloseReason> {
    let head = codec.read_head(&mut rest)?.ok_or(reason::WRONG_HEAD)?;
    let (Head::Open { version, .. }
    | Head::Join { version, .. }
    | Head::Resume { version, .. }
    | Head::TakeOver { version, .. }
    | Head::Upload { version, .. }) = head;
    let body = transport::Body { codec, rest: Some(rest) };
    if version == VERSION { Ok((head, body)) } else { Err(reason::VERSION_NOT_SPOKEN) }
}
