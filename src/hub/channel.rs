//! The channels of sessions come and go.

use std::sync::{Arc, Mutex, OnceLock};

use bytestring::ByteString;

use super::{
    Hub, Remote,
    key::everybody_key,
    member::{Channel, ChannelMembers, Member},
};
use crate::sync::lock;

impl Member {
    /// Makes a member of a channel that is not open yet. It leaves everything when it is
    /// [retired](Hub::retire).
    pub(crate) fn of_channel(session: &Arc<Member>, number: u64, namespace: ByteString) -> Arc<Member> {
        let channel = Channel { number, namespace, session: session.clone(), closed: OnceLock::new() };
        Arc::new(Member {
            shared: session.shared.clone(),
            remote: Remote::default(),
            channel: Some(Box::new(channel)),
            root_is_channel: false,
            rooms: Mutex::default(),
            values: Mutex::default(),
        })
    }
}

impl Hub {
    /// Adds a channel to those of its session: from now on it gets what is sent to everybody in its namespace.
    pub(crate) fn open_channel(&self, member: &Arc<Member>) {
        let Some(channel) = &member.channel else { return };
        let mut membership = lock(&channel.session.rooms);
        if membership.gone {
            lock(&member.rooms).gone = true;
        } else {
            membership.channels.get_or_insert_default().0.push(member.clone());
            self.rooms.join(member.shared.clone(), &everybody_key(member.namespace()));
        }
    }

    /// A channel is gone.
    pub(super) fn remove_channel(&self, member: &Member) {
        let Some(channel) = &member.channel else { return };
        let mut membership = lock(&channel.session.rooms);
        let Some(ChannelMembers(channels)) = membership.channels.as_deref_mut() else { return };
        let before = channels.len();
        channels.retain(|other| !std::ptr::eq(Arc::as_ptr(other), member));
        if channels.len() < before {
            self.rooms.leave(member.id(), &everybody_key(member.namespace()));
        }
    }
}
