//! Measures Anywire against its peers: one run, one machine, rounds interleaved, CPU time read from the
//! system.
//!
//! `main` is two programs in one. Without a sub-command it is the load generator; it starts itself again as
//! `serve <server> <scene>` for each measurement, so that every figure comes from a fresh process on a CPU of
//! its own.

mod clients;
mod contenders;
mod host;
mod load;
mod net;
mod options;
mod plan;
mod report;
mod row;
mod servers;

use anyhow::Result;
use options::Command;

fn main() -> Result<()> {
    match options::parse(std::env::args().skip(1))? {
        Command::Help => print!("{}", options::HELP),
        Command::Serve(server, scene, place) => servers::serve(server, scene, place)?,
        Command::Measure(options) => plan::run(&options)?,
    }
    Ok(())
}
