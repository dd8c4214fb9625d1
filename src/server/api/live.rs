//! Handles to sessions and rooms, for use outside of a handler.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use bytestring::ByteString;
use uuid::Uuid;

use crate::{
    broadcast::OutMessage,
    config::{Overflow, SlowMember, Transport, millis},
    hub::{Delivered, Member, Target},
    ids,
    message::Message,
    server::core::Core,
    session::{
        self, CloseReason, State,
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
    pub fn session(&self, id: &str) -> Option<SessionHandle> {
        let member = self.core.find(id).here()?;
        member.shared.look(|machine| machine.closed().is_none()).then(|| self.handle(member))
    }

    /// Returns all sessions that are not over, as of now.
    pub fn sessions(&self) -> Vec<SessionHandle> {
        let open = |member: &Arc<Member>| member.shared.look(|machine| machine.closed().is_none());
        self.core.hub.all().into_iter().filter(open).map(|member| self.handle(member)).collect()
    }

    /// Returns the members of a room, as of now.
    pub fn members(&self, room: &str) -> Vec<SessionHandle> {
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

    fn handle(&self, member: Arc<Member>) -> SessionHandle {
        SessionHandle { core: self.core.clone(), member }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("node", &self.core.config.node).field("sessions", &self.len()).finish()
    }
}

/// A handle to a session, for use outside of its handler or in another task of it. Clones are handles to the
/// same session. None of them keeps it open.
#[derive(Clone)]
pub struct SessionHandle {
    pub(crate) core: Arc<Core>,
    pub(crate) member: Arc<Member>,
}

impl SessionHandle {
    /// Returns the session's id. The id names the session in logs and in [`Live::session`]. It is not a
    /// secret and gives no access.
    pub fn id(&self) -> ByteString {
        self.member.shared.public_id()
    }

    pub(crate) fn key(&self) -> Uuid {
        self.member.id()
    }

    /// Sends a message. It is delivered once and in order, for as long as the session is kept.
    ///
    /// Waits only while the outbox is full, and only under [`Overflow::Wait`](crate::Overflow::Wait), the
    /// default. Cancel-safe: dropped while it waits, it has sent nothing.
    ///
    /// # Errors
    /// Fails with a [`SendError`] that names the reason: the outbox is full, the session is closed, or the
    /// message is above the limit.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut message = message.into();
        loop {
            match self.offer(message) {
                Err((SendError::Full, returned)) => match self.core.config.overflow {
                    Overflow::Wait => message = returned,
                    Overflow::Fail => return Err(SendError::Full),
                    Overflow::Close => {
                        self.member.shared.abort(CloseReason::of_slow_client(self.core.config.slow_members));
                        return Err(SendError::Full);
                    }
                },
                Err((error, _)) => return Err(error),
                Ok(()) => return Ok(()),
            }
            let length = message.len();
            std::future::poll_fn(|cx| self.member.shared.poll_room(cx, length)).await;
        }
    }

    /// Sends a message if there is room in the outbox. Never waits.
    ///
    /// # Errors
    /// Fails with a [`SendError`] that names the reason: the outbox is full, the session is closed, or the
    /// message is above the limit.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.offer(message.into()).map_err(|(error, _)| error)
    }

    /// Sends a message that is worth nothing when it comes late, for example a video frame. It is skipped while
    /// the client is behind (see [`droppable_mark`](crate::Builder::droppable_mark)), while the session is
    /// interrupted, and while the outbox is full; the client is informed of the gap. Never waits. Returns
    /// whether the message was sent.
    ///
    /// # Errors
    /// Fails with a [`SendError`], but never with [`SendError::Full`].
    pub fn send_droppable(&self, message: impl Into<Message>) -> Result<bool, SendError> {
        self.send_as(&WhenBehind::Skip, message.into())
    }

    /// Sends the newest value of something that has a name, for example the price of a symbol. While the client
    /// is behind (see [`droppable_mark`](crate::Builder::droppable_mark)) or the session is interrupted, the
    /// value waits, and a newer one of the same `key` replaces it; the client learns nothing of those that were
    /// replaced. So the client gets the last value of every key, and never an old one behind a newer one. Other
    /// messages overtake a value that waits. Never waits itself.
    ///
    /// A key has at most 256 bytes. Returns false if the value was skipped, which leaves a gap: values of 1,024
    /// other keys wait, or they fill half of the [`outbox`](crate::Builder::outbox).
    ///
    /// # Errors
    /// Fails with a [`SendError`], but never with [`SendError::Full`]; a key that is too long is `TooLarge`.
    pub fn send_latest(&self, key: &str, message: impl Into<Message>) -> Result<bool, SendError> {
        if key.len() > LONGEST_KEY {
            return Err(SendError::TooLarge);
        }
        self.send_as(&WhenBehind::Latest(key.into()), message.into())
    }

    /// Waits until the client has acknowledged everything that was sent before this call. Cancel-safe.
    ///
    /// A [bare WebSocket](crate::Server::raw) acknowledges nothing: there it waits until everything has been
    /// written to the connection.
    ///
    /// # Errors
    /// Fails with the reason of the close if the session ended before.
    pub async fn acknowledged(&self) -> Result<(), CloseReason> {
        let number = self.member.shared.flush();
        std::future::poll_fn(|cx| self.member.shared.poll_acknowledged(cx, number)).await
    }

    /// Closes the session behind everything that was sent: the client gets that first, then the code and the
    /// text. Does not wait; [`acknowledged`](Self::acknowledged) does. Use code 1000, or one of your own from
    /// 3000 to 3999.
    pub fn close(&self, code: u16, text: impl Into<ByteString>) {
        self.member.shared.close(CloseReason::new(code, text));
    }

    /// Ends the session at once with code 4310. Messages that are under way are lost. The client does not
    /// come back by itself. Does not wait.
    pub fn abort(&self) {
        self.member.shared.abort(reason::ABORTED);
    }

    /// Returns the reason why the session is over, or `None` while it is not.
    pub fn closed(&self) -> Option<CloseReason> {
        self.member.shared.look(|machine| machine.closed().cloned())
    }

    /// Returns whether a link is attached now. A session over HTTP may be without a link for a moment between
    /// two requests.
    pub fn is_connected(&self) -> bool {
        self.member.shared.look(|machine| machine.state() == State::Open)
    }

    /// Returns the transport of the link that was attached last.
    pub fn transport(&self) -> Transport {
        self.member.shared.transport()
    }

    /// Returns the round-trip time of the last heartbeat, or `None` before the first one. Long polling has no
    /// heartbeats.
    pub fn round_trip(&self) -> Option<Duration> {
        self.member.shared.look(|machine| machine.rtt()).map(Duration::from_millis)
    }

    /// Returns the number of bytes that the client has not acknowledged. Each message counts 64 bytes more
    /// than its payload.
    pub fn buffered_bytes(&self) -> usize {
        self.member.shared.look(|machine| machine.outbox_bytes())
    }

    /// Returns the number of messages that the client has not acknowledged. After the end of the session this
    /// is the number that it never acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.member.shared.look(|machine| machine.unacknowledged())
    }

    /// Returns the address of the client. It is known under [`serve`](crate::serve), and under `axum::serve`
    /// if the service was made by `into_make_service_with_connect_info::<SocketAddr>()`. Behind [trusted
    /// proxies](crate::Builder::trusted_proxies) it is the address that they name.
    pub fn remote_address(&self) -> Option<IpAddr> {
        self.member.remote.address
    }

    /// Returns a header of the opening request: the first value if there are several, or `None` if it is
    /// absent or not text. The case of the name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.member.remote.header(name)
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
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.member.rooms()
    }

    /// Starts a send to the members of a room without this session.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        self.within(room).except(self)
    }

    /// Starts a send to all members of a room, with this session if it is one of them.
    pub fn within(&self, room: impl Into<String>) -> To<'_> {
        To { core: &self.core, target: Target { room: room.into(), ..Target::default() } }
    }

    pub(super) fn offer(&self, message: Message) -> Result<(), (SendError, Message)> {
        if let Err(error) = self.check(&message) {
            return Err((error, message));
        }
        // A clone of a message shares its payload.
        self.member.shared.send(OutMessage::Own(message.clone())).map_err(|error| (self.explain(error), message))
    }

    fn send_as(&self, how: &WhenBehind, message: Message) -> Result<bool, SendError> {
        self.check(&message)?;
        self.member.shared.send_as(how, OutMessage::Own(message)).map_err(|error| self.explain(error))
    }

    fn check(&self, message: &Message) -> Result<(), SendError> {
        if message.len() > self.core.config.message_limit { Err(SendError::TooLarge) } else { Ok(()) }
    }

    fn explain(&self, error: session::SendError) -> SendError {
        match error {
            session::SendError::Full => SendError::Full,
            session::SendError::Closed => SendError::Closed,
            session::SendError::Exhausted => {
                self.member.shared.abort(reason::EXHAUSTED);
                SendError::Closed
            }
        }
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The reason why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The outbox is full, because the client acknowledges too slowly. Try later, or wait with `send`.
    Full,
    /// The session is closed or closing.
    Closed,
    /// The message is above the message limit, or its key above 256 bytes.
    TooLarge,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full => "the outbox is full",
            SendError::Closed => "the session is closed",
            SendError::TooLarge => "the message is above the limit",
        })
    }
}

impl std::error::Error for SendError {}

/// A send to a room that is being prepared: exclude members, then call [`send`](Self::send).
#[must_use]
#[derive(Clone, Debug)]
pub struct To<'a> {
    core: &'a Core,
    target: Target,
}

impl To<'_> {
    /// Excludes a session.
    pub fn except(mut self, session: &SessionHandle) -> Self {
        self.target.except.push(session.key());
        self
    }

    /// Excludes the members of another room. They are looked up when the message is sent.
    pub fn except_room(mut self, room: impl Into<String>) -> Self {
        self.target.except_rooms.push(room.into());
        self
    }

    /// Marks the message as droppable, as [`send_droppable`](SessionHandle::send_droppable) does: members that
    /// are behind miss it and are informed of the gap, and do not lose their session.
    pub fn droppable(mut self) -> Self {
        self.target.when_behind = WhenBehind::Skip;
        self
    }

    /// Marks the message as the newest value of a key, as [`send_latest`](SessionHandle::send_latest) does: for
    /// members that are behind it waits until a newer one replaces it. A key has at most 256 bytes; a message
    /// with a longer one is sent to no member, and logged.
    pub fn latest(mut self, key: impl Into<String>) -> Self {
        self.target.when_behind = WhenBehind::Latest(key.into().into());
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
