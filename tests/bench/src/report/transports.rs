//! The cost of a message by each transport of the native protocol, in one table.

use super::results::{Metric, Results, Setting, Spread};
use super::tables::shown;
use crate::contenders::Contender;
use std::fmt::Write;

/// The median of a figure, and with `ratio` its ratio to that of the WebSocket.
struct Column {
    title: &'static str,
    setting: fn(Setting) -> bool,
    metric: Metric,
    unit: f64,
    has_ratio: bool,
}

const fn column(title: &'static str, setting: fn(Setting) -> bool, metric: Metric) -> Column {
    Column { title, setting, metric, unit: 1.0, has_ratio: false }
}

const fn single(setting: Setting) -> bool {
    matches!(setting, Setting::TransportEcho { depth: 1, .. })
}

const fn deep(setting: Setting) -> bool {
    matches!(setting, Setting::TransportEcho { depth: 16, .. })
}

const fn delivery(setting: Setting) -> bool {
    matches!(setting, Setting::TransportFanout { burst: 1, .. })
}

const fn burst(setting: Setting) -> bool {
    matches!(setting, Setting::TransportFanout { burst: 10, .. })
}

static COLUMNS: [Column; 12] = [
    Column { has_ratio: true, ..column("up and down, µs", single, Metric::Cpu) },
    Column { has_ratio: true, ..column("16 at once, µs", deep, Metric::Cpu) },
    Column { has_ratio: true, ..column("a delivery, µs", delivery, Metric::Cpu) },
    Column { has_ratio: true, ..column("in bursts of 10, µs", burst, Metric::Cpu) },
    column("reads", single, Metric::Reads),
    column("writes", single, Metric::Writes),
    Column { unit: 1e-3, ..column("p50 ms", single, Metric::P50) },
    Column { unit: 1e-3, ..column("p99 ms", single, Metric::P99) },
    column("bytes up", single, Metric::Up),
    column("bytes down", single, Metric::Down),
    column("at once: up", deep, Metric::Up),
    column("at once: down", deep, Metric::Down),
];

/// Writes the table, if the transports were measured.
pub(super) fn table(out: &mut String, results: &Results) {
    let transports = || Contender::all().into_iter().filter(|contender| contender.is_transport());
    if !results.settings().into_iter().any(single) {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Every transport's cost a message\n\nCPU of the server, medians; (×) is the ratio to the WebSocket, within each \
         round. A delivery is a message of 128 B of a fan-out, the rest a message of 32 B and its answer, the upload and \
         its answer included.\n"
    );
    let _ = write!(out, "| |");
    for column in &COLUMNS {
        let _ = write!(out, " {} |", column.title);
    }
    let _ = writeln!(out, "\n| --- |{}", " ---: |".repeat(COLUMNS.len()));
    for transport in transports() {
        let name = transport.name().trim_start_matches("anywire ");
        let _ = write!(out, "| {name} |");
        for column in &COLUMNS {
            let _ = write!(out, " {} |", cell(results, transport, column));
        }
        out.push('\n');
    }
}

fn cell(results: &Results, transport: Contender, column: &Column) -> String {
    let Some(setting) = results.settings().into_iter().find(|&setting| (column.setting)(setting)) else {
        return "—".to_owned();
    };
    let metric = column.metric;
    let median = results.spread(setting, transport, metric).map(Spread::only_median);
    let mut text = shown(median, column.unit);
    let ratio = results.ratio(setting, (transport, metric), (Contender::AnywireWs, metric));
    if let Some(ratio) = ratio.filter(|_| column.has_ratio) {
        let _ = write!(text, " ({}×)", shown(Some(ratio.only_median()), 1.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_stand_beside_the_websocket() {
        let mut results = Results::default();
        let setting = Setting::TransportEcho { size: 32, depth: 1 };
        for (round, scale) in [1.0, 9.0, 2.0].into_iter().enumerate() {
            results.add(setting, Contender::AnywireWs.into(), Metric::Cpu, round, 4.0 * scale);
            results.add(setting, Contender::AnywirePoll.into(), Metric::Cpu, round, 10.0 * scale);
        }
        let mut out = String::new();
        table(&mut out, &results);
        assert!(out.contains("| websocket | 8.00 (1.00×) | — |"), "{out}");
        assert!(out.contains("| xhr-poll | 20.0 (2.50×) | — |"), "{out}");
    }
}
