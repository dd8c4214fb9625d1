//! Runs many seeds, and a seed that fails once more with a trace.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::coverage::Tally;

const THREADS: usize = 2;
const TRACE_TAIL: usize = 120;

/// The counts of a seed, and its failure if it has one.
pub(super) type Run<C> = (C, Result<(), String>);

pub(super) type Runner<C> = Box<dyn Fn(u64) -> Run<C>>;

pub(super) fn from_environment(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => otherwise,
    }
}

/// Runs one seed by `once`, which is told whether to keep a trace. If it fails and `explains`, it runs again, and the
/// failure has the tail of what happened.
pub(super) fn run<C>(seed: u64, explains: bool, once: impl Fn(bool) -> (C, Result<(), String>, Vec<String>)) -> Run<C> {
    let (cover, result, _) = once(false);
    if result.is_ok() || !explains {
        return (cover, result);
    }
    let (cover, again, trace) = once(true);
    let tail = trace[trace.len().saturating_sub(TRACE_TAIL)..].join("\n");
    let failure = again.err().unwrap_or_else(|| "failed once and then not: chance leaked in".to_owned());
    (cover, Err(format!("seed {seed}: {failure}\n{tail}\nseed {seed}: {failure}")))
}

/// The result of `run`, where a panic is a failure.
pub(super) fn caught(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let result = catch_unwind(AssertUnwindSafe(run));
    result.unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(&*panic))))
}

fn panic_text(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}

/// Runs `count` seeds on several threads, and stops at the first failure.
pub(super) fn run_seeds<C: Tally>(first: u64, count: u64, run: impl Fn() -> Runner<C> + Sync) -> (C, Option<String>) {
    let next = AtomicU64::new(first);
    let sum = Mutex::new((C::none(), None));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let run = run();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || sum.lock().expect("no panic").1.is_some() {
                        return;
                    }
                    let (cover, result) = run(seed);
                    let mut sum = sum.lock().expect("no panic");
                    sum.0.add(&cover);
                    if let Err(failure) = result {
                        sum.1.get_or_insert(failure);
                    }
                }
            });
        }
    });
    sum.into_inner().expect("no panic")
}
