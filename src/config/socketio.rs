//! The settings of the Socket.IO routes.

use std::time::Duration;

use bytes::Bytes;

use super::{EngineIo, values::millis};

/// The settings of [`Server::socketio_with`](crate::Server::socketio_with).
///
/// ```
/// use anywire::{EngineIo, SocketIo};
///
/// // Only clients 3 and 4, which speak revision 4 of Engine.IO.
/// let settings = SocketIo::new().engine(EngineIo::new().revisions([4]));
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SocketIo {
    pub(crate) engine: EngineIo,
    pub(crate) connect_timeout: Duration,
    pub(crate) client: Option<Bytes>,
    pub(crate) parser: Parser,
}

/// The spelling of a mount's packets: the option `parser` of the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parser {
    /// JSON, and attachments beside it: what clients speak that have no parser of their own.
    #[default]
    Json,
    /// MessagePack, with the bytes in the data: what clients 3 and 4 speak with the package
    /// `socket.io-msgpack-parser`. Feature `msgpack`.
    #[cfg(feature = "msgpack")]
    MsgPack,
}

impl Default for SocketIo {
    fn default() -> Self {
        SocketIo {
            engine: EngineIo::default(),
            connect_timeout: Duration::from_secs(45),
            client: None,
            parser: Parser::Json,
        }
    }
}

impl SocketIo {
    /// The defaults: clients of all generations, Engine.IO's defaults, 45 s, JSON, and our own `io.js`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how Engine.IO carries the clients. Its [revisions](EngineIo::revisions) choose their generations: 4 is
    /// that of Socket.IO 3 and 4, and 3 that of Socket.IO 1 and 2.
    pub fn engine(mut self, engine: EngineIo) -> Self {
        self.engine = engine;
        self
    }

    /// Sets the time within which a client must open a namespace; otherwise its connection is closed. Default:
    /// 45 s, as the reference server has.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        assert!(millis(timeout) > 0, "a connect timeout is at least a millisecond");
        self.connect_timeout = timeout;
        self
    }

    /// Sets the parser of the clients at this path. Nothing in a handshake tells it, so that clients with another one
    /// need a path of their own; all paths of a server lead to the same handlers and rooms, and a message to a room is
    /// spelled once for each parser. Default: [`Parser::Json`].
    ///
    /// A packet in MessagePack has the bounds of one in JSON: the message limit counts it as JSON and attachments, of
    /// which it has at most 10. One that is nested more than 128 deep ends its connection, as one that is malformed.
    /// Values that JSON has no word for become what `JSON.stringify` makes of them: NaN and the infinities `null`, a
    /// `Date` its text, undefined `null` in a list and nothing in an object. Clients 1 and 2, which have no such parser,
    /// are refused here.
    ///
    /// ```
    /// # #[cfg(feature = "msgpack")] {
    /// use anywire::{Anywire, Events, Parser, SocketIo};
    ///
    /// let live = Anywire::builder().events(Events::new()).build();
    /// let app: axum::Router = axum::Router::new()
    ///     .merge(live.socketio("/socket.io"))
    ///     .merge(live.socketio_with("/msgpack", SocketIo::new().parser(Parser::MsgPack)));
    /// # }
    /// ```
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// Sets the script that `socket.io.js` and `socket.io.min.js` below the mount are. It is served as it is, with an
    /// entity tag; `socket.io.esm.min.js` is then no route. Default: this crate's `io.js`, which has the shape of
    /// socket.io-client and speaks the native protocol, so that a page loses nothing, and as the module its `io.mjs`.
    pub fn client(mut self, script: impl Into<Bytes>) -> Self {
        self.client = Some(script.into());
        self
    }
}
