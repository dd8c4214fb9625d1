//! A POST of a session: packets of its client.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::Bytes;

use super::{
    answer::Answer,
    engine::{Engine, Named},
    params::Params,
    refusal::EngineRefusal,
};
use crate::{
    codec::{
        Codec,
        engineio::{Carrier, Revision, form_payload},
    },
    config::Transport,
    server::routes::upload,
    session::{Attach, CloseReason, LinkKind, reason},
    shared::{Credential, SharedSession, UnderWay},
    transport::{self, BodyError, Link},
};

/// The factor by which a form may be longer than its data.
const FORM_GROWTH: usize = 3;

/// Takes the packets, and answers when the handler has had its turn: what it sends then is there for the next poll.
/// While the inbox is full the answer waits, and with it the client's next upload.
pub(super) async fn take<S: Clone + Send + Sync + 'static>(
    engine: &Engine<S>,
    named: Named,
    params: &Params,
    parts: &Parts,
    body: Body,
) -> Result<Answer, EngineRefusal> {
    let (shared, revision) = (named.shared.clone(), named.revision);
    let incoming = shared.expect_upload().map_err(|reason| match reason {
        reason if reason == reason::OVERLAP => EngineRefusal::empty(StatusCode::BAD_REQUEST, reason),
        _ => EngineRefusal::unknown_sid(),
    })?;
    let shared = incoming.session().clone();
    if revision == Revision::V4 && is_bytes(&parts.headers) {
        return Err(lost(&shared, CloseReason::malformed("revision 4 has no bodies of bytes")));
    }
    let (data, _counted) = read(engine, &shared, params, parts, body).await?;
    let carrier = Carrier::Body { base64: false };
    if data.len() > engine.core().config.message_limit && has_too_large(engine, revision, &data) {
        return Err(too_large(reason::TOO_LARGE));
    }
    let mut body = transport::Body { codec: engine.codec(revision, carrier), rest: Some(data) };
    let link = Link::attach(shared.clone(), Credential::Sid(named.secret()), uploading(), Transport::Polling);
    let link = link.map_err(|_| EngineRefusal::unknown_sid())?;
    let taken = transport::take(&link, &mut body).await;
    taken.map_err(|reason| EngineRefusal::empty(StatusCode::BAD_REQUEST, reason))?;
    transport::settled(&link).await;
    Ok(Answer::taken())
}

/// Reads the body, and returns it with what counts it while it is there.
async fn read<S: Clone + Send + Sync + 'static>(
    engine: &Engine<S>,
    shared: &std::sync::Arc<SharedSession>,
    params: &Params,
    parts: &Parts,
    body: Body,
) -> Result<(Bytes, Option<UnderWay>), EngineRefusal> {
    let core = engine.core();
    let form = params.index.is_some();
    let most = core.config.body_limit().saturating_mul(if form { FORM_GROWTH } else { 1 });
    let read = upload::read(core, shared, parts, body, most).await;
    let (data, counted) = match read {
        Ok(read) => read,
        Err(BodyError::Refused(reason)) if reason == reason::BODY_TOO_LARGE => return Err(too_large(reason)),
        Err(BodyError::Refused(reason)) => return Err(lost(shared, reason)),
        Err(BodyError::Broken) => return Err(cut(shared, reason::BODY_BROKEN)),
        Err(BodyError::TooSlow) => return Err(cut(shared, reason::TOOK_TOO_LONG)),
    };
    match form {
        false => Ok((data, counted)),
        true => form_payload(&data).map(|data| (data.into(), counted)).map_err(|reason| lost(shared, reason)),
    }
}

/// The session goes on: what it has taken so far is whole.
fn too_large(reason: CloseReason) -> EngineRefusal {
    EngineRefusal::empty(StatusCode::PAYLOAD_TOO_LARGE, reason)
}

/// The connection of the session is lost, and with it something that the client has sent.
fn cut(shared: &SharedSession, reason: CloseReason) -> EngineRefusal {
    shared.lose(reason.clone());
    EngineRefusal::empty(StatusCode::BAD_REQUEST, reason)
}

/// The session cannot go on, because something that the client has sent is lost.
fn lost(shared: &SharedSession, reason: CloseReason) -> EngineRefusal {
    shared.abort(reason.clone());
    EngineRefusal::empty(StatusCode::BAD_REQUEST, reason)
}

/// Whether a message in it is above the limit. Then none of the packets is taken.
fn has_too_large<S: Clone + Send + Sync + 'static>(engine: &Engine<S>, revision: Revision, data: &Bytes) -> bool {
    let mut codec = engine.codec(revision, Carrier::Body { base64: false });
    let mut rest = Some(data.clone());
    loop {
        match codec.read(&mut rest) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(violation) => return violation == reason::TOO_LARGE,
        }
    }
}

fn is_bytes(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/octet-stream")
}

fn uploading() -> Attach {
    let kind = LinkKind::Upload;
    Attach { ordinal: 0, turn: 0, kind, opening: false, seen: false, received: 0, names: None }
}
