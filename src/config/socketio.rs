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
}

impl Default for SocketIo {
    fn default() -> Self {
        SocketIo { engine: EngineIo::default(), connect_timeout: Duration::from_secs(45), client: None }
    }
}

impl SocketIo {
    /// The defaults: clients of all generations, Engine.IO's defaults, 45 s, and our own `io.js`.
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

    /// Sets the script that `socket.io.js` and `socket.io.min.js` below the mount are. It is served as it is, with an
    /// entity tag; `socket.io.esm.min.js` is then no route. Default: this crate's `io.js`, which has the shape of
    /// socket.io-client and speaks the native protocol, so that a page loses nothing, and as the module its `io.mjs`.
    pub fn client(mut self, script: impl Into<Bytes>) -> Self {
        self.client = Some(script.into());
        self
    }
}
