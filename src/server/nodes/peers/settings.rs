//! The bounds of the links between nodes.

use std::time::Duration;

/// The requests that one connection may have under way. A poll that waits is one of them.
pub(super) const STREAMS: u32 = 65_536;

/// The bytes of one request's or answer's body that may be under way, and wait for a slow client.
pub(super) const WINDOW: u32 = 64 * 1024;

/// The bytes of all bodies of a connection that may be under way. It is no bound of its own: clients that take nothing
/// would fill it, and hold up all others.
pub(super) const CONNECTION_WINDOW: u32 = i32::MAX as u32;

/// The longest head of a request. The ingress has its own bound, which is lower.
pub(super) const HEAD: u32 = 256 * 1024;

/// The number of headers of a request, ours included.
pub(super) const HEADERS: usize = 256;

/// A connection is asked for a sign of life this often, and ends when there is none for as long again.
pub(super) const PING: Duration = Duration::from_secs(5);

/// The time that a connection has to be made, and for both sides to know each other.
pub(super) const GREETING: Duration = Duration::from_secs(5);

/// The connections that may be in their preface at the same time.
pub(super) const STRANGERS: usize = 256;
