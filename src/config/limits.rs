//! How much one client may have at a time.

use std::{fmt, sync::Arc};

use axum::http::request::Parts;

/// How much one address, or one key of the application, may have at a time. See
/// [`limits_by_address`](crate::Builder::limits_by_address) and [`limits_by`](crate::Builder::limits_by).
///
/// ```
/// use anywire::Limits;
///
/// let limits = Limits::default().sessions(100).openings(5);
/// # let _ = limits;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    pub(crate) sessions: usize,
    pub(crate) openings: u32,
    pub(crate) bytes: usize,
}

impl Default for Limits {
    /// The defaults for an address: many people may share one.
    fn default() -> Self {
        Limits { sessions: 2_000, openings: 200, bytes: 64 << 20 }
    }
}

impl Limits {
    /// No limits.
    pub fn none() -> Self {
        Limits { sessions: usize::MAX, openings: u32::MAX, bytes: usize::MAX }
    }

    /// Sets the number of sessions that live at a time. One more is refused with 503 and code 4200, and its
    /// client comes back later. Default: 2,000.
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// Sets the number of openings a second, whatever becomes of them; as many may come at once after a pause.
    /// One more is refused with 503 and code 4200. 0 counts as 1. Default: 200.
    pub fn openings(mut self, a_second: u32) -> Self {
        self.openings = a_second.max(1);
        self
    }

    /// Sets the number of bytes of request bodies, and of first messages of WebSockets, that are being read at a
    /// time; those of up to 4 KiB do not count. What does not fit is refused with 503 and code 4201, and is sent
    /// again later. It counts for addresses only. It should be more than a few messages of the
    /// [limit](crate::Builder::message_limit). Default: 64 MiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

/// The key by which the application's limits count, of the request that opens a session.
pub(crate) type KeyOf = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// The limits by a key of the application.
#[derive(Clone)]
pub(crate) struct KeyLimits {
    pub(crate) limits: Limits,
    pub(crate) key_of: Arc<KeyOf>,
}

impl fmt::Debug for KeyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLimits").field("limits", &self.limits).finish_non_exhaustive()
    }
}
