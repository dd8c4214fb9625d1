//! A session behind one lock: its machine, and the wakers of its links and its handler. Each call passes the
//! time to the machine; no lock is held across an await.

mod asking;
mod by_age;
mod channel_queues;
mod channel_side;
mod channels;
mod chunked_upload;
mod credentials;
mod early;
mod gathering;
mod handler_side;
mod link_side;
mod link_wakers;
#[cfg(feature = "cluster")]
mod moving;
mod owed;
mod pressure;
pub(crate) mod questions;
mod receivers;
mod recovery;
mod runtime;
mod socketio;
mod stomp;
#[cfg(test)]
pub(crate) mod tests;
mod turn;
mod upgrade;
mod wake_batch;

use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
};

use bytestring::ByteString;
use uuid::{Uuid, fmt::Simple};

use channels::Slot;
use link_wakers::LinkWakers;
use questions::Questions;
use receivers::Receivers;
use turn::Turn;

use crate::{
    config::Transport,
    dialect::socketio::Revision,
    seldom::Seldom,
    session::{Attached, Grant, Machine, Outcome, SessionParams},
    sync::lock,
};

pub(crate) use asking::CannotAsk;
pub(crate) use channels::{Arrived, Asked as ChannelAsked, ChannelSet};
pub(crate) use chunked_upload::{Chunk, ChunkOutcome};
pub(crate) use credentials::{Credential, Credentials};
pub(crate) use gathering::{Gathered, Gathering, Heard};
#[cfg(feature = "cluster")]
pub(crate) use moving::{CannotMove, MovedSession};
pub(crate) use pressure::{UnderWay, Weight};
pub(crate) use questions::Outcome as QuestionOutcome;
pub(crate) use receivers::Place;
pub(crate) use runtime::Runtime;
#[cfg(feature = "msgpack")]
pub(crate) use socketio::reason_of;
pub(crate) use stomp::{Next as StompNext, Opened as StompOpened, Undelivered};
#[cfg(feature = "cluster")]
pub(crate) use wake_batch::gather_wakes;

/// The types that the machine's methods take and give, for modules that must not import the machine.
pub(crate) use crate::session::{
    Attach, CloseReason, Frame, LinkId, LinkKind, Names, Outbound, SendError, droppable::WhenBehind, reason,
};

/// A session: its machine behind one short lock, and the wakers of the tasks that wait for it.
#[derive(Debug)]
pub(crate) struct SharedSession {
    id: Uuid,
    params: Arc<ServerParams>,
    runtime: Arc<Runtime>,
    /// The protocol above the messages, if the client speaks one that is not native.
    dialect: OnceLock<Dialect>,
    /// The process of the node by which its present link comes; 0 if it comes straight.
    came_by: AtomicU64,
    inner: Mutex<Inner>,
}

/// A protocol above the messages.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    SocketIo(Revision),
    Stomp,
}

/// The parameters that all sessions of a server have in common. The server sends them to each client.
#[derive(Debug)]
pub(crate) struct ServerParams {
    /// The name of this node, a part of each session's id.
    pub(crate) node: String,
    pub(crate) session: SessionParams,
    /// The spread of `session` as of now: it follows the number of sessions.
    pub(crate) spread: AtomicU64,
}

/// A value that is held for as long as a session counts as live, and then dropped.
pub(crate) type Guard = Box<dyn Any + Send + Sync>;

/// By this deadline the client must have acknowledged more than this number.
#[derive(Clone, Copy, Debug)]
struct Closing {
    deadline: u64,
    acknowledged: u64,
}

/// As in [`Machine`], the fields that a message to a room needs lie together, right before those of the machine.
#[derive(Debug)]
#[repr(C)]
struct Inner {
    turn: Turn,
    /// The session is over: it queues no deadline and counts no bytes any more.
    forgotten: bool,
    /// The session counts as live in [`Runtime`]. One that is parked does not.
    counted: bool,
    /// It counts there among those that are outside of the namespace `/`.
    nobody: bool,
    /// Nothing is received any more, since the session is to move to another node; and somebody has learned of that.
    moving: bool,
    told: bool,
    /// How many arrivals that wait are of pages before the present one.
    of_former_pages: u32,
    links: LinkWakers,
    /// The namespaces of the session. Servers without namespaces have none.
    channels: Slot,
    /// This session's part of the byte count in [`Runtime`].
    accounted: usize,
    /// The bytes that are on their way to the session or from it, outside of the machine.
    under_way: usize,
    /// The upload that comes in pieces. It is made with the first piece: most sessions never have one.
    chunked: Option<Box<chunked_upload::ChunkedUpload>>,
    /// The requests that the client has not answered. It is made with the first one.
    questions: Option<Box<Questions>>,
    machine: Machine,
    receivers: Receivers,
    /// The session's place among those in [`Runtime`] that are not proven.
    unproven: u64,
    credentials: Credentials,
    /// The deadline that is queued in [`Runtime`]; `u64::MAX` if none is.
    scheduled: u64,
    /// The test client that waits until a task waits for an arrival.
    idle: Option<Box<Waker>>,
    /// The tasks that wait for room in the outbox or for an acknowledgement.
    senders: Seldom<Vec<Waker>>,
    /// The places that the session has in other counts, for as long as it counts as live.
    held: Option<Guard>,
    /// When the client's login expires; `u64::MAX` if it does not.
    expires: u64,
    /// The acknowledgement of our close that is awaited.
    closing: Option<Box<Closing>>,
    /// The number of pages that have taken the session over.
    page: u64,
}

/// Why [`SharedSession::pull`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullStatus {
    /// The caller has stopped, and there is more to send.
    More,
    /// There is nothing more to send now; the waker is registered.
    Drained,
    /// The link never sends anything more; the transport flushes and drops it.
    Over,
}

impl SharedSession {
    pub(crate) fn new(
        id: Uuid,
        secret: Uuid,
        machine: Machine,
        params: Arc<ServerParams>,
        runtime: Arc<Runtime>,
    ) -> Self {
        let inner = Inner {
            machine,
            turn: Turn::new(),
            receivers: Receivers::default(),
            idle: None,
            links: LinkWakers::default(),
            senders: Seldom::default(),
            credentials: Credentials::new(secret),
            scheduled: u64::MAX,
            accounted: 0,
            forgotten: false,
            moving: false,
            told: false,
            counted: false,
            nobody: false,
            held: None,
            unproven: 0,
            expires: u64::MAX,
            closing: None,
            chunked: None,
            under_way: 0,
            questions: None,
            channels: Slot::default(),
            page: 0,
            of_former_pages: 0,
        };
        let (dialect, came_by, inner) = (OnceLock::new(), AtomicU64::new(0), Mutex::new(inner));
        let shared = SharedSession { id, params, runtime, dialect, came_by, inner };
        shared.settle(&mut shared.lock());
        shared
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// The name of the node where the session was opened.
    pub(crate) fn node(&self) -> &str {
        &self.params.node
    }

    /// The id that clients use; it contains the node's name.
    pub(crate) fn public_id(&self) -> ByteString {
        let node = &self.params.node;
        let mut id = String::with_capacity(node.len() + 1 + Simple::LENGTH);
        id.push_str(node);
        id.push('.');
        id.push_str(self.id.simple().encode_lower(&mut [0; Simple::LENGTH]));
        id.into()
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Whether the client has shown that it knows the secret, so that its attempt id is no longer accepted.
    pub(crate) fn is_claimed(&self) -> bool {
        let inner = self.lock();
        inner.credentials.used || inner.machine.carrier().is_some()
    }

    /// Whether a client that shows this secret may attach or take over. It does not count as used.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        self.lock().credentials.knows(secret)
    }

    /// The transport of the link that carries.
    pub(crate) fn transport(&self) -> Transport {
        self.lock().machine.transport()
    }

    /// Calls `look` with the machine, which it cannot change.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Machine) -> R) -> R {
        look(&self.lock().machine)
    }

    /// Puts the grant into the answer to the first attach, and a new secret into that to a later one, unless it has the
    /// secret `in_url`. The machine does not know the id and the secret.
    fn complete(&self, credentials: &mut Credentials, in_url: bool, attached: &mut Attached) {
        match attached {
            Attached { outcome: Outcome::New, grant, .. } => {
                let (id, secret) = (self.public_id(), credentials.secret.simple().to_string().into());
                let params =
                    SessionParams { spread: self.params.spread.load(Ordering::Relaxed), ..self.params.session };
                *grant = Some(Box::new(Grant { id, secret, params }));
            }
            Attached { secret, names, .. } if names.contains(Names::ROTATE) => {
                let renewed = if in_url { None } else { credentials.state_renewed() };
                *secret = renewed.map(|renewed| renewed.simple().to_string().into());
            }
            Attached { .. } => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test counts the lock operations of an echo.
        #[cfg(debug_assertions)]
        tracing::trace!(target: "anywire::lock", "session");
        lock(&self.inner)
    }

    /// Queues the machine's next deadline if it is nearer than the queued one, and updates the byte count.
    /// [`Machine`] lists, under "Time", the calls after which a deadline can be nearer; after all others
    /// [`account`](Self::account) is enough.
    fn settle(&self, inner: &mut Inner) {
        self.schedule(inner);
        self.account(inner);
    }

    /// Queues the next deadline if it is nearer than the queued one.
    fn schedule(&self, inner: &mut Inner) {
        if inner.forgotten {
            return;
        }
        let closing = inner.closing.as_ref().map(|closing| closing.deadline);
        let pieces = inner.chunked.as_ref().and_then(|chunked| chunked.deadline());
        let parked = inner.recovery().and(inner.channels.as_ref()).and_then(|channels| channels.parked_until());
        let owed = inner.owed_deadline();
        let beat = inner.beat_deadline();
        let expires = Some(inner.expires).filter(|expires| *expires < u64::MAX);
        if let Some(deadline) =
            [inner.machine.poll_timeout(), closing, pieces, expires, owed, parked, beat].into_iter().flatten().min()
            && deadline < inner.scheduled
        {
            inner.scheduled = deadline;
            self.runtime.push(deadline, self.id);
        }
    }

    /// The session is a server's, and counts as live until it ends. Then it drops `held`.
    pub(crate) fn count(&self, held: Option<Guard>) {
        let mut inner = self.lock();
        (inner.counted, inner.held) = (true, held);
        inner.unproven = self.runtime.unproven.add(self.id);
        self.runtime.session_begins();
    }
}

impl Inner {
    /// Keeps the waker of a link until the links are woken.
    fn register(&mut self, link: LinkId, waker: &Waker) {
        self.turn.link_registered();
        self.links.keep(link, waker);
    }

    /// Keeps the waker of a task until the senders are woken; only once, even if the task is polled again.
    fn wait(&mut self, waker: &Waker) {
        let senders = self.senders.make();
        if !senders.iter().any(|known| known.will_wake(waker)) {
            senders.push(waker.clone());
        }
    }

    /// Sets the deadline for the acknowledgement of our close. Without it a client that answers pings but
    /// never acknowledges the close would hold the session for ever.
    fn await_close(&mut self, now: u64, grace: u64) {
        let acknowledged = self.machine.acknowledged();
        self.closing = Some(Box::new(Closing { deadline: now + grace, acknowledged }));
    }

    fn check_close(&mut self, now: u64, grace: u64) {
        // Where no numbers are acknowledged, a client without a link has not even fetched the close.
        let counts = !self.links.is_empty() || self.machine.ends_with_its_links();
        match self.closing.as_deref() {
            Some(_) if self.machine.closed().is_some() => self.closing = None,
            Some(&Closing { deadline, acknowledged: before }) if deadline <= now => {
                self.await_close(now, grace);
                // A client without a link gets the full grace time instead.
                if self.machine.acknowledged() == before && counts {
                    self.machine.abort(now, reason::CLOSE_UNANSWERED);
                    self.closing = None;
                }
            }
            _ => {}
        }
    }

    /// Whether nothing is received any more, although the session may go on.
    fn receives_nothing(&mut self) -> bool {
        self.told |= self.moving;
        self.moving || self.turn.is_ended()
    }

    /// Wakes the task that receives next, or all that wait if the session is over.
    fn wake_receivers(&mut self) {
        let woken = match self.machine.closed() {
            None => self.receivers.wake_first(),
            Some(_) => self.receivers.wake_all() | self.channels.as_mut().is_some_and(|channels| channels.wake_all()),
        };
        if woken {
            self.turn.woken();
        }
    }

    /// A task gives up its place among those who wait for an arrival. If there is one, the next is woken.
    fn leave(&mut self, place: Option<Place>) {
        if let Some(place) = place {
            self.receivers.leave(place);
        }
        if self.machine.arrivals() > 0 || self.machine.closed().is_some() {
            self.wake_receivers();
        }
    }

    fn wake_idle(&mut self) {
        if let Some(waker) = self.idle.take() {
            waker.wake();
        }
    }

    fn wake_links(&mut self) {
        self.links.take().for_each(Waker::wake);
    }

    /// Wakes the links, since there is something to send: now, or when the handler yields.
    fn wake_carriers(&mut self) {
        if self.turn.sent() && !wake_batch::defer(&mut self.links) {
            self.wake_links();
        }
    }

    /// Wakes the tasks that wait for room, and the one that opens channels if none opens any more.
    fn wake_senders(&mut self) {
        for waker in self.senders.get_mut().into_iter().flat_map(|senders| senders.drain(..)) {
            waker.wake();
        }
        if self.machine.close_reason().is_some()
            && let Some(channels) = &mut *self.channels
            && let Some(opener) = channels.opener.take()
        {
            opener.wake();
        }
    }
}
