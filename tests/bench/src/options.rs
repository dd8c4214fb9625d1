//! The command line.

use crate::contenders::Contender;
use crate::row::Row;
use crate::servers::{Place, Scene, Server};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const HELP: &str = "\
Anywire's benchmark. Build it with --release.

  anywire-bench [options]

  --quick            a smoke run of less than a minute; its figures mean nothing
  --rounds N         rounds, interleaved (5; 10 for the goals alone)
  --only MEASURE     echo, fanout, events, event-room, setup or memory, may be repeated;
                     or sockjs, which needs node and `npm ci` in tests/clients;
                     or nodes or forwarded, which need redis-server and --features nodes;
                     or transports: what a message costs by each of Anywire's;
                     or goals: what the table of goals compares, and no more
  --before PROGRAM   start the servers of Anywire's rows from this other build of the
                     benchmark too, in the same rounds
  --server TEXT      only rows whose name contains TEXT; may be repeated
  --window MS        length of each measured window (1000)
  --out FILE         write the report to FILE too
";

/// The command to run.
pub(crate) enum Command {
    Help,
    Serve(Server, Scene, Option<Place>),
    Measure(Options),
}

/// The kinds of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    Echo,
    Fanout,
    Events,
    EventRoom,
    Setup,
    Memory,
    SockJs,
    /// Messages to a room on another node.
    Nodes,
    /// Polls that reach another node.
    Forwarded,
    /// All transports of the native protocol.
    Transports,
    /// The rows that the goals compare. It is the last, since the others may have measured some of it.
    Goals,
}

impl Measure {
    /// Those of a run for which none is named: they need no other programs.
    pub(crate) const USUAL: [Self; 6] =
        [Self::Echo, Self::Fanout, Self::Events, Self::EventRoom, Self::Setup, Self::Memory];

    /// Whether system calls are counted too.
    pub(crate) fn counts_calls(self) -> bool {
        matches!(self, Self::Echo | Self::Events | Self::SockJs | Self::Forwarded | Self::Transports)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Fanout => "fanout",
            Self::Events => "events",
            Self::EventRoom => "event-room",
            Self::Setup => "setup",
            Self::Memory => "memory",
            Self::SockJs => "sockjs",
            Self::Nodes => "nodes",
            Self::Forwarded => "forwarded",
            Self::Transports => "transports",
            Self::Goals => "goals",
        }
    }
}

/// The extent of a run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) only: Vec<Measure>,
    pub(crate) rows: Vec<Row>,
    pub(crate) window: Duration,
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    /// The time of load before the clock starts, in which caches, allocator and branch predictors settle. Node
    /// compiles what is used often, and gets the time for it.
    pub(crate) fn warm_up(&self, contender: Contender) -> Duration {
        if contender.server() == Server::SockJs { 3 * self.window } else { self.window / 4 }
    }
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut quick = false;
    let mut rounds = None;
    let mut window = None;
    let mut only = Vec::new();
    let mut filters = Vec::new();
    let mut out = None;
    let mut before = None;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "serve" => {
                let (server, scene) = (value()?.parse()?, value()?.parse()?);
                let place = arguments.next().map(|place| place.parse()).transpose()?;
                return Ok(Command::Serve(server, scene, place));
            }
            "-h" | "--help" => return Ok(Command::Help),
            "--quick" => quick = true,
            "--rounds" => rounds = Some(value()?.parse::<usize>()?.max(1)),
            "--window" => window = Some(Duration::from_millis(value()?.parse()?)),
            "--only" => only.push(measure(&value()?)?),
            "--server" => filters.push(value()?),
            "--before" => before = Some(program(&value()?)?),
            "--out" => out = Some(PathBuf::from(value()?)),
            _ => bail!("unknown argument {argument}\n\n{HELP}"),
        }
    }
    if only.is_empty() {
        only = Measure::USUAL.to_vec();
    }
    only.sort();
    only.dedup();
    Ok(Command::Measure(Options {
        quick,
        rounds: rounds.unwrap_or_else(|| usual_rounds(quick, &only)),
        only,
        rows: chosen(&filters, before)?,
        window: window.unwrap_or(Duration::from_millis(if quick { 200 } else { 1000 })),
        out,
    }))
}

fn measure(name: &str) -> Result<Measure> {
    let all = Measure::USUAL.into_iter().chain([
        Measure::SockJs,
        Measure::Nodes,
        Measure::Forwarded,
        Measure::Transports,
        Measure::Goals,
    ]);
    all.into_iter()
        .find(|measure| measure.name() == name)
        .with_context(|| format!("no measure is called {name}\n\n{HELP}"))
}

fn usual_rounds(quick: bool, only: &[Measure]) -> usize {
    match only {
        _ if quick => 1,
        [Measure::Goals] => 10,
        _ => 5,
    }
}

/// Another build of this program. Its name is kept until this one ends.
fn program(name: &str) -> Result<&'static Path> {
    let path = std::path::absolute(name)?;
    ensure!(path.is_file(), "{name} is no program");
    Ok(Box::leak(path.into_boxed_path()))
}

fn chosen(filters: &[String], before: Option<&'static Path>) -> Result<Vec<Row>> {
    let wanted = |row: &Row| filters.is_empty() || filters.iter().any(|text| row.name().contains(text));
    let chosen: Vec<_> = Row::all(before).into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        bail!("no server's name contains {}", filters.join(" or "));
    }
    Ok(chosen)
}
