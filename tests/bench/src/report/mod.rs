//! The report: tables of medians with least and most, ratios, and a verdict.

mod before;
pub(crate) mod goals;
mod results;
mod tables;
mod transports;
mod verdict;

pub(crate) use results::{Metric, Results, Setting};

use crate::contenders::Contender;
use crate::host::syscalls::Counter;
use crate::options::{Measure, Options};
use std::fmt::Write;
use std::time::Duration;

/// Facts of the run as a whole.
pub(crate) struct Context {
    pub(crate) host: String,
    /// The load average before and after the run.
    pub(crate) load: [String; 2],
    pub(crate) stolen: f64,
    pub(crate) elapsed: Duration,
    pub(crate) counter: Counter,
}

pub(crate) fn render(options: &Options, results: &Results, context: &Context) -> String {
    let mut out = String::new();
    head(&mut out, options, context);
    for setting in results.settings() {
        tables::setting(&mut out, results, setting);
    }
    tables::ratios(&mut out, results);
    transports::table(&mut out, results);
    before::table(&mut out, results);
    goals::table(&mut out, results);
    // A run of the goals alone leaves out most of the bars' rows, and that is no news.
    verdict::verdict(&mut out, results, options.only != [Measure::Goals]);
    failures(&mut out, results);
    out
}

// Writing into a String cannot fail, so results are ignored here and below.
fn head(out: &mut String, options: &Options, context: &Context) {
    let _ = writeln!(out, "# Anywire's benchmark\n");
    let _ = writeln!(out, "- {}", context.host);
    let _ = writeln!(
        out,
        "- {} round(s), windows of {:?}, {:.0} s in all, {:.1} % of the CPUs' time stolen by the hypervisor",
        options.rounds,
        options.window,
        context.elapsed.as_secs_f64(),
        context.stolen
    );
    let _ = writeln!(
        out,
        "- load average {} before, {} after (two are ours; with others at work latencies mean little)",
        context.load[0], context.load[1]
    );
    if options.only.iter().any(|measure| measure.counts_calls()) {
        let _ = writeln!(out, "- system calls counted by {}", context.counter.name());
    }
    if options.quick {
        let _ = writeln!(out, "- **a smoke run: these figures only show that it ran**");
    }
    if cfg!(debug_assertions) {
        let _ = writeln!(out, "- **built without --release: the figures are void**");
    }
    if !Contender::all().contains(&Contender::AnywireWs) {
        let _ = writeln!(out, "- built without the feature `anywire`: peers only");
    }
    let _ = writeln!(out, "- each cell: median (least–most) over the rounds; a ratio is taken within each round");
}

fn failures(out: &mut String, results: &Results) {
    if !results.has_failures() {
        return;
    }
    let _ = writeln!(out, "\n## Failures\n");
    for failure in results.failures() {
        let _ = writeln!(out, "- {failure}");
    }
}
