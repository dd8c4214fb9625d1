//! The server process: it is started, its use of CPU and memory is read, and its own handle ends it.

use crate::row::Row;
use crate::servers::{Place, Scene};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// CPU time in the kernel's ticks, which are sampled: over a second they are exact to some percent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shares {
    program: u64,
    kernel: u64,
}

impl Shares {
    /// The percentage of the time since `earlier` that was the kernel's.
    pub(crate) fn kernel_since(self, earlier: Self) -> f64 {
        let kernel = self.kernel.saturating_sub(earlier.kernel);
        let all = kernel + self.program.saturating_sub(earlier.program);
        100.0 * kernel as f64 / all.max(1) as f64
    }
}

impl ServerProcess {
    pub(crate) fn start(row: Row, scene: Scene) -> Result<Self> {
        Self::start_at(row, scene, None)
    }

    /// Starts one server, or one node of several.
    pub(crate) fn start_at(row: Row, scene: Scene, place: Option<Place>) -> Result<Self> {
        let program = row.program()?;
        let mut child = Command::new(&program)
            .args(["serve", row.contender.server().name(), scene.name()])
            .args(place.map(|place| place.to_string()))
            .envs(super::servers_cpu())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server's output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse();
        // The handle is made before the address is checked, so that a bad address still ends the child.
        let mut process = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        process.address = address.with_context(|| format!("the server of {} did not start", row.name()))?;
        Ok(process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of all threads, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.pid())
    }

    /// The CPU time so far, divided between the program and the kernel.
    pub(crate) fn shares(&self) -> Result<Shares> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // The fields behind the name, which may have spaces.
        let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        match ticks[..] {
            [program, kernel] => Ok(Shares { program, kernel }),
            _ => bail!("no times in stat"),
        }
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss in smaps_rollup")?;
        let kilobytes: u64 = line.trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }
}

/// CPU time of all threads of a process, user and system.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(path)?;
        let first = text.split_whitespace().next().context("empty schedstat")?;
        nanoseconds += first.parse::<u64>()?;
    }
    ensure!(nanoseconds > 0, "the kernel keeps no schedstat");
    Ok(Duration::from_nanos(nanoseconds))
}

impl std::ops::Add for Shares {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { program: self.program + other.program, kernel: self.kernel + other.kernel }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // This fails only if the process has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
