//! Sessions and rooms from outside any handler.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use bytestring::ByteString;
use uuid::Uuid;

use crate::{
    broadcast::OutMessage,
    config::{Overflow, Transport, millis},
    hub::{Delivered, Member, Target},
    ids,
    message::Message,
    server::core::Core,
    session::{self, CloseReason, State, reason},
};

/// A server's sessions and rooms, from anywhere in the program. Clones are the same server.
#[derive(Clone)]
pub struct Live {
    pub(crate) core: Arc<Core>,
}

impl Live {
    /// A send to the members of a room.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        To { core: &self.core, target: Target { room: room.into(), ..Target::default() } }
    }

    /// The session with this id, if it is here and not over.
    pub fn session(&self, id: &str) -> Option<SessionHandle> {
        let member = self.core.find(id).here()?;
        member.shared.look(|machine| machine.closed().is_none()).then(|| self.handle(member))
    }

    /// All sessions that are not over, as of now.
    pub fn sessions(&self) -> Vec<SessionHandle> {
        let open = |member: &Arc<Member>| member.shared.look(|machine| machine.closed().is_none());
        self.core.hub.all().into_iter().filter(open).map(|member| self.handle(member)).collect()
    }

    /// The members of a room, as of now.
    pub fn members(&self, room: &str) -> Vec<SessionHandle> {
        self.core.hub.members(room).into_iter().map(|member| self.handle(member)).collect()
    }

    /// How many sessions there are. Those that ended within the grace time count too: their end may have to be acknowledged again.
    pub fn len(&self) -> usize {
        self.core.hub.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shuts down gracefully: no new sessions from now on (503, code 4202); every client is told to make a new link, each at
    /// its own moment within `window`; when the window is over the links end with code 4005 and the handlers' sessions with them.
    ///
    /// Waits for the window, then until the handlers have returned, at most another five seconds. Not cancel-safe: dropped, it leaves
    /// a server that takes no new sessions.
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

/// A session from outside its handler, or from another task of it. Clones are the same session; none keeps it open.
#[derive(Clone)]
pub struct SessionHandle {
    pub(crate) core: Arc<Core>,
    pub(crate) member: Arc<Member>,
}

impl SessionHandle {
    /// The session's id. It names the session in logs and in [`Live::session`]; it is not a secret and gives no access.
    pub fn id(&self) -> ByteString {
        self.member.shared.public_id()
    }

    pub(crate) fn key(&self) -> Uuid {
        self.member.id()
    }

    /// Sends a message. It is delivered once, in order, for as long as the session is kept.
    ///
    /// Waits only while the outbox is full, and only under [`Overflow::Wait`](crate::Overflow::Wait), the default. Cancel-safe: dropped while it
    /// waits, it has sent nothing.
    ///
    /// # Errors
    /// [`SendError`] says why the message was not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let mut message = message.into();
        loop {
            match self.offer(message) {
                Err((SendError::Full, returned)) => match self.core.config.overflow {
                    Overflow::Wait => message = returned,
                    Overflow::Fail => return Err(SendError::Full),
                    Overflow::Close => {
                        self.member.shared.abort(reason::TOO_SLOW);
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
    /// [`SendError`] says why the message was not sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.offer(message.into()).map_err(|(error, _)| error)
    }

    /// Sends a message that may be dropped when the outbox is full, as a video frame: the client is told of the gap. Never waits.
    /// Returns whether it was sent.
    ///
    /// # Errors
    /// [`SendError`], but never [`SendError::Full`].
    pub fn send_droppable(&self, message: impl Into<Message>) -> Result<bool, SendError> {
        let message = message.into();
        self.check(&message)?;
        self.member.shared.send_droppable(OutMessage::Own(message)).map_err(|error| self.explain(error))
    }

    /// Waits until the client has acknowledged all that was sent before this call. Cancel-safe.
    ///
    /// # Errors
    /// The reason for which the session ended before.
    pub async fn flush(&self) -> Result<(), CloseReason> {
        let number = self.member.shared.flush();
        std::future::poll_fn(|cx| self.member.shared.poll_acknowledged(cx, number)).await
    }

    /// Closes the session behind everything that was sent: the client gets that first, then the code and the text. Does not wait;
    /// [`flush`](Self::flush) does. Use 1000, or one of your own from 3000 to 3999.
    pub fn close(&self, code: u16, text: impl Into<ByteString>) {
        self.member.shared.close(CloseReason::new(code, text));
    }

    /// Ends the session at once with code 4310; what is under way is lost. The client does not come back by itself.
    pub fn abort(&self) {
        self.member.shared.abort(reason::ABORTED);
    }

    /// Why the session is over, if it is.
    pub fn closed(&self) -> Option<CloseReason> {
        self.member.shared.look(|machine| machine.closed().cloned())
    }

    /// Whether some link is attached now. A session over HTTP may be without one for a moment between two requests.
    pub fn is_connected(&self) -> bool {
        self.member.shared.look(|machine| machine.state() == State::Open)
    }

    /// The transport of the link that was attached last.
    pub fn transport(&self) -> Transport {
        self.member.shared.transport()
    }

    /// The round-trip time of the last heartbeat; `None` before the first, and over long polling, which has none.
    pub fn round_trip(&self) -> Option<Duration> {
        self.member.shared.look(|machine| machine.rtt()).map(Duration::from_millis)
    }

    /// Bytes that the client has not acknowledged, 64 more a message than its payload.
    pub fn buffered_bytes(&self) -> usize {
        self.member.shared.look(|machine| machine.outbox_bytes())
    }

    /// Messages that the client has not acknowledged; of a session that is over, those that it never did.
    pub fn unacknowledged(&self) -> usize {
        self.member.shared.look(|machine| machine.unacknowledged())
    }

    /// The address of the client, if the server was made with `into_make_service_with_connect_info::<SocketAddr>()`. Behind
    /// [trusted proxies](crate::Builder::trusted_proxies) it is the one that they name.
    pub fn remote_address(&self) -> Option<IpAddr> {
        self.member.remote.address
    }

    /// A header of the opening request: the first value if there are several, `None` if it is not text. The case of the name
    /// does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.member.remote.header(name)
    }

    /// Joins a room. Returns whether the session was not in it. It leaves all rooms when its handler returns.
    pub fn join(&self, room: &str) -> bool {
        self.core.hub.join(&self.member, room).is_some()
    }

    /// Leaves a room. Returns whether the session was in it.
    pub fn leave(&self, room: &str) -> bool {
        self.core.hub.leave(&self.member, room).is_some()
    }

    /// The rooms that the session is in.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.member.rooms()
    }

    /// A send to the members of a room, without this session.
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        self.within(room).except(self)
    }

    /// A send to the members of a room, with this session if it is one.
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

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The outbox is full: the client acknowledges too slowly. Try later, or wait with `send`.
    Full,
    /// The session is closed or closing.
    Closed,
    /// The message is above the message limit.
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

/// A send to a room: exclusions, then [`send`](Self::send).
#[must_use]
#[derive(Clone, Debug)]
pub struct To<'a> {
    core: &'a Core,
    target: Target,
}

impl To<'_> {
    /// Leaves a session out.
    pub fn except(mut self, session: &SessionHandle) -> Self {
        self.target.except.push(session.key());
        self
    }

    /// Leaves out who is in this room too.
    pub fn except_room(mut self, room: impl Into<String>) -> Self {
        self.target.except_rooms.push(room.into());
        self
    }

    /// Lets members whose outbox is full miss the message, with a gap that they are told of, instead of losing their session.
    pub fn droppable(mut self) -> Self {
        self.target.droppable = true;
        self
    }

    /// Sends. Never waits: a member whose outbox is full is closed as too slow (code 4311), or skipped if the message is
    /// [droppable](Self::droppable). The message is spelled once for each kind of link. All members get the messages of one room in
    /// the same order. A message above the limit goes to nobody.
    ///
    /// What a handler sends before it next awaits leaves then, as one write for each member; what is sent from elsewhere leaves at once.
    pub fn send(self, message: impl Into<Message>) -> Delivered {
        let message = message.into();
        if message.len() > self.core.config.message_limit {
            tracing::warn!(room = self.target.room, bytes = message.len(), "a message above the limit was not sent");
            return Delivered::default();
        }
        self.core.hub.deliver(&self.target, &OutMessage::shared(message))
    }
}
