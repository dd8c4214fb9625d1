//! Requests whose session another node of the cluster has. They are forwarded to it as they came.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{header, request::Parts},
    response::Response,
};
use uuid::Uuid;

use crate::{
    server::{
        core::{Core, Located},
        other_nodes::{CameBy, MovedTo, Moving, NotForwarded, Serve, Way},
    },
    session::{CloseReason, Machine, reason},
    transport::Link,
};

/// For so long a request waits until this node has joined its cluster: before that it does not know the others.
const JOINING: Duration = Duration::from_secs(2);

/// A request whose node cannot be reached is tried so often, with this pause.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// The mark of an answer that another node has made. It has all its headers.
#[derive(Clone, Copy, Debug)]
struct Forwarded;

/// Whether another node has made this answer.
pub(super) fn is_forwarded(response: &Response) -> bool {
    response.extensions().get::<Forwarded>().is_some()
}

/// The process of the node by which a request has come; 0 if it has come straight.
pub(super) fn way_of(parts: &Parts) -> u64 {
    parts.extensions.get::<CameBy>().map_or(0, |CameBy(process)| *process)
}

/// Notes by which way a link of this ordinal comes. If the node there shuts down, the client is asked to come by another, once
/// the link carries.
pub(super) fn note_way(core: &Core, way: u64, link: &Link, ordinal: u64) {
    let Some(nodes) = core.nodes() else { return };
    let session = link.session();
    if session.come_by(way)
        && !session.look(Machine::ends_with_its_links)
        && let Some(delay) = nodes.leaves(way)
    {
        session.go_away(delay, ordinal);
    }
}

/// Joins the cluster, if there is one and this is the first request.
pub(super) fn start(core: &Core) {
    if let Some(nodes) = core.nodes() {
        nodes.start();
    }
}

/// The name of the node that has the session with this id, if it is another one of the cluster.
pub(super) fn node_of<'a>(core: &Core, id: Option<&'a str>) -> Option<&'a str> {
    core.nodes()?;
    match core.find(id?) {
        Located::Elsewhere(node) => Some(node),
        Located::Here(_) | Located::Nowhere => None,
    }
}

/// The sessions that move, if any does.
fn moving(core: &Core) -> Option<&dyn Moving> {
    core.nodes()?.moving()
}

/// The way of a request to a session that may have moved from the node that its id names. `forwarded`: another node has sent
/// the request here.
pub(super) fn way(core: &Core, id: Option<&str>, forwarded: bool) -> Way {
    let Some(id) = id else { return Way::Here };
    match moving(core) {
        None => node_of(core, Some(id)).map_or(Way::Here, |node| Way::To(node.to_owned())),
        Some(_) if core.has_ended(id) => Way::Here,
        Some(moving) => moving.way(id, forwarded),
    }
}

/// The name of the node that has the session with this id, if it is another one of the cluster; `None` also if none has it.
///
/// Waits until this node has joined, for two seconds at most, and for a move or the engine, for twelve. Cancel-safe.
///
/// # Errors
/// Fails if it cannot be found out now (4202).
pub(super) async fn owner_of(core: &Core, id: Option<&str>, forwarded: bool) -> Result<Option<String>, CloseReason> {
    match way(core, id, forwarded) {
        Way::Here => Ok(None),
        Way::To(node) => Ok(Some(node)),
        Way::Open(find) => {
            if let Some(nodes) = core.nodes() {
                let _ = tokio::time::timeout(JOINING, nodes.ready()).await;
            }
            find.await
        }
    }
}

fn number_of(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.rsplit_once('.')?.1).ok()
}

/// Whether a session is to be asked for when its client makes a new link here: its node shuts down.
pub(super) fn brings(core: &Core, id: Option<&str>) -> bool {
    id.zip(moving(core)).is_some_and(|(id, moving)| moving.brings(id))
}

/// Asks for the session of a client that makes a new link here. Waits until it is here or stays where it is. Cancel-safe: it
/// moves all the same.
pub(super) async fn bring(core: &Core, id: &str, secret: &str) {
    if let Some(moving) = moving(core) {
        moving.bring(id, secret).await;
    }
}

/// Has a request of a session answered by the routes with this name on the node that has it, and learns where it is if it has
/// moved on. If that node was not reached and another one has the session by now, that one is asked, once.
///
/// # Errors
/// Fails if the node is gone, and its sessions with it (4100), or if it cannot be reached (4202).
pub(super) async fn forward_to_owner(
    core: &Core,
    (node, id): (&str, Option<&str>),
    mount: &str,
    request: Request,
) -> Result<Response, CloseReason> {
    let (forwarded, node) = match forward(core, node, mount, request).await {
        Ok(response) => (Ok(response), node.to_owned()),
        Err(NotForwarded { reason, request }) => match (find_again(core, (node, id), reason).await?, request) {
            (other, Some(request)) => (forward(core, &other, mount, *request).await.map_err(of_second), other),
            (_, None) => return Err(reason::UNREACHABLE),
        },
    };
    let mut response = forwarded?;
    let (Some(moving), Some(number)) = (moving(core), id.and_then(number_of)) else { return Ok(response) };
    match response.extensions().get::<MovedTo>() {
        Some(MovedTo(to)) => moving.learn(number, to),
        // The node that has sent it here learns where the session is now.
        None if moving.moved_to(number).is_some() => {
            response.extensions_mut().insert(MovedTo(node));
        }
        None => {}
    }
    Ok(response)
}

/// A node was not reached on behalf of a session, for this reason. Returns the other node that has the session by now.
///
/// # Errors
/// Fails with the reason if there is none.
pub(super) async fn find_again(
    core: &Core,
    (node, id): (&str, Option<&str>),
    reason: CloseReason,
) -> Result<String, CloseReason> {
    let (Some(moving), Some(number)) = (moving(core), id.and_then(number_of)) else { return Err(reason) };
    if !reason.is_session_gone() && moving.moved_to(number).is_none() {
        return Err(reason);
    }
    moving.lost(number, node).await?.filter(|other| other != node).ok_or(reason)
}

/// The reason for a client whose session is on a second node that was not reached: where it is now will be known later.
pub(super) fn of_second(failed: NotForwarded) -> CloseReason {
    if failed.reason.is_session_gone() { reason::UNREACHABLE } else { failed.reason }
}

/// Has a request answered by the routes with this name on another node. The answer has all its headers.
///
/// # Errors
/// Fails if the node is gone, and its sessions with it (4100), or if it cannot be reached (4202).
pub(super) async fn forward(core: &Core, node: &str, mount: &str, request: Request) -> Result<Response, NotForwarded> {
    let Some(nodes) = core.nodes() else { return Err(reason::UNKNOWN.into()) };
    let _ = tokio::time::timeout(JOINING, nodes.ready()).await;
    let mut response = nodes.forward(node, mount, request).await?;
    response.extensions_mut().insert(Forwarded);
    Ok(response)
}

/// The same for a request whose body does not matter, of a family whose clients give a session up that is refused once:
/// while the other node cannot be reached, it is tried again.
///
/// Cancel-safe: the client is gone then.
pub(super) async fn forward_patiently(
    core: &Core,
    node: &str,
    mount: &str,
    mut parts: Parts,
) -> Result<Response, CloseReason> {
    // The body stays here, and the request must not say that one comes.
    for header in [header::CONTENT_LENGTH, header::EXPECT] {
        parts.headers.remove(header);
    }
    for _ in 1..TRIES {
        match forward(core, node, mount, Request::from_parts(parts.clone(), Body::empty())).await {
            Err(failed) if !failed.reason.is_session_gone() => tokio::time::sleep(PAUSE).await,
            answered => return answered.map_err(|failed| failed.reason),
        }
    }
    let last = forward(core, node, mount, Request::from_parts(parts, Body::empty())).await;
    last.map_err(|failed| failed.reason)
}

/// Serves what other nodes forward to the routes with this name, for as long as the caller keeps the result. Without a
/// cluster there is none.
pub(super) fn mount<F, T>(core: &Core, name: &str, serve: F) -> Option<Arc<Serve>>
where
    F: Fn(Request) -> T + Send + Sync + 'static,
    T: Future<Output = Response> + Send + 'static,
{
    let nodes = core.nodes()?;
    let serve: Arc<Serve> = Arc::new(move |request| Box::pin(serve(request)));
    nodes.mount(name, Arc::downgrade(&serve));
    Some(serve)
}
