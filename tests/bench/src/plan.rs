//! The order of the measurements: by round, then by setting, then by row, so that the rows of one table are
//! neighbours in time.

mod tasks;

use crate::clients::Talk;
use crate::host::{self, Ticks, syscalls::Counter};
use crate::load::{echo, fanout, memory, nodes, setup};
use crate::options::Options;
use crate::report::{self, Context, Metric, Results, Setting};
use crate::row::Row;
use anyhow::{Result, bail};
use std::time::Instant;
use tasks::Task;

pub(crate) fn run(options: &Options) -> Result<()> {
    host::pin_generator();
    let files = host::raise_file_limit();
    let is_counting = options.only.iter().any(|measure| measure.counts_calls());
    let counter = if is_counting { Counter::detect() } else { Counter::Missing };
    let load = host::load_average();
    let (ticks, start) = (Ticks::now(), Instant::now());
    let mut results = Results::default();
    let tasks = tasks::of(options, files);
    for round in 0..options.rounds {
        for &Task { setting, ref rows } in &tasks {
            for row in in_turn(rows, round) {
                eprintln!("round {} of {}: {setting}, {}", round + 1, options.rounds, row.name());
                let run = Run { options, round, setting, row, counter };
                if let Err(error) = run.measure(&mut results) {
                    eprintln!("  failed: {error:#}");
                    results.fail(setting, row, round, &error);
                }
            }
        }
    }
    let context = Context {
        host: host::description(),
        stolen: Ticks::now().stolen_since(ticks),
        load: [load, host::load_average()],
        elapsed: start.elapsed(),
        counter,
    };
    let text = report::render(options, &results, &context);
    print!("{text}");
    if let Some(path) = &options.out {
        std::fs::write(path, &text)?;
    }
    if results.has_failures() {
        bail!("some measurements failed; see the report");
    }
    Ok(())
}

/// The rows in the order of one round. Another one goes first from round to round, since the first finds the machine in
/// another state than the last; and every second round goes backwards, so that of two neighbours, which may be two builds
/// of the same, each goes first as often as the other.
fn in_turn(rows: &[Row], round: usize) -> Vec<Row> {
    let mut rows = rows.to_vec();
    if !rows.is_empty() {
        let first = (round / 2) % rows.len();
        rows.rotate_left(first);
    }
    if round % 2 == 1 {
        rows.reverse();
    }
    rows
}

/// One cell in one round.
struct Run<'options> {
    options: &'options Options,
    round: usize,
    setting: Setting,
    row: Row,
    counter: Counter,
}

impl Run<'_> {
    fn measure(&self, results: &mut Results) -> Result<()> {
        match self.setting {
            Setting::Echo { depth, size }
            | Setting::SockJsEcho { depth, size }
            | Setting::Forwarded { depth, size }
            | Setting::TransportEcho { depth, size } => self.echo(results, Talk::Messages, depth, size),
            Setting::Events { depth, size } => self.echo(results, Talk::Requests, depth, size),
            Setting::Fanout { members, burst }
            | Setting::SockJsFanout { members, burst, .. }
            | Setting::TransportFanout { members, burst } => self.fanout(results, Talk::Messages, members, burst),
            Setting::EventRoom { members, burst } => self.fanout(results, Talk::Events, members, burst),
            Setting::NodeRoom { burst } => self.node_room(results, burst),
            Setting::Setup => {
                let (window, warm_up) = (self.options.window, self.options.warm_up(self.row.contender));
                let figures = setup::run(self.row, window, warm_up)?;
                self.add(results, &[(Metric::Cpu, figures.cpu), (Metric::Rate, figures.rate)]);
                Ok(())
            }
            Setting::Memory { sockets, polls } => {
                let is_http = self.row.contender.is_http();
                let sessions = if is_http { polls } else { sockets };
                let bytes = memory::run(self.row, sessions)?;
                self.add(results, &[(Metric::Bytes, bytes)]);
                Ok(())
            }
        }
    }

    fn echo(&self, results: &mut Results, talk: Talk, depth: usize, size: usize) -> Result<()> {
        let spec = echo::Spec {
            talk,
            depth,
            size,
            window: self.options.window,
            warm_up: self.options.warm_up(self.row.contender),
        };
        let figures = echo::run(self.row, spec, self.counter)?;
        self.add(
            results,
            &[
                (Metric::Cpu, figures.cpu),
                (Metric::Kernel, figures.kernel),
                (Metric::Rate, figures.rate),
                (Metric::P50, figures.p50),
                (Metric::P99, figures.p99),
                (Metric::Late, figures.late as f64),
                (Metric::Answers, figures.answers as f64),
                (Metric::Up, figures.bytes[0]),
                (Metric::Down, figures.bytes[1]),
            ],
        );
        if let Some(calls) = figures.calls {
            let (counts, turns) = (calls.counts, calls.turns.max(1) as f64);
            let messages = calls.messages.max(1) as f64;
            self.add(
                results,
                &[
                    (Metric::Reads, counts.reads as f64 / messages),
                    (Metric::Writes, counts.writes as f64 / messages),
                    (Metric::Wakes, counts.wakes as f64 / messages),
                    (Metric::Waits, counts.waits as f64 / messages),
                    (Metric::ReadsPerTurn, counts.reads as f64 / turns),
                    (Metric::WritesPerTurn, counts.writes as f64 / turns),
                ],
            );
        }
        Ok(())
    }

    fn fanout(&self, results: &mut Results, talk: Talk, members: usize, burst: u64) -> Result<()> {
        let spec = fanout::Spec {
            talk,
            members,
            burst,
            window: self.options.window,
            warm_up: self.options.warm_up(self.row.contender),
        };
        let figures = fanout::run(self.row, spec)?;
        self.add(
            results,
            &[
                (Metric::Cpu, figures.cpu),
                (Metric::Kernel, figures.kernel),
                (Metric::Rate, figures.rate),
                (Metric::P50, figures.p50),
                (Metric::P99, figures.p99),
                (Metric::Late, figures.late as f64),
                (Metric::Up, figures.bytes[0]),
                (Metric::Down, figures.bytes[1]),
            ],
        );
        Ok(())
    }

    fn node_room(&self, results: &mut Results, burst: u64) -> Result<()> {
        let (window, warm_up) = (self.options.window, self.options.warm_up(self.row.contender));
        let figures = nodes::run(self.row, nodes::Spec { burst, window, warm_up })?;
        self.add(
            results,
            &[
                (Metric::Cpu, figures.cpu),
                (Metric::Redis, figures.redis),
                (Metric::Rate, figures.rate),
                (Metric::P50, figures.p50),
                (Metric::P99, figures.p99),
                (Metric::Late, figures.late as f64),
            ],
        );
        Ok(())
    }

    fn add(&self, results: &mut Results, values: &[(Metric, f64)]) {
        for &(metric, value) in values {
            results.add(self.setting, self.row, metric, self.round, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_take_turns() {
        let rows = Row::all(None);
        let rows = &rows[..3];
        let orders: Vec<_> = (0..6).map(|round| in_turn(rows, round)).collect();
        for (at, &row) in rows.iter().enumerate() {
            assert_eq!(orders.iter().filter(|order| order[0] == row).count(), 2, "row {at} goes first twice");
        }
        let is_before = |order: &[Row]| {
            let place = |row| order.iter().position(|&other| other == row);
            place(rows[0]) < place(rows[1])
        };
        assert_eq!(orders.iter().filter(|order| is_before(order)).count(), 3);
        assert!(in_turn(&[], 1).is_empty());
    }
}
