//! Sessions that have exchanged one message each way and then do nothing.

use super::payload::Payloads;
use super::{OPENING, open_all, settle};
use crate::clients::{Client, Inbox, Talk};
use crate::contenders::Contender;
use crate::host::child::ServerProcess;
use crate::net::{Driver, Fleet};
use crate::row::Row;
use crate::servers::Scene;
use anyhow::{Result, ensure};
use std::ops::Range;

const SIZE: usize = 32;
/// The first sessions, which are not counted: they also cost what a process allocates once.
const FIRST: usize = 100;

struct Idle {
    payloads: Payloads,
    opened: usize,
    answered: usize,
}

impl Driver for Idle {
    fn opened(&mut self, _index: usize, _client: &mut dyn Client) -> Result<()> {
        self.opened += 1;
        Ok(())
    }

    fn messages(&mut self, index: usize, inbox: &Inbox, _client: &mut dyn Client) -> Result<()> {
        for payload in inbox.iter() {
            let number = self.payloads.check(payload)?;
            ensure!(number == index as u64, "another client's message");
            self.answered += 1;
        }
        Ok(())
    }

    fn closed(&mut self, _index: usize) -> Result<()> {
        Ok(())
    }
}

/// Resident bytes of the server per idle session.
pub(crate) fn run(row: Row, sessions: usize) -> Result<f64> {
    let contender = row.contender;
    let process = ServerProcess::start(row, Scene::Echo)?;
    let mut fleet = Fleet::new(process.address, Talk::Messages)?;
    let mut idle = Idle { payloads: Payloads::new(SIZE), opened: 0, answered: 0 };
    let before = settled(&mut fleet, &mut idle, &process, contender, 0..FIRST)?;
    let all = FIRST..FIRST + sessions;
    let after = settled(&mut fleet, &mut idle, &process, contender, all)?;
    Ok(after.saturating_sub(before) as f64 / sessions as f64)
}

/// Opens clients a few at a time, exchanges a message with each, waits until the server has nothing to do,
/// and returns its resident bytes. Many at once would measure the peak and not the cost of an idle session.
fn settled(
    fleet: &mut Fleet,
    idle: &mut Idle,
    process: &ServerProcess,
    contender: Contender,
    indices: Range<usize>,
) -> Result<u64> {
    for few in split(indices.clone()) {
        open_all(fleet, idle, contender, few.clone(), |idle| idle.opened)?;
        drop_uplinks(fleet, idle, few)?;
    }
    settle(fleet, idle, || process.cpu())?;
    for few in split(indices) {
        for index in few.clone() {
            fleet.with(index, |client| client.send(idle.payloads.make(index as u64)))?;
        }
        while idle.answered < few.end {
            fleet.turn(idle)?;
        }
        drop_uplinks(fleet, idle, few)?;
    }
    settle(fleet, idle, || process.cpu())?;
    process.resident()
}

fn split(indices: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    indices.clone().step_by(OPENING).map(move |start| start..indices.end.min(start + OPENING))
}

/// Closes the connections for uploads, as browsers do with idle ones, once their answers have come.
fn drop_uplinks(fleet: &mut Fleet, idle: &mut Idle, indices: Range<usize>) -> Result<()> {
    for index in indices {
        while !fleet.drop_uplink(index)? {
            fleet.turn(idle)?;
        }
    }
    Ok(())
}
