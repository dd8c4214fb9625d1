//! A GET of a session: it waits for what the session sends next.

use std::{future::poll_fn, time::Duration};

use axum::http::StatusCode;

use super::{
    answer::{Answer, respond, wrapping_of},
    engine::{Engine, Named},
    params::Params,
    refusal::EngineRefusal,
};
use crate::{
    codec::BodyCodec,
    config::Transport,
    server::routes::elsewhere,
    session::{Attach, LinkKind, Stage, reason},
    shared::Credential,
    transport::{FirstFlush, Link, Wait},
};

/// For so long a poll waits for a client that is about to move to its WebSocket: the confirmation may be on its way
/// on the other connection, and the poll comes too late behind it.
const MOVING: Duration = Duration::from_millis(20);

/// Answers a poll that has come by this way, at once or later.
pub(super) async fn answer<S: Clone + Send + Sync + 'static>(
    engine: &Engine<S>,
    named: Named,
    params: &Params,
    way: u64,
) -> Result<Answer, EngineRefusal> {
    let mut shared = named.shared.clone();
    let mut stage = named.stage;
    let mut codec = engine.codec(named.revision, params.carrier());
    if stage == Stage::Probing {
        let moved = tokio::time::timeout(MOVING, poll_fn(|cx| shared.poll_moved(cx))).await;
        stage = moved.unwrap_or(Stage::Probing);
    }
    if stage == Stage::Over
        && let Some(session) = shared.moved_to()
    {
        stage = session.stage(named.secret()).map_or(Stage::Over, |(stage, _)| stage);
        shared = session;
    }
    match stage {
        // The probe may still come before the poll is attached: the session itself lets no poll wait behind it.
        Stage::Polling | Stage::Probing => {}
        Stage::WebSocket => return Err(EngineRefusal::bad_request("this session has moved to its WebSocket")),
        Stage::Over if shared.take_farewell() => {
            let mut body = Vec::new();
            let content_type = codec.finish(&mut body);
            return Ok(Answer::ready(respond(content_type, body, wrapping_of(params).as_deref(), None)));
        }
        Stage::Over => return Err(EngineRefusal::unknown_sid()),
    }
    let link = Link::attach(shared, Credential::Sid(named.secret()), polling(), Transport::Polling);
    let link = link.map_err(|refused| match refused {
        refused if refused == reason::OVERLAP => EngineRefusal::empty(StatusCode::BAD_REQUEST, refused),
        refused if refused == reason::LATE => EngineRefusal::bad_request("this session has moved to its WebSocket"),
        _ => EngineRefusal::unknown_sid(),
    })?;
    elsewhere::note_way(engine.core(), way, &link, 1);
    let flush = FirstFlush::new(link, codec, Wait::Anything).of_at_most(params.most_packets);
    Ok(Answer::Flush { flush, wrapping: wrapping_of(params) })
}

/// A poll waits until there is something: a ping comes in any case. The session counts its turns.
fn polling() -> Attach {
    let kind = LinkKind::Poll { hold: u64::MAX };
    Attach { ordinal: 1, turn: 0, kind, opening: false, seen: true, received: 0, names: None }
}
