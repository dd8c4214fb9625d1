//! Clients that come back for the channels that they had before their connection was cut.

use std::sync::Arc;

use uuid::Uuid;

use super::{api::session::Session, core::Core};
use crate::{dialect::socketio::Claim, hub::Member, shared::ChannelAsked};

/// The client of a session has asked for a channel. If it had the channel in another session before, and has missed
/// nothing that is lost, that session goes on with the connection of this one, which ends. Returns whether it does.
pub(super) fn recover(asked: &ChannelAsked, session: &Session) -> bool {
    let Session { core, member } = session;
    if !member.shared.can_recover() {
        return false;
    }
    let Some(claim) = Claim::read(&asked.auth) else { return false };
    let former = core.find(&claim.session).here();
    let former = former.filter(|former| member.shared.hand_over(asked.number, &claim, &former.shared));
    let Some(former) = former else {
        tracing::debug!(session = %session.id(), namespace = %asked.namespace, "a channel was not recovered");
        core.runtime.count_recovery(false);
        return false;
    };
    core.hub.alias(&former, member.id());
    core.forget(member.id());
    true
}

impl Core {
    /// Finds the session that has gone on with the connection of the one with this id, as clients know it.
    pub(crate) fn find_by_alias(&self, id: &str) -> Option<Arc<Member>> {
        let (node, id) = id.rsplit_once('.')?;
        let id = Uuid::try_parse(id).ok().filter(|_| node == self.config.node)?;
        self.hub.by_alias(id)
    }

    /// Ends the parked sessions that have waited longest, of which there are too many.
    pub(super) fn end_overdue(&self) {
        for id in self.runtime.take_overdue() {
            if let Some(member) = self.hub.get(id).filter(|member| member.shared.give_up_parked()) {
                tracing::debug!(session = %member.id(), "parked for too long, since there are many");
                self.counters.evicted.add(1);
                self.forget(id);
            }
        }
    }

    /// Ends a parked session, the one that has waited longest. Returns whether there was one.
    pub(super) fn end_parked(&self) -> bool {
        let Some(id) = self.runtime.parked.pop() else { return false };
        if let Some(member) = self.hub.get(id).filter(|member| member.shared.give_up_parked()) {
            tracing::debug!(session = %member.id(), "ended while parked, for the sake of memory");
            self.counters.evicted.add(1);
            self.forget(id);
        }
        true
    }
}
