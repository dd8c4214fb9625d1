//! Tables, in Markdown.

use super::results::{Metric, Results, Setting, Spread};
use crate::contenders::Contender;
use std::fmt::Write;

/// A column's title, its metric, and its unit.
type Column = (&'static str, Metric, f64);

const LOAD: [Column; 5] = [
    ("CPU µs", Metric::Cpu, 1.0),
    ("thousand/s", Metric::Rate, 1e-3),
    ("kernel %", Metric::Kernel, 1.0),
    ("p50 ms", Metric::P50, 1e-3),
    ("p99 ms", Metric::P99, 1e-3),
];
const NODES: [Column; 6] = [
    ("CPU µs", Metric::Cpu, 1.0),
    ("Redis µs", Metric::Redis, 1.0),
    ("thousand/s", Metric::Rate, 1e-3),
    ("p50 ms", Metric::P50, 1e-3),
    ("p99 ms", Metric::P99, 1e-3),
    LATE,
];
const LATE: Column = ("out of order", Metric::Late, 1.0);
const UP: Column = ("bytes up", Metric::Up, 1.0);
const DOWN: Column = ("bytes down", Metric::Down, 1.0);
const ANSWERS: Column = ("of answers", Metric::Answers, 1.0);
const CALLS: [Column; 6] = [
    ("reads/msg", Metric::Reads, 1.0),
    ("writes/msg", Metric::Writes, 1.0),
    ("wakes/msg", Metric::Wakes, 1.0),
    ("waits/msg", Metric::Waits, 1.0),
    ("reads/turn", Metric::ReadsPerTurn, 1.0),
    ("writes/turn", Metric::WritesPerTurn, 1.0),
];

/// Writes the tables of one setting.
pub(super) fn setting(out: &mut String, results: &Results, setting: Setting) {
    let unit = match setting {
        Setting::Echo { .. } | Setting::SockJsEcho { .. } | Setting::TransportEcho { .. } => {
            "CPU µs a message and its answer"
        }
        Setting::Events { .. } => "CPU µs a request and its answer",
        Setting::Fanout { .. }
        | Setting::EventRoom { .. }
        | Setting::SockJsFanout { .. }
        | Setting::TransportFanout { .. } => "CPU µs a delivery",
        Setting::Setup => "CPU µs a session",
        Setting::NodeRoom { .. } => "CPU µs a message: both nodes and both clients; and Redis",
        Setting::Forwarded { .. } => "CPU µs of both nodes for a message and its answer",
        Setting::Memory { .. } => "resident bytes a session",
    };
    let _ = writeln!(out, "\n## {setting} ({unit})\n");
    let columns = match setting {
        Setting::Echo { .. } | Setting::SockJsEcho { .. } | Setting::Forwarded { .. } => [&LOAD[..], &[LATE]].concat(),
        Setting::TransportEcho { .. } | Setting::TransportFanout { .. } => [&LOAD[..], &[UP, DOWN, LATE]].concat(),
        Setting::NodeRoom { .. } => NODES.to_vec(),
        Setting::Events { .. } => [&LOAD[..], &[LATE, ANSWERS]].concat(),
        Setting::Fanout { .. } | Setting::EventRoom { .. } | Setting::SockJsFanout { .. } => {
            [&LOAD[..], &[LATE]].concat()
        }
        Setting::Setup => LOAD[..2].to_vec(),
        Setting::Memory { .. } => vec![("bytes", Metric::Bytes, 1.0)],
    };
    table(out, results, setting, &columns);
    let is_counted = results.rows(setting).iter().any(|&row| results.spread(setting, row, Metric::Reads).is_some());
    if is_counted {
        let _ = writeln!(
            out,
            "\nSystem calls, medians; a turn is one write of the generator, so one read and one write are enough for it:\n"
        );
        calls(out, results, setting);
    }
}

fn table(out: &mut String, results: &Results, setting: Setting, columns: &[Column]) {
    header(out, columns.iter().map(|column| column.0));
    for row in results.rows(setting) {
        let _ = write!(out, "| {} |", row.name());
        for &(_, metric, unit) in columns {
            let spread = results.spread(setting, row, metric);
            let _ = write!(out, " {} |", shown(spread, unit));
        }
        out.push('\n');
    }
}

fn calls(out: &mut String, results: &Results, setting: Setting) {
    header(out, CALLS.iter().map(|column| column.0));
    for row in results.rows(setting) {
        let _ = write!(out, "| {} |", row.name());
        for (_, metric, _) in CALLS {
            let _ = match results.spread(setting, row, metric) {
                Some(spread) => write!(out, " {:.3} |", spread.median),
                None => write!(out, " — |"),
            };
        }
        out.push('\n');
    }
}

/// Writes Anywire's CPU (or memory) over its peers', setting by setting.
pub(super) fn ratios(out: &mut String, results: &Results) {
    let pairs = [
        (Contender::AnywireWs, Contender::Tuned),
        (Contender::AnywireWs, Contender::Plain),
        (Contender::AnywireWs, Contender::SocketIo),
        (Contender::AnywireStream, Contender::SocketIoPoll),
        (Contender::AnywirePoll, Contender::SocketIoPoll),
        (Contender::AnywireSocketIo, Contender::SocketIo),
        (Contender::AnywireSocketIoPoll, Contender::SocketIoPoll),
        (Contender::Tuned, Contender::SocketIo),
        (Contender::AnywireSockJsWs, Contender::SockJsWs),
        (Contender::AnywireSockJsStream, Contender::SockJsStream),
        (Contender::AnywireSockJsPoll, Contender::SockJsPoll),
        (Contender::AnywireNodesWs, Contender::SocketIoNodes),
        (Contender::AnywireNodesSocketIo, Contender::SocketIoNodes),
        (Contender::AnywireNodesForwarded, Contender::AnywireNodesPoll),
    ];
    let _ = writeln!(out, "\n## Ratios of CPU (of memory for idle sessions)\n");
    let titles = pairs.map(|(above, below)| format!("{} / {}", above.name(), below.name()));
    header(out, titles.iter().map(String::as_str));
    for setting in results.settings() {
        let metric = match setting {
            Setting::Memory { .. } => Metric::Bytes,
            _ => Metric::Cpu,
        };
        let _ = write!(out, "| {setting} |");
        for (above, below) in pairs {
            let ratio = results.ratio(setting, (above, metric), (below, metric));
            let _ = write!(out, " {} |", shown(ratio, 1.0));
        }
        out.push('\n');
    }
}

fn header<'title>(out: &mut String, titles: impl Iterator<Item = &'title str>) {
    let mut rule = String::from("| --- |");
    let _ = write!(out, "| |");
    for title in titles {
        let _ = write!(out, " {title} |");
        rule.push_str(" ---: |");
    }
    let _ = writeln!(out, "\n{rule}");
}

/// A median with least and most, if there is more than one value.
pub(super) fn shown(spread: Option<Spread>, unit: f64) -> String {
    let Some(Spread { median, least, most, .. }) = spread else {
        return "—".to_owned();
    };
    let [median, least, most] = [median, least, most].map(|value| number(value * unit));
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

/// The meaning of the intervals.
pub(super) const INTERVAL: &str =
    "The interval is that of the median, at 95 %; with fewer than six rounds it is the least and the most.";

/// The interval of a median.
pub(super) fn range(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "—".to_owned(),
        |Spread { interval: (low, high), .. }| format!("{}–{}", number(low), number(high)),
    )
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
