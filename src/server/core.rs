//! What every route and every handle needs of a server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use uuid::Uuid;

use super::{opening::Attempts, parked_requests::ParkedRequests};
use crate::{
    config::{Config, millis, size},
    hub::{Hub, Member},
    ids,
    session::{self, CloseReason, Machine, Role, SessionParams},
    shared::{Runtime, ServerParams, SharedSession},
};

/// One server's state. Everything public is a handle to it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    params: Arc<ServerParams>,
    pub(crate) hub: Hub,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) parked: Arc<ParkedRequests>,
    draining: AtomicBool,
    ticking: AtomicBool,
}

impl Core {
    pub(crate) fn new(mut config: Config) -> Self {
        if config.node.is_empty() {
            config.node = ids::random().simple().to_string()[..8].to_owned();
        }
        for bytes in [&mut config.message_limit, &mut config.inbox, &mut config.outbox, &mut config.stream_budget] {
            *bytes = size(*bytes);
        }
        let runtime = Arc::new(Runtime::new());
        let remembered = millis(config.grace) + millis(config.open_timeout);
        let session = SessionParams {
            interval: millis(config.heartbeat_interval),
            timeout: millis(config.heartbeat_timeout),
            grace: millis(config.grace),
            limit: config.message_limit as u64,
            batch: config.message_limit as u64,
            hold: millis(config.hold),
        };
        let params = ServerParams { node: config.node.clone(), session };
        Core {
            config,
            params: Arc::new(params),
            hub: Hub::default(),
            attempts: Arc::new(Attempts::new(runtime.clock(), remembered)),
            parked: Arc::default(),
            runtime,
            draining: AtomicBool::new(false),
            ticking: AtomicBool::new(false),
        }
    }

    /// Whether nobody keeps the deadlines yet; who asks first must see to it.
    pub(crate) fn wants_timekeeper(&self) -> bool {
        !self.ticking.swap(true, Ordering::Relaxed)
    }

    /// A new session, known to all.
    pub(crate) fn create(&self) -> Arc<Member> {
        loop {
            if let Some(member) = self.create_as(ids::random()) {
                return member;
            }
        }
    }

    /// A new session with this id, unless another session has it.
    fn create_as(&self, id: Uuid) -> Option<Arc<Member>> {
        let config = &self.config;
        let machine = session::Config {
            role: Role::Server,
            interval: self.params.session.interval,
            timeout: self.params.session.timeout,
            grace: self.params.session.grace,
            confirm_timeout: millis(config.open_timeout),
            inbox: config.inbox,
            outbox: config.outbox,
            base: 0,
        };
        let machine = Machine::new(machine, self.runtime.clock().now());
        let shared = SharedSession::new(id, ids::random(), machine, self.params.clone(), self.runtime.clone());
        self.hub.insert(Arc::new(shared))
    }

    /// The session of an id as clients know it.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Member>> {
        let (node, id) = id.rsplit_once('.')?;
        if node != self.config.node {
            return None;
        }
        self.hub.get(Uuid::try_parse(id).ok()?)
    }

    /// The session is over.
    pub(crate) fn forget(&self, id: Uuid) {
        if let Some((member, _)) = self.hub.remove(id) {
            member.shared.forget();
            tracing::debug!(session = %id, "forgotten");
        }
    }

    /// Whether a new session may open now.
    pub(crate) fn admit_new(&self) -> Result<(), CloseReason> {
        // A fifth is kept for the sessions that there are.
        if self.is_draining() {
            Err(GOING)
        } else if self.hub.len() >= self.config.max_sessions {
            Err(CloseReason::fixed(4200, "too many sessions"))
        } else if self.runtime.bytes() > self.config.max_bytes / 5 * 4 {
            Err(CloseReason::fixed(4201, "short of memory"))
        } else {
            Ok(())
        }
    }

    /// Whether a session that there is may come back now.
    pub(crate) fn admit_back(&self) -> Result<(), CloseReason> {
        if self.runtime.bytes() > self.config.max_bytes {
            Err(CloseReason::fixed(4201, "short of memory"))
        } else {
            Ok(())
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.runtime.ring();
    }
}

/// New sessions are for the server that comes after this one.
const GOING: CloseReason = CloseReason::fixed(4202, "the server is going away");

/// What links are told when the window of a shutdown is over.
pub(crate) const GONE: CloseReason = CloseReason::fixed(4005, "the server is going away");

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_that_is_taken_is_not_given_twice() {
        let core = Core::new(Config::default());
        let member = core.create();
        assert!(core.create_as(member.id()).is_none());
        assert!(Arc::ptr_eq(&core.hub.get(member.id()).unwrap(), &member));
        assert_ne!(core.create().id(), member.id());
        assert_eq!(core.hub.len(), 2);
    }
}
