//! A server's sessions and rooms, for use anywhere in the program.

use std::{fmt, sync::Arc, time::Duration};

use bytestring::ByteString;
use tokio::time::{Instant, sleep_until};

use super::{session::Session, to::To};
use crate::{
    config::millis,
    hub::{Audience, Member, ROOT, into_room_key},
    ids,
    server::core::Core,
    session::{Machine, reason},
    shared::SharedSession,
};

/// The time that handlers have to return when the server shuts down.
const LAST_HANDLERS: Duration = Duration::from_secs(5);

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

    /// Starts a send to all members of a room.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        To::room(&self.core, &self.namespace, room.into())
    }

    /// Starts a send to the members of several rooms. A session that is in more than one of them gets the
    /// message once.
    pub fn to_any(&self, rooms: impl IntoIterator<Item = impl Into<String>>) -> To<'_> {
        let keys = rooms.into_iter().map(|room| into_room_key(&self.namespace, room.into()));
        To::new(&self.core, &self.namespace, Audience::any_of(keys.collect()))
    }

    /// Starts a send to all sessions.
    pub fn all(&self) -> To<'_> {
        To::new(&self.core, &self.namespace, Audience::all_in(&self.namespace))
    }

    /// Returns the session with this id, if it is on this node and neither over nor closed here.
    pub fn session(&self, id: impl AsRef<str>) -> Option<Session> {
        let member = self.core.find(id.as_ref()).here()?.in_namespace(&self.namespace)?;
        Some(self.handle(member)).filter(|session| !session.is_closed())
    }

    /// Returns all sessions, as of now, without those that are over or were closed here.
    pub fn sessions(&self) -> Vec<Session> {
        let all = self.core.hub.all_in(&self.namespace).into_iter().map(|member| self.handle(member));
        all.filter(|session| !session.is_closed()).collect()
    }

    /// Returns the members of a room, as of now.
    pub fn members(&self, room: &str) -> Vec<Session> {
        self.core.hub.members(&self.namespace, room).into_iter().map(|member| self.handle(member)).collect()
    }

    /// Returns the number of sessions, as [`sessions`](Self::sessions) lists them. One whose connection is
    /// interrupted counts, and a connection of Socket.IO that has opened no namespace does not. It takes no time for
    /// `/`; for another namespace it looks at each session of it.
    pub fn len(&self) -> usize {
        match &*self.namespace {
            ROOT => self.core.runtime.in_root(),
            _ => self.sessions().len(),
        }
    }

    /// Returns whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shuts down gracefully. From now on no new session opens (503, code 4202). Every client is asked to
    /// make a new link, each at its own moment within `window`; those of other protocols are closed then, and come
    /// back by themselves. When the window is over, all links end with
    /// code 4005 and all sessions with them.
    ///
    /// Waits for the window, then until the handlers have returned, for at most five seconds more. Not
    /// cancel-safe: dropped, it leaves a server that takes no new sessions.
    pub async fn shutdown(&self, window: Duration) {
        self.core.drain(millis(window));
        let clock = self.core.runtime.clock();
        let end = clock.instant(clock.now() + millis(window));
        for (moment, shared) in self.ask_to_go(window) {
            sleep_until(moment).await;
            shared.go_away(0, 0);
        }
        sleep_until(end).await;
        for member in self.core.hub.all() {
            member.shared.abort(reason::SHUT_DOWN);
        }
        let _ = tokio::time::timeout(LAST_HANDLERS, self.core.runtime.handlers_ended()).await;
    }

    /// Asks all clients to make a new link. Returns those that cannot be asked, and when each of them is to be closed, by
    /// which it learns the same.
    fn ask_to_go(&self, window: Duration) -> Vec<(Instant, Arc<SharedSession>)> {
        let clock = self.core.runtime.clock();
        let mut others = Vec::new();
        for member in self.core.hub.all() {
            let delay = ids::below(millis(window));
            match member.shared.look(Machine::ends_with_its_links) {
                false => member.shared.go_away(delay, 0),
                true => others.push((clock.instant(clock.now() + delay), member.shared.clone())),
            }
        }
        others.sort_by_key(|(moment, _)| *moment);
        others
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
