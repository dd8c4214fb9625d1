//! The goals of Anywire's speed and size: figures beside the floor, which is what is possible, and beside socketioxide.

use super::results::{Metric, Results, Setting, Spread};
use super::tables::{INTERVAL, range, shown};
use crate::contenders::Contender;
use crate::row::Row;
use std::fmt::Write;

/// The most that the slowest of a hundred messages may take, as a multiple of the median.
const TAIL: f64 = 2.0;

/// A figure of one setting, alone or as a ratio to another one, and the most that it should be.
pub(crate) struct Goal {
    what: &'static str,
    above: (Contender, Metric),
    below: Option<(Contender, Metric)>,
    limit: f64,
}

impl Goal {
    /// Whether its figure is taken from the rows of this contender.
    pub(crate) fn is_of(&self, contender: Contender) -> bool {
        self.above.0 == contender || self.below.is_some_and(|below| below.0 == contender)
    }

    /// The figure by the row `above`, which is this contender's by one build or the other.
    fn measured(&self, results: &Results, setting: Setting, above: Row) -> Option<Spread> {
        let (contender, metric) = self.above;
        match self.below {
            Some((below, other)) if below == contender => results.ratio(setting, (above, metric), (above, other)),
            Some(below) => results.ratio(setting, (above, metric), below),
            None => results.spread(setting, above, metric),
        }
    }

    /// The median by the build of `--before`.
    fn before(&self, results: &Results, setting: Setting) -> Option<Spread> {
        let mut rows = results.rows(setting).into_iter();
        let row = rows.find(|row| row.is_before() && row.contender == self.above.0)?;
        self.measured(results, setting, row).map(Spread::only_median)
    }
}

/// The goals of a setting.
pub(crate) fn of(setting: Setting) -> Vec<Goal> {
    use Contender::{AnywirePoll, AnywireSocketIo, AnywireWs, Floor, SocketIo, SocketIoPoll};
    match setting {
        Setting::Echo { size: 32, depth } => {
            let (ws, poll) = if depth == 1 { (1.15, 1.15) } else { (1.4, 0.45) };
            let mut goals = vec![cpu(AnywireWs, Floor, ws), cpu(AnywirePoll, SocketIoPoll, poll)];
            goals.extend([AnywireWs, AnywirePoll].map(tail));
            goals
        }
        Setting::Echo { depth: 16, .. } => vec![cpu(AnywireWs, Floor, 1.5), tail(AnywireWs)],
        Setting::Fanout { burst: 1, .. } => {
            let mut goals = vec![cpu(AnywireWs, Floor, 1.2), cpu(AnywirePoll, SocketIoPoll, 0.8)];
            goals.extend([AnywireWs, AnywirePoll].map(tail));
            goals
        }
        Setting::Fanout { .. } => vec![cpu(AnywireWs, Floor, 1.6), tail(AnywireWs)],
        Setting::Events { depth: 16, .. } => {
            let mut goals = vec![cpu(AnywireWs, SocketIo, 0.2), cpu(AnywireSocketIo, SocketIo, 0.25)];
            goals.extend([AnywireWs, AnywireSocketIo].map(tail));
            goals
        }
        Setting::Setup => vec![cpu(AnywireWs, Floor, 1.25)],
        Setting::Memory { .. } => vec![bytes(AnywireWs, 3300.0), bytes(AnywirePoll, 13_500.0)],
        _ => Vec::new(),
    }
}

fn cpu(above: Contender, below: Contender, limit: f64) -> Goal {
    Goal { what: "CPU", above: (above, Metric::Cpu), below: Some((below, Metric::Cpu)), limit }
}

fn tail(contender: Contender) -> Goal {
    let (above, below) = ((contender, Metric::P99), Some((contender, Metric::P50)));
    Goal { what: "p99 / p50", above, below, limit: TAIL }
}

fn bytes(contender: Contender, limit: f64) -> Goal {
    Goal { what: "resident bytes", above: (contender, Metric::Bytes), below: None, limit }
}

/// A goal is missed if the whole interval lies above its figure. One that only the interval reaches is said to be so.
fn judged(measured: Option<Spread>, limit: f64) -> &'static str {
    match measured {
        None => "not measured",
        Some(spread) if spread.median <= limit => "reached",
        Some(spread) if spread.interval.0 <= limit => "not decided",
        Some(_) => "**missed**",
    }
}

/// Writes the goals of the settings that were measured.
pub(super) fn table(out: &mut String, results: &Results) {
    let settings = results.settings();
    let goals: Vec<_> =
        settings.into_iter().flat_map(|setting| of(setting).into_iter().map(move |goal| (setting, goal))).collect();
    if goals.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Goals\n\nA goal is missed if the whole interval lies above it. {INTERVAL}\n");
    let _ = writeln!(out, "| setting | figure | goal | median | interval | | before |");
    let _ = writeln!(out, "| --- | --- | ---: | ---: | ---: | --- | ---: |");
    for (setting, goal) in goals {
        let measured = goal.measured(results, setting, goal.above.0.into());
        let beside = match goal.below {
            Some((below, _)) if below != goal.above.0 => format!(" / {}", below.name()),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "| {setting} | {}, {}{beside} | {} | {} | {} | {} | {} |",
            goal.what,
            goal.above.0.name(),
            goal.limit,
            shown(measured.map(Spread::only_median), 1.0),
            range(measured),
            judged(measured, goal.limit),
            shown(goal.before(results, setting), 1.0),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_missed_only_by_its_whole_interval() {
        let judge = |values: &[f64]| judged(Spread::of(values.to_vec()), 1.0);
        assert_eq!(judge(&[0.9, 1.0, 1.2]), "reached");
        assert_eq!(judge(&[0.9, 1.1, 1.2]), "not decided");
        assert_eq!(judge(&[1.1, 1.2, 1.3]), "**missed**");
        // Of ten rounds the interval leaves out the least and the most.
        let ten = |second| [0.5, second, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 9.0];
        assert_eq!(judge(&ten(1.0)), "not decided");
        assert_eq!(judge(&ten(1.05)), "**missed**");
        assert_eq!(judged(None, 1.0), "not measured");
    }
}
