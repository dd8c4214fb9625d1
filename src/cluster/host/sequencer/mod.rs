//! The process that gives all publications one order, and decides about claims.

mod state;

use std::{
    cmp::Reverse,
    collections::HashSet,
    io,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use tokio::{
    net::UnixStream,
    sync::{Notify, watch},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use self::state::{Handled, Number, State};
use super::{
    folder::{Folder, Kind, Socket},
    frames::{Answer, Ask},
    streams::{Inlet, Outlet},
};
use crate::{clock::Clock, cluster::records::Histories, ids, sync::lock};

/// The time between two looks whether this is the latest epoch.
const TICK: Duration = Duration::from_millis(250);

/// The same while processes are waited for, which may have died. A look is a connection to each.
const TICK_WHILE_AWAITED: Duration = Duration::from_millis(25);

/// A sequencer that has not looked for so long, in milliseconds, may be one that was stopped and replaced. It looks before it
/// says anything. Nobody is replaced before three seconds are over.
const SURE: u64 = 1_000;

/// The time between two looks for what dead processes have left.
const SWEEP: Duration = Duration::from_secs(30);

/// The bytes that may wait for a process.
const MOST_WAITING: usize = 32 << 20;

/// Those who publish wait for a process that has half of it to take, for so many pauses at most.
const PAUSES: usize = 50;
const PAUSE: Duration = Duration::from_millis(5);

/// The time within which what was published is in the hands of all who want it.
const SETTLED: Duration = Duration::from_millis(100);

/// A process that is asked to take the sequencer's place has this time, before another one is asked.
const TAKING_OVER: Duration = Duration::from_millis(250);

/// The time within which the last word of an epoch is in the hands of all. Those that take it more slowly have a hole.
const FAREWELL: Duration = Duration::from_millis(250);

/// Upper bound on the connections: four for each process.
const MOST_CONNECTIONS: usize = 4 * 1024;

/// The time within which a connection has said who it is.
const HELLO: Duration = Duration::from_secs(3);

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether the sequencer is in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    Free,
    Taken,
    /// It is here and should not be, but no other process can have its place.
    Kept,
}

/// The process in which a sequencer is.
pub(super) struct Process {
    pub(super) folder: Arc<Folder>,
    pub(super) member: u64,
    /// It goes soon.
    pub(super) retires: watch::Receiver<bool>,
    pub(super) seat: watch::Sender<Seat>,
}

struct Sequencer {
    folder: Arc<Folder>,
    epoch: u64,
    clock: Clock,
    /// When this was seen to be the latest epoch.
    seen: AtomicU64,
    /// The epoch is over.
    over: Notify,
    /// A process that was asked to take the sequencer's place has done so, or will not.
    begun: Notify,
    /// A process has told all that it has. It may be one that can take the sequencer's place.
    told: Notify,
    state: Mutex<State>,
}

impl Sequencer {
    /// Whether this is the latest epoch still. One that cannot look does not know.
    fn is_latest(&self) -> bool {
        let now = self.clock.now();
        let is_latest = matches!(self.folder.epoch(), Ok(Some(epoch)) if epoch.number == self.epoch);
        if is_latest {
            self.seen.store(now, Ordering::Relaxed);
        } else {
            self.over.notify_one();
        }
        is_latest
    }

    /// Whether it may speak.
    fn is_sure(&self) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        self.clock.now().saturating_sub(seen) < SURE || self.is_latest()
    }

    async fn handle(&self, number: Number, frame: Bytes) -> Handled {
        let Some((id, ask)) = Ask::read(frame) else { return Handled::Bad };
        match ask {
            Ask::Publish { .. } | Ask::Append(_) => self.carries().await,
            Ask::Ping => self.settle(number).await,
            _ => {}
        }
        // This process learns of the next epoch by the word of the one that has begun it.
        if !self.is_sure() || (ask == Ask::Begun && !self.is_latest()) {
            return Handled::Over;
        }
        let news = match ask {
            Ask::Begun => Some(&self.begun),
            Ask::Told => Some(&self.told),
            _ => None,
        };
        let handled = lock(&self.state).handle(self.clock.now(), number, id, ask);
        if let Some(news) = news {
            news.notify_one();
        }
        handled
    }

    /// Says the last word to all, behind all that was published. From then on nothing is handled any more.
    async fn say_farewell(&self) {
        let said = lock(&self.state).end();
        let written = said.iter().map(|(outlet, last)| outlet.has_written(*last));
        let _ = timeout(FAREWELL, join_all(written)).await;
    }

    /// Waits until all who should hear what is published do, so that a sequencer's death makes no holes.
    async fn carries(&self) {
        while !lock(&self.state).carries(self.clock.now()) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until what was published is in the hands of all who want it, before its publisher learns that it is: should this
    /// process die, it is published again, or nothing of it is lost.
    async fn settle(&self, number: Number) {
        let gave = lock(&self.state).gave(number);
        let written = gave.iter().map(|(outlet, last)| outlet.has_written(*last));
        // One that takes nothing is not waited for: should this process die, it has a hole.
        if timeout(SETTLED, join_all(written)).await.is_err() {
            gave.iter().for_each(|(outlet, last)| outlet.wait_no_longer(*last));
        }
    }

    /// Waits until all processes have taken most of what was published. Those that do not are cut off.
    async fn relieve(&self) {
        for _ in 0..PAUSES {
            tokio::time::sleep(PAUSE).await;
            if !lock(&self.state).is_pressed() {
                return;
            }
        }
        lock(&self.state).cut_off();
    }
}

/// Serves an epoch that has begun, until a later one has.
pub(super) async fn run(process: Process, epoch: u64, socket: Socket) {
    let clock = Clock::start();
    let folder = process.folder.clone();
    let awaited = match folder.members() {
        Ok(members) => members,
        Err(error) => {
            tracing::warn!(%error, "the folder of this machine's cluster cannot be read");
            HashSet::new()
        }
    };
    tracing::debug!(epoch, awaited = awaited.len(), "this process is the sequencer of its machine");
    let histories = Histories::behind(ids::random().as_u64_pair().0);
    let state = Mutex::new(State::new(clock.now(), awaited, histories));
    let (over, begun, told) = (Notify::new(), Notify::new(), Notify::new());
    let sequencer = Arc::new(Sequencer { folder, epoch, clock, seen: AtomicU64::new(0), over, begun, told, state });
    // It may have been stopped since it has begun.
    if !sequencer.is_latest() {
        return;
    }
    process.seat.send_replace(Seat::Taken);
    // Its connections stand until all have heard the last word.
    let mut accepting = pin!(accept(&sequencer, &socket));
    tokio::select! {
        () = &mut accepting => {}
        () = watch(&sequencer) => {}
        () = sweep(&sequencer) => {}
        () = hand_over(&sequencer, &process) => {}
        () = sequencer.over.notified() => {}
    }
    sequencer.say_farewell().await;
    process.seat.send_replace(Seat::Free);
    tracing::info!(epoch, "this process is the sequencer of its machine no more");
}

/// When this process retires, another one is asked to take its place: the youngest, which retires last in a deploy.
/// Returns when one has. While none can, this one goes on.
async fn hand_over(sequencer: &Sequencer, process: &Process) {
    if process.retires.clone().wait_for(|retires| *retires).await.is_err() {
        // The server is gone, and this ends with it.
        std::future::pending::<()>().await;
    }
    loop {
        let mut heirs = lock(&sequencer.state).heirs(process.member);
        heirs.sort_by_cached_key(|(member, number)| Reverse((process.folder.came(*member), *number)));
        for (_, number) in heirs {
            lock(&sequencer.state).say(number, &Answer::TakeOver);
            let _ = timeout(TAKING_OVER, sequencer.begun.notified()).await;
            if !sequencer.is_latest() {
                return;
            }
        }
        process.seat.send_replace(Seat::Kept);
        sequencer.told.notified().await;
    }
}

async fn accept(sequencer: &Arc<Sequencer>, socket: &Socket) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) if lock(&sequencer.state).connections() < MOST_CONNECTIONS => {
                connections.spawn(connection(sequencer.clone(), stream));
            }
            Ok(_) => tracing::debug!("a connection to the sequencer was refused: there are too many"),
            Err(error) => {
                tracing::debug!(%error, "a connection to the sequencer could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Looks after time, and after processes that are waited for and die.
async fn watch(sequencer: &Arc<Sequencer>) {
    loop {
        if !sequencer.is_latest() {
            return;
        }
        let awaited = lock(&sequencer.state).awaited();
        for member in &awaited {
            if sequencer.folder.is_gone(&Kind::Member.name(*member)).await {
                lock(&sequencer.state).gone(sequencer.clock.now(), *member);
            }
        }
        lock(&sequencer.state).tick(sequencer.clock.now());
        sleep(if awaited.is_empty() { TICK } else { TICK_WHILE_AWAITED }).await;
    }
}

async fn sweep(sequencer: &Arc<Sequencer>) {
    let mut drafts = HashSet::new();
    let mut sweeps = interval(SWEEP);
    loop {
        sweeps.tick().await;
        if let Err(error) = sequencer.folder.sweep(&mut drafts).await {
            tracing::debug!(%error, "the folder of this machine's cluster was not swept");
        }
    }
}

/// Ends what the sequencer knows of a connection.
struct Connected {
    sequencer: Arc<Sequencer>,
    number: Number,
}

impl Drop for Connected {
    fn drop(&mut self) {
        lock(&self.sequencer.state).disconnected(self.number);
    }
}

async fn connection(sequencer: Arc<Sequencer>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let outlet = Arc::new(Outlet::new(MOST_WAITING));
    let number = lock(&sequencer.state).connected(outlet.clone());
    let connected = Connected { sequencer, number };
    let mut inlet = Inlet::new(read);
    let error = tokio::select! {
        error = listen(&connected, &mut inlet) => error,
        error = outlet.run(&mut write) => error,
    };
    // Nobody waits for what is not written.
    outlet.close();
    tracing::debug!(%error, "a process has left the sequencer");
}

async fn listen(connected: &Connected, inlet: &mut Inlet) -> io::Error {
    let mut first = match timeout(HELLO, inlet.next()).await {
        Ok(frame) => Some(frame),
        Err(_) => return io::ErrorKind::TimedOut.into(),
    };
    loop {
        let frame = match first.take() {
            Some(frame) => frame,
            None => inlet.next().await,
        };
        let handled = match frame {
            Ok(frame) => Ok(connected.sequencer.handle(connected.number, frame).await),
            Err(error) => Err(error),
        };
        match handled {
            Ok(Handled::Good) => {}
            Ok(Handled::Pressed) => connected.sequencer.relieve().await,
            // The last word is said to all at once.
            Ok(Handled::Over) => std::future::pending().await,
            Ok(Handled::Bad) => return io::Error::new(io::ErrorKind::InvalidData, "it does not speak as a node"),
            Err(error) => return error,
        }
    }
}
