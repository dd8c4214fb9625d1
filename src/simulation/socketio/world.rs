//! Virtual time, the loop, and the end of a run.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    coverage::{Coverage, Fact},
    engine::Client,
    events::WorldEvent,
    saboteur::Sabotage,
    scenario::{LIMIT, Scenario},
    state::{Server, World},
    tasks::Woken,
};
use crate::{
    config::LEAST_RATE,
    pool::Pool,
    session::SessionParams,
    shared::{Runtime, ServerParams},
    simulation::{coverage::Tally, queue::Queue, random::Random},
};

/// After this time no more faults occur, whatever was sent.
const FAULTS_END: u64 = 40_000;
/// Without faults something new must be heard in this time, unless all was.
const CALM: u64 = 15_000;
/// No run has this many events unless the two halves keep each other busy.
const MANY_EVENTS: u64 = 200_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
    Nobody,
}

impl WorldEvent {
    fn side(&self) -> Side {
        use WorldEvent::*;
        match self {
            Answer(..) | Down(..) | DownEnd(_) | ClientTimer | ClientSends | ClientAnswers | ClientReads
            | Reconnect(_) | Probe(_) | Misdeed => Side::Client,
            Request(_) | Body(..) | Up(..) | UpEnd(_) | Run(_) | SocketBegins(_) | MoveOver(_) | ServerTimer
            | ServerSends | HandlersDue(_) => Side::Server,
            Fault | ClientWakes | ServerWakes => Side::Nobody,
        }
    }
}

fn server(scenario: &Scenario) -> Server {
    let pool = Pool::new(usize::MAX, 1);
    let params = SessionParams {
        interval: scenario.interval,
        timeout: scenario.timeout,
        grace: scenario.grace,
        limit: LIMIT as u64,
        batch: LIMIT as u64,
        hold: scenario.interval,
        spread: 0,
    };
    Server {
        runtime: Arc::new(Runtime::new(pool.clone())),
        params: Arc::new(ServerParams { node: "node".to_owned(), session: params, spread: 100.into() }),
        pool,
        sessions: Vec::new(),
        sids: HashMap::new(),
        timer: u64::MAX,
        asleep_until: 0,
        wakes: Vec::new(),
        slow_until: 0,
        deferred: Vec::new(),
        asked: 0,
        sent: 0,
    }
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::new(&mut random);
        let mut tokio = tokio::runtime::Builder::new_current_thread();
        let tokio = tokio.enable_time().start_paused(true).build().expect("a runtime without I/O");
        let server = tokio.block_on(async { server(&scenario) });
        let mut world = World {
            now: 0,
            clock: Arc::new(AtomicU64::new(0)),
            tokio,
            queue: Queue::new(),
            random,
            scenario,
            cover: Coverage::none(),
            failure: None,
            trace: traced.then(Vec::new),
            sabotage,
            woken: Woken::default(),
            conns: Vec::new(),
            client: Client::default(),
            server,
            books: Vec::new(),
            calm: None,
            calm_at: None,
            finale: false,
            progress: (0, 0),
        };
        if world.scenario.faultless {
            world.scenario.torn = 0;
        } else {
            world.after(50, WorldEvent::Fault);
        }
        if world.scenario.misdeeds {
            world.after(100, WorldEvent::Misdeed);
        }
        world.after(0, WorldEvent::Reconnect(0));
        world.after(0, WorldEvent::ClientSends);
        world.after(0, WorldEvent::ServerSends);
        world
    }

    /// Runs the world to its end. A failure has a text.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let handle = self.tokio.handle().clone();
        let mut events = 0;
        while self.failure.is_none() && !self.is_done() {
            let Some((time, what)) = self.queue.pop() else {
                let stuck = self.state_of_things();
                self.fail(format!("nothing is left to happen: {stuck}"));
                break;
            };
            self.go_on_to(time);
            events += 1;
            if events > MANY_EVENTS {
                self.fail("the halves keep each other busy");
            }
            let within = handle.enter();
            self.happen(what);
            self.see_to_tasks();
            self.check_always();
            self.see_to_calm();
            drop(within);
        }
        if self.failure.is_none() {
            self.check_end_of_run();
        }
        // Futures of tokio may need its context when they are dropped.
        let _within = handle.enter();
        self.conns.clear();
        match self.failure.take() {
            Some(failure) => Err(format!("{failure}, at {} ms", self.now)),
            None => Ok(()),
        }
    }

    fn go_on_to(&mut self, time: u64) {
        if time > self.now {
            self.tokio.block_on(tokio::time::advance(Duration::from_millis(time - self.now)));
            self.now = time;
            self.clock.store(time, Ordering::Relaxed);
        }
    }

    pub(super) fn fail(&mut self, what: impl Into<String>) {
        if self.failure.is_none() {
            self.failure = Some(what.into());
        }
    }

    pub(super) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} {}", self.now, line()));
        }
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub(super) fn note(&mut self, fact: Fact) {
        self.cover.note(fact);
    }

    /// Queues an event `delay` ms from now.
    pub(super) fn after(&mut self, delay: u64, what: WorldEvent) {
        self.at(self.now + delay, what);
    }

    pub(super) fn at(&mut self, time: u64, what: WorldEvent) {
        self.queue.push(time.max(self.now), 1, what);
    }

    fn happen(&mut self, what: WorldEvent) {
        match what.side() {
            Side::Client if self.now < self.client.asleep_until => return self.client.deferred.push(what),
            Side::Server if self.now < self.server.asleep_until => return self.server.deferred.push(what),
            _ => {}
        }
        match what {
            WorldEvent::Request(conn) => self.request_arrives(conn),
            WorldEvent::Body(conn, whole) => self.body_arrives(conn, whole),
            WorldEvent::Up(conn, bytes) => self.bytes_arrive(conn, &bytes),
            WorldEvent::UpEnd(conn) => self.up_ends(conn),
            WorldEvent::Run(task) => self.run_task(task),
            WorldEvent::SocketBegins(conn) => self.socket_begins(conn),
            WorldEvent::MoveOver(conn) => self.move_is_over(conn),
            WorldEvent::ServerTimer => self.server_timer(),
            WorldEvent::ServerSends => self.server_sends(),
            WorldEvent::HandlersDue(session) => self.handlers_due(session),
            WorldEvent::Answer(conn, answer) => self.answer_arrives(conn, &answer),
            WorldEvent::Down(conn, bytes) => self.client_reads(conn, bytes),
            WorldEvent::DownEnd(conn) => self.down_ends(conn),
            WorldEvent::ClientTimer => self.client_timer(),
            WorldEvent::ClientSends => self.client_sends(),
            WorldEvent::ClientReads => self.read_on(),
            WorldEvent::ClientAnswers => self.client_answers(),
            WorldEvent::Reconnect(epoch) => self.reconnect(epoch),
            WorldEvent::Probe(epoch) => self.begin_upgrade(epoch),
            WorldEvent::Misdeed => self.misdeed(),
            WorldEvent::Fault => self.fault(),
            WorldEvent::ClientWakes if self.now >= self.client.asleep_until => {
                let deferred = std::mem::take(&mut self.client.deferred);
                self.wake(deferred);
            }
            WorldEvent::ServerWakes if self.now >= self.server.asleep_until => {
                let deferred = std::mem::take(&mut self.server.deferred);
                self.server.wakes.push(self.now);
                self.wake(deferred);
            }
            WorldEvent::ClientWakes | WorldEvent::ServerWakes => {}
        }
    }

    /// The events that came during sleep happen now: in their order, or the timers first, which is harder.
    fn wake(&mut self, mut deferred: Vec<WorldEvent>) {
        if self.random.one_in(2) {
            deferred.sort_by_key(|what| !matches!(what, WorldEvent::ClientTimer | WorldEvent::ServerTimer));
        }
        for what in deferred {
            self.happen(what);
            self.check_always();
        }
    }

    /// The tasks that were woken run soon, and the next deadline is queued.
    fn see_to_tasks(&mut self) {
        while let Some(task) = self.woken.next() {
            let lag = if self.random.one_in(3) { self.random.below(self.scenario.lag + 1) } else { 0 };
            self.after(lag, WorldEvent::Run(task));
        }
        if let Some(next) = self.server.runtime.next()
            && next < self.server.timer
        {
            self.server.timer = next;
            let late = if self.random.one_in(8) { self.random.below(30) } else { 0 };
            self.at(next + late, WorldEvent::ServerTimer);
        }
    }

    pub(super) fn faults_go_on(&self) -> bool {
        self.calm.is_none() && !self.scenario.faultless
    }

    fn see_to_calm(&mut self) {
        let Some(since) = self.calm else {
            let all_sent = self.cover.sent[0] >= self.scenario.target && self.cover.sent[1] >= self.scenario.target;
            if all_sent && self.calm_at.is_none() {
                // The last events must meet faults too.
                self.calm_at = Some(self.now + self.random.below(2_000));
            }
            if self.now >= FAULTS_END || self.calm_at.is_some_and(|at| at <= self.now) {
                self.calm = Some(self.now);
                self.trace(|| "calm".into());
                self.end_faults();
                if self.books.last().is_some_and(|book| book.deaf) {
                    self.lose("it has missed what its second poll was told", true);
                }
            }
            return;
        };
        if !self.finale && self.all_was_heard() {
            self.finale = true;
            self.begin_finale();
        }
        let heard = self.books.iter().map(|book| book.heard()).sum::<usize>() + self.server.sids.len();
        if heard != self.progress.0 {
            self.progress = (heard, self.now);
        }
        // A server waits for the answer to a ping as long as a slow line takes for all that it has sent before.
        let slow = self.scenario.outbox as u64 / LEAST_RATE;
        let patience = CALM + slow + 2 * (self.scenario.interval + self.scenario.timeout) + 3 * self.scenario.grace;
        if self.now > self.progress.1.max(since) + patience {
            let stuck = self.state_of_things();
            self.fail(format!("stuck: {stuck}"));
        }
    }

    /// Whether all is over, at both halves.
    fn is_done(&self) -> bool {
        self.finale && self.client.is_gone() && self.server.sids.is_empty() && self.handlers_are_gone()
    }
}
