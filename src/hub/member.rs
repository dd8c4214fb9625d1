//! A session as a member of rooms, and its channels, which have rooms and values of their own.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use bytestring::ByteString;
use uuid::Uuid;

use super::{
    Remote, Values,
    joined::JoinedRooms,
    key::{ROOT, name_of},
};
use crate::{
    shared::{CloseReason, SharedSession},
    sync::lock,
};

/// A session or one of its channels, the remote end that opened the session, and the rooms that it is in.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) shared: Arc<SharedSession>,
    pub(crate) remote: Remote,
    /// The channel that this is; `None` if it is the session itself.
    pub(crate) channel: Option<Box<Channel>>,
    /// The session's client opens `/` as a channel too: it is not the session itself.
    pub(super) root_is_channel: bool,
    pub(super) rooms: Mutex<Membership>,
    pub(super) values: Mutex<Values>,
}

#[derive(Debug, Default)]
pub(super) struct Membership {
    pub(super) rooms: JoinedRooms,
    /// The channels of the session.
    pub(super) channels: Option<Box<ChannelMembers>>,
    /// The user that the session belongs to.
    pub(super) user: Option<Arc<str>>,
    /// The session moves to another node, or has come from one: it gets nothing that is sent to everybody for now.
    pub(super) apart: bool,
    /// The session's handler has returned, or the session was removed from the hub. It joins no more rooms,
    /// because nothing would remove it from them.
    pub(super) gone: bool,
}

/// The channels of a session. It is boxed because most sessions have none.
#[derive(Debug, Default)]
pub(super) struct ChannelMembers(pub(super) Vec<Arc<Member>>);

impl Member {
    pub(crate) fn id(&self) -> Uuid {
        self.shared.id()
    }

    /// The names of the rooms that it is in.
    pub(crate) fn rooms(&self) -> Vec<String> {
        lock(&self.rooms).rooms.iter().filter_map(|key| name_of(key)).map(str::to_owned).collect()
    }

    /// The key of the user that the session belongs to.
    pub(crate) fn user(&self) -> Option<Arc<str>> {
        lock(&self.rooms).user.clone()
    }

    /// Drops the values, and takes no more.
    pub(super) fn drop_values(&self) {
        // Dropping a value runs code of the application, so the lock is not held meanwhile.
        let values = self.values().close();
        drop(values);
    }

    /// The values that the application keeps in the session.
    pub(crate) fn values(&self) -> MutexGuard<'_, Values> {
        lock(&self.values)
    }
}

/// The session that a channel is of, and the channel's place in it.
#[derive(Debug)]
pub(crate) struct Channel {
    /// It names the channel in its session.
    pub(crate) number: u64,
    pub(super) namespace: ByteString,
    pub(crate) session: Arc<Member>,
    /// Why the channel was closed, if it was before the session.
    pub(super) closed: OnceLock<CloseReason>,
}

impl Channel {
    /// Why it is over.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.closed.get().cloned().or_else(|| self.session.shared.close_reason())
    }

    /// Notes why it is over. The first reason counts.
    pub(crate) fn end(&self, reason: CloseReason) {
        let _ = self.closed.set(reason);
    }
}

impl Member {
    /// The namespace; `/` is the session itself.
    pub(crate) fn namespace(&self) -> &str {
        self.channel.as_ref().map_or(ROOT, |channel| &channel.namespace)
    }

    /// The session itself, of which this is a channel or which it is.
    pub(crate) fn session(self: &Arc<Self>) -> &Arc<Self> {
        self.channel.as_ref().map_or(self, |channel| &channel.session)
    }

    /// The channel of a namespace; the session itself if it is `/`, unless that is a channel too.
    pub(crate) fn in_namespace(self: &Arc<Self>, namespace: &str) -> Option<Arc<Member>> {
        if namespace == ROOT && !self.root_is_channel {
            return Some(self.clone());
        }
        let membership = lock(&self.rooms);
        let mut channels = membership.channels.iter().flat_map(|channels| &channels.0);
        channels.find(|channel| channel.namespace() == namespace).cloned()
    }
}
