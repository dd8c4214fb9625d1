//! Messages to one session, which go from node to node by their links.
//!
//! `version id namespace payload`, answered by one byte.

use std::sync::{Arc, Weak};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use bytestring::ByteString;
use futures::future::BoxFuture;

use super::peers::PeerLinks;
use crate::{
    packed::{Malformed, Reader, put_bytes, put_payload},
    payload::Payload,
    server::{
        api::{
            send_error::{SendError, SendToError},
            sending::send_or_find,
        },
        core::Core,
        other_nodes::Serve,
    },
    session::reason,
};

/// The name under which other nodes ask for this.
pub(super) const MOUNT: &str = "sends";

const VERSION: u8 = 1;

/// The bytes that a message may have besides its content: the id, the namespace, and the lengths of attachments.
const BESIDES: usize = 64 * 1024;

const SENT: u8 = 0;
const UNKNOWN: u8 = 1;

/// The errors of the other node, in the order of their bytes behind the two above. None is ever put between others.
const ERRORS: [SendError; 7] = [
    SendError::Full,
    SendError::Closed,
    SendError::TooLarge,
    SendError::NotJson,
    SendError::BadName,
    SendError::NoEvents,
    SendError::NoBinary,
];

/// Has another node send to one of its sessions. Waits for its answer without a limit.
pub(super) fn send(
    links: &PeerLinks,
    node: &str,
    session: &str,
    namespace: &str,
    payload: &Payload,
) -> BoxFuture<'static, Result<(), SendToError>> {
    let mut body = vec![VERSION];
    put_bytes(&mut body, session.as_bytes());
    put_bytes(&mut body, namespace.as_bytes());
    put_payload(&mut body, payload);
    let mut request = Request::new(Body::from(body));
    (*request.method_mut(), *request.uri_mut()) = (Method::POST, Uri::from_static("/"));
    let answer = links.forward(node, MOUNT, request);
    Box::pin(async move {
        let answer = match answer.await {
            Ok(answer) => answer,
            // The node is gone, and its sessions with it.
            Err(reason) if reason == reason::UNKNOWN => return Err(SendToError::Unknown),
            Err(_) => return Err(SendToError::Unreachable),
        };
        let outcome = to_bytes(answer.into_body(), 1).await;
        match outcome.as_ref().map(|bytes| &**bytes) {
            Ok([SENT]) => Ok(()),
            Ok([UNKNOWN]) => Err(SendToError::Unknown),
            Ok([error]) => {
                let error = ERRORS.get(usize::from(*error) - 2).copied();
                Err(error.map_or(SendToError::Unreachable, SendToError::NotSent))
            }
            _ => Err(SendToError::Unreachable),
        }
    })
}

/// Sends to sessions of this node what other nodes ask for, while the server lives.
pub(super) fn serve(core: &Arc<Core>) -> Arc<Serve> {
    let core = Arc::downgrade(core);
    Arc::new(move |request| Box::pin(answer(core.clone(), request)))
}

async fn answer(core: Weak<Core>, request: Request) -> Response {
    let limit = core.upgrade().map_or(0, |core| core.config.message_limit);
    let Ok(body) = to_bytes(request.into_body(), limit.saturating_add(BESIDES)).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(core) = core.upgrade() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let Ok((session, namespace, payload)) = read(&core, &body) else { return StatusCode::BAD_REQUEST.into_response() };
    let sent = send_or_find(&core, &session, &namespace, &payload, true).await;
    let place = |error| ERRORS.iter().position(|known| *known == error).and_then(|place| u8::try_from(place).ok());
    let outcome = match sent {
        Ok(None) => SENT,
        // The node that asks looks for it then.
        Ok(Some(_)) | Err(SendToError::Unknown) => UNKNOWN,
        Err(SendToError::NotSent(error)) => place(error).map_or(UNKNOWN, |place| place + 2),
        Err(SendToError::Unreachable) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    Body::from(vec![outcome]).into_response()
}

/// The session, the namespace and the payload.
fn read(core: &Core, body: &Bytes) -> Result<(ByteString, ByteString, Payload), Malformed> {
    let mut reader = Reader::new(body);
    if reader.byte()? != VERSION {
        return Err(Malformed);
    }
    let (session, namespace) = (reader.text()?, reader.text()?);
    let payload = reader.payload(core.config.message_limit)?;
    reader.end()?;
    if matches!(&payload, Payload::Event(packet) if !packet.is_event()) {
        return Err(Malformed);
    }
    Ok((session, namespace, payload))
}
