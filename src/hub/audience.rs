//! The members that a send to rooms is for.

use std::sync::Arc;

use super::{
    Hub, Member,
    key::is_topic,
    rooms::{Audience, Target},
};
use crate::{
    broadcast::OutMessage,
    shared::{SendError, SharedSession},
};

impl Hub {
    /// The members of a target in a namespace, as of now, each once and in no order.
    pub(crate) fn audience(&self, namespace: &str, target: &Target) -> Vec<Arc<Member>> {
        let mut members = match &target.audience {
            Audience::Room(room) => self.members_of(namespace, room),
            Audience::AnyOf(rooms) => rooms.iter().flat_map(|room| self.members_of(namespace, room)).collect(),
            Audience::Everybody => self.all_in_root(),
        };
        let except = self.rooms.except(target);
        members.retain(|member| except.binary_search(&member.id()).is_err());
        if let Audience::AnyOf(_) = target.audience {
            members.sort_unstable_by_key(|member| member.id());
            members.dedup_by_key(|member| member.id());
        }
        members
    }
}

impl Target {
    /// Sends to one of its members: a message, or a request if its answers are gathered.
    pub(super) fn send_to(&self, session: &Arc<SharedSession>, message: OutMessage) -> Result<bool, SendError> {
        match &self.gathering {
            Some(gathering) => gathering.ask(session, &self.when_behind, message),
            None if session.speaks_stomp() => {
                session.send_to_topics(self.rooms(), is_topic, &self.when_behind, message)
            }
            None => session.send_as(&self.when_behind, message),
        }
    }

    /// The keys of its rooms; none if it is for everybody.
    fn rooms(&self) -> &[String] {
        match &self.audience {
            Audience::Room(room) => std::slice::from_ref(room),
            Audience::AnyOf(rooms) => rooms,
            Audience::Everybody => &[],
        }
    }
}
