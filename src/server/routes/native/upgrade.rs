//! The native protocol over WebSocket: the handshake, then the session.

use axum::{body::Body, extract::Request, http::request::Parts, response::Response};
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;

use super::{
    answer::{Answer, refuse},
    input::{FirstMessage, MOST_FIRST_FLIGHT, MOST_OPENING, check_auth},
    moving, params,
    request::{read_head, resume_attach},
    table::MOUNT,
};
use crate::{
    codec::{
        Codec, Violation,
        native::{Head, NativeCodec, Spelling, write_refusal},
    },
    config::{Config, Transport},
    server::{
        connection::{Run, Upgrade, UpgradedStream},
        gateway::{Gateway, GraceHold, Opening, Page},
        origin::Verdict,
        other_nodes::{NotPassedOn, PassedOn},
        refusal::Refusal,
        routes::elsewhere,
    },
    session::{Attach, CloseReason, LinkKind, reason},
    shared::Credential,
    transport::{self, Link, NoMessage, Socket, handshake},
};

/// The name of the route.
const NAME: &str = "websocket";

/// Room for records beside a message of the limit.
const HEAD_ROOM: usize = 64 * 1024;

/// Answers the handshake, and begins with the link.
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
    // Until the connection is there grace does not end.
    let grace_hold = GraceHold::new(&gateway.core, params::query(&parts, "session"));
    let beginning = Beginning { gateway, state, parts, verdict, kept, unknown: None };
    upgrade.begin(|upgrade| begin(beginning, upgrade, grace_hold));
    response
}

/// Has the handshake answered by another node. If that cannot be reached, it is answered here all the same: a page reads
/// no refusal of a handshake, but a message.
pub(super) async fn forward<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    node: String,
    state: S,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let again = Request::from_parts(parts.clone(), Body::empty());
    let id = params::query(&parts, "session").map(str::to_owned);
    let request = Request::from_parts(parts, body);
    let forwarded = elsewhere::forward_to_owner(&gateway.core, (&node, id.as_deref()), MOUNT, request).await;
    Answer::Ready(Box::new(forwarded.unwrap_or_else(|_| serve(gateway, state, again))))
}

/// Checks the request, and takes the promise of its connection out of it.
fn judge<S>(gateway: &Gateway<S>, parts: &mut Parts) -> Result<(Verdict, Response, Upgrade), CloseReason> {
    let verdict = gateway.judge_socket(parts)?;
    let response = handshake::accept(parts).map_err(CloseReason::malformed)?.map(|()| Body::empty());
    let upgrade = Upgrade::take(parts).ok_or(reason::NO_UPGRADE)?;
    Ok((verdict, response, upgrade))
}

/// A connection whose first message is to come.
struct Beginning<S> {
    gateway: Gateway<S>,
    state: S,
    parts: Parts,
    verdict: Verdict,
    kept: Option<Box<Parts>>,
    /// Why the session was unknown that the client has named before.
    unknown: Option<CloseReason>,
}

/// How a connection goes on behind its first message.
enum Begun {
    Attached(Link, transport::Body<NativeCodec>),
    /// The node with this name has the session, whose id is known unless it is being opened.
    Elsewhere(String, Option<String>),
}

/// Waits for the connection and its first frame, and attaches. The result is the future that runs the link.
async fn begin<S: Clone + Send + Sync + 'static>(
    beginning: Beginning<S>,
    upgrade: OnUpgrade,
    _grace_hold: GraceHold,
) -> Option<Run> {
    let stream = UpgradedStream::of(upgrade).await?;
    first(beginning, Socket::new(stream, MOST_OPENING), Vec::new()).await
}

/// Waits for the first message, and attaches. A refusal is sent and the connection closed, but a client whose session is
/// unknown here may open a new one on the same connection, which saves the time that a connection takes. A gateway that
/// opens no sessions closes it then: the client makes a new connection.
async fn first<S: Clone + Send + Sync + 'static>(
    mut beginning: Beginning<S>,
    mut socket: Socket<UpgradedStream>,
    mut early: Vec<u8>,
) -> Option<Run> {
    let gateway = beginning.gateway.clone();
    let Config { open_timeout, message_limit, .. } = gateway.core.config;
    let mut first_message = FirstMessage::new(&gateway.core, &beginning.parts);
    let refusal = loop {
        let first = match socket.first(early, open_timeout, |length| first_message.grow(length)).await {
            Err(NoMessage::Refused(refusal)) => break refusal,
            Err(NoMessage::Violation(Violation::TooLarge)) => break reason::OPENING_TOO_LARGE,
            Err(NoMessage::TooSlow) => break beginning.unknown.take().unwrap_or(reason::TOOK_TOO_LONG),
            Err(NoMessage::Violation(violation)) => break NativeCodec::violation(violation),
            Err(NoMessage::Gone) => return None,
            Ok((first, behind)) => {
                early = behind;
                first
            }
        };
        let message = gateway.core.nodes().map(|_| first.clone());
        let (head, body) = match read_head(NativeCodec::new(Spelling::WebSocket, message_limit), first) {
            Ok(read) => read,
            Err(refusal) => break refusal,
        };
        let begun = match moving::find_named(&gateway, &head).await {
            Err(refusal) => break refusal,
            Ok(Some(node)) => Ok(Begun::Elsewhere(node, head.session().map(str::to_owned))),
            Ok(None) if matches!(head, Head::Open { .. }) => match beginning.open(head, body).await {
                Err(refusal) => break refusal,
                begun => begun,
            },
            Ok(None) => beginning.resume(&head, body).await,
        };
        match begun {
            Ok(Begun::Attached(link, body)) => {
                socket.set_limit(message_limit + HEAD_ROOM);
                return Some(Box::pin(socket.run(link, body.codec, body.rest, early)));
            }
            Ok(Begun::Elsewhere(node, id)) => {
                let read = (message.unwrap_or_default(), early);
                return Some(Box::pin(pass_on(beginning, (node, id), socket, read)));
            }
            Err(refusal) if beginning.is_open_to(&refusal) => beginning.tell_unknown(&mut socket, refusal),
            Err(refusal) => break refusal,
        }
    };
    beginning.refuse(socket, refusal).await;
    None
}

/// Passes the connection on to the node that has its session. If that cannot be reached and another one has the session by
/// now, it is passed on to that one, once. Otherwise the client is told, and may open a new session if the node is gone.
///
/// Its future is boxed, because it may wait for a first message again.
fn pass_on<S: Clone + Send + Sync + 'static>(
    mut beginning: Beginning<S>,
    (node, id): (String, Option<String>),
    socket: Socket<UpgradedStream>,
    (message, behind): (Bytes, Vec<u8>),
) -> Run {
    Box::pin(async move {
        let Some(nodes) = beginning.gateway.core.nodes().cloned() else { return };
        let Ok(connection) = socket.into_inner().await else { return };
        let request = || Request::from_parts(beginning.parts.clone(), Body::empty());
        let socket = PassedOn { connection, messages: vec![message], rest: behind.into() };
        let Err(failed) = nodes.pass_on(&node, MOUNT, request(), socket).await else { return };
        let NotPassedOn { reason, socket } = *failed;
        let again = elsewhere::find_again(&beginning.gateway.core, (&node, id.as_deref()), reason).await;
        let NotPassedOn { reason, socket: PassedOn { connection, rest, .. } } = match again {
            Err(reason) => NotPassedOn { reason, socket },
            Ok(other) => {
                let Err(failed) = nodes.pass_on(&other, MOUNT, request(), socket).await else { return };
                NotPassedOn { reason: elsewhere::of_second(failed.reason.into()), socket: failed.socket }
            }
        };
        let mut socket = Socket::new(connection, MOST_OPENING);
        if !beginning.is_open_to(&reason) {
            return beginning.refuse(socket, reason).await;
        }
        beginning.gateway.core.counters.lost_resumes.add(1);
        beginning.tell_unknown(&mut socket, reason);
        if let Some(run) = first(beginning, socket, rest.to_vec()).await {
            run.await;
        }
    })
}

impl<S: Clone + Send + Sync + 'static> Beginning<S> {
    /// Whether the client may open a session on the connection behind this refusal.
    fn is_open_to(&self, refusal: &CloseReason) -> bool {
        self.unknown.is_none() && refusal.is_session_gone() && self.gateway.opens()
    }

    fn tell_unknown(&mut self, socket: &mut Socket<UpgradedStream>, refusal: CloseReason) {
        socket.put_text(&String::from_utf8_lossy(&write_refusal(&refusal)));
        self.unknown = Some(refusal);
    }

    async fn refuse(self, socket: Socket<UpgradedStream>, refusal: CloseReason) {
        Refusal::from(refusal.clone()).log();
        self.gateway.refused(NAME, &refusal, self.kept.as_deref());
        socket.close::<NativeCodec>(refusal).await;
    }

    /// Opens a session with the head of the first message.
    async fn open(&mut self, head: Head, mut body: transport::Body<NativeCodec>) -> Result<Begun, CloseReason> {
        let Head::Open { ordinal, attempt, names, auth, .. } = head else { return Err(reason::WRONG_HEAD) };
        check_auth(&auth)?;
        let page = Page::of_socket(self.verdict, names);
        // The request is needed again only if another node has the session.
        let parts = match self.gateway.core.nodes() {
            Some(_) => self.parts.clone(),
            None => std::mem::replace(&mut self.parts, Request::new(()).into_parts().0),
        };
        let opening = self.gateway.open(params::seen(parts), self.state.clone(), page, &attempt, auth).await;
        let mut opened = match opening.map_err(|refusal| refusal.reason)? {
            Opening::Here(opened) => opened,
            Opening::Elsewhere(node) => return Ok(Begun::Elsewhere(node, None)),
        };
        let names = Some(names);
        let attach =
            Attach { ordinal, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names };
        let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, Transport::WebSocket);
        if let Ok(link) = &link {
            // A violation ends the link, which then sends the reason.
            let _ = transport::take_first(link, &mut body, MOST_FIRST_FLIGHT);
        }
        opened.start();
        let link = link?;
        elsewhere::note_way(&self.gateway.core, elsewhere::way_of(&self.parts), &link, ordinal);
        Ok(Begun::Attached(link, body))
    }

    /// Attaches to a session that exists.
    async fn resume(&self, head: &Head, body: transport::Body<NativeCodec>) -> Result<Begun, CloseReason> {
        let Beginning { gateway, parts, verdict, .. } = self;
        let verdict = *verdict;
        let seen = || params::seen(parts.clone());
        let (duplex, transport) = (LinkKind::Duplex, Transport::WebSocket);
        let (link, ordinal) = match head {
            Head::Resume { ordinal, turn, token, names, .. } => {
                let page = Page::of_socket(verdict, *names);
                gateway.authorize(seen, page, (&token.id, &token.secret), Some(*ordinal)).await?;
                let attach = Attach { turn: *turn, ..resume_attach(*ordinal, duplex, token.received, Some(*names)) };
                let link = gateway.attach(&*gateway.core.member(&token.id)?, &token.secret, attach, transport)?;
                self.start(&token.id, page).await?;
                (link, *ordinal)
            }
            Head::TakeOver { ordinal, instance, token, names, .. } => {
                let page = Page::of_socket(verdict, *names);
                gateway.authorize(seen, page, (&token.id, &token.secret), None).await?;
                let attach = resume_attach(*ordinal, duplex, token.received, Some(*names));
                let link = gateway.take_over(&token.id, &token.secret, instance, attach, transport)?;
                self.start(&token.id, page).await?;
                (link, *ordinal)
            }
            Head::Open { .. } | Head::Join { .. } | Head::Upload { .. } => return Err(reason::WRONG_HEAD),
        };
        elsewhere::note_way(&gateway.core, elsewhere::way_of(parts), &link, ordinal);
        Ok(Begun::Attached(link, body))
    }

    /// Starts the handler of a session that has moved here, if it waits for its client.
    async fn start(&self, id: &str, page: Page) -> Result<(), CloseReason> {
        let started = moving::start(&self.gateway, id, (page, &self.parts), self.state.clone()).await;
        started.map_err(|refusal| refusal.reason)
    }
}
