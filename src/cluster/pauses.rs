//! The pauses between the connections to an engine.

use std::time::Duration;

use tokio::time::sleep;

use crate::{clock::Clock, ids};

/// The longest pause before the second connection, in milliseconds; later ones are twice as long each.
#[cfg(any(feature = "nats", feature = "redis"))]
const FIRST_PAUSE: u64 = 100;
/// The longest pause, in milliseconds. A connection that has stood for so long was a good one.
#[cfg(any(feature = "nats", feature = "redis"))]
const LONGEST_PAUSE: u64 = 2_000;

/// The pauses between connections: of a random length, and longer each time, so that the nodes do not all come at once.
pub(super) struct Pauses {
    first: u64,
    last: u64,
    longest: u64,
    since: Clock,
}

impl Pauses {
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(super) fn new() -> Self {
        Self::between(FIRST_PAUSE, LONGEST_PAUSE)
    }

    /// Pauses that begin and end with others than those of a server in the network.
    pub(super) fn between(first: u64, last: u64) -> Self {
        Pauses { first, last, longest: first, since: Clock::start() }
    }

    /// A connection is there.
    pub(super) fn connected(&mut self) {
        self.since = Clock::start();
    }

    /// Waits before the next connection. `was_connected`: there was one.
    pub(super) async fn wait(&mut self, was_connected: bool) {
        if was_connected && self.since.now() >= self.last {
            self.longest = self.first;
        }
        sleep(Duration::from_millis(ids::below(self.longest + 1))).await;
        self.longest = (self.longest * 2).min(self.last);
    }
}
