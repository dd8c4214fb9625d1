//! The session: who the client is, how the session lives and ends, and what the application keeps in it.

use std::{fmt, future::poll_fn, net::IpAddr, sync::Arc, time::Duration};

use bytestring::ByteString;
use uuid::Uuid;

use crate::{
    config::{Transport, check_close_code},
    hub::{Member, Value},
    server::core::Core,
    session::{CloseReason, State, reason},
    shared::SharedSession,
};

/// One client's session, whatever transport carries it.
///
/// A session is handed to the [handler](crate::Handler) that runs for it, and lives until that handler
/// returns or panics: then it leaves its rooms, drops what was [inserted](Self::insert), and closes behind
/// everything that was sent. Clones are handles to the same session, for other tasks and for your own tables.
/// None of them keeps it open. [`Live`](crate::Live) finds sessions by id and by room.
#[derive(Clone)]
pub struct Session {
    pub(crate) core: Arc<Core>,
    pub(crate) member: Arc<Member>,
}

// Identity.
impl Session {
    /// Returns the session's id. The id names the session in logs and in
    /// [`Live::session`](crate::Live::session). It is not a secret and gives no access.
    pub fn id(&self) -> SessionId {
        SessionId::new(&self.member.shared)
    }

    pub(crate) fn key(&self) -> Uuid {
        self.member.id()
    }

    /// Returns the namespace: `/` for the session itself, another one for a
    /// [channel](crate::Builder::namespace) of it.
    pub fn namespace(&self) -> &str {
        self.member.namespace()
    }

    /// Returns the session itself, if this is a [channel](crate::Builder::namespace) of it; else a clone.
    #[must_use]
    pub fn root(&self) -> Session {
        Session { core: self.core.clone(), member: self.member.session().clone() }
    }

    /// Returns the address of the client. It is known under [`serve`](crate::serve), and under `axum::serve`
    /// if the service was made by `into_make_service_with_connect_info::<SocketAddr>()`. Behind [trusted
    /// proxies](crate::Builder::trusted_proxies) it is the address that they name.
    pub fn remote_address(&self) -> Option<IpAddr> {
        self.member.session().remote.address
    }

    /// Returns a header of the opening request: the first value if there are several, or `None` if it is
    /// absent or not text. The case of the name does not matter. At most 8 KiB of headers are kept, and those
    /// with credentials, as `Cookie`, only if [`keep_headers`](crate::Builder::keep_headers) names them.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.member.session().remote.header(name)
    }
}

// Life.
impl Session {
    /// Closes the session behind everything that was sent: the client gets that first, then the code and the
    /// text. Does not wait; [`acknowledged`](Self::acknowledged) does. A second close changes nothing. Of a
    /// [channel](crate::Builder::namespace) only that channel is closed; its [`root`](Self::root) is the session.
    ///
    /// The code is 1000, or one of your own from 3000 to 3999. The handler goes on until it returns, and may
    /// still receive what the client sends before it learns of the close.
    ///
    /// # Panics
    /// Panics if the code is another one: those mean something to every client.
    pub fn close(&self, code: u16, text: impl Into<String>) {
        check_close_code(code);
        self.end(CloseReason::new(code, text.into()));
    }

    /// Ends the session at once with code 4310. Messages that are under way are lost. The client does not
    /// come back by itself. Does not wait. A [channel](crate::Builder::namespace) is closed with this code, behind
    /// what was sent.
    pub fn abort(&self) {
        match &self.member.channel {
            None => self.member.shared.abort(reason::ABORTED),
            Some(_) => self.end(reason::ABORTED),
        }
    }

    pub(crate) fn end(&self, reason: CloseReason) {
        let Some(channel) = &self.member.channel else { return self.member.shared.close(reason) };
        if self.member.shared.close_channel(channel.number, &reason) {
            channel.end(reason);
        }
    }

    /// Returns the reason why the session is over, or why it was [closed](Self::close) here; `None` while it
    /// is neither. The client's end of a [channel](crate::Builder::namespace) has code 1000.
    pub fn close_reason(&self) -> Option<CloseReason> {
        let Some(channel) = &self.member.channel else { return self.member.shared.close_reason() };
        let over = || self.member.shared.channel_is_over(channel.number).then_some(reason::CLOSED);
        channel.close_reason().or_else(over)
    }

    /// Returns whether the session is over, or was [closed](Self::close) here. Then nothing can be sent.
    pub fn is_closed(&self) -> bool {
        self.close_reason().is_some()
    }

    /// Waits until the session is over, or is [closed](Self::close) here, and returns the reason.
    /// Cancel-safe.
    pub async fn closed(&self) -> CloseReason {
        if let Some(channel) = &self.member.channel {
            poll_fn(|cx| self.member.shared.poll_channel_over(cx, channel.number)).await;
            return self.close_reason().unwrap_or(reason::CLOSED);
        }
        poll_fn(|cx| self.member.shared.poll_closed(cx)).await
    }

    /// Returns whether a link is attached now. A session over HTTP may be without a link for a moment between
    /// two requests.
    pub fn is_connected(&self) -> bool {
        self.member.shared.look(|machine| machine.state() == State::Open)
    }

    /// Returns the transport of the link that carries the session; while there is none, of the last that did.
    pub fn transport(&self) -> Transport {
        self.member.shared.transport()
    }

    /// Returns the round-trip time of the last heartbeat, or `None` before the first one. Long polling has no
    /// heartbeats.
    pub fn round_trip(&self) -> Option<Duration> {
        self.member.shared.look(|machine| machine.rtt()).map(Duration::from_millis)
    }
}

// The values that the application keeps.
impl Session {
    /// Keeps a value in the session, one of each type, and returns the value of this type that it replaces.
    /// Every clone of the session has it. It is dropped when the handler has returned; inserted later, it is
    /// dropped at once.
    ///
    /// ```
    /// use anywire::Session;
    ///
    /// #[derive(Clone)]
    /// struct User { name: String }
    ///
    /// async fn chat(session: Session) {
    ///     session.insert(User { name: "ada".to_owned() });
    ///     let user = session.get::<User>().expect("it was inserted");
    ///     let _ = session.send(format!("hello {}", user.name)).await;
    /// }
    /// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
    /// # check(chat);
    /// ```
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let inserted = self.member.values().insert::<T>(Arc::new(value));
        inserted.ok().flatten().and_then(taken)
    }

    /// Returns a clone of the value of this type, if one was [inserted](Self::insert).
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let value = self.member.values().get::<T>()?;
        value.downcast_ref().cloned()
    }

    /// Removes the value of this type, and returns it.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let removed = self.member.values().remove::<T>();
        removed.and_then(taken)
    }
}

/// The value itself, or a clone of it while another task has just looked it up.
fn taken<T: Clone + Send + Sync + 'static>(value: Value) -> Option<T> {
    value.downcast().ok().map(Arc::unwrap_or_clone)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

/// The id of a session: text, as [`Live::session`](crate::Live::session) takes it and `session.id` of the
/// client has it. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(ByteString);

impl SessionId {
    pub(super) fn new(shared: &SharedSession) -> Self {
        SessionId(shared.public_id())
    }

    /// The id of a session that another node has.
    pub(super) fn elsewhere(id: ByteString) -> Self {
        SessionId(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for SessionId {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for SessionId {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<String> for SessionId {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> String {
        id.0.to_string()
    }
}
