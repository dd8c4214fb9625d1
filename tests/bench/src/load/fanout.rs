//! One client sends and all receive; the next burst is sent when every client has received the whole last
//! one.

use super::payload::Payloads;
use super::{Latencies, OPENING, micros, open_all, settle};
use crate::clients::{Client, Inbox, Talk};
use crate::contenders::Contender;
use crate::host::child::ServerProcess;
use crate::net::{Driver, Fleet};
use crate::row::Row;
use crate::servers::{GREETING, Scene};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

const SIZE: usize = 128;
/// The least number of bursts, even beyond the window, so that a slow server has figures too.
const LEAST: u64 = 3;

#[derive(Clone, Copy)]
pub(crate) struct Spec {
    /// Messages or events.
    pub(crate) talk: Talk,
    pub(crate) members: usize,
    pub(crate) burst: u64,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
}

pub(crate) struct Figures {
    /// CPU time of the server for one delivery, µs.
    pub(crate) cpu: f64,
    /// The kernel's part of it, %.
    pub(crate) kernel: f64,
    pub(crate) rate: f64,
    /// From the publisher's send to a member's receipt, µs.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Bytes of one delivery, up and down.
    pub(crate) bytes: [f64; 2],
    pub(crate) late: u64,
}

/// The messages of the present burst that one member has received, one bit each.
#[derive(Clone, Copy, Default)]
struct Received {
    bits: u64,
    highest: u64,
}

struct Fanout {
    payloads: Payloads,
    members: Vec<Received>,
    burst: u64,
    /// The number of the first message of the present burst.
    first: u64,
    sent: Instant,
    opened: usize,
    greeted: usize,
    deliveries: u64,
    late: u64,
    latencies: Latencies,
}

impl Driver for Fanout {
    fn opened(&mut self, _index: usize, _client: &mut dyn Client) -> Result<()> {
        self.opened += 1;
        Ok(())
    }

    fn messages(&mut self, index: usize, inbox: &Inbox, _client: &mut dyn Client) -> Result<()> {
        let now = Instant::now();
        let member = &mut self.members[index];
        for payload in inbox.iter() {
            if payload == [GREETING] {
                self.greeted += 1;
                continue;
            }
            let number = self.payloads.check(payload)?;
            let bit = number
                .checked_sub(self.first)
                .filter(|&bit| bit < self.burst && member.bits & (1 << bit) == 0)
                .with_context(|| format!("message {number} was not sent now, or came twice"))?;
            member.bits |= 1 << bit;
            if number < member.highest {
                self.late += 1;
            }
            member.highest = member.highest.max(number);
            self.deliveries += 1;
            self.latencies.add(now - self.sent);
        }
        Ok(())
    }

    fn closed(&mut self, _index: usize) -> Result<()> {
        Ok(())
    }
}

impl Fanout {
    /// One burst, up to the last delivery.
    fn step(&mut self, fleet: &mut Fleet) -> Result<()> {
        self.first += self.burst;
        self.members.iter_mut().for_each(|member| member.bits = 0);
        let whole = self.deliveries + self.burst * self.members.len() as u64;
        self.sent = Instant::now();
        fleet.with(0, |client| {
            for number in self.first..self.first + self.burst {
                client.send(self.payloads.make(number));
            }
        })?;
        while self.deliveries < whole {
            let missing = whole - self.deliveries;
            fleet.turn(self).with_context(|| format!("{missing} deliveries are missing"))?;
        }
        Ok(())
    }
}

/// Opens all sessions; returns when each has received its greeting, and so has joined.
fn join(fleet: &mut Fleet, fanout: &mut Fanout, contender: Contender, process: &ServerProcess) -> Result<()> {
    let members = fanout.members.len();
    open_all(fleet, fanout, contender, 0..members, |fanout| fanout.opened)?;
    settle(fleet, fanout, || process.cpu())?;
    for index in 0..members {
        fleet.with(index, |client| client.send(&[GREETING]))?;
        // A few at a time: a server that gets no acknowledgement for a second takes the client's stream for
        // held back.
        while fanout.greeted + OPENING <= index {
            fleet.turn(fanout)?;
        }
    }
    while fanout.greeted < members {
        fleet.turn(fanout)?;
    }
    Ok(())
}

pub(crate) fn run(row: Row, spec: Spec) -> Result<Figures> {
    let contender = row.contender;
    ensure!(spec.burst <= 64, "a burst is counted in 64 bits");
    let scene = if spec.talk == Talk::Events { Scene::EventRoom } else { Scene::Fanout };
    let process = ServerProcess::start(row, scene)?;
    let mut fleet = Fleet::new(process.address, spec.talk)?;
    let mut fanout = Fanout {
        payloads: Payloads::new(SIZE),
        members: vec![Received::default(); spec.members],
        burst: spec.burst,
        first: 0,
        sent: Instant::now(),
        opened: 0,
        greeted: 0,
        deliveries: 0,
        late: 0,
        latencies: Latencies::default(),
    };
    join(&mut fleet, &mut fanout, contender, &process)?;
    let start = Instant::now();
    while start.elapsed() < spec.warm_up {
        fanout.step(&mut fleet)?;
    }

    fanout.latencies.clear();
    let (cpu, shares) = (process.cpu()?, process.shares()?);
    let (deliveries, traffic, start) = (fanout.deliveries, fleet.traffic, Instant::now());
    let mut bursts = 0;
    while bursts < LEAST || start.elapsed() < spec.window {
        fanout.step(&mut fleet)?;
        bursts += 1;
    }
    let elapsed = start.elapsed();
    let (cpu, deliveries) = (process.cpu()? - cpu, fanout.deliveries - deliveries);
    Ok(Figures {
        cpu: micros(cpu) / deliveries as f64,
        kernel: process.shares()?.kernel_since(shares),
        rate: deliveries as f64 / elapsed.as_secs_f64(),
        p50: fanout.latencies.quantile(0.5),
        p99: fanout.latencies.quantile(0.99),
        bytes: fleet.traffic.each_since(traffic, deliveries),
        late: fanout.late,
    })
}
