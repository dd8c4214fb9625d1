//! The settings of the Engine.IO routes.

use std::time::Duration;

use super::values::millis;

/// The settings of [`Server::engineio_with`](crate::Server::engineio_with).
///
/// ```
/// use std::time::Duration;
/// use anywire::EngineIo;
///
/// let settings = EngineIo::new().ping_interval(Duration::from_secs(20)).revisions([4]);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct EngineIo {
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) ping_timeout: Option<Duration>,
    pub(crate) upgrade_timeout: Duration,
    /// Whether revision 3, and revision 4, are served.
    pub(crate) revisions: [bool; 2],
    pub(crate) cookie: Option<Box<str>>,
}

impl Default for EngineIo {
    fn default() -> Self {
        EngineIo {
            ping_interval: None,
            ping_timeout: None,
            upgrade_timeout: Duration::from_secs(10),
            revisions: [true, true],
            cookie: None,
        }
    }
}

impl EngineIo {
    /// The defaults: both revisions, the times of the builder's heartbeat, and no cookie.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time between two pings, `pingInterval`: in revision 4 the server pings so long after the last
    /// answer, in revision 3 the client does. Clients learn it at their handshake. Default: the builder's
    /// [`heartbeat_interval`](crate::Builder::heartbeat_interval), 25 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        assert!(millis(interval) > 0, "a ping interval is at least a millisecond");
        self.ping_interval = Some(interval);
        self
    }

    /// Sets the time within which a ping is answered, `pingTimeout`. A session whose client does not is over; over
    /// polling a client has not answered either that does not fetch the ping. In revision 3 a session is over
    /// when no ping has come for the interval and this time. Default: the builder's
    /// [`heartbeat_timeout`](crate::Builder::heartbeat_timeout), 20 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        assert!(millis(timeout) > 0, "a ping timeout is at least a millisecond");
        self.ping_timeout = Some(timeout);
        self
    }

    /// Sets the time that a client has for its upgrade, from the WebSocket's handshake to the packet `5`. Then that
    /// WebSocket is closed, and the session is polled on. Default: 10 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        assert!(millis(timeout) > 0, "an upgrade timeout is at least a millisecond");
        self.upgrade_timeout = timeout;
        self
    }

    /// Sets the revisions of the protocol that are served: 4 is that of Socket.IO 3 and 4, 3 that of Socket.IO 1
    /// and 2. A client asks for one by the parameter `EIO`; one that asks for none, or for another, is refused.
    /// Default: 3 and 4.
    ///
    /// # Panics
    /// Panics if there is none, or one besides 3 and 4.
    pub fn revisions(mut self, revisions: impl IntoIterator<Item = u8>) -> Self {
        self.revisions = [false, false];
        for revision in revisions {
            assert!(matches!(revision, 3 | 4), "revisions 3 and 4 are served, not {revision}");
            self.revisions[usize::from(revision - 3)] = true;
        }
        assert!(self.revisions != [false, false], "no revision is left to be served");
        self
    }

    /// Sets a cookie of this name with the session's sid at each handshake, for load balancers that route by it:
    /// `Path=/; HttpOnly; SameSite=Lax`. The server itself never reads it. Default: none.
    ///
    /// # Panics
    /// Panics if it cannot be the name of a cookie (RFC 6265, section 4.1.1).
    pub fn cookie(mut self, name: &str) -> Self {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(fits), "{name:?} is not the name of a cookie");
        self.cookie = Some(name.into());
        self
    }
}
