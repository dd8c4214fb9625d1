//! A server's sessions and rooms, for use anywhere in the program.

use std::{fmt, sync::Arc, time::Duration};

use super::session::Session;
use crate::{
    broadcast::OutMessage,
    config::{SlowMember, millis},
    hub::{Delivered, Member, Target},
    ids,
    message::Message,
    server::core::Core,
    session::{
        CloseReason,
        droppable::{LONGEST_KEY, WhenBehind},
        reason,
    },
};

/// A server's sessions and rooms, for use anywhere in the program. Clones are handles to the same server.
#[derive(Clone)]
pub struct Live {
    pub(crate) core: Arc<Core>,
}

impl Live {
    /// Starts a send to all members of a room.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        To { core: &self.core, target: Target { room: room.into(), ..Target::default() } }
    }

    /// Returns the session with this id, if it is on this node and not over.
    pub fn session(&self, id: impl AsRef<str>) -> Option<Session> {
        let member = self.core.find(id.as_ref()).here()?;
        member.shared.look(|machine| machine.closed().is_none()).then(|| self.handle(member))
    }

    /// Returns all sessions that are not over, as of now.
    pub fn sessions(&self) -> Vec<Session> {
        let open = |member: &Arc<Member>| member.shared.look(|machine| machine.closed().is_none());
        self.core.hub.all().into_iter().filter(open).map(|member| self.handle(member)).collect()
    }

    /// Returns the members of a room, as of now.
    pub fn members(&self, room: &str) -> Vec<Session> {
        self.core.hub.members(room).into_iter().map(|member| self.handle(member)).collect()
    }

    /// Returns the number of sessions. Sessions that ended within the grace time count too, because their end
    /// may have to be acknowledged again.
    pub fn len(&self) -> usize {
        self.core.hub.len()
    }

    /// Returns whether there is no session, not even one that ended within the grace time.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shuts down gracefully. From now on no new session opens (503, code 4202). Every client is asked to
    /// make a new link, each at its own moment within `window`. When the window is over, all links end with
    /// code 4005 and all sessions with them.
    ///
    /// Waits for the window, then until the handlers have returned, for at most five seconds more. Not
    /// cancel-safe: dropped, it leaves a server that takes no new sessions.
    pub async fn shutdown(&self, window: Duration) {
        self.core.drain();
        for member in self.core.hub.all() {
            member.shared.go_away(ids::below(millis(window)));
        }
        tokio::time::sleep(window).await;
        for member in self.core.hub.all() {
            member.shared.abort(reason::SHUT_DOWN);
        }
        let running = || self.core.hub.all().iter().any(|member| member.shared.is_running());
        for _ in 0..100 {
            if !running() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn handle(&self, member: Arc<Member>) -> Session {
        Session { core: self.core.clone(), member }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("node", &self.core.config.node).field("sessions", &self.len()).finish()
    }
}

/// # Rooms
impl Session {
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
        self.member.rooms().iter().map(ToString::to_string).collect()
    }

    /// Starts a send to the members of a room without this session.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        self.within(room).except(self)
    }

    /// Starts a send to all members of a room, with this session if it is one of them.
    pub fn within(&self, room: impl Into<String>) -> To<'_> {
        To { core: &self.core, target: Target { room: room.into(), ..Target::default() } }
    }
}

/// A send to a room that is being prepared: exclude members, then call [`send`](Self::send).
#[must_use]
#[derive(Clone, Debug)]
pub struct To<'a> {
    core: &'a Core,
    target: Target,
}

impl To<'_> {
    /// Excludes a session.
    pub fn except(mut self, session: &Session) -> Self {
        self.target.except.push(session.key());
        self
    }

    /// Excludes the members of another room. They are looked up when the message is sent.
    pub fn except_room(mut self, room: impl Into<String>) -> Self {
        self.target.except_rooms.push(room.into());
        self
    }

    /// Marks the message as droppable, as [`send_droppable`](Session::send_droppable) does: members that
    /// are behind miss it and are informed of the gap, and do not lose their session.
    pub fn droppable(mut self) -> Self {
        self.target.when_behind = WhenBehind::Skip;
        self
    }

    /// Marks the message as the newest value of a key, as [`send_latest`](Session::send_latest) does: for
    /// members that are behind it waits until a newer one replaces it. A key has at most 256 bytes; a message
    /// with a longer one is sent to no member, and logged.
    pub fn latest(mut self, key: impl Into<Arc<str>>) -> Self {
        self.target.when_behind = WhenBehind::Latest(key.into());
        self
    }

    /// Sends the message, and returns how many members got it. Never waits: the session of a member whose
    /// outbox is full ends, or what else [`slow_members`](crate::Builder::slow_members) has, unless the message
    /// is [droppable](Self::droppable) or the [latest](Self::latest) of a key. The message is encoded once for
    /// each kind of link. All members get the messages of one room in the same order. A message above the limit
    /// is sent to no member, and logged.
    ///
    /// Messages that a handler sends before it next awaits leave together, as one write for each member. A
    /// message that is sent from elsewhere leaves at once.
    pub fn send(mut self, message: impl Into<Message>) -> Delivered {
        let (message, policy) = (message.into(), self.core.config.slow_members);
        match &self.target.when_behind {
            WhenBehind::Keep if policy == SlowMember::Gap => self.target.when_behind = WhenBehind::KeepOrSkip,
            WhenBehind::Latest(key) if key.len() > LONGEST_KEY => {
                tracing::warn!(
                    room = self.target.room,
                    bytes = key.len(),
                    "a message with a too long key was not sent"
                );
                return Delivered::default();
            }
            _ => {}
        }
        if message.len() > self.core.config.message_limit {
            tracing::warn!(room = self.target.room, bytes = message.len(), "a message above the limit was not sent");
            return Delivered::default();
        }
        self.core.hub.deliver(&self.target, &OutMessage::shared(message), &CloseReason::of_slow_client(policy))
    }
}
