//! A number of connections, each with a number of messages or requests under way; every answer triggers the next
//! one.

use super::payload::Payloads;
use super::{Latencies, micros, open_all, run_for, settle};
use crate::clients::{Client, Inbox, Talk};
use crate::contenders::Contender;
use crate::host::group::Group;
use crate::host::syscalls::{Counter, Counts};
use crate::net::{Driver, Fleet};
use crate::row::Row;
use crate::servers::Scene;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

pub(crate) const CLIENTS: usize = 64;

#[derive(Clone, Copy)]
pub(crate) struct Spec {
    /// Messages that the server sends back, or requests that it answers.
    pub(crate) talk: Talk,
    pub(crate) depth: usize,
    pub(crate) size: usize,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
}

pub(crate) struct Figures {
    /// CPU time of the server for one message and its answer, µs.
    pub(crate) cpu: f64,
    /// The kernel's part of it, %.
    pub(crate) kernel: f64,
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Bytes of one message and its answer, up and down.
    pub(crate) bytes: [f64; 2],
    /// Answers that came behind the answer to a later message.
    pub(crate) late: u64,
    /// All answers, in the window or not.
    pub(crate) answers: u64,
    pub(crate) calls: Option<Calls>,
}

/// System calls, counted in a separate run.
pub(crate) struct Calls {
    pub(crate) messages: u64,
    /// Writes of the generator: a server needs at most one read and one write for each.
    pub(crate) turns: u64,
    pub(crate) counts: Counts,
}

/// The messages that one client has under way.
#[derive(Default)]
struct Conversation {
    next: u64,
    highest: u64,
    open: Vec<(u64, Instant)>,
}

struct Echo {
    spec: Spec,
    payloads: Payloads,
    conversations: Vec<Conversation>,
    opened: usize,
    is_running: bool,
    under_way: usize,
    replies: u64,
    late: u64,
    latencies: Latencies,
}

impl Echo {
    fn fill(&mut self, index: usize, client: &mut dyn Client, now: Instant) {
        let conversation = &mut self.conversations[index];
        while self.is_running && conversation.open.len() < self.spec.depth {
            conversation.next += 1;
            conversation.open.push((conversation.next, now));
            self.under_way += 1;
            client.send(self.payloads.make(conversation.next));
        }
    }
}

impl Driver for Echo {
    fn opened(&mut self, _index: usize, _client: &mut dyn Client) -> Result<()> {
        self.opened += 1;
        Ok(())
    }

    fn messages(&mut self, index: usize, inbox: &Inbox, client: &mut dyn Client) -> Result<()> {
        let now = Instant::now();
        let conversation = &mut self.conversations[index];
        for payload in inbox.iter() {
            let number = self.payloads.check(payload)?;
            let place = conversation
                .open
                .iter()
                .position(|&(open, _)| open == number)
                .with_context(|| format!("answer {number} belongs to no open message, or came twice"))?;
            let (_, sent) = conversation.open.remove(place);
            if number < conversation.highest {
                self.late += 1;
            }
            conversation.highest = conversation.highest.max(number);
            self.latencies.add(now - sent);
            self.replies += 1;
            self.under_way -= 1;
        }
        self.fill(index, client, now);
        Ok(())
    }

    fn closed(&mut self, _index: usize) -> Result<()> {
        Ok(())
    }
}

/// Starts the load; from then on answers keep it going.
fn start(fleet: &mut Fleet, echo: &mut Echo) -> Result<()> {
    echo.is_running = true;
    for index in 0..CLIENTS {
        fleet.with(index, |client| echo.fill(index, client, Instant::now()))?;
    }
    Ok(())
}

/// Stops the load; returns when every answer has come.
fn drain(fleet: &mut Fleet, echo: &mut Echo) -> Result<()> {
    echo.is_running = false;
    while echo.under_way > 0 {
        fleet.turn(echo).with_context(|| format!("{} answers are missing", echo.under_way))?;
    }
    Ok(())
}

pub(crate) fn run(row: Row, spec: Spec, counter: Counter) -> Result<Figures> {
    let contender = row.contender;
    let scene = if spec.talk == Talk::Requests { Scene::Requests } else { Scene::Echo };
    let group = Group::start(row, scene)?;
    let mut fleet = Fleet::new(group.first(), spec.talk)?;
    if contender.is_nodes() {
        fleet.sleep(); // Redis has the same CPU.
    }
    if contender.is_forwarded() {
        fleet.come_back_to(group.last());
    }
    let mut echo = Echo {
        spec,
        payloads: Payloads::new(spec.size),
        conversations: Vec::new(),
        opened: 0,
        is_running: false,
        under_way: 0,
        replies: 0,
        late: 0,
        latencies: Latencies::default(),
    };
    echo.conversations.resize_with(CLIENTS, Conversation::default);
    open_all(&mut fleet, &mut echo, contender, 0..CLIENTS, |echo| echo.opened)?;
    settle(&mut fleet, &mut echo, || group.cpu())?;
    start(&mut fleet, &mut echo)?;
    run_for(&mut fleet, &mut echo, spec.warm_up)?;

    echo.latencies.clear();
    let (cpu, shares, replies, traffic) = (group.cpu()?, group.shares()?, echo.replies, fleet.traffic);
    let elapsed = run_for(&mut fleet, &mut echo, spec.window)?;
    let (cpu, replies) = (group.cpu()? - cpu, echo.replies - replies);
    let kernel = group.shares()?.kernel_since(shares);
    let bytes = fleet.traffic.each_since(traffic, replies);
    let (p50, p99) = (echo.latencies.quantile(0.5), echo.latencies.quantile(0.99));
    drain(&mut fleet, &mut echo)?;
    let calls = count(contender, &group, &mut fleet, &mut echo, counter)?;
    Ok(Figures {
        cpu: micros(cpu) / replies.max(1) as f64,
        kernel,
        rate: replies as f64 / elapsed.as_secs_f64(),
        p50,
        p99,
        bytes,
        late: echo.late,
        answers: echo.replies,
        calls,
    })
}

/// The same load once more, under a counter of system calls, which may slow the server down.
fn count(
    contender: Contender,
    group: &Group,
    fleet: &mut Fleet,
    echo: &mut Echo,
    counter: Counter,
) -> Result<Option<Calls>> {
    if counter == Counter::Missing {
        return Ok(None);
    }
    let attached = counter.attach(&group.pids(), contender.writes_by_write())?;
    let (replies, writes) = (echo.replies, fleet.writes);
    start(fleet, echo)?;
    let window = echo.spec.window / 4;
    run_for(fleet, echo, window)?;
    drain(fleet, echo)?;
    Ok(Some(Calls { messages: echo.replies - replies, turns: fleet.writes - writes, counts: attached.detach()? }))
}
