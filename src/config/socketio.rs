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
    /// Whether, and how, clients recover.
    pub(crate) recovers: bool,
    pub(crate) recovery: RecoveryTerms,
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

/// How channels of clients that are away are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecoveryTerms {
    /// The time for which they are kept, in milliseconds.
    pub(crate) time: u64,
    /// The number of events of each channel that are kept.
    pub(crate) events: usize,
    /// The most bytes of them.
    pub(crate) bytes: usize,
    /// The number of sessions whose channels are kept.
    pub(crate) sessions: usize,
}

impl Default for SocketIo {
    fn default() -> Self {
        SocketIo {
            engine: EngineIo::default(),
            connect_timeout: Duration::from_secs(45),
            client: None,
            parser: Parser::Json,
            recovers: false,
            recovery: RecoveryTerms { time: 0, events: 256, bytes: 64 * 1024, sessions: 10_000 },
        }
    }
}

impl SocketIo {
    /// The defaults: clients of all generations, Engine.IO's defaults, 45 s, JSON, our own `io.js`, and no recovery.
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

    /// Lets clients of Socket.IO 4 recover: one whose connection was cut, and that is back within this time, has the
    /// same session and the same id, is in its rooms as before, and gets what was sent meanwhile, once and in order.
    /// `socket.recovered` is true then. To the handlers it looks as an interruption of a native session does: it is
    /// not [connected](crate::Session::is_connected), and nothing ends or opens. Default: off.
    ///
    /// It is off because each event has one argument more then, the last: a text, by which the client names the event
    /// that it has heard last. Handlers of the page that take their arguments one by one do not notice it; those that
    /// count them do, and so do clients that know nothing of recovery, as those of Socket.IO 3 and of other
    /// languages. Clients of Socket.IO 1 and 2 get no such argument, and do not recover.
    ///
    /// `recovered` is true only if nothing of what the server has sent is missing. Otherwise the client gets a new
    /// session with another id, and the former one ends: if more was sent than is [kept](Self::recovery_log), if the
    /// client is not back in time, or if another process has the session. What the client had sent and the server had
    /// not read is lost in any case. A request to the client that may have reached it ends as
    /// [unknown](crate::RequestError::Unknown); one that had not left is sent when the client is back. An answer that
    /// had not left is dropped, since the client waits for it no longer. What may be skipped is, while the client is
    /// away.
    ///
    /// The session ends at once if the client leaves its last namespace, if it violates the protocol, or if the server
    /// closes it. `on_open` does not run again at a recovery, so that a login that was withdrawn meanwhile must be
    /// [closed](crate::Session::close) by the application.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn recovery(mut self, time: Duration) -> Self {
        assert!(millis(time) > 0, "the time of recovery is at least a millisecond");
        (self.recovers, self.recovery.time) = (true, millis(time));
        self
    }

    /// Sets how much is kept of each namespace of a client that may [recover](Self::recovery): the last `events`, and
    /// of these no more than so many bytes of names and arguments. They are kept while the client is connected too,
    /// since it may have missed the last, and count for [`max_bytes`](crate::Builder::max_bytes); an event that many
    /// clients get is kept once for all. Default: 256 events and 64 KiB.
    pub fn recovery_log(mut self, events: usize, bytes: usize) -> Self {
        (self.recovery.events, self.recovery.bytes) = (events, bytes);
        self
    }

    /// Sets how many sessions may wait for their client to [recover](Self::recovery). Beyond it those end that have
    /// waited longest, and so they do when memory is short ([`max_bytes`](crate::Builder::max_bytes)). They do not count for
    /// [`max_sessions`](crate::Builder::max_sessions) and the limits by address. Default: 10,000.
    pub fn recovery_sessions(mut self, sessions: usize) -> Self {
        self.recovery.sessions = sessions;
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
