//! The state of a session that recovery needs.

use std::{any::Any, sync::Arc};

use uuid::Uuid;

use crate::{
    broadcast::OutMessage, config::RecoveryTerms, dialect::socketio::Log, session::LinkId, shared::by_age::Ticket,
};

/// The state of a session whose channels can be recovered.
#[derive(Debug)]
pub(in crate::shared) struct Recovery {
    pub(in crate::shared) terms: RecoveryTerms,
    /// Whoever shows it is the client.
    pub(super) secret: Uuid,
    /// The session's place among those that are parked. A session of which only some channels are has none.
    pub(super) ticket: Ticket,
}

/// The session with which the client of a session has gone on.
#[derive(Debug)]
pub(in crate::shared) struct Moved {
    /// It is named without its type, of which this is a part.
    pub(super) to: Arc<dyn Any + Send + Sync>,
    /// The WebSocket's link before and there.
    pub(super) links: Option<(LinkId, LinkId)>,
}

impl Recovery {
    pub(in crate::shared) fn new(terms: RecoveryTerms, secret: Uuid) -> Self {
        Recovery { terms, secret, ticket: 0 }
    }

    /// The log of a channel that has just opened.
    pub(in crate::shared) fn log(&self) -> Box<Log<OutMessage>> {
        let RecoveryTerms { events, bytes, .. } = self.terms;
        Box::new(Log::new(events, bytes))
    }
}
