//! The nodes that live, as the directory lists them.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

pub(super) use super::roster::Living;
use super::roster::{BEAT, Fault, LEASE, PATIENCE, Roster};
use crate::{
    clock::Clock,
    cluster::{Directory, EngineError, NodeInfo, VERSION},
    ids,
};

/// The time for which the others can read that this node has left: each of them looks once in the time of a beat.
const GOODBYE: Duration = Duration::from_millis(3 * BEAT);

/// The time that a node has to leave.
const LEAVING: Duration = Duration::from_secs(1);

/// No two beats are nearer to each other, whoever asks for them.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

/// The time between two warnings that the directory does not answer, in milliseconds.
const WARNING_INTERVAL: u64 = 60_000;

/// How far this node is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It does not beat yet.
    Still,
    Up,
    Draining,
    Leaving,
    Left,
}

/// This node's place among the nodes that live.
pub(super) struct Membership {
    pub(super) name: String,
    /// This process.
    pub(super) incarnation: u64,
    directory: Arc<dyn Directory>,
    living: watch::Sender<Arc<Living>>,
    stage: watch::Sender<Stage>,
    /// The time in milliseconds that this node's sessions have to go, once it drains.
    window: AtomicU64,
    /// A beat is wanted now.
    wanted: Notify,
    /// The beats that have begun.
    begun: AtomicU64,
    /// The number of the last beat that the directory has answered.
    answered: watch::Sender<u64>,
    clock: Clock,
}

impl Membership {
    pub(super) fn new(name: String, directory: Arc<dyn Directory>) -> Self {
        Membership {
            name,
            incarnation: ids::random().as_u64_pair().0,
            directory,
            living: watch::Sender::new(Arc::default()),
            stage: watch::Sender::new(Stage::Still),
            window: AtomicU64::new(0),
            wanted: Notify::new(),
            begun: AtomicU64::new(0),
            answered: watch::Sender::new(0),
            clock: Clock::start(),
        }
    }

    /// The nodes that live now.
    pub(super) fn living(&self) -> Arc<Living> {
        self.living.borrow().clone()
    }

    /// Tells of each change.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Living>> {
        self.living.subscribe()
    }

    /// Waits until all other nodes know of this one, or cannot be asked. Cancel-safe.
    pub(super) async fn joined(&self) {
        let mut living = self.watch();
        let _ = living.wait_for(|living| living.joined).await;
    }

    /// Waits until the directory has listed the nodes once more, from now on. Cancel-safe.
    pub(super) async fn look_again(&self) {
        let begun = self.begun.load(Ordering::Acquire);
        let mut answered = self.answered.subscribe();
        self.wanted.notify_one();
        let _ = answered.wait_for(|answered| *answered > begun).await;
    }

    /// Beats until this node leaves, or for as long as the server lives. Others reach this node at `address`.
    pub(super) async fn run(&self, address: String) {
        let me = NodeInfo {
            name: self.name.clone(),
            incarnation: self.incarnation,
            address,
            version: VERSION,
            draining: false,
            window: 0,
            left: false,
            beats: 0,
            knows: Vec::new(),
        };
        let mut roster = Roster::new(self.clock.now(), me);
        let mut log = Log { quiet_until: 0, warned: false };
        self.advance(Stage::Up);
        while *self.stage.borrow() < Stage::Leaving {
            let began = self.clock.now();
            let draining = *self.stage.borrow() == Stage::Draining;
            let window = self.window.load(Ordering::Relaxed);
            let info = NodeInfo { window, ..roster.beat(draining, false) };
            match self.beat(&info, &mut roster).await {
                Ok(list) => {
                    // The list is as old as the beat may be: it can have waited for long, in the engine or while this process
                    // slept, and who has come meanwhile is not in it.
                    let faults = roster.heard(began, &list);
                    roster.missed(self.clock.now());
                    faults.into_iter().for_each(Log::tell);
                    log.is_back();
                }
                Err(error) => {
                    roster.missed(self.clock.now());
                    log.is_away(self.clock.now(), &roster, &error);
                }
            }
            self.publish(&roster);
            let next = self.clock.instant(began + roster.pause());
            let _ = tokio::time::timeout_at(next, self.wanted.notified()).await;
            tokio::time::sleep_until(self.clock.instant(began) + LEAST_PAUSE).await;
        }
        self.say_goodbye(&mut roster).await;
        self.advance(Stage::Left);
    }

    /// One beat, which may take twice the time in which it should be answered. In the meantime those who look learn that
    /// the directory is away.
    async fn beat(&self, info: &NodeInfo, roster: &mut Roster) -> Result<Vec<Bytes>, EngineError> {
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let (id, written, patience) = (info.id(), info.write(), Duration::from_millis(PATIENCE));
        let mut beat = self.directory.beat(&id, &written, Duration::from_millis(LEASE));
        let answer = match timeout(patience, &mut beat).await {
            Ok(answer) => answer,
            Err(_) => {
                roster.missed(self.clock.now());
                self.publish(roster);
                timeout(patience, beat).await.unwrap_or_else(|_| Err(EngineError::new("it takes too long")))
            }
        };
        if answer.is_ok() {
            self.answered.send_replace(number);
        }
        answer
    }

    /// Tells of what has changed since the last time.
    fn publish(&self, roster: &Roster) {
        let now = roster.living();
        self.living.send_if_modified(|living| {
            let changed = **living != now;
            if changed {
                log_changes(living, &now, self.incarnation);
                *living = Arc::new(now);
            }
            changed
        });
    }

    /// The others learn that this node is gone by an entry that says so and ends soon. Where there are none, the entry goes
    /// at once.
    async fn say_goodbye(&self, roster: &mut Roster) {
        let info = roster.beat(true, true);
        let (id, written) = (info.id(), info.write());
        let left = match self.living().nodes.len() {
            0 | 1 => timeout(LEAVING, self.directory.leave(&id)).await.map(|left| left.is_ok()),
            _ => timeout(LEAVING, self.directory.beat(&id, &written, GOODBYE)).await.map(|said| said.is_ok()),
        };
        if left != Ok(true) {
            tracing::debug!("the directory was not told that this node leaves: its lease will end");
        }
    }

    /// Goes on to a stage, unless the node is there already.
    fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let forward = *stage < to;
            *stage = (*stage).max(to);
            forward
        });
        self.wanted.notify_one();
    }

    /// Tells the others that this node opens no sessions any more, and that those that it has go within `window` milliseconds.
    pub(super) fn drain(&self, window: u64) {
        self.window.store(window, Ordering::Relaxed);
        self.advance(Stage::Draining);
    }

    /// Leaves the directory. Waits for it, a second at most. Cancel-safe: the node leaves all the same.
    pub(super) async fn leave(&self) {
        let mut stage = self.stage.subscribe();
        let beats = *stage.borrow() != Stage::Still;
        self.advance(Stage::Leaving);
        if beats {
            let _ = timeout(LEAVING, stage.wait_for(|stage| *stage == Stage::Left)).await;
        }
    }
}

/// Logs who has come and who is gone.
fn log_changes(before: &Living, after: &Living, this: u64) {
    let missing = |from: &Living, of: &Living| -> Vec<Arc<NodeInfo>> {
        let lacks = |info: &&Arc<NodeInfo>| of.nodes.iter().all(|other| other.incarnation != info.incarnation);
        from.nodes.iter().filter(lacks).filter(|info| info.incarnation != this).cloned().collect()
    };
    for info in missing(after, before) {
        tracing::info!(node = info.name, address = info.address, "a node has come");
    }
    for info in missing(before, after) {
        tracing::info!(node = info.name, address = info.address, "a node is gone");
    }
}

/// Tells of the directory, and not each time.
struct Log {
    quiet_until: u64,
    warned: bool,
}

impl Log {
    fn is_away(&mut self, now: u64, roster: &Roster, error: &EngineError) {
        if roster.living().away && !self.warned && now >= self.quiet_until {
            (self.warned, self.quiet_until) = (true, now + WARNING_INTERVAL);
            tracing::warn!(
                "the directory of the cluster does not answer: the nodes that lived last count as living: {error}"
            );
        }
    }

    fn is_back(&mut self) {
        if std::mem::take(&mut self.warned) {
            tracing::info!("the directory of the cluster answers again");
        }
    }

    fn tell(fault: Fault) {
        match fault {
            Fault::Malformed => tracing::warn!("the directory of the cluster lists something that is no node"),
            Fault::TooMany => tracing::warn!("the directory of the cluster lists more nodes than there may be"),
            Fault::Namesakes { name, addresses: [one, other] } => {
                tracing::warn!("two processes are the node {name}, at {one} and at {other}: each needs its own name");
            }
            Fault::Successor { name, addresses: [one, other] } => {
                tracing::warn!(
                    "a process has taken the name of the node {name}, which shuts down, at {one} and at {other}: until that \
                     one has ended, its sessions may be refused as unknown. The next process needs another name"
                );
            }
            Fault::SameAddress { name, address } => {
                tracing::warn!("the node {name} gives the address of this one, {address}: see Cluster::peers");
            }
            Fault::Unacknowledged { name, address } => {
                tracing::warn!("the node {name} at {address} beats, but does not know of this one");
            }
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("name", &self.name).field("living", &self.living()).finish_non_exhaustive()
    }
}
