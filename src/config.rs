//! Every knob: what it bounds, its default, why.

use std::{net::IpAddr, time::Duration};

use axum::http::HeaderValue;

/// Which pages may open sessions, judged the same way on every transport, WebSocket included.
///
/// The answer to a request from elsewhere bears the matching CORS headers. A request without an `Origin` header is
/// judged by `Sec-Fetch-Site`, then by `Referer`; failing both it may open a session only under [`Origins::Any`], and then
/// without its cookies.
///
/// Script tags and frames send no `Origin`: a page of another origin of a list must let its address be known (its `Referrer-Policy` must not be
/// `no-referrer`) for the transports that use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host that serves this request. The default.
    #[default]
    Same,
    /// Pages of the same host and of these origins, written as browsers do: `https://example.org`, with the port if it is not
    /// the scheme's own.
    List(Vec<HeaderValue>),
    /// All pages, and programs that say no origin. Do not rely on cookies then: any page could use them.
    Any,
}

/// What `Session::send` does when the outbox is full. `try_send` always fails then, and room sends always close the
/// slow session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Wait until the client has acknowledged enough. The default.
    #[default]
    Wait,
    /// Fail with [`SendError::Full`](crate::SendError::Full).
    Fail,
    /// Abort the session with code 4311, and fail.
    Close,
}

/// A way to carry a session, by its public name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// RFC 6455, both ways on one connection.
    WebSocket,
    /// A streaming response read by `fetch`; POSTs upwards.
    FetchStream,
    /// A streaming response read by `XMLHttpRequest`; POSTs upwards.
    XhrStream,
    /// Long polling; POSTs upwards.
    XhrPoll,
    /// Server-sent events; POSTs upwards.
    EventSource,
    /// A page in a hidden document, whose scripts hand the messages over; POSTs upwards.
    HtmlFile,
    /// A page in a hidden frame, whose scripts hand the messages over.
    Iframe,
    /// A streaming response in parts, for engines that show only whole ones; POSTs upwards.
    Multipart,
    /// Long polling by script tags; forms or script tags upwards.
    JsonpPoll,
    /// Polling without waiting; POSTs upwards.
    Poll,
}

impl Transport {
    /// The name that the client and the URLs use: `websocket`, `fetch-stream`, ...
    pub fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::FetchStream => "fetch-stream",
            Transport::XhrStream => "xhr-stream",
            Transport::XhrPoll => "xhr-poll",
            Transport::EventSource => "eventsource",
            Transport::HtmlFile => "htmlfile",
            Transport::Iframe => "iframe",
            Transport::Multipart => "multipart",
            Transport::JsonpPoll => "jsonp-poll",
            Transport::Poll => "poll",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The knobs, as the builder leaves them.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) open_timeout: Duration,
    pub(crate) hold: Duration,
    pub(crate) stream_budget: usize,
    pub(crate) message_limit: usize,
    pub(crate) inbox: usize,
    pub(crate) outbox: usize,
    pub(crate) overflow: Overflow,
    pub(crate) max_sessions: usize,
    pub(crate) max_bytes: usize,
    pub(crate) origins: Origins,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) node: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            // Under the 30 s after which some hosts cut idle connections.
            heartbeat_interval: Duration::from_secs(25),
            heartbeat_timeout: Duration::from_secs(20),
            // Long enough for a phone that changes networks, short enough for "who is here".
            grace: Duration::from_secs(60),
            open_timeout: Duration::from_secs(10),
            hold: Duration::from_secs(25),
            stream_budget: 1 << 20,
            message_limit: 1 << 20,
            inbox: 1 << 20,
            outbox: 1 << 20,
            overflow: Overflow::Wait,
            max_sessions: 100_000,
            max_bytes: 1 << 30,
            origins: Origins::Same,
            trusted_proxies: Vec::new(),
            node: String::new(),
        }
    }
}

impl Config {
    /// The largest body of a request: one message of the limit as base64, and its heads.
    pub(crate) fn body_limit(&self) -> usize {
        self.message_limit / 3 * 4 + 64 * 1024
    }
}

/// Whether this can be the name of a node: 1 to 64 letters, digits or `-`.
pub(crate) fn is_node_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// No time and no size is larger: a sum of some is still a number that JavaScript has.
const MOST: u64 = 1 << 50;

/// A size that means "no limit" may be as large as there is; cut to what can be calculated with.
pub(crate) fn size(bytes: usize) -> usize {
    bytes.min(usize::try_from(MOST).unwrap_or(usize::MAX / 8))
}

/// Milliseconds, as the machines count.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(MOST).min(MOST)
}
