//! The native protocol over HTTP: the requests of each route. PROTOCOL.md is the text of the protocol.

use std::{pin::Pin, sync::Arc};

use axum::{body::Body, extract::Request, http::request::Parts, response::Response};
use bytes::Bytes;

use super::{
    answer::{Accepted, Answer, ResponseFormat},
    downlink,
    input::{self, Counted, Input, MOST_FIRST_FLIGHT},
    moving, params,
    table::{MOUNT, Route},
};
use crate::{
    codec::{
        ContentType,
        native::{Head, NativeCodec, ResumeToken, Spelling, VERSION},
    },
    config::Transport,
    hub::Member,
    ids,
    server::{
        admission::AddressCount,
        core::Core,
        gateway::{Gateway, GraceHold, Opened, Opening, Page},
        origin::Verdict,
        refusal::Refusal,
        routes::elsewhere,
    },
    session::{Attach, CloseReason, LinkKind, Names, reason},
    shared::{ChunkOutcome, Credential},
    transport::{self, Link, Wait},
};

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
    gateway: Arc<Gateway<S>>,
    route: Route,
    state: S,
    request: Request,
    verdict: Verdict,
) -> Admitting {
    let (parts, body) = request.into_parts();
    let format = match ResponseFormat::of(route, &parts, &gateway.core.config.origins) {
        Ok(format) => format,
        Err(response) => return Box::pin(std::future::ready(Answer::Ready(response))),
    };
    let kept = gateway.hooks.keep(&parts);
    let mut asking = Asking { gateway, route, state, parts, verdict, spelling: format.spelling };
    Box::pin(async move {
        let refusal = match asking.read(body).await {
            Ok(accepted) => return accepted.respond(format, asking.gateway.core.config.stream_budget),
            Err(Stop::Refused(refusal)) => refusal,
            Err(Stop::Elsewhere { node, id, request }) => {
                // Boxed: other requests need not carry the room for it.
                match Box::pin(forward(&asking.gateway.core, &node, id, *request)).await {
                    Ok(response) => return Answer::Ready(Box::new(response)),
                    Err(reason) => reason.into(),
                }
            }
        };
        asking.gateway.refused(route.name(), &refusal.reason, kept.as_deref());
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

/// A request that is being read. Its parts are here and nowhere else: an `async fn` would hold what it is given twice.
struct Asking<S> {
    gateway: Arc<Gateway<S>>,
    route: Route,
    state: S,
    parts: Parts,
    verdict: Verdict,
    spelling: Spelling,
}

/// A request that was understood: its head record, and what came with it.
struct Understood<'a> {
    head: Head,
    body: transport::Body<NativeCodec>,
    /// The body as it came, if another node may have the session.
    whole: Option<Bytes>,
    /// The session that the URL names.
    named: Option<Arc<Member>>,
    /// For the session that the URL names, until a link is attached that does the same.
    hold: Option<GraceHold>,
    /// They count the body until this is dropped.
    _counted: (AddressCount<'a>, Counted),
}

impl<S: Clone + Send + Sync + 'static> Asking<S> {
    async fn read(&mut self, body: Body) -> Result<Accepted, Stop> {
        let gateway = self.gateway.clone();
        let mut understood = match self.understand(&gateway, body).await? {
            Ok(understood) => understood,
            Err(accepted) => return Ok(accepted),
        };
        // Boxed: polls and uploads need not carry the room for the others.
        match &understood.head {
            Head::Open { .. } | Head::Join { .. } => Box::pin(self.open(understood)).await,
            Head::TakeOver { .. } => Box::pin(self.take_over(understood)).await,
            Head::Resume { .. } => {
                let (link, wait, permit) = self.resume(&mut understood).await?;
                let codec = understood.body.codec;
                Ok(match wait {
                    None => Accepted::Stream { link, codec, permit },
                    Some(wait) => Accepted::Flush { link, codec, wait, permit },
                })
            }
            Head::Upload { .. } => {
                let link = self.upload(&mut understood).await?;
                Ok(match self.route {
                    // The client cannot read this answer. An acknowledgement that is due stays due on the other link.
                    Route::FormPost => NOTHING,
                    _ => upload_answer(&link, understood.body.codec),
                })
            }
        }
    }

    /// Reads a request as far as its head record, and refuses what is refused by then. A piece of an upload may be
    /// answered already.
    async fn understand<'a>(
        &mut self,
        gateway: &'a Gateway<S>,
        body: Body,
    ) -> Result<Result<Understood<'a>, Accepted>, Stop> {
        let (core, route, spelling) = (&*gateway.core, self.route, self.spelling);
        let (owner, body) = moving::find(gateway, route, &self.parts, body, spelling).await?;
        if let Some(node) = owner {
            let id = params::query(&self.parts, "session").map(str::to_owned);
            return Err(Stop::Elsewhere { node, id, request: Box::new(Request::from_parts(self.take_parts(), body)) });
        }
        gateway.check(&self.parts, self.verdict)?;
        // A request that names a session which is not here is refused unread.
        let named = params::query(&self.parts, "session").filter(|id| !id.is_empty());
        let named = named.map(|id| core.member(id)).transpose()?;
        let hold = named.as_ref().map(|member| GraceHold::of(&member.shared));
        let mut by_address = core.admission.read(&self.parts, &core.config);
        let Input { data, body: whole, counted } =
            input::read(core, route, &self.parts, body, spelling, &mut by_address).await?;
        let body = match gather(core, route, &self.parts, data)? {
            Ok(body) => body,
            Err(accepted) => return Ok(Err(accepted)),
        };
        let (head, body) = read_head(NativeCodec::new(spelling, core.config.message_limit), body)?;
        if let Some(node) = moving::find_named(gateway, &head).await? {
            return Err(self.again(&node, head.session(), whole));
        }
        Ok(Ok(Understood { head, body, whole, named, hold, _counted: (by_address, counted) }))
    }

    /// The parts, which nothing here needs any more. They are slices of the buffer that the connection reads into.
    fn take_parts(&mut self) -> Parts {
        std::mem::replace(&mut self.parts, Request::new(()).into_parts().0)
    }

    /// The request as it came, for the node that has its session.
    fn again(&mut self, node: &str, id: Option<&str>, whole: Option<Bytes>) -> Stop {
        let request = Box::new(Request::from_parts(self.take_parts(), Body::from(whole.unwrap_or_default())));
        Stop::Elsewhere { node: node.to_owned(), id: id.map(str::to_owned), request }
    }

    /// Opens a session, or joins its opening.
    async fn open(&mut self, understood: Understood<'_>) -> Result<Accepted, Stop> {
        let Understood { head, mut body, whole, .. } = understood;
        let (gateway, route) = (self.gateway.clone(), self.route);
        let way = elsewhere::way_of(&self.parts);
        let (opening, transport, terms) = match (route, route.opens(), head) {
            (_, Some(transport), Head::Open { ordinal, attempt, names, auth, .. }) => {
                if route.is_get() && !auth.is_empty() {
                    return Err(reason::AUTH_IN_URL.into());
                }
                input::check_auth(&auth)?;
                let page = Page::of_request(self.verdict, names);
                // They are needed again only if another node has the session.
                let parts = if whole.is_some() { self.parts.clone() } else { self.take_parts() };
                let opening = gateway.open(params::seen(parts), self.state.clone(), page, &attempt, auth).await?;
                (opening, transport, (ordinal, Some(names)))
            }
            (Route::Down(_), Some(transport), Head::Join { ordinal, attempt, .. }) => {
                if whole.is_none() {
                    drop(self.take_parts());
                }
                (gateway.join(&attempt).await?, transport, (ordinal, None))
            }
            _ => return Err(reason::WRONG_HEAD.into()),
        };
        let opened = match opening {
            Opening::Here(opened) => opened,
            Opening::Elsewhere(node) if whole.is_some() => return Err(self.again(&node, None, whole)),
            Opening::Elsewhere(_) => return Err(reason::NOT_HERE.into()),
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

    /// Attaches a page that takes the session of an older one over.
    async fn take_over(&mut self, understood: Understood<'_>) -> Result<Accepted, Stop> {
        let Understood { head, mut body, hold, .. } = understood;
        let (gateway, parts) = (&self.gateway, &self.parts);
        let (Route::Open | Route::Down(_), Some(transport)) = (self.route, self.route.opens()) else {
            return Err(reason::WRONG_HEAD.into());
        };
        let Head::TakeOver { ordinal, instance, token, names, .. } = head else {
            return Err(reason::WRONG_HEAD.into());
        };
        let page = Page::of_request(self.verdict, names);
        gateway.authorize(|| params::seen(parts.clone()), page, (&token.id, &token.secret), None).await?;
        let attach = resume_attach(ordinal, LinkKind::Opening, token.received, Some(names));
        let link = gateway.take_over(&token.id, &token.secret, &instance, attach, transport)?;
        elsewhere::note_way(&gateway.core, elsewhere::way_of(parts), &link, ordinal);
        drop(hold);
        moving::start(gateway, &token.id, (page, parts), self.state.clone()).await?;
        let _ = transport::take(&link, &mut body).await;
        Ok(Accepted::Flush { link, codec: body.codec, wait: Wait::Nothing, permit: None })
    }

    /// Attaches a downlink, and takes what came with it.
    async fn resume(&mut self, understood: &mut Understood<'_>) -> Result<downlink::Attached, Stop> {
        let Understood { head, body, named, hold, .. } = understood;
        let (gateway, parts) = (&self.gateway, &self.parts);
        let (Route::Down(row), Head::Resume { ordinal, turn, seen, token, names, .. }) = (self.route, &*head) else {
            return Err(reason::WRONG_HEAD.into());
        };
        let page = Page::of_request(self.verdict, *names);
        gateway.authorize(|| params::seen(parts.clone()), page, (&token.id, &token.secret), Some(*ordinal)).await?;
        let member = self.member(named.take(), token)?;
        let attached = downlink::attach(gateway, row, (*ordinal, *turn, *seen, *names), token, &member, parts)?;
        *hold = None; // From here on the link keeps the grace time from ending.
        // A malformed record ends the link, which then sends the reason.
        let _ = transport::take(&attached.0, body).await;
        moving::start(gateway, &token.id, (page, parts), self.state.clone()).await?;
        Ok(attached)
    }

    /// Attaches an upload, and takes its messages.
    async fn upload(&mut self, understood: &mut Understood<'_>) -> Result<Link, Stop> {
        let Understood { head, body, named, hold, .. } = understood;
        let (Route::Send | Route::JsonpSend | Route::FormPost, Head::Upload { token, .. }) = (self.route, &*head)
        else {
            return Err(reason::WRONG_HEAD.into());
        };
        let member = self.member(named.take(), token)?;
        let transport = if self.route.is_get() { Transport::JsonpPoll } else { Transport::XhrPoll };
        let link = self.gateway.attach(&member, &token.secret, uploading(token.received), transport)?;
        *hold = None;
        drop((member, self.take_parts()));
        transport::take(&link, body).await?;
        Ok(link)
    }

    /// The session of a token: the one that the URL names, but for a client that errs.
    fn member(&self, named: Option<Arc<Member>>, token: &ResumeToken) -> Result<Arc<Member>, CloseReason> {
        let is_named = || params::query(&self.parts, "session") == Some(&*token.id);
        named.filter(|_| is_named()).map_or_else(|| self.gateway.core.member(&token.id), Ok)
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
