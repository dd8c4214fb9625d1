//! The state that the parts of one connection share: its byte stream, its requests, its answers, and the
//! task that drives it.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use super::places::Place;
use crate::{sync::lock, transport::LinkWatch};

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const REQUEST: u8 = 2;

/// The future that serves a WebSocket.
pub(crate) type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The future that begins with an upgraded connection, and returns what serves it.
pub(crate) type Begun = Pin<Box<dyn Future<Output = Option<Run>> + Send>>;

/// The steps of a connection, of which only the present one holds memory. It is written out, since an `async fn` would hold
/// a pointer for each, and a task that is larger than this takes twice as much.
pub(crate) enum Steps {
    Requests(Pin<Box<dyn Future<Output = Option<Begun>> + Send>>),
    Begun(Begun),
    WebSocket(Run),
}

impl Future for Steps {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            *self = match &mut *self {
                Steps::Requests(requests) => match ready!(requests.as_mut().poll(cx)) {
                    Some(begun) => Steps::Begun(begun),
                    None => return Poll::Ready(()),
                },
                Steps::Begun(begun) => match ready!(begun.as_mut().poll(cx)) {
                    Some(run) => Steps::WebSocket(run),
                    None => return Poll::Ready(()),
                },
                Steps::WebSocket(run) => return run.as_mut().poll(cx),
            };
        }
    }
}

/// The event that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its next request. The number tells one wait from another.
    Idle(usize),
    /// The rest of a request's head.
    Head(usize),
    /// The application, the rest of a request's body, or the peer, which must take the rest of an answer.
    Request,
    /// The peer, which takes nothing more of an answer whose link is over. The number is that of the bytes
    /// which it has taken.
    Stuck(usize),
}

/// The state of one connection. All of it is of one task, so that no order of memory is needed.
pub(crate) struct State {
    phase: AtomicU8,
    requests: AtomicUsize,
    /// The answer to its first request is its last.
    late: AtomicBool,
    /// A write waits for the peer.
    blocked: AtomicBool,
    /// How much the peer took of writes that waited.
    taken: AtomicUsize,
    /// The link that the present answer carries.
    link: Mutex<Option<LinkWatch>>,
    /// The future that goes on with the connection once it is upgraded.
    next: Mutex<Option<Begun>>,
    /// An upgraded connection takes it along.
    place: Mutex<Option<Place>>,
}

impl State {
    pub(super) fn new(place: Place) -> Self {
        State {
            phase: AtomicU8::new(IDLE),
            requests: AtomicUsize::new(0),
            late: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            link: Mutex::new(None),
            next: Mutex::new(None),
            place: Mutex::new(Some(place)),
        }
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        let _ = self.phase.compare_exchange(IDLE, HEAD, Relaxed, Relaxed);
    }

    /// A request's head has come.
    pub(super) fn begin_request(&self) {
        self.phase.store(REQUEST, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    /// The answer carries a link.
    pub(super) fn carry(&self, link: LinkWatch) {
        *lock(&self.link) = Some(link);
    }

    pub(super) fn drop_link(&self) {
        *lock(&self.link) = None;
    }

    /// The answer makes the connection a WebSocket, with which this goes on.
    pub(super) fn set_next(&self, next: Begun) {
        *lock(&self.next) = Some(next);
    }

    pub(super) fn take_next(&self) -> Option<Begun> {
        lock(&self.next).take()
    }

    /// The place of the connection, which goes on without this state.
    pub(super) fn take_place(&self) -> Option<Place> {
        lock(&self.place).take()
    }

    /// The application has no more of the answer.
    pub(super) fn end_request(&self) {
        self.phase.store(IDLE, Relaxed);
    }

    pub(super) fn block(&self) {
        self.blocked.store(true, Relaxed);
    }

    pub(super) fn unblock(&self) {
        self.blocked.store(false, Relaxed);
    }

    pub(super) fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Relaxed);
    }

    /// The event that the connection waits for. The task is woken when the link of a write that waits is over.
    pub(super) fn phase(&self, cx: &mut Context<'_>) -> Phase {
        let requests = self.requests.load(Relaxed);
        match (self.phase.load(Relaxed), self.blocked.load(Relaxed)) {
            (IDLE, false) => Phase::Idle(requests),
            (HEAD, _) => Phase::Head(requests),
            (REQUEST, true) if lock(&self.link).as_ref().is_some_and(|link| link.is_over(cx)) => {
                Phase::Stuck(self.taken.load(Relaxed))
            }
            _ => Phase::Request,
        }
    }

    /// The server has stopped before anything has come of it.
    pub(super) fn set_late(&self) {
        self.late.store(true, Relaxed);
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// Whether nothing has come of it yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_idle() && self.requests.load(Relaxed) == 0
    }

    /// Whether the connection waits for the first byte of a request.
    pub(super) fn is_idle(&self) -> bool {
        self.phase.load(Relaxed) == IDLE && !self.blocked.load(Relaxed)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("phase", &self.phase).field("requests", &self.requests).finish_non_exhaustive()
    }
}
