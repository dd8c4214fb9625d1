//! The state of one server, which every route and every handle shares.

#[cfg(test)]
mod tests;

use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use uuid::Uuid;

use super::{
    admission::Admission, counters::Counters, eviction::Eviction, opening::Attempts, other_nodes::OtherNodes,
    parked_requests::ParkedRequests, terms::Terms, tombstones::Tombstones,
};
use crate::{
    config::{Config, is_node_name, millis, size},
    dialect::MAX_ID,
    hub::{Histories, Hub, Member, Remote},
    ids,
    pool::Pool,
    session::{
        self, CloseReason, Machine, Role, SessionParams, reason,
        rules::{Rules, Takes},
    },
    shared::{ChannelSet, Guard, Runtime, ServerParams, SharedSession},
    sync::lock,
};

/// The time between two warnings of the same kind, in milliseconds.
const WARNING_INTERVAL: u64 = 60_000;

/// The bits of a request's id by which nodes tell theirs apart.
const MARK_BITS: u32 = 20;

/// The number of sessions that are remembered behind their end, however few may live.
const LEAST_REMEMBERED: usize = 1024;

/// Inputs that have shown no secret yet may hold this part of all memory.
const UNPROVEN: usize = 8;

/// The number of openings, and of sessions that ended, that are remembered beside the sessions that live.
pub(super) fn most_remembered(max_sessions: usize) -> usize {
    max_sessions.max(LEAST_REMEMBERED).saturating_mul(4)
}

/// A time that does not come.
const NEVER: u64 = u64::MAX;

/// The time in milliseconds for which a new link may stay at a server that shuts down. A client that reaches
/// no other server attaches here again, and not more often than this.
const LEAST_STAY: u64 = 1000;

/// The place of a session.
#[derive(Debug)]
pub(crate) enum Located<'a> {
    /// The session is on this node.
    Here(Arc<Member>),
    /// If there is such a session, it is on the node with this name.
    Elsewhere(&'a str),
    /// There is no such session, or the text is not a session id.
    Nowhere,
}

impl Located<'_> {
    /// Returns the session if it is on this node.
    ///
    /// A session of another node counts as absent: what concerns it has been forwarded, if the server is one of a cluster.
    pub(crate) fn here(self) -> Option<Arc<Member>> {
        match self {
            Located::Here(member) => Some(member),
            Located::Elsewhere(node) => {
                tracing::debug!(node, "a session of another node was asked for");
                None
            }
            Located::Nowhere => None,
        }
    }
}

/// One server's state. Every public type is a handle to it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(super) params: Arc<ServerParams>,
    pub(crate) hub: Hub,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) counters: Counters,
    pub(crate) parked: Arc<ParkedRequests>,
    pub(super) eviction: Eviction,
    /// The bytes of inputs that have shown no secret yet.
    pub(crate) unproven: Pool,
    pub(crate) admission: Admission,
    tombstones: Mutex<Tombstones>,
    /// The machines of each family of clients share one.
    machine_configs: Mutex<Vec<(Terms, Arc<session::Config>)>>,
    /// When the links end because the server shuts down; `NEVER` before that is known.
    links_end: AtomicU64,
    /// The time before which no further warning is logged.
    quiet_until: AtomicU64,
    ticking: AtomicBool,
    /// The other nodes, if the server is one of several.
    nodes: OnceLock<Arc<dyn OtherNodes>>,
    /// The requests that were made of clients.
    pub(super) questions: AtomicU64,
    /// The last digits of the ids of requests, where the server is one of several.
    mark: u64,
}

impl Core {
    pub(crate) fn new(mut config: Config) -> Self {
        if config.node.is_empty() {
            config.node = ids::random().simple().to_string()[..8].to_owned();
        }
        for bytes in [
            &mut config.message_limit,
            &mut config.inbox,
            &mut config.outbox,
            &mut config.droppable_mark,
            &mut config.stream_budget,
        ] {
            *bytes = size(*bytes);
        }
        let runtime = Arc::new(Runtime::new(Pool::new(config.max_bytes, config.max_sessions)));
        let remembered = millis(config.grace) + millis(config.open_timeout);
        let session = SessionParams {
            interval: millis(config.heartbeat_interval),
            timeout: millis(config.heartbeat_timeout),
            grace: millis(config.grace),
            limit: config.message_limit as u64,
            batch: config.message_limit as u64,
            hold: millis(config.hold()),
            spread: config.spread(0),
        };
        let histories = Histories::new(ids::random().simple().to_string()[..12].to_owned(), &config.rooms);
        let params = ServerParams { node: config.node.clone(), session, spread: session.spread.into() };
        let max_bytes = config.max_bytes;
        let most = most_remembered(config.max_sessions);
        let admission = Admission::new(&config);
        Core {
            config,
            params: Arc::new(params),
            hub: Hub::new(histories),
            attempts: Arc::new(Attempts::new(runtime.clock(), remembered, most)),
            counters: Counters::default(),
            parked: Arc::default(),
            admission,
            tombstones: Mutex::new(Tombstones::new(most)),
            machine_configs: Mutex::default(),
            runtime,
            eviction: Eviction::default(),
            unproven: Pool::new(max_bytes / UNPROVEN, 1),
            links_end: AtomicU64::new(NEVER),
            quiet_until: AtomicU64::new(0),
            ticking: AtomicBool::new(false),
            nodes: OnceLock::new(),
            questions: AtomicU64::new(0),
            mark: ids::below(1 << MARK_BITS),
        }
    }

    /// Makes the server one of several.
    #[cfg(feature = "cluster")]
    pub(crate) fn join(&self, nodes: Arc<dyn OtherNodes>) {
        let _ = self.nodes.set(nodes);
    }

    /// The other nodes, if the server is one of several.
    pub(crate) fn nodes(&self) -> Option<&Arc<dyn OtherNodes>> {
        self.nodes.get()
    }

    /// The id of a new request to clients.
    ///
    /// Nodes give different ones: a client whose session has moved may still answer a request that it got at another node,
    /// and that is no answer to one of this node, which had its id before the session came.
    pub(crate) fn question(&self) -> u64 {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        match self.nodes() {
            None => number % MAX_ID + 1,
            Some(_) => ((number % (MAX_ID >> MARK_BITS)) << MARK_BITS) + self.mark + 1,
        }
    }

    /// Returns whether the timekeeper must be started. Only the first call returns `true`, and its caller
    /// must start it.
    pub(crate) fn wants_timekeeper(&self) -> bool {
        !self.ticking.swap(true, Ordering::Relaxed)
    }

    /// Makes a new session and adds it to the hub. One of an attempt has the same number on whichever node of a cluster it
    /// is made.
    ///
    /// # Errors
    /// Fails if the attempt has a session already, which lives longer than the attempt was remembered.
    pub(crate) fn create(
        &self,
        mut remote: Remote,
        terms: Terms,
        channels: ChannelSet,
        held: Option<Guard>,
        attempt: Option<&str>,
    ) -> Result<Arc<Member>, CloseReason> {
        let of_attempt = self.nodes().zip(attempt).map(|(nodes, attempt)| nodes.session_id(attempt));
        loop {
            match self.create_as(of_attempt.unwrap_or_else(ids::random), remote, terms, channels) {
                Ok(member) => {
                    member.shared.count(held);
                    self.counters.openings.add(1);
                    self.forget_oldest();
                    return Ok(member);
                }
                Err(_) if of_attempt.is_some() => return Err(reason::ATTEMPT_USED),
                Err(given_back) => remote = given_back,
            }
        }
    }

    /// Whether the session of an attempt is here. It may have been opened on another node.
    pub(super) fn has_session_of(&self, attempt: &str) -> bool {
        self.nodes().is_some_and(|nodes| self.hub.get(nodes.session_id(attempt)).is_some())
    }

    /// Forgets the sessions that ended first, if more are remembered than may live at a time. A client that
    /// comes back to one learns that it is unknown.
    fn forget_oldest(&self) {
        while let Some(id) = self.runtime.too_old(self.config.max_sessions.max(LEAST_REMEMBERED)) {
            self.forget(id);
        }
    }

    /// The terms of a family of clients, as the builder has them for all.
    pub(crate) fn terms(&self, rules: &'static Rules) -> Terms {
        let SessionParams { interval, timeout, grace, .. } = self.params.session;
        let confirm_timeout = millis(self.config.open_timeout);
        Terms { rules, interval, timeout, confirm_timeout, grace, takes: Takes::All }
    }

    /// The parameters of the machines of one family of clients.
    pub(super) fn machine_config(&self, terms: Terms) -> Arc<session::Config> {
        let mut known = lock(&self.machine_configs);
        if let Some((_, known)) = known.iter().find(|(known, _)| known.is(terms)) {
            return known.clone();
        }
        let config = &self.config;
        let made = Arc::new(session::Config {
            role: Role::Server,
            rules: terms.rules,
            interval: terms.interval,
            timeout: terms.timeout,
            grace: terms.grace,
            confirm_timeout: terms.confirm_timeout,
            inbox: config.inbox,
            outbox: config.outbox,
            droppable_mark: config.droppable_mark,
            floor: self.runtime.pool().floor(),
            takes: terms.takes,
            base: 0,
        });
        known.push((terms, made.clone()));
        made
    }

    /// Makes a new session with this id, unless another session has it.
    fn create_as(&self, id: Uuid, remote: Remote, terms: Terms, channels: ChannelSet) -> Result<Arc<Member>, Remote> {
        let mut machine = Machine::new(self.machine_config(terms), self.runtime.clock().now());
        if let Some(limit) = &self.config.rate_limit {
            machine.limit_rate(limit.clone());
        }
        let shared = SharedSession::new(id, ids::random(), machine, self.params.clone(), self.runtime.clone());
        let inserted = self.hub.insert(Arc::new(shared), remote, channels);
        self.params.spread.store(self.config.spread(self.hub.len()), Ordering::Relaxed);
        inserted
    }

    /// Finds the session of an id as clients know it: the name of its node, a dot, and the number of the
    /// session.
    pub(crate) fn find<'a>(&self, id: &'a str) -> Located<'a> {
        let Some((node, id)) = id.rsplit_once('.') else { return Located::Nowhere };
        let Ok(id) = Uuid::try_parse(id) else { return Located::Nowhere };
        // One that has moved here has the name of the node where it was opened.
        if let Some(member) = self.hub.get(id).filter(|member| member.shared.node() == node) {
            return Located::Here(member);
        } else if node == self.config.node {
            return Located::Nowhere;
        }
        if is_node_name(node) { Located::Elsewhere(node) } else { Located::Nowhere }
    }

    /// Removes a session that is over. For some time it is remembered with what code it ended.
    pub(crate) fn forget(&self, id: Uuid) {
        if let Some((member, _)) = self.hub.remove(id) {
            let code = member.shared.close_reason().unwrap_or(reason::ENDED).code;
            let now = self.runtime.clock().now();
            lock(&self.tombstones).add(now, now + self.params.session.grace, id, code);
            member.shared.forget();
            tracing::debug!(session = %id, "forgotten");
        }
    }

    /// Fails if no new session may open now: the server is shutting down, or has too many sessions or too
    /// many bytes.
    pub(crate) fn admit_new(&self) -> Result<(), CloseReason> {
        // A fifth of the bytes is reserved for the sessions that exist.
        if self.is_draining() {
            Err(reason::DRAINING)
        } else if self.runtime.live() >= self.config.max_sessions && self.runtime.unproven.is_empty() {
            Err(reason::TOO_MANY_SESSIONS)
        } else if !self.has_room_for_newcomers() {
            Err(reason::SHORT_OF_MEMORY)
        } else {
            Ok(())
        }
    }

    /// Ends the oldest sessions that are not proven, for as long as there is no place for one more.
    ///
    /// # Errors
    /// Fails if all sessions are proven.
    pub(crate) fn make_room(&self) -> Result<(), CloseReason> {
        while self.runtime.live() >= self.config.max_sessions {
            let oldest = self.runtime.unproven.pop().ok_or(reason::TOO_MANY_SESSIONS)?;
            if let Some(member) = self.hub.get(oldest).filter(|member| member.shared.give_way()) {
                tracing::debug!(session = %member.id(), "ended for the sake of another");
                self.counters.evicted.add(1);
                self.forget(oldest);
            }
        }
        Ok(())
    }

    /// Returns the session that a client names.
    ///
    /// # Errors
    /// Fails if this server does not have it. A server that shuts down does not know whether its successor
    /// has it, which may even use the same name, so it asks the client to come back; unless its cluster knows that nobody has.
    pub(crate) fn member(&self, id: &str) -> Result<Arc<Member>, CloseReason> {
        self.find(id).here().ok_or_else(|| {
            self.counters.lost_resumes.add(1);
            match self.tombstone(id) {
                Some(code) => CloseReason::of_ended(code),
                None if self.is_draining() && !self.is_nowhere(id) => reason::DRAINING,
                None => reason::UNKNOWN,
            }
        })
    }

    /// Whether it is known that no node of the cluster has a session.
    fn is_nowhere(&self, id: &str) -> bool {
        let number = id.rsplit_once('.').and_then(|(_, number)| Uuid::try_parse(number).ok());
        let moving = self.nodes().and_then(|nodes| nodes.moving());
        number.zip(moving).is_some_and(|(number, moving)| moving.is_nowhere(number))
    }

    /// Whether a session with this id has ended here, as far as that is remembered.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.tombstone(id).is_some()
    }

    /// The code with which a session of this node ended that is gone. One of a cluster may have come from another node.
    fn tombstone(&self, id: &str) -> Option<u16> {
        let (node, id) = id.rsplit_once('.')?;
        let id = Uuid::try_parse(id).ok().filter(|_| node == self.config.node || self.nodes().is_some())?;
        lock(&self.tombstones).code(self.runtime.clock().now(), id)
    }

    /// Whether a warning may be logged that anyone can cause. It may once in a minute.
    pub(crate) fn may_warn(&self) -> bool {
        let now = self.runtime.clock().now();
        let until = self.quiet_until.load(Ordering::Relaxed);
        now >= until
            && self
                .quiet_until
                .compare_exchange(until, now + WARNING_INTERVAL, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Counts an opening or a link that was refused.
    pub(crate) fn refused(&self, reason: &CloseReason) {
        if self.counters.refused(self.runtime.clock().now(), reason.code) {
            tracing::warn!(code = reason.code, sessions = self.runtime.live(), "refused: {}", reason.text);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.links_end.load(Ordering::Relaxed) != NEVER
    }

    /// Begins to shut down: no new session opens, and all links end after `window` milliseconds.
    pub(crate) fn drain(&self, window: u64) {
        let end = self.runtime.clock().now().saturating_add(window);
        self.links_end.store(end.min(NEVER - 1), Ordering::Relaxed);
        if let Some(nodes) = self.nodes() {
            nodes.drain(window);
        }
    }

    /// Returns the delay after which a client that attaches now must make another link, or `None` if the
    /// server does not shut down, or does so too soon for that.
    pub(crate) fn go_away_delay(&self) -> Option<u64> {
        if !self.is_draining() {
            return None;
        }
        let left = self.links_end.load(Ordering::Relaxed).saturating_sub(self.runtime.clock().now());
        (left > LEAST_STAY).then(|| LEAST_STAY + ids::below(left - LEAST_STAY))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.runtime.ring();
    }
}
