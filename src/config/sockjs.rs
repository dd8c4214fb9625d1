//! The settings of the SockJS routes.

use std::time::Duration;

use super::values::{millis, size};

/// The settings of [`Server::sockjs_with`](crate::Server::sockjs_with).
///
/// ```
/// use std::time::Duration;
/// use anywire::SockJs;
///
/// let settings = SockJs::new().disconnect_delay(Duration::from_secs(10)).cookie(true);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SockJs {
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) disconnect_delay: Duration,
    pub(crate) response_limit: usize,
    pub(crate) websocket: bool,
    pub(crate) cookie: bool,
    pub(crate) script: Option<Box<str>>,
    pub(crate) base64: bool,
}

impl Default for SockJs {
    fn default() -> Self {
        SockJs {
            heartbeat: None,
            disconnect_delay: Duration::from_secs(5),
            response_limit: 128 * 1024,
            websocket: true,
            cookie: false,
            script: None,
            base64: false,
        }
    }
}

impl SockJs {
    /// The defaults: all transports, the builder's heartbeat, no cookie, and texts alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time without anything sent after which the server sends a heartbeat, the frame `h`; on a WebSocket it
    /// is a ping, which must be answered. A poll ends with it. Default: the builder's
    /// [`heartbeat_interval`](crate::Builder::heartbeat_interval), 25 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        assert!(millis(interval) > 0, "a heartbeat's interval is at least a millisecond");
        self.heartbeat = Some(interval);
        self
    }

    /// Sets the time for which a session over HTTP is kept between two answers. A client that was not back by then is
    /// gone. For the same time after its end a session tells each request why it has ended. Default: 5 s.
    ///
    /// # Panics
    /// Panics if it is less than a millisecond.
    pub fn disconnect_delay(mut self, delay: Duration) -> Self {
        assert!(millis(delay) > 0, "a disconnect delay is at least a millisecond");
        self.disconnect_delay = delay;
        self
    }

    /// Sets the number of bytes that a streaming answer carries before its client must ask for the next one, since
    /// browsers keep all of an answer. The answer ends with the frame that reaches it. Default: 128 KiB.
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.response_limit = size(bytes);
        self
    }

    /// Sets whether WebSockets are served, framed ones and the bare one at `/websocket`. Clients learn it before they
    /// try. Default: they are.
    pub fn websocket(mut self, served: bool) -> Self {
        self.websocket = served;
        self
    }

    /// Sets whether answers set the cookie `JSESSIONID`, for load balancers that route by it, and clients are told to
    /// send it. Its value is the one that the request has, or `dummy`; the server itself never reads it. Default: no.
    pub fn cookie(mut self, set: bool) -> Self {
        self.cookie = set;
        self
    }

    /// Sets the URL of the script `sockjs.min.js` that the page for iframe transports loads. It must have the version
    /// of the script that the client has. Default: `sockjs.min.js` beside the mount; the application serves it.
    pub fn sockjs_url(mut self, url: &str) -> Self {
        self.script = Some(url.into());
        self
    }

    /// Sets what becomes of binary messages, which the protocol does not have. With `true` the client gets the base64 of
    /// the bytes as a text. Default: [`send`](crate::Session::send) fails with
    /// [`SendError::NoBinary`](crate::SendError::NoBinary), and a room send skips the member. The bytes in an event are
    /// refused in any case.
    pub fn binary_as_base64(mut self, encode: bool) -> Self {
        self.base64 = encode;
        self
    }
}
