//! The order of the measurements: by round, then by setting, then by contender, so that the rows of one table
//! are neighbours in time.

use crate::clients::Talk;
use crate::contenders::Contender;
use crate::host::{self, Ticks, syscalls::Counter};
use crate::load::{echo, fanout, memory, nodes, setup};
use crate::options::{Measure, Options};
use crate::report::{self, Context, Metric, Results, Setting};
use anyhow::{Result, bail};
use std::time::Instant;

/// File descriptors for other things than sessions.
const SPARE_FILES: u64 = 500;

pub(crate) fn run(options: &Options) -> Result<()> {
    host::pin_generator();
    let files = host::raise_file_limit();
    let is_counting = options.only.iter().any(|measure| measure.counts_calls());
    let counter = if is_counting { Counter::detect() } else { Counter::Missing };
    let load = host::load_average();
    let (ticks, start) = (Ticks::now(), Instant::now());
    let mut results = Results::default();
    for round in 0..options.rounds {
        for setting in settings(options, files) {
            // Another contender goes first in each round, since the first finds the machine in another state
            // than the last.
            let contenders = contenders(options, setting);
            for place in 0..contenders.len() {
                let contender = contenders[(place + round) % contenders.len()];
                eprintln!("round {} of {}: {setting}, {}", round + 1, options.rounds, contender.name());
                let run = Run { options, round, setting, contender, counter };
                if let Err(error) = run.measure(&mut results) {
                    eprintln!("  failed: {error:#}");
                    results.fail(setting, contender, round, &error);
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

/// The rows that a setting can have.
fn contenders(options: &Options, setting: Setting) -> Vec<Contender> {
    let can = |contender: &Contender| match setting {
        Setting::NodeRoom { .. } => contender.is_nodes() && !contender.is_http(),
        Setting::Forwarded { .. } => contender.is_nodes() && contender.is_http(),
        _ if contender.is_nodes() => false,
        Setting::Events { .. } | Setting::EventRoom { .. } => contender.has_events(),
        Setting::SockJsEcho { .. } => contender.is_sockjs(),
        Setting::SockJsFanout { streamed: false, .. } => {
            matches!(contender, Contender::SockJsWs | Contender::AnywireSockJsWs)
        }
        Setting::SockJsFanout { streamed: true, .. } => {
            matches!(contender, Contender::SockJsStream | Contender::AnywireSockJsStream)
        }
        _ => !contender.is_sockjs(),
    };
    options.contenders.iter().copied().filter(can).collect()
}

fn settings(options: &Options, files: u64) -> Vec<Setting> {
    let members = if options.quick { 200 } else { 1000 };
    let mut settings = Vec::new();
    for measure in &options.only {
        match measure {
            Measure::Echo => {
                for size in [32, 1024] {
                    for depth in [1, 16] {
                        settings.push(Setting::Echo { depth, size });
                    }
                }
            }
            Measure::Fanout => {
                for burst in [1, 10] {
                    settings.push(Setting::Fanout { members, burst });
                }
            }
            Measure::Events => settings.extend([1, 16].map(|depth| Setting::Events { depth, size: 32 })),
            Measure::EventRoom => settings.extend([1, 10].map(|burst| Setting::EventRoom { members, burst })),
            Measure::Setup => settings.push(Setting::Setup),
            Measure::SockJs => settings.extend(sockjs(members)),
            Measure::Nodes => settings.extend([1, 16, 256].map(|burst| Setting::NodeRoom { burst })),
            Measure::Forwarded => settings.extend([1, 16].map(|depth| Setting::Forwarded { size: 32, depth })),
            Measure::Memory => {
                let (sockets, polls) = if options.quick { (1000, 500) } else { (10_000, 2000) };
                let most = usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
                if sockets > most {
                    eprintln!("{files} open files allow for {most} sessions of {sockets}");
                }
                settings.push(Setting::Memory {
                    sockets: sockets.min(most),
                    // Each session has up to two connections.
                    polls: polls.min(most / 2),
                });
            }
        }
    }
    settings
}

/// The settings of SockJS. A stream takes two connections for each session, so that there are fewer.
fn sockjs(members: usize) -> Vec<Setting> {
    let echoes = [(32, 1), (32, 16), (1024, 1), (1024, 16)].map(|(size, depth)| Setting::SockJsEcho { size, depth });
    let fanouts = [(false, members), (true, members / 5)]
        .into_iter()
        .flat_map(|(streamed, members)| [1, 10].map(|burst| Setting::SockJsFanout { streamed, members, burst }));
    echoes.into_iter().chain(fanouts).collect()
}

/// One cell in one round.
struct Run<'options> {
    options: &'options Options,
    round: usize,
    setting: Setting,
    contender: Contender,
    counter: Counter,
}

impl Run<'_> {
    fn measure(&self, results: &mut Results) -> Result<()> {
        match self.setting {
            Setting::Echo { depth, size }
            | Setting::SockJsEcho { depth, size }
            | Setting::Forwarded { depth, size } => self.echo(results, Talk::Messages, depth, size),
            Setting::Events { depth, size } => self.echo(results, Talk::Requests, depth, size),
            Setting::Fanout { members, burst } | Setting::SockJsFanout { members, burst, .. } => {
                self.fanout(results, Talk::Messages, members, burst)
            }
            Setting::EventRoom { members, burst } => self.fanout(results, Talk::Events, members, burst),
            Setting::NodeRoom { burst } => self.node_room(results, burst),
            Setting::Setup => {
                let (window, warm_up) = (self.options.window, self.options.warm_up(self.contender));
                let figures = setup::run(self.contender, window, warm_up)?;
                self.add(results, &[(Metric::Cpu, figures.cpu), (Metric::Rate, figures.rate)]);
                Ok(())
            }
            Setting::Memory { sockets, polls } => {
                let is_http = self.contender.is_http();
                let sessions = if is_http { polls } else { sockets };
                let bytes = memory::run(self.contender, sessions)?;
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
            warm_up: self.options.warm_up(self.contender),
        };
        let figures = echo::run(self.contender, spec, self.counter)?;
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
            warm_up: self.options.warm_up(self.contender),
        };
        let figures = fanout::run(self.contender, spec)?;
        self.add(
            results,
            &[
                (Metric::Cpu, figures.cpu),
                (Metric::Kernel, figures.kernel),
                (Metric::Rate, figures.rate),
                (Metric::P50, figures.p50),
                (Metric::P99, figures.p99),
                (Metric::Late, figures.late as f64),
            ],
        );
        Ok(())
    }

    fn node_room(&self, results: &mut Results, burst: u64) -> Result<()> {
        let (window, warm_up) = (self.options.window, self.options.warm_up(self.contender));
        let figures = nodes::run(self.contender, nodes::Spec { burst, window, warm_up })?;
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
            results.add(self.setting, self.contender, metric, self.round, value);
        }
    }
}
