//! The state of the moves between this node and the others.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot, watch},
    time::{sleep_until, timeout},
};
use uuid::Uuid;

use super::{
    ownership::Ownership,
    pace::Pace,
    sessions::Sessions,
    table::Table,
    words::{Answer, Ask, MOST_ANSWER, Stays},
};
use crate::{
    clock::Clock,
    owners::Standing,
    server::{
        counters::Count,
        nodes::{
            membership::Membership,
            peers::{Executor, PeerLinks},
        },
    },
    sync::lock,
};

/// The name by which other nodes ask for moves. Paths of routes begin with a slash, so none has it.
pub(super) const MOUNT: &str = "moves";

/// A move takes no longer. Who waits for one goes on then.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// The number of sessions that are remembered to be elsewhere, and of those that are known not to move.
const MOST_KNOWN: usize = 100_000;

/// The sessions that leave this node at the same time, at most.
const MOST_LEAVING: usize = 256;

/// The sessions that are looked for in the directory at the same time, at most.
const MOST_LOOKS: usize = 64;

/// The time between two warnings, in milliseconds.
const WARNING_INTERVAL: u64 = 60_000;

/// The place of a session that is not where its id says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The node with this name has it.
    At(String),
    /// No node that lives has claimed it.
    Nowhere,
}

/// The reason for which a session was not given, and the node that has said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) node: String,
    pub(super) why: Stays,
}

/// The moves of one node.
pub(super) struct State {
    pub(super) membership: Arc<Membership>,
    pub(super) links: Arc<PeerLinks>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) owned: Ownership,
    pub(super) clock: Clock,
    pub(super) tasks: Executor,
    /// The sessions that are not where their ids say.
    places: Mutex<Table<Place>>,
    /// The sessions that were not given when they were asked for.
    kept: Mutex<Table<Kept>>,
    /// The sessions that are on their way from here or to here. Each tells of its end by closing.
    under_way: Mutex<HashMap<Uuid, watch::Receiver<()>>>,
    /// The sessions that were sent off, and who waits to hear whether they were taken.
    pub(super) sent_off: Mutex<HashMap<Uuid, oneshot::Sender<bool>>>,
    /// The sessions that this node wants to be rid of, and the nodes that it has chosen for them.
    pub(super) pushed: Mutex<HashMap<Uuid, String>>,
    pub(super) leaving: Semaphore,
    /// The moments at which sessions leave.
    pace: Mutex<Pace>,
    pub(super) looks: Semaphore,
    /// Sessions that other nodes have taken from this one, and that this one has taken.
    pub(super) moved: Count,
    pub(super) taken: Count,
    quiet_until: AtomicU64,
}

impl State {
    pub(super) fn new(
        membership: Arc<Membership>,
        links: Arc<PeerLinks>,
        sessions: Arc<dyn Sessions>,
        owned: Ownership,
        tasks: Executor,
    ) -> Arc<Self> {
        Arc::new(State {
            membership,
            links,
            sessions,
            owned,
            clock: Clock::start(),
            tasks,
            places: Mutex::new(Table::new(MOST_KNOWN)),
            kept: Mutex::new(Table::new(MOST_KNOWN)),
            under_way: Mutex::default(),
            sent_off: Mutex::default(),
            pushed: Mutex::default(),
            leaving: Semaphore::new(MOST_LEAVING),
            pace: Mutex::default(),
            looks: Semaphore::new(MOST_LOOKS),
            moved: Count::default(),
            taken: Count::default(),
            quiet_until: AtomicU64::new(0),
        })
    }

    pub(super) fn me(&self) -> &str {
        &self.membership.name
    }

    /// The place of a session that is not where its id says, as far as it is known.
    pub(super) fn place(&self, session: Uuid) -> Option<Place> {
        lock(&self.places).get(self.clock.now(), session).cloned()
    }

    /// A session is at this place, which is known for some milliseconds.
    pub(super) fn learn(&self, session: Uuid, place: Place, time: u64) {
        let now = self.clock.now();
        lock(&self.places).learn(now, now + time, session, place);
    }

    pub(super) fn forget_place(&self, session: Uuid) {
        lock(&self.places).forget(session);
    }

    /// The reason for which a session was not given, if that still counts.
    pub(super) fn kept(&self, session: Uuid) -> Option<Kept> {
        lock(&self.kept).get(self.clock.now(), session).cloned()
    }

    /// A node keeps a session, which is known for some milliseconds.
    pub(super) fn note_kept(&self, session: Uuid, kept: Kept, time: u64) {
        let now = self.clock.now();
        lock(&self.kept).learn(now, now + time, session, kept);
    }

    /// A move of a session begins, unless one is under way.
    pub(super) fn begin(self: &Arc<Self>, session: Uuid) -> Option<UnderWay> {
        let mut under_way = lock(&self.under_way);
        if under_way.contains_key(&session) {
            return None;
        }
        let (done, waiting) = watch::channel(());
        under_way.insert(session, waiting);
        drop(under_way);
        Some(UnderWay { state: self.clone(), session, _done: done })
    }

    /// A session is on its way from here or to here.
    pub(super) fn is_under_way(&self, session: Uuid) -> bool {
        lock(&self.under_way).contains_key(&session)
    }

    /// Whether any session is on its way from here or to here.
    pub(super) fn any_under_way(&self) -> bool {
        !lock(&self.under_way).is_empty()
    }

    /// Waits until no move of a session is under way, for this time at most. Cancel-safe.
    pub(super) async fn settled(&self, session: Uuid, patience: Duration) {
        let waiting = lock(&self.under_way).get(&session).cloned();
        if let Some(mut waiting) = waiting {
            let _ = timeout(patience, waiting.changed()).await;
        }
    }

    /// Waits until a session may leave for a node. Returns false, without waiting, if that would take longer than `longest`
    /// milliseconds. Cancel-safe: its moment passes then.
    pub(super) async fn keep_pace(&self, node: &str, longest: u64) -> bool {
        let taken = lock(&self.pace).take(self.clock.now(), node, longest);
        let Some(moment) = taken else { return false };
        sleep_until(self.clock.instant(moment)).await;
        true
    }

    /// The standing of the node with this name, as far as this one can tell.
    pub(super) fn standing(&self, node: &str) -> Standing {
        let living = self.membership.living();
        match () {
            () if node == self.me() => Standing::Me,
            () if living.nodes.iter().any(|info| info.name == node) => Standing::Lives,
            () if living.joined && !living.away => Standing::Dead,
            () => Standing::Unclear,
        }
    }

    /// Whether the node with this name is one that shuts down.
    pub(super) fn drains(&self, node: &str) -> bool {
        let living = self.membership.living();
        let mut named = living.nodes.iter().filter(|info| info.name == node).peekable();
        named.peek().is_some() && named.all(|info| info.draining)
    }

    /// Asks another node. Waits for its answer for this time at most; `None` if none came.
    pub(super) async fn ask(&self, node: &str, ask: &Ask, patience: Duration) -> Option<bytes::Bytes> {
        let asked = self.links.ask(node, MOUNT, ask.write().into(), MOST_ANSWER);
        timeout(patience, asked).await.ok()?
    }

    /// Asks another node for a session.
    pub(super) async fn ask_for(&self, node: &str, ask: &Ask, patience: Duration) -> Option<Answer> {
        let answer = self.ask(node, ask, patience).await?;
        let understood = Answer::read(&answer);
        if understood.is_none() {
            self.warn(format_args!("the node {node} has answered in words that this one does not understand"));
        }
        understood
    }

    /// Logs that a move has failed, once in a minute at most.
    pub(super) fn warn(&self, what: std::fmt::Arguments<'_>) {
        let (now, until) = (self.clock.now(), self.quiet_until.load(Relaxed));
        let next = now + WARNING_INTERVAL;
        if now >= until && self.quiet_until.compare_exchange(until, next, Relaxed, Relaxed).is_ok() {
            tracing::warn!("a session has not moved to another node: {what}");
        } else {
            tracing::debug!("a session has not moved to another node: {what}");
        }
    }
}

/// A move that is under way. Dropped, those go on who wait for its end.
pub(super) struct UnderWay {
    state: Arc<State>,
    session: Uuid,
    _done: watch::Sender<()>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.state.under_way).remove(&self.session);
    }
}
