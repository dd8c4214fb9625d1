//! [`Anywire::builder`], and the [`Server`] that it builds.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use axum::Router;
use ipnet::IpNet;

use super::{
    handler::{AnyHandler, Handler, erase},
    live::{Live, To},
    presence::Presence,
    session::Session,
};
use crate::{
    config::{Config, History, Origins, Overflow, SlowMember, is_authority, is_node_name, millis},
    server::{core::Core, routes},
};

/// The entry of the library: [`Anywire::builder`].
#[derive(Clone, Copy, Debug)]
pub struct Anywire;

impl Anywire {
    /// Returns a builder with the default settings.
    ///
    /// ```
    /// use anywire::{Anywire, Session};
    /// use axum::Router;
    ///
    /// async fn echo(session: Session) {
    ///     while let Some(message) = session.recv().await {
    ///         if session.send(message).await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// }
    ///
    /// let live = Anywire::builder().handler(echo).build();
    /// let app: Router = Router::new().nest("/live", live.routes());
    /// # let _ = app;
    /// ```
    pub fn builder() -> Builder {
        Builder { config: Config::default(), handler: () }
    }
}

/// The settings of a server. Each method names the bound that it sets, and its default.
#[must_use]
#[derive(Clone, Debug)]
pub struct Builder<H = ()> {
    config: Config,
    handler: H,
}

impl<H> Builder<H> {
    /// Sets the time without traffic on a link after which the server pings. Default: 25 s, because some
    /// hosts cut idle connections after 30 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        assert!(millis(interval) > 0, "a heartbeat's interval is at least a millisecond");
        self.config.heartbeat_interval = interval;
        self
    }

    /// Sets the time within which a ping must be answered. A link without an answer counts as dead, and the
    /// session is kept for the [grace](Self::grace) time. Default: 20 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        assert!(millis(timeout) > 0, "a heartbeat's timeout is at least a millisecond");
        self.config.heartbeat_timeout = timeout;
        self
    }

    /// Sets the time for which a session is kept without any link, so that the client can come back to it
    /// without loss. An ended session is remembered for the same time, to acknowledge its end. Default: 60 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Sets the time for which a client's first frame or a request's body may be silent, within which a link
    /// must be confirmed, and within which the extractors must finish. A body that takes longer than this time
    /// must bring 10 kB in each further second. Default: 10 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        assert!(millis(timeout) > 0, "an opening's timeout is at least a millisecond");
        self.config.open_timeout = timeout;
        self
    }

    /// Sets the time for which a long poll is held while there is nothing to send. A client finds a poll dead
    /// after this and the [heartbeat's timeout](Self::heartbeat_timeout), as it finds other links dead after the
    /// interval and the timeout. With less than 100 ms no poll is held, and clients poll every two seconds.
    /// Default: the [heartbeat's interval](Self::heartbeat_interval).
    pub fn hold(mut self, hold: Duration) -> Self {
        self.config.hold = Some(hold);
        self
    }

    /// Sets the number of bytes that a streaming response carries before the client must ask for the next
    /// one. A browser keeps all of an `xhr-stream` in memory. Default: 1 MiB.
    pub fn stream_budget(mut self, bytes: usize) -> Self {
        self.config.stream_budget = bytes;
        self
    }

    /// Sets the size of the largest message in both directions, in bytes (text as UTF-8). Clients learn it at
    /// their opening, and their `send()` refuses larger messages. A link that brings a larger one ends with
    /// code 4006. Default: 1 MiB.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.config.message_limit = bytes;
        self
    }

    /// Sets the number of bytes of messages that a session keeps for its handler. Above it the client is
    /// asked to pause, and nothing is lost. Each message counts 64 bytes more than its payload. Default: 1
    /// MiB.
    pub fn inbox(mut self, bytes: usize) -> Self {
        self.config.inbox = bytes;
        self
    }

    /// Sets the number of bytes of messages that a session keeps until the client has acknowledged them. Each
    /// message counts 64 bytes more than its payload. An outbox that is at most half full takes any message,
    /// so that it may exceed the limit by one message. Default: 4 MiB.
    pub fn outbox(mut self, bytes: usize) -> Self {
        self.config.outbox = bytes;
        self
    }

    /// Sets the number of unacknowledged bytes above which a client is behind in any case, so that
    /// [droppable](crate::To::droppable) messages are skipped and the [latest](crate::To::latest) of a key
    /// waits. Below it a client is behind when it has not acknowledged more than it acknowledged within the
    /// last half second and round trip, and more than four messages. With 0 one such message is under way at
    /// a time. Default: 64 KiB.
    pub fn droppable_mark(mut self, bytes: usize) -> Self {
        self.config.droppable_mark = bytes;
        self
    }

    /// Sets what a room send does with a member whose outbox is full. Default: the member's session ends, and
    /// its client opens a new one.
    pub fn slow_members(mut self, policy: SlowMember) -> Self {
        self.config.slow_members = policy;
        self
    }

    /// Sets the behaviour of [`Session::send`](crate::Session::send) when the outbox is full.
    /// Default: wait.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.config.overflow = overflow;
        self
    }

    /// Sets the number of sessions that may live at a time; those that ended do not count. Further ones are
    /// refused with 503 and code 4200. Default: 100,000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = sessions;
        self
    }

    /// Sets the number of clients a second that should come back after their links were cut at once, as by a
    /// restart of a proxy. Each client makes its first attempt at a random moment within the number of
    /// sessions divided by this rate, or within 10 ms if that is longer. It learns that time when its
    /// session opens. 0 counts as 1. Default: 5,000.
    pub fn reconnect_rate(mut self, clients: u32) -> Self {
        self.config.reconnect_rate = clients;
        self
    }

    /// Sets the number of bytes that all inboxes and outboxes may hold together. Above four fifths of it new
    /// sessions are refused, and above all of it returning sessions too, with 503 and code 4201. Default: 1
    /// GiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.config.max_bytes = bytes;
        self
    }

    /// Sets which pages may open sessions. Default: pages of the same host.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.config.origins = origins;
        self
    }

    /// Sets the names by which browsers know this server: `chat.example.org`, with the port if it is not the
    /// default port of the scheme. A page whose origin has one of these names counts as a page of the same
    /// host, whatever `Host` a proxy puts into the request; and no other does, so that a foreign name which
    /// leads to this server (DNS rebinding) opens nothing. Default: none; the request's own headers decide.
    ///
    /// # Panics
    /// Panics if a name is not a host with or without a port.
    pub fn hosts<T: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        let hosts = hosts.into_iter().map(|host| {
            let host = host.as_ref();
            assert!(is_authority(host), "{host:?} is not a host: write a name, with the port if there is one");
            host.to_ascii_lowercase()
        });
        self.config.hosts = hosts.collect();
        self
    }

    /// Sets the proxies whose `X-Forwarded-For` and `X-Forwarded-Host` are believed, as addresses or networks:
    /// `10.0.0.0/8`, `::1`. Default: none. They need the address of the connection, which
    /// [`serve`](crate::serve) and axum's `into_make_service_with_connect_info` report; where it is missing, a
    /// warning is logged.
    ///
    /// # Panics
    /// Panics if a text is neither an address nor a network.
    pub fn trusted_proxies<T: ToString>(mut self, proxies: impl IntoIterator<Item = T>) -> Self {
        let proxies = proxies.into_iter().map(|proxy| {
            let text = proxy.to_string();
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.unwrap_or_else(|_| panic!("{text:?} is neither an address nor a network"))
        });
        self.config.trusted_proxies = proxies.collect();
        self
    }

    /// Keeps the last messages of the rooms with this name, for those who
    /// [join later](crate::Session::join_since). A pattern that ends in `*` stands for all rooms whose names
    /// begin so; of several patterns that fit a room the first one counts. Default: no room has a history.
    ///
    /// The messages are kept in the memory of this process, besides [`max_bytes`](Self::max_bytes), within the
    /// bounds of the [`History`]. Messages that may be skipped, [droppable](crate::To::droppable) ones and the
    /// [latest](crate::To::latest) of a key, are not kept, and neither are those to [all](crate::Live::all)
    /// sessions.
    ///
    /// # Panics
    /// Panics if a `*` stands elsewhere than at the end.
    pub fn rooms(mut self, pattern: &str, history: History) -> Self {
        let plain = pattern.strip_suffix('*').unwrap_or(pattern);
        assert!(!plain.contains('*'), "a `*` stands at the end of a pattern of rooms, not as in {pattern:?}");
        self.config.rooms.push((pattern.to_owned(), history));
        self
    }

    /// Sets the name of this node. It is a part of every session id, so that requests can be routed to the
    /// node. It has at most 64 letters, digits or `-`. Default: eight random ones.
    ///
    /// # Panics
    /// Panics if the name is longer or holds any other character.
    pub fn node(mut self, name: &str) -> Self {
        assert!(name.is_empty() || is_node_name(name), "a node's name is up to 64 letters, digits or '-'");
        name.clone_into(&mut self.config.node);
        self
    }
}

impl Builder {
    /// Sets the handler of every session: an `async fn` that takes axum extractors, then a
    /// [`Session`](crate::Session).
    pub fn handler<H, T, S>(self, handler: H) -> Builder<SessionHandler<S>>
    where
        H: Handler<T, S>,
        S: Clone + Send + Sync + 'static,
    {
        Builder { config: self.config, handler: SessionHandler(erase(handler)) }
    }
}

impl<S> Builder<SessionHandler<S>> {
    /// Builds the server. Its sessions run on the tokio runtime that serves its routes.
    pub fn build(self) -> Server<S> {
        Server { live: Live { core: Arc::new(Core::new(self.config)) }, handler: self.handler.0 }
    }
}

/// The state of a builder that has its handler.
#[derive(Clone)]
pub struct SessionHandler<S>(AnyHandler<S>);

impl<S> fmt::Debug for SessionHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionHandler")
    }
}

/// A server: its routes, its sessions and its rooms. Clones are handles to the same server, and so is a
/// [`Live`], which has no type parameter.
pub struct Server<S = ()> {
    live: Live,
    handler: AnyHandler<S>,
}

impl<S: Clone + Send + Sync + 'static> Server<S> {
    /// Returns the routes of all transports and of the client's scripts, to nest at a path of an axum
    /// `Router`. Your own layers (tracing, limits) go around them. A compression layer should not, because it
    /// holds streams back, and the scripts are compressed already.
    pub fn routes(&self) -> Router<S> {
        routes::native::routes(&self.live.core, &self.handler)
    }

    /// Returns the route of a bare WebSocket, to nest at a path of an axum `Router`: any client of RFC 6455
    /// opens a session there, without a protocol of ours, and reaches the same handler and rooms. A message
    /// is a message of the WebSocket, text or binary.
    ///
    /// The origin policy and the limits are those of all transports. A refused session is answered at the
    /// handshake: with 403, 503, or the response of an extractor; [`Auth`](crate::Auth) finds no auth data
    /// here and answers 401, `Option<Auth<T>>` is `None`.
    ///
    /// The session is its one connection and ends with it, with the code that the client closed with, or
    /// 1006. Messages that were sent and not written by then are lost, and a message counts as acknowledged
    /// once it is written; use [`routes`](Self::routes) for clients that must lose nothing. Heartbeats are
    /// pings. While the handler does not receive and the inbox is full, nothing is read from the connection.
    /// Close codes are those of RFC 6455: 1001 when the server goes away, 1002, 1007 and 1009 for what it
    /// forbids or is too large, 1008 for a client that takes too little, 1011 when the handler failed.
    ///
    /// ```no_run
    /// # use anywire::{Anywire, Session};
    /// # async fn handler(session: Session) {}
    /// let live = Anywire::builder().handler(handler).build();
    /// let app: axum::Router = axum::Router::new().nest("/live", live.routes()).nest("/ws", live.raw());
    /// ```
    pub fn raw(&self) -> Router<S> {
        routes::raw::routes(&self.live.core, &self.handler)
    }

    /// Returns a handle without the state's type, to keep in that state or anywhere else.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.live.core
    }

    pub(crate) fn handler(&self) -> &AnyHandler<S> {
        &self.handler
    }
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Server { live: self.live.clone(), handler: self.handler.clone() }
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("live", &self.live).finish_non_exhaustive()
    }
}

impl<S> AsRef<Live> for Server<S> {
    fn as_ref(&self) -> &Live {
        &self.live
    }
}

/// The methods of its [`Live`].
impl<S> Server<S> {
    /// Starts a send to all members of a room. See [`Live::to`].
    pub fn to(&self, room: impl Into<String>) -> To<'_> {
        self.live.to(room)
    }

    /// Starts a send to the members of several rooms. See [`Live::to_any`].
    pub fn to_any(&self, rooms: impl IntoIterator<Item = impl Into<String>>) -> To<'_> {
        self.live.to_any(rooms)
    }

    /// Starts a send to all sessions. See [`Live::all`].
    pub fn all(&self) -> To<'_> {
        self.live.all()
    }

    /// Returns the session with this id. See [`Live::session`].
    pub fn session(&self, id: impl AsRef<str>) -> Option<Session> {
        self.live.session(id)
    }

    /// Returns all sessions. See [`Live::sessions`].
    pub fn sessions(&self) -> Vec<Session> {
        self.live.sessions()
    }

    /// Returns the members of a room. See [`Live::members`].
    pub fn members(&self, room: &str) -> Vec<Session> {
        self.live.members(room)
    }

    /// Returns the number of sessions. See [`Live::len`].
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Returns whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Returns who is in a room. See [`Live::presence`].
    pub fn presence(&self, room: &str) -> Presence {
        self.live.presence(room)
    }

    /// Shuts down gracefully. See [`Live::shutdown`].
    pub async fn shutdown(&self, window: Duration) {
        self.live.shutdown(window).await;
    }
}
