//! Virtual time, the queue of events, and the loop.

use std::collections::HashMap;

use super::{
    coverage::{Coverage, Fault},
    nodes::state::{NodeEvent, Nodes},
    queue::Queue,
    random::Random,
    scenario::Scenario,
    state::{Client, Server, Setup, World, WorldEvent},
};

/// After this time no more faults occur, whatever was sent.
const FAULTS_END: u64 = 120_000;
/// Without faults something new must arrive in this time, unless all has arrived ...
const CALM: u64 = 20_000;
/// ... and everything in this time: a small inbox on a slow line takes a few messages in each round trip.
const LONG_CALM: u64 = 900_000;
/// No run has this many events unless the two halves keep each other busy.
const MANY_EVENTS: u64 = 400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Client,
    Node(usize),
    Nowhere,
}

impl WorldEvent {
    fn place(&self, world: &World<'_>) -> Place {
        use WorldEvent::*;
        match self {
            Down(..) | DownEnd(..) | ClientTimer | ClientSends | ClientReads | Chooser | UploadDue(..)
            | NextSession(_) | ClientAnswers => Place::Client,
            &Up(conn, hop, _) | &PassedDown(conn, hop, _) | &PassedDownEnd(conn, hop) => {
                Place::Node(world.conns[conn].way[hop])
            }
            &UpEnd(conn) => Place::Node(world.conns[conn].way[0]),
            &PassedEnd(conn) | &SlowAttach(conn) => Place::Node(world.here(conn)),
            &ServerTimer(session) | &ServerAnswers(session) | &AskTimeout(session, _) => {
                Place::Node(world.server.sessions[session].node)
            }
            ServerSends | ServerReads => {
                Place::Node(world.current().map_or(0, |session| world.server.sessions[session].node))
            }
            Node(NodeEvent::Answers(ask, _)) => Place::Node(ask.node),
            &Node(NodeEvent::Beat(node, _)) => Place::Node(node),
            &Node(NodeEvent::Joins(conn)) => Place::Node(world.here(conn)),
            &Node(NodeEvent::Told { to, .. }) => Place::Node(to),
            &Node(
                NodeEvent::Frozen(session, _) | NodeEvent::NotConfirmed(session, _) | NodeEvent::GivesAgain(session, _),
            ) => world.nodes.gives.get(&session).map_or(Place::Nowhere, |gives| Place::Node(gives.node)),
            &Node(
                NodeEvent::TakesAgain(node, ..)
                | NodeEvent::AskedLong(node, ..)
                | NodeEvent::Pushes(node, _)
                | NodeEvent::DrainEnds(node, _),
            ) => Place::Node(node),
            Node(NodeEvent::Does(..)) | ClientWakes | NodeWakes(_) | Fault => Place::Nowhere,
        }
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(seed: u64, setup: Setup<'a>, traced: bool) -> Self {
        let Setup { make_half, sabotage, misrule, script } = setup;
        let mut random = Random::new(seed);
        let mut scenario = Scenario::new(&mut random);
        scenario.encoded |= script;
        if script {
            scenario.requests = 0; // The script's half has no application that could answer.
        }
        let goal = scenario.lap.min(scenario.target);
        let client = Client::new(make_half(&scenario, 0, None), scenario.base, 0, 0);
        let mut world = World {
            now: 0,
            queue: Queue::new(),
            random,
            scenario,
            cover: Coverage::new(),
            failure: None,
            trace: traced.then(Vec::new),
            conns: Vec::new(),
            client,
            server: Server::default(),
            nodes: Nodes::default(),
            make_half,
            sabotage,
            misrule,
            script,
            calm: None,
            calm_at: None,
            goal,
            fault_queued: true,
            finale: false,
            sockets_blocked: false,
            http_blocked: false,
            answers: HashMap::new(),
            client_ends: HashMap::new(),
            flushed: false,
            progress: [0; 5],
            progress_at: 0,
            shipped: 0,
            arrived: 0,
            client_deferred: Vec::new(),
            node_deferred: Vec::new(),
        };
        world.start_nodes(world.scenario.nodes);
        world.after(0, WorldEvent::Chooser);
        world.after(0, WorldEvent::Fault);
        world.resume_sending();
        world
    }

    /// Runs the world to its end. A failure has a text.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let mut events = 0;
        while self.failure.is_none() && !self.is_done() {
            let Some((time, what)) = self.queue.pop() else {
                self.fail("nothing is left to happen");
                break;
            };
            self.now = time;
            events += 1;
            if events > MANY_EVENTS {
                self.fail("the halves keep each other busy");
            }
            self.happen(what);
            self.check_always();
            self.see_to_calm();
        }
        match self.failure.take() {
            Some(failure) => Err(format!("{failure}, at {} ms", self.now)),
            None => Ok(()),
        }
    }

    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        if self.failure.is_none() {
            self.failure = Some(what.into());
        }
    }

    pub(crate) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} {}", self.now, line()));
        }
    }

    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// Queues an event `delay` ms from now.
    pub(crate) fn after(&mut self, delay: u64, what: WorldEvent) {
        self.at(self.now + delay, 1, what);
    }

    pub(crate) fn at(&mut self, time: u64, tie: u8, what: WorldEvent) {
        self.queue.push(time.max(self.now), tie, what);
    }

    fn happen(&mut self, what: WorldEvent) {
        match what.place(self) {
            Place::Client if self.now < self.client.asleep_until => return self.client_deferred.push(what),
            Place::Node(node) if self.now < self.nodes.all[node].asleep_until => {
                return self.node_deferred[node].push(what);
            }
            _ => {}
        }
        match what {
            WorldEvent::Up(conn, hop, packet) => self.up_arrives(conn, hop, packet),
            WorldEvent::UpEnd(conn) => self.ingress_ends(conn),
            WorldEvent::PassedEnd(conn) => self.up_ends(conn),
            WorldEvent::PassedDown(conn, hop, packet) => self.passed_down(conn, hop, packet),
            WorldEvent::PassedDownEnd(conn, hop) => self.passed_down_end(conn, hop),
            WorldEvent::Node(event) => self.node_event(event),
            WorldEvent::SlowAttach(conn) => self.slow_attach(conn),
            WorldEvent::ServerTimer(session) => self.server_timer(session),
            WorldEvent::ServerSends => self.server_sends(),
            WorldEvent::ServerReads => self.server_reads(),
            WorldEvent::Down(conn, packet) => self.down_arrives(conn, packet),
            WorldEvent::DownEnd(conn, clean) => self.down_ends(conn, clean),
            WorldEvent::ClientTimer => self.client_timer(),
            WorldEvent::ClientSends => self.client_sends(),
            WorldEvent::ClientReads => self.client_reads(),
            WorldEvent::Chooser => self.choose(),
            WorldEvent::UploadDue(link, half, tries) => self.upload_due(link, half, tries),
            WorldEvent::NextSession(generation) => self.next_session(generation),
            WorldEvent::ClientAnswers => self.client_answers(),
            WorldEvent::ServerAnswers(session) => self.server_answers(session),
            WorldEvent::AskTimeout(session, id) => self.ask_timeout(session, id),
            WorldEvent::Fault => self.fault(),
            WorldEvent::ClientWakes => {
                if self.now >= self.client.asleep_until {
                    let deferred = std::mem::take(&mut self.client_deferred);
                    self.wake(deferred);
                    self.pump_client(); // A connection may have ceased to stall meanwhile.
                }
            }
            WorldEvent::NodeWakes(node) => {
                if self.now >= self.nodes.all[node].asleep_until {
                    let deferred = std::mem::take(&mut self.node_deferred[node]);
                    self.wake(deferred);
                    (0..self.server.sessions.len()).for_each(|session| self.pump_server(session));
                }
            }
        }
    }

    /// The events that came during sleep happen now: in their order, or the timers first, which is harder.
    fn wake(&mut self, mut deferred: Vec<WorldEvent>) {
        if self.random.one_in(2) {
            deferred.sort_by_key(|what| !matches!(what, WorldEvent::ClientTimer | WorldEvent::ServerTimer(_)));
        }
        for what in deferred {
            self.happen(what);
            self.check_always();
        }
    }

    fn see_to_calm(&mut self) {
        match self.calm {
            None => {
                let all_sent = self.client.sent >= self.goal && self.server.sent >= self.goal;
                if all_sent && self.calm_at.is_none() {
                    // The last messages must meet faults too.
                    self.calm_at = Some(self.now + self.random.below(2_000));
                }
                if self.now >= FAULTS_END || self.calm_at.is_some_and(|at| at <= self.now) {
                    self.calm = Some(self.now);
                    self.trace(|| "calm".into());
                    self.end_faults();
                }
            }
            Some(since) => {
                if !self.finale && self.all_has_arrived() {
                    self.after_calm();
                }
                let progress = self.progress();
                if self.progress != progress {
                    (self.progress, self.progress_at) = (progress, self.now);
                }
                let still_since = self.progress_at.max(since);
                if self.now > still_since + CALM + self.scenario.grace * 4 || self.now > since + LONG_CALM {
                    let stuck = self.what_is_stuck();
                    self.fail(format!("stuck: {stuck}"));
                }
            }
        }
    }

    /// Numbers that change whenever the two halves get nearer to the end.
    fn progress(&self) -> [u64; 5] {
        let server = self.current().map_or([0; 2], |session| {
            let one = &self.server.sessions[session];
            [one.read, one.machine.acknowledged()]
        });
        let client = &self.client;
        [u64::from(client.generation), client.read, client.half.acknowledged(), server[0], server[1]]
    }

    /// All has arrived: the faults begin again, or the run ends.
    fn after_calm(&mut self) {
        if self.goal >= self.scenario.target {
            self.finale = true;
            return self.begin_finale();
        }
        self.goal = (self.goal + self.scenario.lap).min(self.scenario.target);
        (self.calm, self.calm_at, self.flushed) = (None, None, false);
        self.trace(|| "calm is over".into());
        self.resume_sending();
        if !std::mem::replace(&mut self.fault_queued, true) {
            self.after(0, WorldEvent::Fault);
        }
    }

    /// Applications that have stopped send again.
    pub(crate) fn resume_sending(&mut self) {
        if !std::mem::replace(&mut self.client.sending, true) {
            self.after(0, WorldEvent::ClientSends);
        }
        if !std::mem::replace(&mut self.server.sending, true) {
            self.after(0, WorldEvent::ServerSends);
        }
    }

    fn is_done(&self) -> bool {
        self.finale
            && self.client.closed_seen
            && self.server.sessions.iter().all(|session| session.gone || session.machine.is_over())
    }

    pub(crate) fn faults_go_on(&self) -> bool {
        self.calm.is_none()
    }

    pub(crate) fn note(&mut self, fault: Fault) {
        self.cover.fault(fault);
    }
}
