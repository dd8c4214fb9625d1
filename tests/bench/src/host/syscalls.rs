//! System calls of the server, counted by `perf stat` (tracepoints, nearly free) or by `strace -c`.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

const READS: [&str; 4] = ["recvfrom", "recvmsg", "read", "readv"];
const WRITES: [&str; 4] = ["sendto", "sendmsg", "writev", "pwrite64"];
/// Calls that wake another thread.
const WAKES: [&str; 1] = ["futex"];
/// It goes to an eventfd, and wakes a thread: servers write to sockets by other calls. Node writes to them by this one.
const WRITE: &str = "write";
const WAITS: [&str; 2] = ["epoll_wait", "epoll_pwait"];

/// The number of the server's system calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) wakes: u64,
    pub(crate) waits: u64,
}

/// The counting programs, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    Perf,
    Strace,
    Missing,
}

impl Counter {
    /// The best counter that works here. Each is tried on a child process, since a counter needs permissions
    /// as well as its binary.
    pub(crate) fn detect() -> Self {
        [Self::Perf, Self::Strace].into_iter().find(|counter| counter.works()).unwrap_or(Self::Missing)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf stat",
            Self::Strace => "strace -c",
            Self::Missing => "nothing (install perf or strace)",
        }
    }

    fn works(self) -> bool {
        let Ok(mut sleeper) = Command::new("sleep").arg("60").spawn() else {
            return false;
        };
        let works = self.attach(&[sleeper.id()], false).and_then(Attached::detach).is_ok();
        // The sleeper is our own child, started for this test.
        let _ = sleeper.kill();
        let _ = sleeper.wait();
        works
    }

    /// Begins to count. Returns when the counting has really begun.
    /// `by_write` tells that the processes write to sockets by `write`.
    pub(crate) fn attach(self, pids: &[u32], by_write: bool) -> Result<Attached> {
        match self {
            Self::Perf => attach_perf(pids, by_write),
            Self::Strace => attach_strace(pids, by_write),
            Self::Missing => bail!("neither perf nor strace works here"),
        }
    }
}

/// A counter that is counting.
pub(crate) struct Attached {
    child: Child,
    counter: Counter,
    by_write: bool,
}

impl Attached {
    pub(crate) fn detach(mut self) -> Result<Counts> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT)?;
        let mut text = String::new();
        let mut output = self.child.stderr.take().context("the counter's output")?;
        output.read_to_string(&mut text)?;
        self.child.wait()?;
        let counts = match self.counter {
            Counter::Perf => perf_counts(&text),
            _ => strace_counts(&text),
        };
        // strace has no line for a call that never came; perf has one for each, and without any it has
        // failed.
        ensure!(self.counter != Counter::Perf || !counts.is_empty(), "no counts in: {text}");
        let sum = |names: &[&str]| names.iter().filter_map(|&name| counts.get(name)).sum::<u64>();
        let (mut writes, mut wakes) = (sum(&WRITES), sum(&WAKES));
        *if self.by_write { &mut writes } else { &mut wakes } += sum(&[WRITE]);
        Ok(Counts { reads: sum(&READS), writes, wakes, waits: sum(&WAITS) })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // The child is our own; it still runs only after an error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn attach_perf(pids: &[u32], by_write: bool) -> Result<Attached> {
    let names = [&READS[..], &WRITES, &WAKES, &WAITS, &[WRITE]].concat();
    let known = |name: &&&str| {
        ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
            .iter()
            .any(|root| fs::exists(format!("{root}/events/syscalls/sys_enter_{name}")).is_ok_and(|is| is))
    };
    let events: Vec<_> = names.iter().filter(known).map(|name| format!("syscalls:sys_enter_{name}")).collect();
    ensure!(!events.is_empty(), "the kernel shows no system call events");
    let child = Command::new("perf")
        // perf starts disabled and prints "Events disabled" once attached; a command on its control pipe then
        // starts the counting.
        .args(["stat", "-x,", "-D", "-1", "--control", "fd:0,1", "-e"])
        .arg(events.join(","))
        .args(["-p", &listed(pids)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut attached = Attached { child, counter: Counter::Perf, by_write };
    let mut control = attached.child.stdin.take().context("perf's control")?;
    std::io::Write::write_all(&mut control, b"enable\n")?;
    let mut answers = BufReader::new(attached.child.stdout.take().context("perf's answers")?);
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(line.contains("ack"), "perf did not begin to count");
    attached.child.stdin = Some(control);
    attached.child.stdout = Some(answers.into_inner());
    Ok(attached)
}

/// Several processes, as both programs take them.
fn listed(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn perf_counts(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(',');
            let count = match fields.next()? {
                // perf prints this for events that never came.
                "<not counted>" => 0,
                count => count.parse().ok()?,
            };
            let name = fields.nth(1)?.strip_prefix("syscalls:sys_enter_")?;
            Some((name.to_owned(), count))
        })
        .collect()
}

fn attach_strace(pids: &[u32], by_write: bool) -> Result<Attached> {
    let child = Command::new("strace")
        .args(["-c", "-f", "-p", &listed(pids)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut attached = Attached { child, counter: Counter::Strace, by_write };
    let mut lines = BufReader::new(attached.child.stderr.take().context("strace's output")?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    ensure!(line.contains("attached"), "strace: {}", line.trim());
    attached.child.stderr = Some(lines.into_inner());
    Ok(attached)
}

fn strace_counts(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, _, _, calls, .., name] = fields[..] else {
                return None;
            };
            Some((name.to_owned(), calls.parse().ok()?))
        })
        .collect()
}
