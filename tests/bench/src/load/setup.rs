//! Sessions that are opened and, once open, closed in their protocol's own way.

use super::micros;
use crate::clients::{Client, Inbox, Talk};
use crate::contenders::Contender;
use crate::host::child::ServerProcess;
use crate::net::{Driver, Fleet};
use crate::row::Row;
use crate::servers::Scene;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Sessions between open and closed at any time.
const AT_ONCE: usize = 32;

pub(crate) struct Figures {
    /// CPU time of the server for one session, opened and closed, µs.
    pub(crate) cpu: f64,
    pub(crate) rate: f64,
}

#[derive(Default)]
struct Setup {
    free: Vec<usize>,
    closed: u64,
}

impl Driver for Setup {
    fn opened(&mut self, _index: usize, client: &mut dyn Client) -> Result<()> {
        client.close();
        Ok(())
    }

    fn messages(&mut self, _index: usize, _inbox: &Inbox, _client: &mut dyn Client) -> Result<()> {
        bail!("nobody sent anything");
    }

    fn closed(&mut self, index: usize) -> Result<()> {
        self.closed += 1;
        self.free.push(index);
        Ok(())
    }
}

impl Setup {
    fn run_for(&mut self, fleet: &mut Fleet, contender: Contender, span: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < span {
            while let Some(index) = self.free.pop() {
                fleet.open(index, contender)?;
            }
            fleet.turn(self)?;
        }
        Ok(())
    }
}

pub(crate) fn run(row: Row, window: Duration, warm_up: Duration) -> Result<Figures> {
    let contender = row.contender;
    let process = ServerProcess::start(row, Scene::Echo)?;
    let mut fleet = Fleet::new(process.address, Talk::Messages)?;
    let mut setup = Setup { free: (0..AT_ONCE).collect(), closed: 0 };
    setup.run_for(&mut fleet, contender, warm_up)?;
    let (cpu, closed, start) = (process.cpu()?, setup.closed, Instant::now());
    setup.run_for(&mut fleet, contender, window)?;
    let elapsed = start.elapsed();
    let (cpu, closed) = (process.cpu()? - cpu, setup.closed - closed);
    // Sessions under way end in order, so that a server that cannot close is noticed.
    while setup.free.len() < AT_ONCE {
        fleet.turn(&mut setup)?;
    }
    Ok(Figures { cpu: micros(cpu) / closed.max(1) as f64, rate: closed as f64 / elapsed.as_secs_f64() })
}
