//! A WebSocket whose session is on another node: its handshake is repeated there, and then bytes are copied.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    client::conn::http1,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{
    copying,
    figures::{Counted, Counts},
    frames, internal,
    settings::HEADERS,
    tasks::Executor,
};
use crate::{cluster::Wire, ids, server::other_nodes::PassedOn};

/// The other node did not answer a handshake.
pub(super) struct Cut;

/// Makes a handshake of the kind that another node is sent: over HTTP/1.1, whatever the client speaks.
///
/// A client over HTTP/2 has sent no key.
pub(super) fn prepare(parts: &mut Parts) {
    parts.method = Method::GET;
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    headers.remove(header::CONTENT_LENGTH);
    if !headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        headers.insert(header::SEC_WEBSOCKET_KEY, fresh_key());
    }
}

/// As [`prepare`], for a handshake that was answered already: no more is agreed upon than it was there.
pub(super) fn prepare_again(parts: &mut Parts) {
    parts.headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    parts.headers.remove(header::SEC_WEBSOCKET_KEY);
    prepare(parts);
}

fn fresh_key() -> HeaderValue {
    let key = STANDARD.encode(ids::random().into_bytes());
    HeaderValue::try_from(key).expect("base64 is made of letters that a header may have")
}

/// Sends a handshake, and waits for its answer.
pub(super) async fn shake(wire: Box<dyn Wire>, mut parts: Parts, tasks: &Executor) -> Result<Response, Cut> {
    let headers = &mut parts.headers;
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    // HTTP/1.1 wants one, and the other node takes ours.
    headers.insert(header::HOST, HeaderValue::from_static("node.anywire.internal"));
    let mut builder = http1::Builder::new();
    let (mut requests, connection) =
        builder.max_headers(HEADERS).handshake(TokioIo::new(wire)).await.map_err(|_| Cut)?;
    tasks.start(async {
        let _ = connection.with_upgrades().await;
    });
    let answer = requests.send_request(Request::from_parts(parts, Body::empty())).await.map_err(|_| Cut)?;
    Ok(answer.map(Body::new))
}

/// Takes the connection to the other node out of an answer that accepts; `None` if it refuses.
pub(super) fn accepted(answer: &mut Response) -> Option<OnUpgrade> {
    let upgrade = answer.extensions_mut().remove::<OnUpgrade>();
    upgrade.filter(|_| answer.status() == StatusCode::SWITCHING_PROTOCOLS)
}

/// The answer for the client, once the other node has accepted. Over HTTP/2 there is no key that it answers to.
pub(super) fn accept_client(answer: &mut Response, version: Version) {
    let headers = answer.headers_mut();
    internal::strip_connection(headers);
    if version >= Version::HTTP_2 {
        headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        *answer.status_mut() = StatusCode::OK;
        return;
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Copies bytes both ways between a client that has yet to learn that it was accepted, and another node.
pub(super) async fn run(client: OnUpgrade, node: OnUpgrade, counts: Arc<Counts>) {
    counts.tunnels.add(1);
    let _open = Counted::new(&counts.tunnels_open);
    if let Ok((client, node)) = tokio::try_join!(client, node) {
        // The two ends know what it means that the other one is gone.
        let _ = copy(TokioIo::new(client), node, &[]).await;
    }
}

/// Copies bytes both ways behind the messages of the client that were read here.
pub(super) async fn run_behind(socket: PassedOn, node: OnUpgrade, counts: Arc<Counts>) {
    counts.tunnels.add(1);
    let _open = Counted::new(&counts.tunnels_open);
    let PassedOn { connection, messages, rest } = socket;
    let mut early = Vec::new();
    for message in messages {
        let [a, b, c, d, ..] = ids::random().into_bytes();
        frames::put_text(&mut early, &message, [a, b, c, d]);
    }
    early.extend_from_slice(&rest);
    if let Ok(node) = node.await {
        let _ = copy(connection, node, &early).await;
    }
}

async fn copy<C: AsyncRead + AsyncWrite + Unpin>(mut client: C, node: Upgraded, early: &[u8]) -> io::Result<()> {
    let mut node = TokioIo::new(node);
    node.write_all(early).await?;
    copying::copy(&mut client, &mut node).await
}
