//! The things that all requests of these routes have in common: the settings, the session that a request names, and
//! the checks that it passes.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
};

use super::{
    answer::Answer,
    params::{self, Carrying, Params},
    refusal::EngineRefusal,
};
#[cfg(feature = "msgpack")]
use crate::dialect::socketio::msgpack;
use crate::{
    codec::engineio::{Carrier, EngineCodec, Packer, Revision},
    config::{EngineIo, Parser, RecoveryTerms, millis},
    server::{core::Core, gateway::Gateway, origin::Verdict, routes::elsewhere, terms::Terms},
    session::{
        Stage, reason,
        rules::{ENGINE_IO_3, ENGINE_IO_4},
    },
    shared::SharedSession,
    transport::handshake,
};

/// The meaning of the clients' messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// They are messages.
    Plain,
    /// They are packets of Socket.IO in this spelling. On these terms clients recover, if they do.
    SocketIo(Parser, Option<RecoveryTerms>),
}

#[cfg(feature = "msgpack")]
const MSGPACK: Packer = Packer {
    read: |message, limit| msgpack::read(message, limit).map_err(crate::shared::reason_of),
    write: msgpack::write,
};

impl Dialect {
    /// The name of the routes for those who count refusals.
    pub(super) fn name(self) -> &'static str {
        if self.is_socketio() { "socketio" } else { "engineio" }
    }

    pub(super) fn is_socketio(self) -> bool {
        self != Dialect::Plain
    }

    /// The spelling of its packets, if it is not the usual one.
    fn packer(self) -> Option<&'static Packer> {
        match self {
            #[cfg(feature = "msgpack")]
            Dialect::SocketIo(Parser::MsgPack, _) => Some(&MSGPACK),
            Dialect::Plain | Dialect::SocketIo(Parser::Json, _) => None,
        }
    }
}

/// The server and the settings of these routes.
pub(super) struct Engine<S> {
    pub(super) gateway: Gateway<S>,
    pub(super) settings: Arc<EngineIo>,
    pub(super) dialect: Dialect,
    /// The name of these routes for the nodes of a cluster.
    pub(super) mount: Arc<str>,
}

impl<S> Clone for Engine<S> {
    fn clone(&self) -> Self {
        Engine {
            gateway: self.gateway.clone(),
            settings: self.settings.clone(),
            dialect: self.dialect,
            mount: self.mount.clone(),
        }
    }
}

/// A session that a request names by its sid: it has this id, or it has gone on with the connection of the session that
/// has.
pub(super) struct Named {
    pub(super) shared: Arc<SharedSession>,
    sid: Box<str>,
    pub(super) revision: Revision,
    pub(super) stage: Stage,
}

impl<S: Clone + Send + Sync + 'static> Engine<S> {
    /// The checks that all requests pass: the transport, and the origin.
    pub(super) fn judge(&self, parts: &Parts, verdict: Verdict) -> Result<Params, EngineRefusal> {
        let params = Params::of(parts).filter(|params| self.serves(params.carrying));
        let params = params.ok_or_else(EngineRefusal::unknown_transport)?;
        if parts.headers.get(header::ORIGIN).is_some_and(|origin| origin.to_str().is_err()) {
            return Err(EngineRefusal::bad_request("an origin is plain text"));
        }
        self.gateway.check(parts, verdict).map_err(EngineRefusal::forbidden)?;
        Ok(params)
    }

    pub(super) fn serves(&self, carrying: Carrying) -> bool {
        !self.core().config.without.contains(&carrying.transport())
    }

    /// The same for what other nodes forward.
    pub(super) fn forwarded(&self) -> Engine<()> {
        Engine {
            gateway: self.gateway.forwarded(),
            settings: self.settings.clone(),
            dialect: self.dialect,
            mount: self.mount.clone(),
        }
    }

    /// The name of the node that has the session which a request names, if it is another one of the cluster.
    pub(super) fn node_of<'a>(&self, params: &'a Params) -> Option<&'a str> {
        let id = params.sid.as_deref().and_then(params::session).map(|(id, _)| id);
        elsewhere::node_of(self.core(), id)
    }

    /// Has a request answered by another node.
    pub(super) async fn forward(&self, node: &str, parts: Parts, body: Body) -> Result<Answer, EngineRefusal> {
        let upgrade = handshake::is_asked(&parts);
        let forwarded = match parts.method == Method::GET && !upgrade {
            true => elsewhere::forward_patiently(self.core(), node, &self.mount, parts).await,
            false => {
                let request = Request::from_parts(parts, body);
                elsewhere::forward(self.core(), node, &self.mount, request).await.map_err(|failed| failed.reason)
            }
        };
        let mut response = forwarded.map_err(|reason| match reason {
            reason if reason.is_session_gone() => EngineRefusal::unknown_sid(),
            reason if reason == reason::BODY_BROKEN => EngineRefusal::empty(StatusCode::BAD_REQUEST, reason),
            reason => EngineRefusal::of_opening(reason.into()),
        })?;
        if upgrade && response.status().is_client_error() {
            // A request that concerns a connection does not come from another node.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(Answer::ready(response))
    }

    /// The session that a request names, if it names one.
    pub(super) fn named(&self, params: &mut Params) -> Result<Option<Named>, EngineRefusal> {
        let Some(sid) = params.sid.take() else { return Ok(None) };
        let found = params::session(&sid).and_then(|(id, secret)| {
            let member = self.core().find(id).here().or_else(|| self.core().find_by_alias(id))?;
            let mut shared = member.shared.clone();
            let found = shared.stage(secret).or_else(|| {
                shared = shared.moved_to()?;
                shared.stage(secret)
            });
            let (stage, client_pings) = found?;
            Some((shared, stage, client_pings))
        });
        let (shared, stage, client_pings) = found.ok_or_else(EngineRefusal::unknown_sid)?;
        let revision = if client_pings { Revision::V3 } else { Revision::V4 };
        Ok(Some(Named { shared, sid, revision, stage }))
    }

    /// The revision that a handshake asks for, if it is served.
    pub(super) fn revision(&self, params: &Params) -> Result<Revision, EngineRefusal> {
        let served = self.settings.revisions;
        match params.revision {
            Some(Revision::V3) if served[0] && self.dialect.packer().is_none() => Ok(Revision::V3),
            Some(Revision::V4) if served[1] => Ok(Revision::V4),
            _ => Err(EngineRefusal::version()),
        }
    }

    pub(super) fn terms(&self, revision: Revision) -> Terms {
        let rules = match revision {
            Revision::V3 => &ENGINE_IO_3,
            Revision::V4 => &ENGINE_IO_4,
        };
        let (defaults, settings) = (self.core().terms(rules), &self.settings);
        Terms {
            interval: settings.ping_interval.map_or(defaults.interval, millis),
            timeout: settings.ping_timeout.map_or(defaults.timeout, millis),
            confirm_timeout: millis(settings.upgrade_timeout),
            ..defaults
        }
    }

    pub(super) fn codec(&self, revision: Revision, carrier: Carrier) -> EngineCodec {
        EngineCodec::new(revision, self.core().config.message_limit, carrier).packed_by(self.dialect.packer())
    }

    pub(super) fn core(&self) -> &Core {
        &self.gateway.core
    }
}

impl Named {
    /// The secret that the client shows.
    pub(super) fn secret(&self) -> &str {
        params::session(&self.sid).unwrap_or_default().1
    }

    /// Whether polls come too late.
    pub(super) fn moved(&self) -> bool {
        self.stage == Stage::WebSocket
    }
}
