//! [`Anywire::builder`], and the [`Server`] that it builds.

use std::{fmt, net::IpAddr, ops::Deref, sync::Arc, time::Duration};

use axum::Router;

use super::{
    handler::{AnyHandler, Handler, erase},
    live::Live,
};
use crate::{
    config::{Config, Origins, Overflow, is_node_name},
    server::{core::Core, routes},
};

/// Where everything begins: [`Anywire::builder`].
#[derive(Clone, Copy, Debug)]
pub struct Anywire;

impl Anywire {
    /// A builder with the defaults.
    ///
    /// ```
    /// use anywire::{Anywire, Session};
    /// use axum::Router;
    ///
    /// async fn echo(mut session: Session) {
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

/// Sets the knobs. Each says what it bounds and its default.
#[must_use]
#[derive(Clone, Debug)]
pub struct Builder<H = ()> {
    config: Config,
    handler: H,
}

impl<H> Builder<H> {
    /// How long a link may be without traffic before the server pings. Default: 25 s, under the 30 s after which some hosts cut
    /// idle connections.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.config.heartbeat_interval = interval;
        self
    }

    /// How long a ping may be without an answer before its link counts as dead; the session lives on for the
    /// [grace](Self::grace) time. Default: 20 s.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.config.heartbeat_timeout = timeout;
        self
    }

    /// How long a session is kept without any link, so that the client can come back to it without loss. An ended session is remembered as
    /// long, to acknowledge its end. Default: 60 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// How long a client may take to say its first frame, to send a request's body, or to prove a link, and an extractor to run.
    /// Default: 10 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.config.open_timeout = timeout;
        self
    }

    /// How long a long poll is held when there is nothing to say. Default: 25 s.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.config.hold = hold;
        self
    }

    /// How many bytes a streaming response carries before the client must ask for the next; a browser keeps all of an
    /// `xhr-stream` in memory. Default: 1 MiB.
    pub fn stream_budget(mut self, bytes: usize) -> Self {
        self.config.stream_budget = bytes;
        self
    }

    /// The largest message, either way, in bytes (text as UTF-8). The client is told, and its `send()` refuses above it; on the wire the link that
    /// brings a larger one is ended with code 4006. Default: 1 MiB.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.config.message_limit = bytes;
        self
    }

    /// How many bytes of messages a session keeps for its handler. Beyond it the client is asked to hold; nothing is lost. Each message
    /// counts 64 bytes more than its payload. Default: 1 MiB.
    pub fn inbox(mut self, bytes: usize) -> Self {
        self.config.inbox = bytes;
        self
    }

    /// How many bytes of messages a session keeps until the client has acknowledged them. Each message counts 64 bytes more than its
    /// payload; an outbox that is at most half full takes any message, so that it may grow by one beyond the limit. Default: 1 MiB.
    pub fn outbox(mut self, bytes: usize) -> Self {
        self.config.outbox = bytes;
        self
    }

    /// What [`SessionHandle::send`](crate::SessionHandle::send) does when the outbox is full. Default: wait.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.config.overflow = overflow;
        self
    }

    /// How many sessions there may be; more are refused with 503 and code 4200. Default: 100,000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.config.max_sessions = sessions;
        self
    }

    /// How many bytes all inboxes and outboxes together may hold. Above four fifths of it new sessions are refused, above all of
    /// it returning ones too, with 503 and code 4201. Default: 1 GiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.config.max_bytes = bytes;
        self
    }

    /// Which pages may open sessions. Default: those of the same host.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.config.origins = origins;
        self
    }

    /// Proxies whose `X-Forwarded-For` is believed. Default: none.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpAddr>) -> Self {
        self.config.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// The name of this node, which stands in every session id so that requests can be routed to it. At most 64 letters, digits
    /// or `-`. Default: eight random ones.
    ///
    /// # Panics
    /// If the name holds anything else.
    pub fn node(mut self, name: &str) -> Self {
        assert!(name.is_empty() || is_node_name(name), "a node's name is up to 64 letters, digits or '-'");
        name.clone_into(&mut self.config.node);
        self
    }
}

impl Builder {
    /// The handler of every session: an `async fn` that takes axum extractors, then a [`Session`](crate::Session).
    pub fn handler<H, T, S>(self, handler: H) -> Builder<SessionHandler<S>>
    where
        H: Handler<T, S>,
        S: Clone + Send + Sync + 'static,
    {
        Builder { config: self.config, handler: SessionHandler(erase(handler)) }
    }
}

impl<S> Builder<SessionHandler<S>> {
    /// The server. Its sessions run on the tokio runtime that serves its routes.
    pub fn build(self) -> Server<S> {
        Server { live: Live { core: Arc::new(Core::new(self.config)) }, handler: self.handler.0 }
    }
}

/// The builder has its handler.
#[derive(Clone)]
pub struct SessionHandler<S>(AnyHandler<S>);

impl<S> fmt::Debug for SessionHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionHandler")
    }
}

/// A server: its routes, and by way of [`Live`] its sessions and rooms. Clones are the same server.
pub struct Server<S = ()> {
    live: Live,
    handler: AnyHandler<S>,
}

impl<S: Clone + Send + Sync + 'static> Server<S> {
    /// The routes of all transports and of the client's script, to nest at a path of an axum `Router`. Layers of yours (tracing, limits)
    /// go around them; compression should not, since it holds streams back and the scripts are compressed already.
    pub fn routes(&self) -> Router<S> {
        routes::native::routes(&self.live.core, &self.handler)
    }

    /// A handle without the state's type, to keep in that state or anywhere else.
    pub fn live(&self) -> Live {
        self.live.clone()
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

impl<S> Deref for Server<S> {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}
