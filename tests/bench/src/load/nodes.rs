//! Two nodes: a client of the first sends to a room whose only member is a client of the second. The next burst is sent when
//! the whole last one has come.

use super::payload::Payloads;
use super::{Latencies, micros, run_for, settle};
use crate::clients::{Client, Inbox, Talk};
use crate::contenders::Contender;
use crate::host::child::cpu_of;
use crate::host::group::Group;
use crate::net::{Driver, Fleet};
use crate::row::Row;
use crate::servers::{ENTER, GREETING, Scene};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

const SIZE: usize = 128;
const SENDER: usize = 0;
const MEMBER: usize = 1;
/// The time that a message has which is sent to learn whether the nodes know of the member. One may be lost before that.
const TRY: Duration = Duration::from_millis(200);
const TRIES: usize = 50;

#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) burst: u64,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
}

pub(crate) struct Figures {
    /// CPU time of both nodes and both clients for one message, µs.
    pub(crate) cpu: f64,
    /// That of the server of Redis.
    pub(crate) redis: f64,
    pub(crate) rate: f64,
    /// From the send of a burst to the receipt of its last message, µs.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) late: u64,
}

struct Room {
    payloads: Payloads,
    opened: usize,
    greeted: usize,
    /// The number of the first message of the present burst, and of that behind its last.
    first: u64,
    end: u64,
    highest: u64,
    /// The messages of the present burst that have come.
    come: u64,
    late: u64,
    latencies: Latencies,
}

impl Driver for Room {
    fn opened(&mut self, _index: usize, _client: &mut dyn Client) -> Result<()> {
        self.opened += 1;
        Ok(())
    }

    fn messages(&mut self, index: usize, inbox: &Inbox, _client: &mut dyn Client) -> Result<()> {
        for payload in inbox.iter() {
            if matches!(payload, [ENTER] | [GREETING]) {
                self.greeted += 1;
                continue;
            }
            ensure!(index == MEMBER, "the sender is no member");
            let number = self.payloads.check(payload)?;
            ensure!(number < self.end, "message {number} was not sent");
            // Messages that were given up may come late, before the clock starts.
            if number >= self.first {
                self.come += 1;
                self.late += u64::from(number < self.highest);
                self.highest = self.highest.max(number);
            }
        }
        Ok(())
    }

    fn closed(&mut self, _index: usize) -> Result<()> {
        Ok(())
    }
}

impl Room {
    fn send(&mut self, fleet: &mut Fleet, burst: u64) -> Result<()> {
        (self.first, self.end, self.come) = (self.end, self.end + burst, 0);
        fleet.with(SENDER, |client| (self.first..self.end).for_each(|number| client.send(self.payloads.make(number))))
    }

    /// One burst, up to its last message.
    fn step(&mut self, fleet: &mut Fleet, burst: u64) -> Result<()> {
        let sent = Instant::now();
        self.send(fleet, burst)?;
        while self.come < burst {
            fleet.turn(self).with_context(|| format!("{} messages are missing", burst - self.come))?;
        }
        ensure!(self.come == burst, "a message has come twice");
        self.latencies.add(sent.elapsed());
        Ok(())
    }

    fn greet(&mut self, fleet: &mut Fleet, index: usize, word: u8) -> Result<()> {
        let before = self.greeted;
        fleet.with(index, |client| client.send(&[word]))?;
        while self.greeted == before {
            fleet.turn(self)?;
        }
        Ok(())
    }

    /// Opens both sessions. Returns when what the one sends reaches the other.
    fn enter(&mut self, fleet: &mut Fleet, contender: Contender, group: &Group) -> Result<()> {
        for (index, address) in [(SENDER, group.first()), (MEMBER, group.last())] {
            fleet.open_at(index, contender, address)?;
            while self.opened <= index {
                fleet.turn(self)?;
            }
        }
        settle(fleet, self, || group.cpu())?;
        self.greet(fleet, SENDER, GREETING)?;
        self.greet(fleet, MEMBER, ENTER)?;
        for _ in 0..TRIES {
            self.send(fleet, 1)?;
            run_for(fleet, self, TRY)?;
            if self.come == 1 {
                return Ok(());
            }
        }
        anyhow::bail!("no message reaches the other node");
    }
}

pub(crate) fn run(row: Row, spec: Spec) -> Result<Figures> {
    let contender = row.contender;
    let group = Group::start(row, Scene::NodeRoom)?;
    let mut fleet = Fleet::new(group.first(), Talk::Events)?;
    fleet.sleep(); // Redis has the same CPU.
    let mut room = Room {
        payloads: Payloads::new(SIZE),
        opened: 0,
        greeted: 0,
        first: 0,
        end: 0,
        highest: 0,
        come: 0,
        late: 0,
        latencies: Latencies::default(),
    };
    room.enter(&mut fleet, contender, &group)?;
    let start = Instant::now();
    while start.elapsed() < spec.warm_up {
        room.step(&mut fleet, spec.burst)?;
    }

    room.latencies.clear();
    let all = || Ok::<_, anyhow::Error>((group.cpu()? + cpu_of(std::process::id())?, group.redis_cpu()?));
    let (before, first, start) = (all()?, room.end, Instant::now());
    while start.elapsed() < spec.window {
        room.step(&mut fleet, spec.burst)?;
    }
    let (after, elapsed) = (all()?, start.elapsed());
    let messages = (room.end - first) as f64;
    Ok(Figures {
        cpu: micros(after.0 - before.0) / messages,
        redis: micros(after.1 - before.1) / messages,
        rate: messages / elapsed.as_secs_f64(),
        p50: room.latencies.quantile(0.5),
        p99: room.latencies.quantile(0.99),
        late: room.late,
    })
}
