//! The bars that Anywire sets itself, and whether this run reached them.

use super::results::{Metric, Results, Setting, Spread};
use super::tables::shown;
use crate::contenders::Contender;
use std::fmt::Write;

/// The tolerance for calls a turn: they are counted over a whole run, whose begin and end add a few.
const TURN: f64 = 1.02;

struct Bar {
    rank: &'static str,
    what: String,
    unit: &'static str,
    limit: f64,
    measured: Option<Spread>,
}

/// Writes the bars of the settings that were measured; `all` means also those whose rows were not.
pub(super) fn verdict(out: &mut String, results: &Results, all: bool) {
    let mut bars = bars(results);
    bars.retain(|bar| all || bar.measured.is_some());
    // Musts come before aims; within each the order stays.
    bars.sort_by_key(|bar| bar.rank != "Must");
    let _ = writeln!(out, "\n## Verdict\n");
    let _ = writeln!(out, "| | bar | at most | measured | |");
    let _ = writeln!(out, "| --- | --- | ---: | ---: | --- |");
    for bar in bars {
        let word = match bar.measured {
            None => "not measured",
            Some(spread) if spread.median <= bar.limit => "reached",
            Some(_) => "**not reached**",
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} {} | {} | {word} |",
            bar.rank,
            bar.what,
            bar.limit,
            bar.unit,
            shown(bar.measured, 1.0)
        );
    }
}

fn bars(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    for setting in results.settings() {
        match setting {
            Setting::Echo { depth, .. } => echo(&mut bars, results, setting, depth),
            Setting::Fanout { burst, .. } => {
                bars.push(own_wire(results, setting, if burst == 1 { 0.7 } else { 0.5 }));
                bars.push(beside_socketio(results, setting, if burst == 1 { 0.8 } else { 0.65 }));
            }
            Setting::Events { depth, .. } => {
                bars.push(own_wire(results, setting, if depth == 1 { 0.95 } else { 0.3 }));
                bars.push(beside_socketio(results, setting, if depth == 1 { 0.95 } else { 0.25 }));
            }
            Setting::EventRoom { burst, .. } => {
                bars.push(own_wire(results, setting, if burst == 1 { 0.7 } else { 0.5 }));
                bars.push(beside_socketio(results, setting, if burst == 1 { 0.65 } else { 0.45 }));
            }
            Setting::Setup => {
                bars.push(own_wire(results, setting, 0.8));
                bars.push(Bar {
                    rank: "Aim",
                    what: format!("{setting}: CPU / axum plain"),
                    unit: "x",
                    limit: 1.15,
                    measured: ratio(results, setting, Contender::AnywireWs, Contender::Plain),
                });
            }
            Setting::Memory { .. } => memory(&mut bars, results, setting),
            Setting::TransportEcho { .. } | Setting::TransportFanout { .. } => {}
            Setting::SockJsEcho { .. } | Setting::SockJsFanout { .. } => sockjs(&mut bars, results, setting),
            Setting::NodeRoom { burst } => nodes(&mut bars, results, setting, burst),
            Setting::Forwarded { .. } => bars.push(Bar {
                rank: "Aim",
                what: format!("{setting}: CPU of forwarded polls / direct ones"),
                unit: "x",
                limit: 2.5,
                measured: ratio(results, setting, Contender::AnywireNodesForwarded, Contender::AnywireNodesPoll),
            }),
        }
    }
    bars.extend(order(results));
    bars
}

fn ratio(results: &Results, setting: Setting, above: Contender, below: Contender) -> Option<Spread> {
    results.ratio(setting, (above, Metric::Cpu), (below, Metric::Cpu))
}

fn echo(bars: &mut Vec<Bar>, results: &Results, setting: Setting, depth: usize) {
    let ws = Contender::AnywireWs;
    bars.push(Bar {
        rank: "Aim",
        what: format!("{setting}: CPU / axum tuned"),
        unit: "x",
        limit: 1.3,
        measured: ratio(results, setting, ws, Contender::Tuned),
    });
    bars.push(Bar {
        rank: "Aim",
        what: format!("{setting}: p99 / p50"),
        unit: "x",
        limit: 4.0,
        measured: results.ratio(setting, (ws, Metric::P99), (ws, Metric::P50)),
    });
    bars.push(own_wire(results, setting, if depth == 1 { 0.95 } else { 0.3 }));
    if depth == 16 {
        bars.push(Bar {
            rank: "Aim",
            what: format!("{setting}: polling's CPU / socketioxide's, both by Socket.IO"),
            unit: "x",
            limit: 0.7,
            measured: ratio(results, setting, Contender::AnywireSocketIoPoll, Contender::SocketIoPoll),
        });
        bars.push(Bar {
            rank: "Aim",
            what: format!("{setting}: p99 / p50 of Socket.IO's clients"),
            unit: "x",
            limit: 3.0,
            measured: results.ratio(
                setting,
                (Contender::AnywireSocketIo, Metric::P99),
                (Contender::AnywireSocketIo, Metric::P50),
            ),
        });
        bars.push(Bar {
            rank: "Aim",
            what: format!("{setting}: long polling's CPU / socketioxide's"),
            unit: "x",
            limit: 0.6,
            measured: ratio(results, setting, Contender::AnywirePoll, Contender::SocketIoPoll),
        });
    }
    for (call, metric) in [("reads", Metric::ReadsPerTurn), ("writes", Metric::WritesPerTurn)] {
        bars.push(Bar {
            rank: "Must",
            what: format!("{setting}: {call} a turn, WebSocket"),
            unit: "",
            limit: TURN,
            measured: results.spread(setting, ws, metric),
        });
    }
}

/// The CPU over socketioxide's, by the same clients: those of Socket.IO, on a WebSocket.
fn own_wire(results: &Results, setting: Setting, limit: f64) -> Bar {
    Bar {
        rank: "Aim",
        what: format!("{setting}: CPU / socketioxide, both by Socket.IO"),
        unit: "x",
        limit,
        measured: ratio(results, setting, Contender::AnywireSocketIo, Contender::SocketIo),
    }
}

/// The CPU over socketioxide's, both on a WebSocket.
fn beside_socketio(results: &Results, setting: Setting, limit: f64) -> Bar {
    Bar {
        rank: "Must",
        what: format!("{setting}: CPU / socketioxide"),
        unit: "x",
        limit,
        measured: ratio(results, setting, Contender::AnywireWs, Contender::SocketIo),
    }
}

/// The CPU over sockjs-node's, by the same clients and the same transport.
fn sockjs(bars: &mut Vec<Bar>, results: &Results, setting: Setting) {
    let fanout = matches!(setting, Setting::SockJsFanout { .. });
    for (transport, ours, theirs, limit) in [
        ("WebSocket", Contender::AnywireSockJsWs, Contender::SockJsWs, 0.3),
        ("xhr_streaming", Contender::AnywireSockJsStream, Contender::SockJsStream, 0.2),
        ("xhr", Contender::AnywireSockJsPoll, Contender::SockJsPoll, 0.2),
    ] {
        let measured = ratio(results, setting, ours, theirs);
        // A fan-out is measured over one transport.
        if fanout && measured.is_none() {
            continue;
        }
        bars.push(Bar {
            rank: "Aim",
            what: format!("{setting}: CPU / sockjs-node, {transport}"),
            unit: "x",
            limit: if fanout { 0.5 } else { limit },
            measured,
        });
    }
}

/// Latency and CPU over socketioxide's, both on many nodes.
fn nodes(bars: &mut Vec<Bar>, results: &Results, setting: Setting, burst: u64) {
    let limits: &[_] = match burst {
        1 => &[("p50", Metric::P50, 1.0), ("CPU", Metric::Cpu, 0.9)],
        16 => &[("p50", Metric::P50, 0.6), ("CPU", Metric::Cpu, 0.3), ("Redis", Metric::Redis, 0.9)],
        _ => &[("Redis", Metric::Redis, 0.2)],
    };
    for (clients, ours) in [("", Contender::AnywireNodesWs), (", both by Socket.IO", Contender::AnywireNodesSocketIo)] {
        for &(name, metric, limit) in limits {
            bars.push(Bar {
                rank: "Aim",
                what: format!("{setting}: {name} / socketioxide's{clients}"),
                unit: "x",
                limit,
                measured: results.ratio(setting, (ours, metric), (Contender::SocketIoNodes, metric)),
            });
        }
    }
}

fn memory(bars: &mut Vec<Bar>, results: &Results, setting: Setting) {
    for (what, contender, limit) in [
        ("an idle WebSocket session", Contender::AnywireWs, 6000.0),
        ("a parked long poll", Contender::AnywirePoll, 16_000.0),
        ("an idle WebSocket of Socket.IO", Contender::AnywireSocketIo, 6000.0),
        ("a parked poll of Socket.IO", Contender::AnywireSocketIoPoll, 16_000.0),
    ] {
        bars.push(Bar {
            rank: "Must",
            what: format!("memory of {what}"),
            unit: "B",
            limit,
            measured: results.spread(setting, contender, Metric::Bytes),
        });
    }
}

/// One bar for all messages out of order, over all settings.
fn order(results: &Results) -> Option<Bar> {
    let ours = Contender::all().into_iter().filter(|contender| contender.server().is_anywire());
    let totals: Vec<f64> = ours.filter_map(|contender| results.total(contender, Metric::Late)).collect();
    let total = totals.iter().sum();
    Some(Bar {
        rank: "Must",
        what: "messages out of order, all settings and transports".to_owned(),
        unit: "",
        limit: 0.0,
        measured: if totals.is_empty() { None } else { Spread::of(vec![total]) },
    })
}
