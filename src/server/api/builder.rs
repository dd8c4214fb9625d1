//! [`Anywire::builder`], which builds a [`Server`].

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::request::Parts;
use ipnet::IpNet;

use super::{
    handler::{Handler, erase},
    handlers::SessionHandler,
    hooks::{Hooks, Refused},
    server::Server,
    session::Session,
};
#[cfg(feature = "cluster")]
use crate::{cluster::Cluster, server::nodes::Nodes};
use crate::{
    config::{Config, History, Origins, Overflow, SlowMember, header_name, is_authority, is_node_name, millis},
    server::{core::Core, events::Events},
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
        Builder {
            config: Config::default(),
            hooks: Hooks::default(),
            #[cfg(feature = "cluster")]
            cluster: None,
            handler: (),
        }
    }
}

/// The settings of a server. Each method names the bound that it sets, and its default.
#[must_use]
#[derive(Clone, Debug)]
pub struct Builder<H = ()> {
    pub(super) config: Config,
    pub(super) hooks: Hooks,
    #[cfg(feature = "cluster")]
    pub(super) cluster: Option<Cluster>,
    pub(super) handler: H,
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
    /// without loss. An ended session is remembered for the same time, to acknowledge its end. A client that has
    /// not come back once since it opened has no longer than [`open_timeout`](Self::open_timeout). Default: 60 s.
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

    /// Sets the number of sessions that may live at a time; those that ended do not count. For a further one
    /// the oldest ends whose client has not come back since it opened, with code 4103; if there is none, the
    /// further one is refused with 503 and code 4200. Default: 100,000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = sessions;
        self
    }

    /// Sets the number of [namespaces](Self::namespace) besides `/` that a client may have at a time in a session. One
    /// counts from the client's request on, and one that the client has left until its handler has returned. A further
    /// one is refused with the fault `full`. Default: 32.
    pub fn max_namespaces(mut self, namespaces: usize) -> Self {
        self.config.channels = namespaces;
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

    /// Sets the number of bytes that all sessions may hold together, with [histories](Self::rooms). A message to
    /// many sessions counts once. Above four fifths of it new sessions are refused with 503 and code 4201, above
    /// all of it those that hold most end with 4105: see the guide's chapter on limits. Default: 1 GiB.
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
    /// `10.0.0.0/8`, `::1`. Where one of them is missing, `Forwarded` (RFC 7239) takes its place, so a proxy must
    /// set the headers that it does not remove. Default: none. They need the address of the connection, which
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

    /// Sets the headers that a session keeps first of the 8 KiB that it keeps for
    /// [`Session::header`](crate::Session::header). `Cookie`, `Authorization` and `Proxy-Authorization` are
    /// kept only if they are named here. Extractors see all headers. Default: none.
    ///
    /// # Panics
    /// Panics if a name cannot be that of a header.
    pub fn keep_headers<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.config.kept_headers = names.into_iter().map(|name| header_name(name.as_ref())).collect();
        self
    }

    /// Keeps the last messages of the rooms with this name, for those who
    /// [join later](crate::Session::join_since). A pattern that ends in `*` stands for all rooms whose names
    /// begin so; of several patterns that fit a room the first one counts. Default: no room has a history.
    ///
    /// The messages are kept in the memory of this process, which counts for [`max_bytes`](Self::max_bytes),
    /// within the bounds of the [`History`]. Messages that may be skipped, [droppable](crate::To::droppable) ones
    /// and the [latest](crate::To::latest) of a key, are not kept, and neither are those to [all](crate::Live::all)
    /// sessions.
    ///
    /// In a [cluster](crate::guide::many_nodes) the engine keeps one history for all nodes, if it
    /// keeps any. It outlives the nodes. Each node has the past of the rooms
    /// that it has members in. All nodes must have the same patterns and bounds. The engine counts messages that may be
    /// skipped, and requests, among those that it keeps, though nobody gets them again. If it keeps no histories, each node has one of its
    /// own, with positions of its own: that of a room begins when a session on that node first joins it, or the node first
    /// sends to it.
    ///
    /// # Panics
    /// Panics if a `*` stands elsewhere than at the end.
    pub fn rooms(mut self, pattern: &str, history: History) -> Self {
        let plain = pattern.strip_suffix('*').unwrap_or(pattern);
        assert!(!plain.contains('*'), "a `*` stands at the end of a pattern of rooms, not as in {pattern:?}");
        self.config.rooms.push((pattern.to_owned(), history));
        self
    }

    /// Makes the server one node of a cluster: any request may reach any node, and a room is one room on all of them. The
    /// argument is an engine ([`InProcess`](crate::InProcess), or one of a feature) or a [`Cluster`]. All nodes have the
    /// same settings, except for their [names](Self::node) and addresses. See the guide's chapter on many nodes. Default:
    /// the server is alone.
    ///
    /// [`build`](Self::build) panics if it is not set how the nodes reach each other: engines over a network need
    /// [`Cluster::peers`].
    #[cfg(feature = "cluster")]
    pub fn cluster(mut self, cluster: impl Into<Cluster>) -> Self {
        self.cluster = Some(cluster.into());
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

impl<H> Builder<H> {
    /// Asks the application about each new link of a session that is open, and each take-over by another page:
    /// with the request, as the extractors of the opening would see it, and the session. If the answer is
    /// `false`, that link is refused with code 4101, and its client opens a new session through its login; the
    /// session itself goes on, and ends with its grace time if no other link keeps it. Default: who knows the
    /// session's secret may come back.
    ///
    /// It is asked before the link is attached and only if the secret is right; not for each request of a poll or
    /// a stream, and not for uploads. It has the [`open_timeout`](Self::open_timeout); then the link is refused
    /// with 4007, and the client tries again.
    ///
    /// ```
    /// use anywire::{Anywire, Session};
    /// use axum::http::{header, request::Parts};
    ///
    /// let builder = Anywire::builder().authorize(async |parts: Parts, session: Session| {
    ///     // Is the cookie that the client brings now still a login of this session's user?
    ///     let cookie = parts.headers.get(header::COOKIE).and_then(|cookie| cookie.to_str().ok());
    ///     cookie.is_some() && session.user().is_some()
    /// });
    /// # let _ = builder;
    /// ```
    pub fn authorize<F, Fut>(mut self, authorize: F) -> Self
    where
        F: Fn(Parts, Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.hooks.authorize = Some(Arc::new(move |parts, session| Box::pin(authorize(parts, session))));
        self
    }

    /// Calls a function for each request that is refused, with what was refused, the code and the text, and the
    /// request: to count, to ban, to find out why a page does not get in. It must not block. Requests are copied
    /// for it. Default: none.
    ///
    /// ```
    /// use anywire::Anywire;
    ///
    /// let builder = Anywire::builder().on_refused(|refused| {
    ///     eprintln!("{}: {} from {:?}", refused.what(), refused.reason(), refused.parts().headers.get("origin"));
    /// });
    /// # let _ = builder;
    /// ```
    pub fn on_refused(mut self, on_refused: impl Fn(&Refused<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.on_refused = Some(Arc::new(on_refused));
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
        self.with(SessionHandler::new(erase(handler)))
    }

    /// Sets the handlers of the events of every session, instead of a [`handler`](Self::handler). See
    /// [`Events`].
    pub fn events<S>(self, events: Events<S>) -> Builder<SessionHandler<S>>
    where
        S: Clone + Send + Sync + 'static,
    {
        self.with(SessionHandler::new(events.into_handler()))
    }

    fn with<H>(self, handler: H) -> Builder<H> {
        Builder {
            config: self.config,
            hooks: self.hooks,
            #[cfg(feature = "cluster")]
            cluster: self.cluster,
            handler,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Builder<SessionHandler<S>> {
    /// Builds the server. Its sessions run on the tokio runtime that serves its routes.
    ///
    /// # Panics
    /// Panics if the server is a node of a cluster for which `Cluster::peers` was not called, unless its engine says by itself
    /// how nodes reach each other.
    #[cfg_attr(not(feature = "cluster"), expect(unused_mut, reason = "a cluster may name the node"))]
    pub fn build(mut self) -> Server<S> {
        #[cfg(feature = "cluster")]
        if let Some(node) = self.cluster.as_mut().and_then(|cluster| cluster.node.take())
            && self.config.node.is_empty()
        {
            self.config.node = node;
        }
        let core = Arc::new(Core::new(self.config));
        #[cfg(feature = "cluster")]
        if let Some(cluster) = self.cluster {
            core.join(Nodes::new(&core, cluster, self.hooks.on_room_gap.clone()));
        }
        Server::new(core, self.handler, self.hooks)
    }
}
