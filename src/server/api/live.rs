//! A server's sessions and rooms, for use anywhere in the program.

use std::{fmt, sync::Arc};

use bytestring::ByteString;

use super::{session::Session, to::To};
use crate::{
    hub::{Audience, Member, ROOT, into_room_key},
    server::core::Core,
};

/// A server's sessions and rooms, for use anywhere in the program. Clones are handles to the same server.
#[derive(Clone)]
pub struct Live {
    pub(crate) core: Arc<Core>,
    /// The namespace whose channels it means; `/` are the sessions themselves.
    pub(super) namespace: ByteString,
}

impl Live {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Live { core, namespace: ByteString::from_static(ROOT) }
    }

    /// Returns a handle to the [channels](crate::Builder::namespace) of a namespace: its rooms, its sends and its
    /// sessions are those of that namespace. `/` are the sessions themselves.
    ///
    /// ```
    /// use anywire::Live;
    ///
    /// fn restart(live: &Live) {
    ///     live.of("/admin").all().emit("restarting", ());
    ///     live.of("/admin").to("operators").emit("page", "the server restarts");
    /// }
    /// ```
    #[must_use]
    pub fn of(&self, namespace: &str) -> Live {
        Live { core: self.core.clone(), namespace: namespace.to_owned().into() }
    }

    /// Starts a send to all members of a room, on all nodes of a [cluster](crate::guide::many_nodes).
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        To::room(&self.core, &self.namespace, room.into())
    }

    /// Starts a send to the members of several rooms. A session that is in more than one of them gets the
    /// message once.
    pub fn to_any(&self, rooms: impl IntoIterator<Item = impl Into<String>>) -> To<'_> {
        let keys = rooms.into_iter().map(|room| into_room_key(&self.namespace, room.into()));
        To::new(&self.core, &self.namespace, Audience::any_of(keys.collect()))
    }

    /// Starts a send to all sessions, on all nodes of a [cluster](crate::guide::many_nodes).
    pub fn all(&self) -> To<'_> {
        To::new(&self.core, &self.namespace, Audience::all_in(&self.namespace))
    }

    /// Returns the session with this id, if it is on this node and neither over nor closed here.
    pub fn session(&self, id: impl AsRef<str>) -> Option<Session> {
        let member = self.core.find(id.as_ref()).here()?.in_namespace(&self.namespace)?;
        Some(self.handle(member)).filter(|session| !session.is_closed())
    }

    /// Returns all sessions on this node, as of now, without those that are over or were closed here.
    pub fn sessions(&self) -> Vec<Session> {
        let all = self.core.hub.all_in(&self.namespace).into_iter().map(|member| self.handle(member));
        all.filter(|session| !session.is_closed()).collect()
    }

    /// Returns the members of a room that are on this node, as of now.
    pub fn members(&self, room: &str) -> Vec<Session> {
        self.core.hub.members(&self.namespace, room).into_iter().map(|member| self.handle(member)).collect()
    }

    /// Returns the number of sessions on this node, as [`sessions`](Self::sessions) lists them. One whose connection is
    /// interrupted counts, and a connection of Socket.IO that has opened no namespace does not. It takes no time for
    /// `/`; for another namespace it looks at each session of it.
    pub fn len(&self) -> usize {
        match &*self.namespace {
            ROOT => self.core.runtime.in_root(),
            _ => self.sessions().len(),
        }
    }

    /// Returns whether there is no session on this node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until this node has joined its cluster: all other nodes know of it. The first request has it join too; a node that
    /// joins before it is asked for serves its first request sooner. Without its engine a node serves by itself, and counts
    /// as joined after a second. Returns at once if the server is alone. It needs a runtime of tokio. Cancel-safe.
    ///
    /// Nobody can know of a node that others cannot reach: while the address of `Cluster::peers` cannot be listened on, for
    /// example since the process before this one has it still, this waits, without a limit. The log has a warning then. A
    /// program that must serve all the same waits in a timeout.
    pub async fn ready(&self) {
        if let Some(nodes) = self.core.nodes() {
            nodes.ready().await;
        }
    }

    /// Returns whether the server shuts down: see [`shutdown`](Self::shutdown). A balancer that asks for it sends new clients
    /// to other servers.
    pub fn is_draining(&self) -> bool {
        self.core.is_draining()
    }

    fn handle(&self, member: Arc<Member>) -> Session {
        Session { core: self.core.clone(), member }
    }
}

impl AsRef<Live> for Live {
    fn as_ref(&self) -> &Live {
        self
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("node", &self.core.config.node).field("sessions", &self.len()).finish()
    }
}

/// # Rooms
impl Session {
    /// The server's sessions and rooms.
    pub(crate) fn live(&self) -> Live {
        Live::new(self.core.clone())
    }

    /// Joins a room. Returns `true` if the session was not in it. The session leaves all rooms when its
    /// handler returns.
    pub fn join(&self, room: &str) -> bool {
        self.core.hub.join(&self.member, room).is_some()
    }

    /// Leaves a room. Returns `true` if the session was in it.
    pub fn leave(&self, room: &str) -> bool {
        self.core.hub.leave(&self.member, room).is_some()
    }

    /// Returns the rooms that the session is in.
    pub fn rooms(&self) -> Vec<String> {
        self.member.rooms()
    }

    /// Starts a send to the members of a room without this session.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        self.within(room).except(self)
    }

    /// Starts a send to all members of a room, with this session if it is one of them.
    pub fn within(&self, room: impl Into<String>) -> To<'_> {
        To::room(&self.core, self.namespace(), room.into())
    }
}
