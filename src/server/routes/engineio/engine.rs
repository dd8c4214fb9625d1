//! The things that all requests of these routes have in common: the settings, the session that a request names, and
//! the checks that it passes.

use std::sync::Arc;

use axum::http::{header, request::Parts};
use bytestring::ByteString;

use super::{
    params::{self, Carrying, Params},
    refusal::EngineRefusal,
};
use crate::{
    codec::engineio::{Carrier, EngineCodec, Revision},
    config::{EngineIo, millis},
    server::{core::Core, gateway::Gateway, origin::Verdict, terms::Terms},
    session::{
        Stage,
        rules::{ENGINE_IO_3, ENGINE_IO_4},
    },
    shared::SharedSession,
};

/// The meaning of the clients' messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// They are messages.
    Plain,
    /// They are packets of Socket.IO.
    SocketIo,
}

impl Dialect {
    /// The name of the routes for those who count refusals.
    pub(super) fn name(self) -> &'static str {
        match self {
            Dialect::Plain => "engineio",
            Dialect::SocketIo => "socketio",
        }
    }
}

/// The server and the settings of these routes.
pub(super) struct Engine<S> {
    pub(super) gateway: Gateway<S>,
    pub(super) settings: Arc<EngineIo>,
    pub(super) dialect: Dialect,
}

/// A session that a request names by its sid.
pub(super) struct Named {
    pub(super) shared: Arc<SharedSession>,
    /// The id of the session alone.
    pub(super) id: ByteString,
    pub(super) secret: Box<str>,
    pub(super) revision: Revision,
    pub(super) stage: Stage,
}

impl<S: Clone + Send + Sync + 'static> Engine<S> {
    /// The checks that all requests pass: the transport, and the origin.
    pub(super) fn judge(&self, parts: &Parts) -> Result<(Params, Verdict), EngineRefusal> {
        let params = Params::of(parts).filter(|params| self.serves(params.carrying));
        let params = params.ok_or_else(EngineRefusal::unknown_transport)?;
        if parts.headers.get(header::ORIGIN).is_some_and(|origin| origin.to_str().is_err()) {
            return Err(EngineRefusal::bad_request("an origin is plain text"));
        }
        let verdict = self.gateway.judge(parts).map_err(EngineRefusal::forbidden)?;
        Ok((params, verdict))
    }

    pub(super) fn serves(&self, carrying: Carrying) -> bool {
        !self.core().config.without.contains(&carrying.transport())
    }

    /// The session that a request names, if it names one.
    pub(super) fn named(&self, params: &Params) -> Result<Option<Named>, EngineRefusal> {
        let Some(sid) = &params.sid else { return Ok(None) };
        let named = params::session(sid).and_then(|(id, secret)| {
            let member = self.core().find(id).here()?;
            let (stage, client_pings) = member.shared.stage(secret)?;
            let revision = if client_pings { Revision::V3 } else { Revision::V4 };
            let (shared, id, secret) = (member.shared.clone(), id.into(), secret.into());
            Some(Named { shared, id, secret, revision, stage })
        });
        named.map(Some).ok_or_else(EngineRefusal::unknown_sid)
    }

    /// The revision that a handshake asks for, if it is served.
    pub(super) fn revision(&self, params: &Params) -> Result<Revision, EngineRefusal> {
        let served = self.settings.revisions;
        match params.revision {
            Some(Revision::V3) if served[0] => Ok(Revision::V3),
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
        EngineCodec::new(revision, self.core().config.message_limit, carrier)
    }

    pub(super) fn core(&self) -> &Core {
        &self.gateway.core
    }
}

impl Named {
    /// Whether polls come too late.
    pub(super) fn moved(&self) -> bool {
        self.stage == Stage::WebSocket
    }
}
