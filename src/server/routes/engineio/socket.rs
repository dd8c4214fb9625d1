//! WebSockets: a session from its handshake on, or the one to which a session moves.

use std::sync::Arc;

use axum::{body::Body, http::request::Parts, response::Response};
use hyper::upgrade::OnUpgrade;

use super::{
    answer::Answer,
    engine::{Engine, Named},
    params::Params,
    refusal::EngineRefusal,
};
use crate::{
    codec::engineio::{Carrier, EngineCodec},
    config::Transport,
    server::{
        connection::{Run, Upgrade, UpgradedStream},
        core::Core,
        gateway::{Opened, Page},
        origin::Verdict,
        routes::elsewhere,
    },
    session::{Attach, LinkKind, Names, Stage},
    shared::Credential,
    transport::{Link, Socket, handshake},
};

/// The most that a packet is longer than its message.
const HEAD_ROOM: usize = 16;

impl<S: Clone + Send + Sync + 'static> Engine<S> {
    /// Opens a session that is one WebSocket.
    pub(super) async fn open_socket(
        &self,
        mut parts: Parts,
        state: S,
        verdict: Verdict,
        params: &Params,
    ) -> Result<Answer, EngineRefusal> {
        let (mut response, upgrade) = accept(&mut parts)?;
        let revision = self.revision(params)?;
        let page = Page::of_socket(verdict, Names::default());
        let opened = self.open(parts, state, page, revision).await?;
        let (codec, limit) = (self.codec(revision, Carrier::WebSocket), self.socket_limit());
        let sid = opened.shared.sid();
        let open = self.open_packet(revision, &sid, &[]).to_text();
        let attach = self.first(revision, LinkKind::Duplex);
        self.set_cookie(&sid, &mut response);
        upgrade.begin(|upgrade| begin(upgrade, opened, attach, codec, limit, open));
        Ok(Answer::ready(response))
    }

    /// Attaches the WebSocket to which a session is about to move. A session that has one already gets no other:
    /// that is closed as soon as it is open, as the reference server does.
    pub(super) async fn upgrade(
        &self,
        mut parts: Parts,
        verdict: Verdict,
        named: Named,
    ) -> Result<Answer, EngineRefusal> {
        if named.stage == Stage::Over {
            return Err(EngineRefusal::unknown_sid());
        }
        let (response, upgrade) = accept(&mut parts)?;
        let page = Page::of_socket(verdict, Names::default());
        let id = named.shared.public_id();
        let shown = (&*id, named.secret());
        self.gateway.authorize(|| parts.clone(), page, shown, None).await.map_err(EngineRefusal::forbidden)?;
        let (codec, limit) = (self.codec(named.revision, Carrier::WebSocket), self.socket_limit());
        let way = (self.gateway.core.clone(), elsewhere::way_of(&parts));
        upgrade.begin(|upgrade| begin_beside(upgrade, named, codec, limit, way));
        Ok(Answer::ready(response))
    }

    fn socket_limit(&self) -> usize {
        self.core().config.message_limit + HEAD_ROOM
    }
}

/// Checks the handshake of a WebSocket, and takes the promise of its connection out of the request.
fn accept(parts: &mut Parts) -> Result<(Response, Upgrade), EngineRefusal> {
    let response = handshake::accept(parts).map_err(EngineRefusal::bad_request)?.map(|()| Body::empty());
    let upgrade = Upgrade::take(parts).ok_or_else(|| EngineRefusal::bad_request("this connection cannot upgrade"))?;
    Ok((response, upgrade))
}

/// Waits for the upgraded connection, attaches it and writes the first packet. `None` if the connection does not
/// come: then the session ends, and its handler is not started.
async fn begin(
    upgrade: OnUpgrade,
    mut opened: Opened,
    attach: Attach,
    codec: EngineCodec,
    limit: usize,
    open: String,
) -> Option<Run> {
    let io = UpgradedStream::of(upgrade).await?;
    let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, Transport::WebSocket).ok()?;
    opened.start();
    let mut socket = Socket::new(io, limit);
    socket.put_text(&open);
    Some(Box::pin(socket.run(link, codec, None, Vec::new())))
}

/// Waits for the upgraded connection and attaches it beside the polls.
async fn begin_beside(
    upgrade: OnUpgrade,
    named: Named,
    codec: EngineCodec,
    limit: usize,
    (core, way): (Arc<Core>, u64),
) -> Option<Run> {
    let socket = Socket::new(UpgradedStream::of(upgrade).await?, limit);
    let kind = LinkKind::Duplex;
    let attach = Attach { ordinal: 2, turn: 0, kind, opening: false, seen: false, received: 0, names: None };
    match Link::attach(named.shared.clone(), Credential::Sid(named.secret()), attach, Transport::WebSocket) {
        Ok(link) => {
            elsewhere::note_way(&core, way, &link, 2);
            Some(Box::pin(socket.run(link, codec, None, Vec::new())))
        }
        Err(refused) => {
            socket.close::<EngineCodec>(refused).await;
            None
        }
    }
}
