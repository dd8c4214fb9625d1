//! The measured values, by setting, contender, metric and round.

use crate::contenders::Contender;
use crate::row::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The clients' activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    Echo { size: usize, depth: usize },
    Fanout { members: usize, burst: u64 },
    Events { size: usize, depth: usize },
    EventRoom { members: usize, burst: u64 },
    Setup,
    Memory { sockets: usize, polls: usize },
    SockJsEcho { size: usize, depth: usize },
    SockJsFanout { streamed: bool, members: usize, burst: u64 },
    NodeRoom { burst: u64 },
    Forwarded { size: usize, depth: usize },
    TransportEcho { size: usize, depth: usize },
    TransportFanout { members: usize, burst: u64 },
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo { size, depth } => write!(f, "echo 64 x {depth}, {size} B"),
            Self::Fanout { members, burst: 1 } => write!(f, "fan-out of 1 to {members}, 128 B"),
            Self::Fanout { members, burst } => {
                write!(f, "fan-out of bursts of {burst} to {members}, 128 B")
            }
            Self::Events { size, depth } => write!(f, "requests 64 x {depth}, {size} B"),
            Self::EventRoom { members, burst: 1 } => write!(f, "events of 1 to {members}, 128 B"),
            Self::EventRoom { members, burst } => {
                write!(f, "events in bursts of {burst} to {members}, 128 B")
            }
            Self::SockJsEcho { size, depth } => write!(f, "SockJS: echo 64 x {depth}, {size} B"),
            Self::SockJsFanout { streamed, members, burst } => {
                let by = if *streamed { "streams" } else { "WebSockets" };
                write!(f, "SockJS: fan-out in bursts of {burst} to {members} {by}, 128 B")
            }
            Self::NodeRoom { burst: 1 } => write!(f, "to a room on another node, 128 B"),
            Self::NodeRoom { burst } => write!(f, "bursts of {burst} to a room on another node, 128 B"),
            Self::Forwarded { size, depth } => write!(f, "two nodes: echo 64 x {depth}, {size} B"),
            Self::TransportEcho { size, depth } => write!(f, "transports: echo 64 x {depth}, {size} B"),
            Self::TransportFanout { members, burst } => {
                write!(f, "transports: fan-out in bursts of {burst} to {members}, 128 B")
            }
            Self::Setup => write!(f, "session opened and closed"),
            Self::Memory { sockets, polls } => {
                write!(f, "idle sessions, {sockets} on WebSocket, {polls} over HTTP")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    Cpu,
    Redis,
    Kernel,
    Rate,
    P50,
    P99,
    Late,
    Answers,
    Reads,
    Writes,
    Wakes,
    Waits,
    ReadsPerTurn,
    WritesPerTurn,
    Bytes,
    /// Bytes that the clients send, and that they receive.
    Up,
    Down,
}

/// The median of some values, and their spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// Between these two lies the median of all rounds that one could have run, in 95 of a hundred runs. With fewer than
    /// six rounds that cannot be said, and they are the least and the most.
    pub(super) interval: (f64, f64),
}

impl Spread {
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        let out = left_out(values.len());
        let interval = (values[out], values[values.len() - 1 - out]);
        Some(Self { median, least, most, interval })
    }

    /// The median alone.
    pub(super) fn only_median(self) -> Self {
        let median = self.median;
        Self { least: median, most: median, interval: (median, median), ..self }
    }
}

/// The number of values at either end that an interval of the median leaves out. Each value is below the median as often as
/// above it, so that the number of those below has a binomial distribution, whatever that of the values is.
fn left_out(count: usize) -> usize {
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut tail, mut out) = (chance, 0);
    loop {
        chance *= (count - out) as f64 / (out + 1) as f64;
        tail += chance;
        if 2.0 * tail > 0.05 {
            return out;
        }
        out += 1;
    }
}

type Rounds = BTreeMap<usize, f64>;

#[derive(Default)]
pub(crate) struct Results {
    values: BTreeMap<(Setting, Row, Metric), Rounds>,
    failures: Vec<String>,
}

impl Results {
    pub(crate) fn add(&mut self, setting: Setting, row: Row, metric: Metric, round: usize, value: f64) {
        let rounds = self.values.entry((setting, row, metric)).or_default();
        rounds.insert(round, value);
    }

    pub(crate) fn fail(&mut self, setting: Setting, row: Row, round: usize, error: &anyhow::Error) {
        let name = row.name();
        self.failures.push(format!("{setting}, {name}, round {}: {error:#}", round + 1));
    }

    pub(crate) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(super) fn settings(&self) -> BTreeSet<Setting> {
        self.values.keys().map(|&(setting, ..)| setting).collect()
    }

    pub(super) fn rows(&self, setting: Setting) -> BTreeSet<Row> {
        let here = self.values.keys().filter(|key| key.0 == setting);
        here.map(|&(_, row, _)| row).collect()
    }

    fn rounds(&self, setting: Setting, row: impl Into<Row>, metric: Metric) -> Option<&Rounds> {
        self.values.get(&(setting, row.into(), metric))
    }

    pub(super) fn spread(&self, setting: Setting, row: impl Into<Row>, metric: Metric) -> Option<Spread> {
        let rounds = self.rounds(setting, row, metric)?;
        Spread::of(rounds.values().copied().collect())
    }

    /// One row's metric over another's, taken within each round that has both.
    pub(super) fn ratio(
        &self,
        setting: Setting,
        (above, above_metric): (impl Into<Row>, Metric),
        (below, below_metric): (impl Into<Row>, Metric),
    ) -> Option<Spread> {
        let above = self.rounds(setting, above, above_metric)?;
        let below = self.rounds(setting, below, below_metric)?;
        let ratios =
            above.iter().filter_map(|(round, value)| Some(value / below.get(round)?)).filter(|ratio| ratio.is_finite());
        Spread::of(ratios.collect())
    }

    /// The sum of a metric for a contender, over all settings and rounds.
    pub(super) fn total(&self, contender: Contender, metric: Metric) -> Option<f64> {
        let mut rows = self
            .values
            .iter()
            .filter(|((_, who, what), _)| *who == Row::from(contender) && *what == metric)
            .flat_map(|(_, rounds)| rounds.values())
            .peekable();
        rows.peek()?;
        Some(rows.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Ranks from tables of the sign test: from the second to the ninth of ten, from the sixth of twenty.
        let expected = [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (10, 1), (12, 2), (15, 3), (20, 5), (25, 7)];
        for (count, out) in expected {
            assert_eq!(left_out(count), out, "{count} values");
        }
        let spread = Spread::of((1..=10).map(f64::from).collect()).unwrap();
        assert_eq!((spread.interval, spread.least, spread.most), ((2.0, 9.0), 1.0, 10.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut results = Results::default();
        let mut add = |contender, round, value| {
            results.add(Setting::Setup, Row::from(contender), Metric::Cpu, round, value);
        };
        for (round, [above, below]) in [[1.0, 2.0], [30.0, 10.0], [8.0, 8.0]].into_iter().enumerate() {
            add(Contender::AnywireWs, round, above);
            add(Contender::Plain, round, below);
        }
        add(Contender::Plain, 3, 1000.0);
        let cpu = |contender| (contender, Metric::Cpu);
        let ratio = results.ratio(Setting::Setup, cpu(Contender::AnywireWs), cpu(Contender::Plain)).unwrap();
        assert_eq!([ratio.least, ratio.median, ratio.most], [0.5, 1.0, 3.0]);
    }
}
