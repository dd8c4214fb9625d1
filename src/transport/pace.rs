//! How long a transport waits for input that comes piece by piece over a slow line.

use std::{pin::pin, time::Duration};

use futures::future::poll_immediate;
use tokio::time::{Instant, error::Elapsed, sleep, timeout_at};

use crate::config::LEAST_RATE;

/// Waits for the pieces of one input. Each piece must come within `allowance` of the one before it, and all of
/// them at the least rate, to which the same allowance is added. So a slow line has the time that it needs, and
/// a trickle has an end.
#[derive(Debug)]
pub(super) struct Pace {
    allowance: Duration,
    /// When the bytes that came so far are no longer enough.
    until: Instant,
}

impl Pace {
    pub(super) fn new(allowance: Duration) -> Self {
        Pace { allowance, until: sleep(allowance).deadline() }
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// Fails if it does not come in time. Cancel-safe if the input is.
    pub(super) async fn next<F: Future>(&self, input: F) -> Result<F::Output, Elapsed> {
        let mut input = pin!(input);
        // Mostly it is there, and no time need be told.
        if let Some(output) = poll_immediate(&mut input).await {
            return Ok(output);
        }
        timeout_at(self.until.min(sleep(self.allowance).deadline()), input).await
    }

    /// A piece of this many bytes has come.
    pub(super) fn received(&mut self, bytes: usize) {
        self.until += Duration::from_millis(bytes as u64 / LEAST_RATE);
    }
}
