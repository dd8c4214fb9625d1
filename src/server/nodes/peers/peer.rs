//! Another process of the cluster: the connections to it, and whether it can be reached.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    connection::{Connection, Stream},
    fault::Fault,
    greeting,
    preface::Kind,
    settings::GREETING,
    tasks::Executor,
};
use crate::{
    clock::Clock,
    cluster::{Secret, Wire, Wires},
    sync::lock,
};

/// The most connections to one process. Each is one task, so that several use several cores.
const CONNECTIONS: usize = 4;

/// A connection with so many requests under way is busy: another one is made, if there may be more.
const BUSY: usize = 64;

/// For so long a fault stands for those that new connections would have, in milliseconds.
const FAULT_STANDS: u64 = 250;

/// The time between two tries to connect to an address that refuses.
const PROBE: Duration = Duration::from_millis(200);

/// An address that has refused for so long is that of a process which is gone, in milliseconds.
const REFUSALS: u64 = 2_000;

/// A connection without requests is closed after this time, in milliseconds.
const IDLE: u64 = 60_000;

/// The means to connect to other processes.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) wires: Arc<dyn Wires>,
    pub(super) secret: Secret,
    /// This process.
    pub(super) me: u64,
    pub(super) clock: Clock,
    /// It starts the tasks that make connections.
    pub(super) tasks: Executor,
}

/// Another process.
pub(super) struct Peer {
    incarnation: u64,
    address: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    /// A connection that is being made. It tells of its end by closing.
    dial: Option<watch::Receiver<()>>,
    /// The last fault and when it was.
    fault: Option<(u64, Fault)>,
    /// Since when it has refused, without a connection in between.
    refuses_since: Option<u64>,
    /// Another process has its address.
    dead: bool,
}

impl Peer {
    pub(super) fn new(incarnation: u64, address: &str) -> Arc<Self> {
        Arc::new(Peer { incarnation, address: address.to_owned(), state: Mutex::default() })
    }

    /// A place for one request. Waits for a connection if there is none. Cancel-safe: the connection is made all the
    /// same.
    pub(super) async fn stream(self: &Arc<Self>, line: &Arc<Line>) -> Result<Stream, Fault> {
        let mut waited = false;
        loop {
            let (stream, dial, task) = {
                let mut state = lock(&self.state);
                let now = line.clock.now();
                match state.stream(now) {
                    Some(stream) => {
                        let task = state.wants_another(now).then(|| self.dial(&mut state, line));
                        (Some(stream), None, task)
                    }
                    None => match (state.dial.clone(), state.standing(now)) {
                        (Some(dial), _) => (None, Some(dial), None),
                        (None, Some(fault)) => return Err(fault),
                        (None, None) if waited => return Err(Fault::Broken),
                        (None, None) => {
                            let task = self.dial(&mut state, line);
                            (None, state.dial.clone(), Some(task))
                        }
                    },
                }
            };
            if let Some(task) = task {
                line.tasks.start(task);
            }
            match (stream, dial) {
                (Some(stream), _) => return Ok(stream),
                (None, Some(mut dial)) => drop(dial.changed().await),
                (None, None) => {}
            }
            waited = true;
        }
    }

    /// A connection for one WebSocket. Waits for it. Cancel-safe: none is made.
    pub(super) async fn tunnel(self: &Arc<Self>, line: &Arc<Line>) -> Result<Box<dyn Wire>, Fault> {
        if let Some(fault) = lock(&self.state).standing(line.clock.now()) {
            return Err(fault);
        }
        let connected = self.connect(line, Kind::Tunnel).await;
        let (connected, task) = {
            let mut state = lock(&self.state);
            let connected = state.judge(line.clock.now(), connected);
            // That one goes on to try, so that it is known soon whether the process is gone.
            let refused = matches!(connected, Err(Fault::Refused)) && state.dial.is_none();
            (connected, refused.then(|| self.dial(&mut state, line)))
        };
        if let Some(task) = task {
            line.tasks.start(task);
        }
        connected
    }

    async fn connect(&self, line: &Line, kind: Kind) -> Result<Box<dyn Wire>, Fault> {
        let connected = tokio::time::timeout(GREETING, async {
            let mut wire = line.wires.connect(&self.address).await?;
            greeting::ask(&mut *wire, &line.secret, kind, line.me, self.incarnation).await?;
            Ok(wire)
        });
        connected.await.unwrap_or(Err(Fault::Silent))
    }

    /// The task that makes a connection, which must be started when the lock is free. While its address refuses, it is
    /// tried again until that has gone on for so long that the process is gone.
    fn dial(self: &Arc<Self>, state: &mut State, line: &Arc<Line>) -> impl Future<Output = ()> + Send + use<> {
        let (done, dial) = watch::channel(());
        state.dial = Some(dial);
        let (peer, line) = (self.clone(), line.clone());
        let making = Making { peer: self.clone(), _done: done };
        async move {
            peer.make(&line).await;
            drop(making);
            while peer.is_probed(line.clock.now()) {
                tokio::time::sleep(PROBE).await;
                peer.make(&line).await;
            }
        }
    }

    /// Whether its address has begun to refuse, and it is not known yet whether the process is gone.
    fn is_probed(&self, now: u64) -> bool {
        let state = lock(&self.state);
        !state.dead && state.refuses_since.is_some_and(|since| now < since + REFUSALS)
    }

    /// Makes a connection.
    async fn make(&self, line: &Line) {
        let made = match self.connect(line, Kind::Requests).await {
            Ok(wire) => Connection::open(wire, line.clock.now()).await,
            Err(fault) => Err(fault),
        };
        let mut state = lock(&self.state);
        match state.judge(line.clock.now(), made) {
            Ok(connection) => state.connections.push(connection),
            Err(fault) => tracing::debug!(address = self.address, %fault, "another node was not reached"),
        }
    }

    /// Closes connections that nobody needs. Returns whether any is left.
    pub(super) fn tidy(&self, now: u64) -> bool {
        let mut state = lock(&self.state);
        let left = |connection: &Connection| {
            !connection.is_closed() && connection.idle_since().is_none_or(|since| now < since + IDLE)
        };
        let (kept, closed) = std::mem::take(&mut state.connections).into_iter().partition(left);
        state.connections = kept;
        let is_left = !state.connections.is_empty() || state.dial.is_some();
        drop(state);
        drop::<Vec<Connection>>(closed);
        is_left
    }
}

impl State {
    /// A place on the connection that has the fewest requests.
    fn stream(&mut self, now: u64) -> Option<Stream> {
        // A connection that is dropped here carries only requests that have failed already.
        self.connections.retain(|connection| !connection.is_closed());
        self.connections.iter().min_by_key(|connection| connection.streams()).map(|connection| connection.stream(now))
    }

    fn wants_another(&self, now: u64) -> bool {
        self.dial.is_none()
            && self.connections.len() < CONNECTIONS
            && self.standing(now).is_none()
            && self.connections.iter().all(|connection| connection.streams() > BUSY)
    }

    /// The fault that a new connection would have, as far as that is known.
    fn standing(&self, now: u64) -> Option<Fault> {
        if self.dead {
            return Some(Fault::Dead);
        }
        let (_, fault) = self.fault.filter(|(at, _)| now < at + FAULT_STANDS)?;
        Some(self.counted(now, fault))
    }

    /// A refusal is a death if it has gone on for long enough.
    fn counted(&self, now: u64, fault: Fault) -> Fault {
        let long = self.refuses_since.is_some_and(|since| now >= since + REFUSALS);
        if fault == Fault::Refused && long { Fault::Dead } else { fault }
    }

    /// Learns how a try to connect ended.
    fn judge<T>(&mut self, now: u64, tried: Result<T, Fault>) -> Result<T, Fault> {
        match tried {
            Ok(made) => {
                (self.fault, self.refuses_since, self.dead) = (None, None, false);
                Ok(made)
            }
            Err(fault) => {
                match fault {
                    Fault::Dead => self.dead = true,
                    Fault::Refused => self.refuses_since = self.refuses_since.or(Some(now)),
                    _ => {}
                }
                self.fault = Some((now, fault));
                Err(self.counted(now, fault))
            }
        }
    }
}

/// A connection that is being made. Dropped, those who wait go on.
struct Making {
    peer: Arc<Peer>,
    _done: watch::Sender<()>,
}

impl Drop for Making {
    fn drop(&mut self) {
        lock(&self.peer.state).dial = None;
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("address", &self.address).finish_non_exhaustive()
    }
}
