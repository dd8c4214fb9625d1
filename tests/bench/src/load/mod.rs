//! The loads. Each starts a server of its own, verifies every byte that comes back, and returns figures.

pub(crate) mod echo;
pub(crate) mod fanout;
pub(crate) mod memory;
pub(crate) mod nodes;
mod payload;
pub(crate) mod setup;

use crate::contenders::Contender;
use crate::net::{Driver, Fleet};
use anyhow::{Context, Result, bail};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The most sessions that may be opening at once; well below any listener's backlog.
const OPENING: usize = 64;

/// A server that was nearly idle for this long has nothing left to do; it is also the interval of the check.
const SPAN: Duration = Duration::from_millis(50);
const SPANS: usize = 400;

/// Opens the clients of `indices`, some at a time, until `ready` counts them all.
fn open_all<D: Driver>(
    fleet: &mut Fleet,
    driver: &mut D,
    contender: Contender,
    indices: Range<usize>,
    ready: impl Fn(&D) -> usize,
) -> Result<()> {
    let mut next = indices.start;
    while ready(driver) < indices.end {
        while next < indices.end && next < ready(driver) + OPENING {
            fleet.open(next, contender)?;
            next += 1;
        }
        fleet.turn(driver).with_context(|| {
            let (ready, all) = (ready(driver), indices.end);
            format!("{ready} of {all} sessions are ready")
        })?;
    }
    Ok(())
}

/// Waits until the server has nothing left to do. Sessions are open for a client before they are for the
/// server's handlers: socketioxide answers a connect before its handler has run, and loses the events that
/// come in between.
fn settle(fleet: &mut Fleet, driver: &mut dyn Driver, cpu: impl Fn() -> Result<Duration>) -> Result<()> {
    for _ in 0..SPANS {
        let before = cpu()?;
        let span = run_for(fleet, driver, SPAN)?;
        if cpu()? - before < span / 25 {
            return Ok(());
        }
    }
    bail!("the server is busy with nothing to do");
}

/// Runs the load for `span`; returns the time that really passed.
fn run_for(fleet: &mut Fleet, driver: &mut dyn Driver, span: Duration) -> Result<Duration> {
    let start = Instant::now();
    while start.elapsed() < span {
        fleet.turn(driver)?;
    }
    Ok(start.elapsed())
}

/// Latencies, for their median and their tail.
#[derive(Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    /// The most samples that are kept: enough for any percentile that the report shows.
    const MOST: usize = 4_000_000;

    fn add(&mut self, latency: Duration) {
        if self.0.len() < Self::MOST {
            // Counted in tenths of a microsecond; seven minutes fit.
            self.0.push((latency.as_nanos() / 100) as u32);
        }
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    /// The latency in µs that a share of the samples, `share`, does not exceed.
    fn quantile(&mut self, share: f64) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        let rank = ((self.0.len() - 1) as f64 * share) as usize;
        let (_, &mut value, _) = self.0.select_nth_unstable(rank);
        f64::from(value) / 10.0
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
