//! Requests of a session that may have moved, or that is to move here with the new link that its client makes.

use axum::{body::Body, http::request::Parts};
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{input::BEGINNING, params, table::Route};
#[cfg(feature = "cluster")]
use crate::server::moving;
use crate::{
    codec::native::{Head, NativeCodec, ResumeToken, Spelling},
    server::{
        gateway::{Gateway, Page},
        refusal::Refusal,
        routes::elsewhere,
    },
    session::{CloseReason, reason},
};

/// Finds out where the session is that a request names in its URL, and has it come if the request makes a new link to it and
/// its node shuts down. Returns the node that has it, if it is another one, and the body, of which nothing is missing.
///
/// Waits for the beginning of the body then, and for the move, for some seconds at most. Cancel-safe.
///
/// # Errors
/// Fails if it cannot be found out now where the session is (4202).
pub(super) async fn find<S>(
    gateway: &Gateway<S>,
    route: Route,
    parts: &Parts,
    body: Body,
    spelling: Spelling,
) -> Result<(Option<String>, Body), CloseReason> {
    let core = &gateway.core;
    if core.nodes().is_none() {
        return Ok((None, body));
    }
    let id = params::query(parts, "session");
    let owner = elsewhere::owner_of(core, id, !gateway.opens()).await?;
    let makes_links = matches!(route, Route::Down(_) | Route::Open);
    if !makes_links || !gateway.opens() || !elsewhere::brings(core, id) {
        return Ok((owner, body));
    }
    if route.is_get() {
        let beginning = params::data(parts).unwrap_or_default();
        bring(gateway, id, head(beginning, spelling)).await;
        return Ok((elsewhere::owner_of(core, id, false).await?, body));
    }
    let (head, body) = match timeout(core.config.open_timeout, beginning(body, spelling)).await {
        Ok(read) => read,
        // It is as slow for all others who might read it.
        Err(_) => return Err(reason::TOOK_TOO_LONG),
    };
    bring(gateway, id, head).await;
    Ok((elsewhere::owner_of(core, id, false).await?, body))
}

/// The same for a session that the head of an input names.
pub(super) async fn find_named<S>(gateway: &Gateway<S>, head: &Head) -> Result<Option<String>, CloseReason> {
    let (core, id) = (&gateway.core, head.session());
    let owner = elsewhere::owner_of(core, id, !gateway.opens()).await?;
    if gateway.opens()
        && let Some(token) = new_link(head)
        && elsewhere::brings(core, id)
    {
        elsewhere::bring(core, &token.id, &token.secret).await;
        return elsewhere::owner_of(core, id, false).await;
    }
    Ok(owner)
}

/// Starts the handler of a session that has moved here, if it waits for its client, who has just made a link.
///
/// Waits for the extractors, for the open timeout. Cancel-safe: the next link starts it.
///
/// # Errors
/// Fails if an extractor rejects the request: the session has ended then. It fails also if they take too long, or if another
/// node has sent the request here (4202).
#[cfg(feature = "cluster")]
pub(super) async fn start<S>(
    gateway: &Gateway<S>,
    id: &str,
    (page, parts): (Page, &Parts),
    state: S,
) -> Result<(), Refusal> {
    if gateway.core.nodes().is_none() {
        return Ok(());
    }
    let Some(member) = gateway.core.find(id).here().filter(|member| moving::is_waiting(member)) else { return Ok(()) };
    let parts = gateway.as_page(params::seen(parts.clone()), page);
    // Few sessions move, and no other request shall carry the room for it.
    match Box::pin(moving::start_if_waiting(gateway, &member, parts, state)).await {
        Ok(()) => Ok(()),
        Err(error) => Err(error.into_refusal().await),
    }
}

#[cfg(not(feature = "cluster"))]
pub(super) async fn start<S>(_: &Gateway<S>, _: &str, _: (Page, &Parts), _: S) -> Result<(), Refusal> {
    Ok(())
}

async fn bring<S>(gateway: &Gateway<S>, id: Option<&str>, head: Option<Head>) {
    // A request that names two sessions is not worth a move.
    if let Some(token) = head.as_ref().and_then(new_link).filter(|token| id == Some(&*token.id)) {
        elsewhere::bring(&gateway.core, &token.id, &token.secret).await;
    }
}

/// The session to which a head makes a new link, and the secret that it shows.
fn new_link(head: &Head) -> Option<&ResumeToken> {
    match head {
        Head::Resume { seen: false, token, .. } | Head::TakeOver { token, .. } => Some(token),
        _ => None,
    }
}

fn head(mut beginning: Bytes, spelling: Spelling) -> Option<Head> {
    NativeCodec::new(spelling, 0).read_head(&mut beginning).ok()?
}

/// Reads a body until it has its head, which is near its beginning. Returns the head, and the whole body.
async fn beginning(body: Body, spelling: Spelling) -> (Option<Head>, Body) {
    let mut rest = body.into_data_stream();
    let (mut read, mut chunks) = (Vec::new(), Vec::new());
    let mut found = None;
    while found.is_none() && read.len() < BEGINNING {
        let Some(chunk) = rest.next().await else { break };
        if let Ok(chunk) = &chunk {
            read.extend_from_slice(&chunk[..chunk.len().min(BEGINNING)]);
            found = head(Bytes::copy_from_slice(&read), spelling);
        }
        let broken = chunk.is_err();
        chunks.push(chunk);
        if broken {
            break;
        }
    }
    (found, Body::from_stream(stream::iter(chunks).chain(rest)))
}
