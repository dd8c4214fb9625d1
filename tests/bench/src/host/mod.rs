//! Facts of the machine: its CPUs, its limits, and the CPU time that the hypervisor stole.

pub(crate) mod child;
pub(crate) mod group;
mod redis;
pub(crate) mod syscalls;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::sync::OnceLock;

/// The variable that names the CPU of the servers: they inherit that of the generator, and no other is allowed to them then.
const SERVERS_CPU: &str = "ANYWIRE_BENCH_CPU";

/// Pins the generator to the last CPU, and itself alone: the servers that it starts have the first. On a machine with one
/// CPU it does nothing.
pub(crate) fn pin_generator() {
    let cpus = allowed_cpus();
    if let [first, .., last] = cpus[..] {
        let _ = SERVERS.set(first);
        pin(last);
    }
}

/// Pins this process, a server, to the CPU that the generator has left to it.
pub(crate) fn pin_server() {
    if let Some(cpu) = std::env::var(SERVERS_CPU).ok().and_then(|cpu| cpu.parse().ok()) {
        pin(cpu);
    }
}

/// The environment of a server.
fn servers_cpu() -> Option<(&'static str, String)> {
    SERVERS.get().map(|cpu| (SERVERS_CPU, cpu.to_string()))
}

/// The CPU of the servers.
static SERVERS: OnceLock<usize> = OnceLock::new();

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = sched_setaffinity(None, &set) {
        eprintln!("not pinned to a CPU: {error}");
    }
}

fn allowed_cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
}

/// Raises the soft limit of open files to the hard one and returns it.
pub(crate) fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// One line that names the machine.
pub(crate) fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("unknown CPU");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let count = cpu.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} x {model}, Linux {}", kernel.trim())
}

/// The load average of the last minute, in which our two processes are counted.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Ticks of all CPUs since boot.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    total: u64,
    stolen: u64,
}

impl Ticks {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(8)
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        Self { total: fields.iter().sum(), stolen: fields.get(7).copied().unwrap_or(0) }
    }

    /// The percentage of all CPU time since `earlier` that the hypervisor gave to other machines.
    pub(crate) fn stolen_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        100.0 * self.stolen.saturating_sub(earlier.stolen) as f64 / total as f64
    }
}
