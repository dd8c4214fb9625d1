//! This build of Anywire beside the one of `--before`.

use super::results::{Metric, Results, Setting, Spread};
use super::tables::{INTERVAL, range, shown};
use crate::row::Row;
use std::fmt::Write;

/// Writes what this build takes, over what the other took.
pub(super) fn table(out: &mut String, results: &Results) {
    let pairs = || results.settings().into_iter().flat_map(|setting| pairs(results, setting));
    if pairs().next().is_none() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## This build over the one before\n\nAn interval with 1 in it shows no difference. {INTERVAL}\n"
    );
    let _ = writeln!(out, "| setting | row | figure | median | interval | |");
    let _ = writeln!(out, "| --- | --- | --- | ---: | ---: | --- |");
    for (setting, row, before) in pairs() {
        let figures: &[_] = match setting {
            Setting::Memory { .. } => &[("resident bytes", Metric::Bytes)],
            _ => &[("CPU", Metric::Cpu), ("p50", Metric::P50), ("p99", Metric::P99)],
        };
        for &(figure, metric) in figures {
            let Some(ratio) = results.ratio(setting, (row, metric), (before, metric)) else {
                continue;
            };
            let _ = writeln!(
                out,
                "| {setting} | {} | {figure} | {} | {} | {} |",
                row.name(),
                shown(Some(ratio.only_median()), 1.0),
                range(Some(ratio)),
                judged(ratio),
            );
        }
    }
}

fn judged(ratio: Spread) -> &'static str {
    match ratio.interval {
        (_, high) if high < 1.0 => "less",
        (low, _) if low > 1.0 => "**more**",
        _ => "no difference shown",
    }
}

/// Each row of the other build, with its like of this one in front of it.
fn pairs(results: &Results, setting: Setting) -> Vec<(Setting, Row, Row)> {
    let before = results.rows(setting).into_iter().filter(|row| row.is_before());
    before.map(|before| (setting, Row::from(before.contender), before)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders::Contender;
    use crate::row::Build;
    use std::path::Path;

    #[test]
    fn the_builds_are_compared_within_a_round() {
        let (now, mut results) = (Row::from(Contender::AnywireWs), Results::default());
        let before = Row { build: Build::Before(Path::new("/before")), ..now };
        for (round, scale) in [1.0, 7.0, 3.0].into_iter().enumerate() {
            results.add(Setting::Setup, now, Metric::Cpu, round, 0.5 * scale);
            results.add(Setting::Setup, before, Metric::Cpu, round, scale);
        }
        let mut out = String::new();
        table(&mut out, &results);
        assert!(out.contains("| anywire websocket | CPU | 0.50 | 0.50–0.50 | less |"), "{out}");
        let mut alone = Results::default();
        alone.add(Setting::Setup, now, Metric::Cpu, 0, 1.0);
        out.clear();
        table(&mut out, &alone);
        assert_eq!(out, "");
    }
}
