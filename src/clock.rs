//! The clock. No other file reads it.

use tokio::time::Instant;

/// Later than any server lives, in milliseconds.
const FAR: u64 = 1 << 50;

/// A clock that counts milliseconds since the server was built. It runs on tokio's clock, so a paused runtime
/// stops it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub(crate) fn start() -> Self {
        Clock { start: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub(crate) fn now(self) -> u64 {
        let elapsed = Instant::now().saturating_duration_since(self.start);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the time on this clock of a time of the system's clock, as both run now. It is not so far away that
    /// a sum with it could overflow.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub(crate) fn of_system(self, time: std::time::SystemTime) -> u64 {
        let left = time.duration_since(std::time::SystemTime::now()).unwrap_or_default();
        self.now().saturating_add(u64::try_from(left.as_millis()).unwrap_or(FAR).min(FAR))
    }

    /// Returns the instant of a time on this clock.
    pub(crate) fn instant(self, time: u64) -> Instant {
        self.start + std::time::Duration::from_millis(time)
    }
}
