//! The settings of a server, and their defaults.

mod engineio;
mod limits;
mod origins;
mod rate_limit;
mod socketio;
mod sockjs;
mod values;

use std::time::Duration;

use ipnet::IpNet;

pub use engineio::EngineIo;
pub(crate) use limits::KeyLimits;
pub use limits::Limits;
pub use origins::Origins;
pub(crate) use origins::{is_authority, without_port};
pub use rate_limit::RateLimit;
pub(crate) use socketio::RecoveryTerms;
pub use socketio::{Parser, SocketIo};
pub use sockjs::SockJs;
use values::MOST;
pub(crate) use values::{check_close_code, millis, size};

/// The least rate, in bytes per millisecond, at which a line that is waited for must bring its bytes: 10 kB a
/// second. The client counts with the same rate.
pub(crate) const LEAST_RATE: u64 = 10;

/// The behaviour of [`Session::send`](crate::Session::send) when the outbox is full. `try_send`
/// always fails then; [`SlowMember`] is the same choice for room sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// `send` waits until the client has acknowledged enough. This is the default.
    #[default]
    Wait,
    /// `send` fails with [`SendError::Full`](crate::SendError::Full).
    Fail,
    /// `send` aborts the session and fails. The code is 4311 under [`SlowMember::Stop`], else 4105.
    Close,
}

/// The behaviour of a room send, [`To::send`](crate::To::send), towards a member whose outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowMember {
    /// The member's session ends with code 4105. Its client opens a new one by itself, each time after a
    /// longer wait, and reports the messages whose fate is unknown. This is the default.
    #[default]
    Reopen,
    /// The member's session ends with code 4311. Its client does not come back by itself.
    Stop,
    /// The member misses the message, as if it were [droppable](crate::To::droppable), and its client learns
    /// of the gap.
    Gap,
}

/// How much of a room is kept, for those who join later. See [`Builder::rooms`](crate::Builder::rooms).
///
/// ```
/// use std::time::Duration;
/// use anywire::History;
///
/// let history = History::last(50).bytes(1 << 20).age(Duration::from_secs(3600));
/// # let _ = history;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct History {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// Milliseconds.
    pub(crate) age: Option<u64>,
    pub(crate) rooms: usize,
}

impl History {
    /// Keeps so many messages of each room: the last ones.
    pub fn last(messages: usize) -> Self {
        History { messages, bytes: 256 * 1024, age: None, rooms: 1_000 }
    }

    /// Sets the number of bytes of messages that are kept of each room, besides the number of messages.
    /// Default: 256 KiB. It should be less than the [`outbox`](crate::Builder::outbox), into which they are
    /// replayed.
    ///
    /// It bounds what a node has at hand. On a server of Redis or NATS the engine of a [cluster](crate::guide::many_nodes) keeps
    /// the messages of a room by number and age alone, so that 1,000 messages of 100 kB are 100 MB there; a node reads of them
    /// what it has a use for. The engines without a server keep little more than this.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Keeps no message longer than this. Default: without end; the engine of a [cluster](crate::guide::many_nodes) keeps it for
    /// a day then.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(millis(age));
        self
    }

    /// Sets the number of rooms whose messages are kept. Beyond it the room that was made first of those that
    /// nobody is in is forgotten. Rooms with members are always kept. Default: 1,000. The engine of a
    /// [cluster](crate::guide::many_nodes) has bounds of its own instead.
    pub fn rooms(mut self, rooms: usize) -> Self {
        self.rooms = rooms;
        self
    }
}

/// A way to carry a session, by its public name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A WebSocket (RFC 6455), in both directions on one connection.
    WebSocket,
    /// A streaming response that `fetch` reads; uploads are POSTs.
    FetchStream,
    /// A streaming response that `XMLHttpRequest` reads; uploads are POSTs.
    XhrStream,
    /// Long polling; uploads are POSTs.
    XhrPoll,
    /// Server-sent events; uploads are POSTs.
    EventSource,
    /// A page in a hidden document, whose scripts pass the messages on; uploads are POSTs.
    HtmlFile,
    /// A page in a hidden frame, whose scripts pass the messages on; uploads are POSTs.
    Iframe,
    /// A streaming response in parts, for engines that show only whole parts; uploads are POSTs.
    Multipart,
    /// Long polling by script tags; uploads are forms or script tags.
    JsonpPoll,
    /// Polling whose answers come at once; uploads are POSTs.
    Poll,
    /// The polling of Engine.IO, with XMLHttpRequest or scripts; uploads are POSTs.
    Polling,
}

impl Transport {
    /// All of them.
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [Transport; 11] = [
        Transport::WebSocket,
        Transport::FetchStream,
        Transport::XhrStream,
        Transport::XhrPoll,
        Transport::EventSource,
        Transport::HtmlFile,
        Transport::Iframe,
        Transport::Multipart,
        Transport::JsonpPoll,
        Transport::Poll,
        Transport::Polling,
    ];

    /// Returns the name that the client and the URLs use: `websocket`, `fetch-stream`, ...
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
            Transport::Polling => "polling",
        }
    }

    /// Whether its requests are GETs, whose URL has the session's secret in it.
    pub(crate) fn has_secret_in_url(self) -> bool {
        matches!(self, Transport::EventSource | Transport::HtmlFile | Transport::Iframe | Transport::JsonpPoll)
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The settings of a server, as the builder leaves them.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) open_timeout: Duration,
    /// As long as the heartbeat's interval if it is not set.
    pub(crate) hold: Option<Duration>,
    pub(crate) stream_budget: usize,
    pub(crate) message_limit: usize,
    pub(crate) inbox: usize,
    pub(crate) outbox: usize,
    pub(crate) droppable_mark: usize,
    pub(crate) overflow: Overflow,
    pub(crate) slow_members: SlowMember,
    pub(crate) max_sessions: usize,
    /// The channels of a session.
    pub(crate) channels: usize,
    pub(crate) reconnect_rate: u32,
    pub(crate) max_bytes: usize,
    pub(crate) by_address: Limits,
    /// The transports that are not served.
    pub(crate) without: Vec<Transport>,
    pub(crate) by_key: Option<KeyLimits>,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) origins: Origins,
    /// The names by which browsers know this server, if they are given.
    pub(crate) hosts: Vec<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The headers of an opening that are kept although they hold credentials, and before all others.
    pub(crate) kept_headers: Vec<String>,
    pub(crate) node: String,
    /// The histories of rooms, by patterns of their names.
    pub(crate) rooms: Vec<(String, History)>,
    /// Sessions may move to other nodes.
    #[cfg(feature = "cluster")]
    pub(crate) movable: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            // Some hosts cut idle connections after 30 s.
            heartbeat_interval: Duration::from_secs(25),
            heartbeat_timeout: Duration::from_secs(20),
            // This is long enough for a phone that changes networks, and short enough for lists of who is
            // online.
            grace: Duration::from_secs(60),
            open_timeout: Duration::from_secs(10),
            hold: None,
            stream_budget: 1 << 20,
            message_limit: 1 << 20,
            inbox: 1 << 20,
            // Some large messages must fit: a client that is away for a moment is not slow.
            outbox: 4 << 20,
            droppable_mark: 1 << 16,
            overflow: Overflow::Wait,
            slow_members: SlowMember::Reopen,
            max_sessions: 100_000,
            channels: 32,
            reconnect_rate: 5_000,
            max_bytes: 1 << 30,
            by_address: Limits::default(),
            without: Vec::new(),
            by_key: None,
            rate_limit: None,
            origins: Origins::Same,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            kept_headers: Vec::new(),
            node: String::new(),
            rooms: Vec::new(),
            #[cfg(feature = "cluster")]
            movable: false,
        }
    }
}

impl Config {
    /// Returns the largest body of a request in bytes: one message of the limit as base64, and its heads.
    pub(crate) fn body_limit(&self) -> usize {
        self.message_limit / 3 * 4 + 64 * 1024
    }

    /// Returns the time for which a poll waits.
    pub(crate) fn hold(&self) -> Duration {
        self.hold.unwrap_or(self.heartbeat_interval)
    }

    /// Returns the time, in milliseconds, over which the clients of this many sessions spread their first
    /// attempts after a cut.
    pub(crate) fn spread(&self, sessions: usize) -> u64 {
        (sessions as u64).saturating_mul(1000).div_ceil(u64::from(self.reconnect_rate.max(1))).clamp(LEAST_SPREAD, MOST)
    }
}

/// Returns the name of a header in the case in which names are compared. Panics if it cannot be one.
pub(crate) fn header_name(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(fits), "{name:?} is not the name of a header");
    name.to_ascii_lowercase()
}

/// Returns whether this can be the name of a node: 1 to 64 letters, digits or `-`.
pub(crate) fn is_node_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Lower bound of the spread in milliseconds. It is short: a few clients are no burden, and each waits for a
/// part of it after each cut.
const LEAST_SPREAD: u64 = 10;
