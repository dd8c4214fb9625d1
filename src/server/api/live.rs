//! A server's sessions and rooms, for use anywhere in the program.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::session::Session;
use crate::{
    broadcast::OutMessage,
    config::{SlowMember, millis},
    dialect::{IntoArgs, Sends, event},
    hub::{Audience, Delivered, Member, Position, Target},
    ids,
    message::{JsonError, Message},
    payload::Payload,
    server::core::Core,
    session::{
        CloseReason,
        droppable::{LONGEST_KEY, WhenBehind},
        reason,
    },
};

/// The time that handlers have to return when the server shuts down.
const LAST_HANDLERS: Duration = Duration::from_secs(5);

/// A server's sessions and rooms, for use anywhere in the program. Clones are handles to the same server.
#[derive(Clone)]
pub struct Live {
    pub(crate) core: Arc<Core>,
}

impl Live {
    /// Starts a send to all members of a room.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        To::new(&self.core, Audience::Room(room.into()))
    }

    /// Starts a send to the members of several rooms. A session that is in more than one of them gets the
    /// message once.
    pub fn to_any(&self, rooms: impl IntoIterator<Item = impl Into<String>>) -> To<'_> {
        To::new(&self.core, Audience::any_of(rooms.into_iter().map(Into::into).collect()))
    }

    /// Starts a send to all sessions.
    pub fn all(&self) -> To<'_> {
        To::new(&self.core, Audience::Everybody)
    }

    /// Returns the session with this id, if it is on this node and neither over nor closed here.
    pub fn session(&self, id: impl AsRef<str>) -> Option<Session> {
        let member = self.core.find(id.as_ref()).here()?;
        member.shared.close_reason().is_none().then(|| self.handle(member))
    }

    /// Returns all sessions, as of now, without those that are over or were closed here.
    pub fn sessions(&self) -> Vec<Session> {
        let live = |member: &Arc<Member>| member.shared.close_reason().is_none();
        self.core.hub.all().into_iter().filter(live).map(|member| self.handle(member)).collect()
    }

    /// Returns the members of a room, as of now.
    pub fn members(&self, room: &str) -> Vec<Session> {
        self.core.hub.members(room).into_iter().map(|member| self.handle(member)).collect()
    }

    /// Returns the number of sessions, as [`sessions`](Self::sessions) lists them. One whose connection is
    /// interrupted counts.
    pub fn len(&self) -> usize {
        self.core.runtime.live()
    }

    /// Returns whether there is no session.
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
        self.core.drain(millis(window));
        for member in self.core.hub.all() {
            member.shared.go_away(ids::below(millis(window)), 0);
        }
        tokio::time::sleep(window).await;
        for member in self.core.hub.all() {
            member.shared.abort(reason::SHUT_DOWN);
        }
        let _ = tokio::time::timeout(LAST_HANDLERS, self.core.runtime.handlers_ended()).await;
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
        To::new(&self.core, Audience::Room(room.into()))
    }
}

/// A send to a room that is being prepared: exclude members, then call [`send`](Self::send).
#[must_use]
#[derive(Clone, Debug)]
pub struct To<'a> {
    core: &'a Core,
    target: Target,
}

impl<'a> To<'a> {
    fn new(core: &'a Core, audience: Audience) -> Self {
        let target = Target {
            audience,
            except: Vec::new(),
            except_rooms: Vec::new(),
            when_behind: WhenBehind::Keep,
            at: None,
            now: if core.hub.has_histories() { core.runtime.clock().now() } else { 0 },
        };
        To { core, target }
    }

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
    pub fn latest(mut self, key: impl AsRef<str>) -> Self {
        self.target.when_behind = WhenBehind::Latest(key.as_ref().into());
        self
    }

    /// Sends the message, and returns how many members got it. Never waits: the session of a member whose
    /// outbox is full ends, or what else [`slow_members`](crate::Builder::slow_members) has, unless the message
    /// is [droppable](Self::droppable) or the [latest](Self::latest) of a key. The message is encoded once for
    /// each kind of link. All members get the messages of one room in the same order. A message above the limit
    /// is sent to no member, logged, and [told apart](Delivered::too_large).
    ///
    /// Messages that a handler sends before it next awaits leave together, as one write for each member. A
    /// message that is sent from elsewhere leaves at once.
    pub fn send(self, message: impl Into<Message>) -> Delivered {
        self.send_payload(message.into().into())
    }

    /// Sends an event, as [`send`](Self::send) sends a message. `data` is one value; [`Args`](crate::Args) are
    /// several, and `()` is none. It is written once for all members. Members that know no events get its JSON as
    /// a text message, in which placeholders stand for bytes. An event that cannot be written, because no event may
    /// have its name or its values have no JSON, is sent to no member, and logged.
    ///
    /// ```
    /// use anywire::{Live, Session};
    ///
    /// fn said(session: &Session, live: &Live, text: &str) {
    ///     session.to("lobby").emit("said", text);
    ///     live.to("ticker").latest("ACME").emit("price", 12.5);
    /// }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "so that data is given as it is at hand, by value or not")]
    pub fn emit<N: Sends<D>, D: IntoArgs>(self, name: N, data: D) -> Delivered {
        match event("/", None, name.name(), &data) {
            Ok(packet) => self.send_payload(packet.into()),
            Err(error) => {
                tracing::warn!(to = ?self.target.audience, event = name.name(), %error, "an event was not sent");
                Delivered::default()
            }
        }
    }

    fn send_payload(mut self, payload: Payload) -> Delivered {
        let policy = self.core.config.slow_members;
        match &self.target.when_behind {
            WhenBehind::Keep if policy == SlowMember::Gap => self.target.when_behind = WhenBehind::KeepOrSkip,
            WhenBehind::Latest(key) if key.len() > LONGEST_KEY => return self.too_large("key", key.len()),
            _ => {}
        }
        if payload.len() > self.core.config.message_limit {
            return self.too_large("message", payload.len());
        }
        let message = OutMessage::shared(payload, self.core.runtime.pool());
        let delivered = self.core.hub.deliver(&self.target, &message, &CloseReason::of_slow_client(policy));
        self.core.counters.room_sends.add(1);
        if delivered.skipped + delivered.slow > 0 {
            self.core.counters.skipped.add(delivered.skipped);
            self.core.counters.slow.add(delivered.slow);
        }
        self.core.relieve();
        delivered
    }

    /// Sends the message that `message` makes for its position in the room's
    /// [history](crate::Builder::rooms), so that the page knows how far it has come; see
    /// [`join_since`](Session::join_since). `message` is called once, and again when another message has taken
    /// the position meanwhile. Otherwise as [`send`](Self::send).
    ///
    /// # Panics
    /// Panics if the send is not to one room that has a history, or if the message may be skipped.
    pub fn send_numbered(self, mut message: impl FnMut(&Position) -> Message) -> Delivered {
        let kept = self.target.when_behind == WhenBehind::Keep;
        loop {
            let position = match &self.target.audience {
                Audience::Room(room) if kept => self.core.hub.next_position(room),
                _ => None,
            };
            let Some(position) = position else {
                panic!("{:?} has no history in which a message has a position", self.target.audience)
            };
            let message = message(&position);
            let mut attempt = self.clone();
            attempt.target.at = Some(position);
            let delivered = attempt.send(message);
            if !delivered.overtaken {
                return delivered;
            }
        }
    }

    fn too_large(&self, what: &str, bytes: usize) -> Delivered {
        tracing::warn!(to = ?self.target.audience, what, bytes, "a message above the limit was not sent");
        Delivered { too_large: true, ..Delivered::default() }
    }

    /// Sends a value as JSON text, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// Fails as [`Message::json`] does. Then the value was sent to nobody.
    pub fn send_json<T: Serialize + ?Sized>(self, value: &T) -> Result<Delivered, JsonError> {
        Message::json(value).map(|message| self.send(message))
    }
}
