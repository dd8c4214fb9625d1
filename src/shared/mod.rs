//! One lock round a session's machine, and who waits for it. Stamps the time; no lock is held over an await.

mod chunked_upload;
mod credentials;
mod handler_side;
mod link_side;
mod runtime;
#[cfg(test)]
pub(crate) mod tests;
mod turn;
mod wake_batch;

use std::{
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
    task::Waker,
};

use bytestring::ByteString;
use uuid::Uuid;

use credentials::Credentials;
use turn::Turn;

use crate::{
    config::Transport,
    session::{Attached, Grant, Machine, Outcome, SessionParams},
    sync::lock,
};

pub(crate) use chunked_upload::{Chunk, ChunkOutcome};
pub(crate) use credentials::Credential;
pub(crate) use runtime::Runtime;

/// The machine's words, for those who carry and do not know the machine.
pub(crate) use crate::session::{Attach, CloseReason, Frame, LinkId, LinkKind, Outbound, SendError, reason};

/// Changes of a session's memory smaller than this are not worth an atomic operation.
const ACCOUNT_GRAIN: usize = 4096;

/// A session: its machine behind one short lock, and the wakers of those who wait.
#[derive(Debug)]
pub(crate) struct SharedSession {
    id: Uuid,
    params: Arc<ServerParams>,
    runtime: Arc<Runtime>,
    inner: Mutex<Inner>,
}

/// What all sessions of a server have in common, as their clients are told.
#[derive(Debug)]
pub(crate) struct ServerParams {
    /// The name of this node, a part of each session's id.
    pub(crate) node: String,
    pub(crate) session: SessionParams,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    turn: Turn,
    receiver: Option<Receiver>,
    links: Vec<(LinkId, Option<Waker>)>,
    /// Of the link that was attached last.
    transport: Transport,
    /// Those who wait for room in the outbox or for an acknowledgement.
    senders: Vec<Waker>,
    credentials: Credentials,
    /// The deadline that the schedule knows.
    scheduled: u64,
    accounted: usize,
    /// The session is over and counts no longer.
    forgotten: bool,
    /// We have closed: until when an acknowledgement must have come, beyond this number.
    closing: Option<(u64, u64)>,
    /// An upload that comes in pieces, if one ever did.
    chunked: Option<Box<chunked_upload::ChunkedUpload>>,
}

/// The task that waits for something to receive.
#[derive(Debug)]
struct Receiver {
    waker: Waker,
    /// It is the handler's own task: when it is woken, a turn comes.
    is_handler: bool,
}

/// What a link gets when it asks what to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullStatus {
    /// There is more; the caller had enough.
    More,
    /// Nothing more now; the waker is registered.
    Drained,
    /// Nothing more ever; the transport flushes and drops the link.
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
            receiver: None,
            links: Vec::new(),
            transport: Transport::WebSocket,
            senders: Vec::new(),
            credentials: Credentials::new(secret),
            scheduled: u64::MAX,
            accounted: 0,
            forgotten: false,
            closing: None,
            chunked: None,
        };
        let shared = SharedSession { id, params, runtime, inner: Mutex::new(inner) };
        shared.settle(&mut shared.lock());
        shared
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// The id as clients know it: it names the node.
    pub(crate) fn public_id(&self) -> ByteString {
        format!("{}.{}", self.params.node, self.id.simple()).into()
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Whether the client has shown that it knows the secret, so that its attempt id is worth nothing any more.
    pub(crate) fn is_claimed(&self) -> bool {
        let inner = self.lock();
        inner.credentials.used || inner.machine.carrier().is_some()
    }

    /// The transport of the link that was attached last.
    pub(crate) fn transport(&self) -> Transport {
        self.lock().transport
    }

    /// Looks at the machine.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Machine) -> R) -> R {
        look(&self.lock().machine)
    }

    /// The machine leaves a start's grant to us.
    fn complete<'a>(&self, secret: Uuid, mut saying: Outbound<'a>) -> Outbound<'a> {
        if let Outbound::Frame(Frame::Attached(Attached { outcome: Outcome::New, grant, .. })) = &mut saying {
            let (id, secret) = (self.public_id(), secret.simple().to_string().into());
            *grant = Some(Box::new(Grant { id, secret, params: self.params.session }));
        }
        saying
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test counts the lock operations of an echo.
        #[cfg(debug_assertions)]
        tracing::trace!(target: "anywire::lock", "session");
        lock(&self.inner)
    }

    /// After a change: the next deadline and the byte count. Sending and acknowledging move no deadline nearer, so there
    /// [`account`](Self::account) is enough.
    fn settle(&self, inner: &mut Inner) {
        if inner.forgotten {
            return;
        }
        let closing = inner.closing.map(|(deadline, _)| deadline);
        if let Some(deadline) = [inner.machine.poll_timeout(), closing].into_iter().flatten().min()
            && deadline < inner.scheduled
        {
            inner.scheduled = deadline;
            self.runtime.push(deadline, self.id);
        }
        self.account(inner);
    }

    fn account(&self, inner: &mut Inner) {
        let chunked = inner.chunked.as_ref().map_or(0, |chunked| chunked.bytes());
        let bytes = if inner.forgotten { 0 } else { inner.machine.buffered() + chunked };
        if bytes.abs_diff(inner.accounted) >= ACCOUNT_GRAIN || (bytes == 0 && inner.accounted > 0) {
            self.runtime.bytes.fetch_add(bytes.wrapping_sub(inner.accounted), Ordering::Relaxed);
            inner.accounted = bytes;
        }
    }
}

impl Inner {
    fn register(&mut self, link: LinkId, waker: &Waker) {
        self.turn.link_registered();
        if let Some((_, slot)) = self.links.iter_mut().find(|(id, _)| *id == link) {
            match slot {
                Some(old) if old.will_wake(waker) => {}
                _ => *slot = Some(waker.clone()),
            }
        }
    }

    /// Among the senders; once, however often it asks.
    fn wait(&mut self, waker: &Waker) {
        if !self.senders.iter().any(|known| known.will_wake(waker)) {
            self.senders.push(waker.clone());
        }
    }

    /// A client that lives but never acknowledges the close would hold the session for as long as it likes.
    fn await_close(&mut self, now: u64, grace: u64) {
        self.closing = Some((now + grace, self.machine.acknowledged()));
    }

    fn check_close(&mut self, now: u64, grace: u64) {
        match self.closing {
            Some(_) if self.machine.closed().is_some() => self.closing = None,
            Some((deadline, before)) if deadline <= now => {
                self.await_close(now, grace);
                // Who is away has the grace time.
                if self.machine.acknowledged() == before && !self.links.is_empty() {
                    self.machine.abort(now, reason::CLOSE_UNANSWERED);
                    self.closing = None;
                }
            }
            _ => {}
        }
    }

    fn wake_receiver(&mut self) {
        if let Some(Receiver { waker, is_handler }) = self.receiver.take() {
            if is_handler {
                self.turn.woken();
            }
            waker.wake();
        }
    }

    fn wake_links(&mut self) {
        for (_, waker) in &mut self.links {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    /// There is something to send: the links are woken now, or when the handler yields.
    fn wake_carriers(&mut self) {
        if self.turn.sent() && !wake_batch::defer(&mut self.links) {
            self.wake_links();
        }
    }

    fn wake_senders(&mut self) {
        for waker in self.senders.drain(..) {
            waker.wake();
        }
    }
}
