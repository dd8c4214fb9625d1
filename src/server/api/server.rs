//! The [`Server`] that a builder builds.

use std::{fmt, sync::Arc, time::Duration};

use axum::Router;

use super::{
    handler::AnyHandler, handlers::SessionHandler, hooks::Hooks, live::Live, presence::Presence, session::Session,
    shutdown::ShutDown, stomp::Stomp, to::To,
};
use crate::{
    config::{EngineIo, SockJs, SocketIo},
    server::{
        core::Core,
        gateway::Gateway,
        routes::{self, engineio::Dialect},
        stomp::Broker,
    },
};

/// A server: its routes, its sessions and its rooms. Clones are handles to the same server, and so is a
/// [`Live`], which has no type parameter.
pub struct Server<S = ()> {
    live: Live,
    handler: AnyHandler<S>,
    handlers: Arc<SessionHandler<S>>,
    hooks: Hooks,
}

impl<S: Clone + Send + Sync + 'static> Server<S> {
    pub(super) fn new(core: Arc<Core>, handlers: SessionHandler<S>, hooks: Hooks) -> Self {
        Server { live: Live::new(core), handler: handlers.of_sessions(), handlers: Arc::new(handlers), hooks }
    }
}

impl<S: Clone + Send + Sync + 'static> Server<S> {
    /// Returns the routes of all transports and of the client's scripts, to nest at a path of an axum
    /// `Router`. Your own layers (tracing, limits) go around them. A compression layer should not, because it
    /// holds streams back, and the scripts are compressed already.
    pub fn routes(&self) -> Router<S> {
        routes::native::routes(self.gateway())
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
        routes::raw::routes(self.gateway())
    }

    /// Returns the route of Engine.IO, revisions 3 and 4, to merge into an axum `Router`: clients of Engine.IO open
    /// sessions at this path, over HTTP polling (by scripts too) or a WebSocket, and may move from the one to the
    /// other. They reach the same handler and rooms. A slash at the end of the path may be there or not, here and
    /// in the requests. See the guide's chapter [on it](crate::guide::engineio), and
    /// [`engineio_with`](Self::engineio_with) for settings.
    ///
    /// # Panics
    /// Panics if the path does not begin with a slash, or has parameters.
    ///
    /// ```no_run
    /// # use anywire::{Anywire, Session};
    /// # async fn handler(session: Session) {}
    /// let live = Anywire::builder().handler(handler).build();
    /// let app: axum::Router =
    ///     axum::Router::new().nest("/live", live.routes()).merge(live.engineio("/engine.io"));
    /// ```
    pub fn engineio(&self, path: &str) -> Router<S> {
        self.engineio_with(path, EngineIo::new())
    }

    /// As [`engineio`](Self::engineio), with settings of its own.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    pub fn engineio_with(&self, path: &str, settings: EngineIo) -> Router<S> {
        check_path(path);
        routes::engineio::routes(self.gateway(), path, settings, Dialect::Plain)
    }

    /// Returns the routes of Socket.IO, to merge into an axum `Router`: its clients of every generation (1 to 4) and in
    /// every language reach the same handlers and rooms at this path, which they take for `/socket.io` unless they
    /// are told another. Each namespace of the builder is a namespace of theirs. See the guide's chapter [on
    /// moving](crate::guide::from_socket_io), and [`socketio_with`](Self::socketio_with) for settings.
    ///
    /// `socket.io.js` below the path is the script for pages: this crate's `io.js`, which finds the native routes
    /// below `anywire/` of the same path. `socket.io.min.js` is the same, and `socket.io.esm.min.js` the module.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    ///
    /// ```no_run
    /// use anywire::{Anywire, Data, Events, Session};
    ///
    /// async fn say(Data(text): Data<String>, session: Session) {
    ///     session.within("lobby").emit("said", text);
    /// }
    ///
    /// let events = Events::new().on("say", say).on_open(async |session: Session| {
    ///     session.join("lobby");
    /// });
    /// let live = Anywire::builder().events(events).build();
    /// let app: axum::Router = axum::Router::new().merge(live.socketio("/socket.io"));
    /// ```
    pub fn socketio(&self, path: &str) -> Router<S> {
        self.socketio_with(path, SocketIo::new())
    }

    /// As [`socketio`](Self::socketio), with settings of its own.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    pub fn socketio_with(&self, path: &str, settings: SocketIo) -> Router<S> {
        check_path(path);
        let Gateway { core, hooks, .. } = self.gateway();
        let channels = Gateway { core, handler: Some(self.handlers.of_channels(settings.connect_timeout)), hooks };
        routes::socketio::routes(self.gateway(), channels, path, settings)
    }

    /// Returns the routes of SockJS 0.3.3, to merge into an axum `Router`: its clients reach the same handlers and rooms
    /// at this path and below it, over WebSockets, streams, polls and scripts. Messages are texts. See the guide's
    /// chapter [on it](crate::guide::sockjs), and [`sockjs_with`](Self::sockjs_with) for settings.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    ///
    /// ```no_run
    /// # use anywire::{Anywire, Session};
    /// # async fn handler(session: Session) {}
    /// let live = Anywire::builder().handler(handler).build();
    /// let app: axum::Router = axum::Router::new().nest("/live", live.routes()).merge(live.sockjs("/echo"));
    /// ```
    pub fn sockjs(&self, path: &str) -> Router<S> {
        self.sockjs_with(path, SockJs::new())
    }

    /// As [`sockjs`](Self::sockjs), with settings of its own.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    pub fn sockjs_with(&self, path: &str, settings: SockJs) -> Router<S> {
        check_path(path);
        routes::sockjs::routes(self.gateway(), path, settings)
    }

    /// Returns the routes of STOMP 1.0, 1.1 and 1.2, to merge into an axum `Router`. Its clients reach the same handlers
    /// and rooms at this path, over a bare WebSocket (sub-protocols `v12.stomp`, `v11.stomp` and `v10.stomp`), by SockJS,
    /// whose endpoints are below the path, and by this crate's own client (its entry `anywire/socket`). See the guide's
    /// chapter [on it](crate::guide::stomp), and [`stomp_with`](Self::stomp_with) for settings.
    ///
    /// A client sends events to the handler at `/app/<event>`. Topics (`/topic/<name>`) and queues (`/queue/<name>`) are
    /// those of a broker in this process, which needs no handler. In a [cluster](crate::guide::many_nodes) the topics
    /// of this path are the same on all nodes, and each node has queues of its own.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    ///
    /// ```no_run
    /// use anywire::{Anywire, Events};
    ///
    /// let live = Anywire::builder().events(Events::new()).build();
    /// let app: axum::Router = axum::Router::new().merge(live.stomp("/stomp"));
    /// ```
    pub fn stomp(&self, path: &str) -> Router<S> {
        self.stomp_with(path, Stomp::new())
    }

    /// As [`stomp`](Self::stomp), with settings of its own.
    ///
    /// # Panics
    /// Panics as [`engineio`](Self::engineio) does.
    pub fn stomp_with(&self, path: &str, settings: Stomp) -> Router<S> {
        check_path(path);
        let sockjs = settings.sockjs.clone();
        let broker = Arc::new(Broker::new(path, self.live.core.nodes().is_some(), settings));
        let gateway = |beats: bool| {
            let Gateway { core, hooks, .. } = self.gateway();
            Gateway { core, handler: Some(self.handlers.of_stomp(broker.clone(), beats)), hooks }
        };
        routes::stomp::routes(gateway(true), gateway(false), path, sockjs)
    }

    /// Returns a handle without the state's type, to keep in that state or anywhere else.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    #[cfg(feature = "cluster")]
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.live.core
    }

    /// Another server with the same handlers.
    #[cfg(feature = "cluster")]
    pub(super) fn with_core(&self, core: Arc<Core>) -> Self {
        Server { live: Live::new(core), ..self.clone() }
    }

    pub(in crate::server) fn gateway(&self) -> Gateway<S> {
        let Server { live, handler, hooks, .. } = self.clone();
        Gateway { core: live.core, handler: Some(handler), hooks }
    }
}

/// Panics if this is not a path of routes without parameters.
pub(super) fn check_path(path: &str) {
    assert!(
        path.starts_with('/') && !path.contains(['{', '}', '*', '?', '#']),
        "{path:?} is not the path of a route: it begins with a slash, and has no parameters"
    );
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Server {
            live: self.live.clone(),
            handler: self.handler.clone(),
            handlers: self.handlers.clone(),
            hooks: self.hooks.clone(),
        }
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
    pub async fn shutdown(&self, window: Duration) -> ShutDown {
        self.live.shutdown(window).await
    }
}
