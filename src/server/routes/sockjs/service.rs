//! The things that all requests of these routes have in common, and the requests that are refused.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{StatusCode, request::Parts},
    response::IntoResponse,
};

use super::{answer::Answer, claims::NodeClaims, names::Names};
use crate::{
    codec::{
        raw::RawCodec,
        sockjs::{OPEN, SockJsCodec},
    },
    config::{SockJs, Transport, millis},
    server::{
        core::Core,
        gateway::Gateway,
        routes::{
            elsewhere,
            raw::{self, Opening},
        },
        terms::Terms,
    },
    session::{
        CloseReason, reason,
        rules::{RAW, Rules, SOCKJS, Takes},
    },
};

/// The factor by which a body may be longer than other families' of the same messages: an escape has three times the
/// bytes of its character, in strings and in forms.
pub(super) const GROWTH: usize = 3;

/// The server and the settings of these routes.
pub(super) struct Service<S> {
    pub(super) gateway: Gateway<S>,
    pub(super) settings: SockJs,
    pub(super) names: Arc<Names>,
    pub(super) claims: NodeClaims,
    /// The sub-protocols of the bare WebSocket.
    pub(super) protocols: &'static [&'static str],
}

/// A request that is refused.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// The reason as the library counts it. Its text is the answer.
    pub(super) reason: CloseReason,
}

impl Refused {
    pub(super) fn new(status: StatusCode, reason: CloseReason) -> Self {
        Refused { status, reason }
    }

    /// A body or a parameter that is not what the protocol says. Its errors have this status and these texts.
    pub(super) fn malformed(text: &'static str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, CloseReason::malformed(text))
    }
}

/// The status is that of the reason.
impl From<CloseReason> for Refused {
    fn from(reason: CloseReason) -> Self {
        let status = StatusCode::from_u16(reason::status_of(reason.code)).unwrap_or(StatusCode::GONE);
        Self::new(status, reason)
    }
}

impl<S: Clone + Send + Sync + 'static> Service<S> {
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.gateway.core
    }

    pub(super) fn serves(&self, transport: Transport) -> Result<(), Refused> {
        match self.core().config.without.contains(&transport) {
            true => Err(reason::NOT_SERVED.into()),
            false => Ok(()),
        }
    }

    pub(super) fn serves_sockets(&self) -> bool {
        self.settings.websocket && self.serves(Transport::WebSocket).is_ok()
    }

    pub(super) fn terms(&self, rules: &'static Rules) -> Terms {
        let defaults = self.core().terms(rules);
        let delay = millis(self.settings.disconnect_delay);
        Terms {
            interval: self.settings.heartbeat.map_or(defaults.interval, millis),
            grace: if std::ptr::eq(rules, &SOCKJS) { delay } else { defaults.grace },
            takes: if self.settings.base64 { Takes::NoAttachments } else { Takes::Texts },
            ..defaults
        }
    }

    pub(super) fn codec(&self) -> SockJsCodec {
        SockJsCodec::new(self.core().config.message_limit)
    }

    /// Has a request answered by the node that has its session.
    pub(super) async fn forward(&self, node: &str, request: Request) -> Result<Answer, CloseReason> {
        let forwarded = elsewhere::forward(self.core(), node, self.claims.mount(), request).await;
        forwarded.map(Answer::ready).map_err(|failed| failed.reason)
    }

    /// Opens a session that is one WebSocket, with the frames of the protocol or without. Its name does not matter.
    pub(super) async fn open_socket(&self, state: S, parts: Parts, framed: bool) -> Answer {
        let kept = self.gateway.hooks.keep(&parts);
        let limit = self.core().config.message_limit;
        let opened = match framed {
            _ if !self.serves_sockets() => Err(reason::NOT_SERVED.into()),
            true => {
                let limit = self.core().config.body_limit().saturating_mul(GROWTH);
                let opening =
                    Opening { terms: self.terms(&RAW), codec: self.codec(), limit, first: Some(OPEN), protocols: &[] };
                raw::accept(&self.gateway, state, parts, opening).await
            }
            false => {
                let (terms, codec) = (self.core().terms(&RAW), RawCodec::new(limit));
                raw::accept(
                    &self.gateway,
                    state,
                    parts,
                    Opening { terms, codec, limit, first: None, protocols: self.protocols },
                )
                .await
            }
        };
        Answer::ready(opened.unwrap_or_else(|error| {
            self.gateway.refused("sockjs", &error.reason(), kept.as_deref());
            error.into_response()
        }))
    }
}
