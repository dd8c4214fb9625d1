//! The state of the world: plain data, which the other files work on.

use std::{
    any::Any,
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, atomic::AtomicU64},
    task::Waker,
};

use uuid::Uuid;

use super::{
    book::Book,
    coverage::Coverage,
    engine::Client,
    events::{Due, Request, WorldEvent},
    handlers::Handlers,
    pipe::Pipe,
    saboteur::{Notes, Sabotage, Saboteur},
    scenario::Scenario,
    tasks::Woken,
};
use crate::{
    pool::Pool,
    session::CloseReason,
    shared::{Runtime, ServerParams, SharedSession},
    simulation::{queue::Queue, random::Random, state::Lane},
    transport::FirstFlush,
};

pub(super) type Future<T> = Pin<Box<dyn std::future::Future<Output = T>>>;

/// The server's work for a connection.
pub(super) enum Serving {
    Nothing,
    /// A body comes in. The guard is what the session expects it by.
    Reading(Box<dyn Any>),
    /// A poll waits whether the client moves to its WebSocket.
    Moving,
    Poll(Box<FirstFlush<Saboteur>>),
    Upload(Future<Result<(), CloseReason>>),
    /// It is about to become a WebSocket.
    Beginning,
    Socket(Future<()>),
}

/// A request with its answer, or a WebSocket.
pub(super) struct Conn {
    /// The client's session.
    pub(super) epoch: usize,
    pub(super) request: Request,
    pub(super) up: Lane,
    pub(super) down: Lane,
    pub(super) delay: u64,
    /// The client waits for what comes.
    pub(super) watched: bool,
    /// It is a misdeed's, and this is to come.
    pub(super) due: Option<Due>,
    /// The client is gone, and the server is not told.
    pub(super) dead: bool,
    /// The client has got 101.
    pub(super) open: bool,
    /// The bytes of a frame that has not come whole.
    pub(super) came: Vec<u8>,
    pub(super) session: Option<usize>,
    pub(super) serving: Serving,
    pub(super) waker: Waker,
    pub(super) pipe: Option<Pipe>,
}

pub(super) struct ServerSession {
    pub(super) shared: Arc<SharedSession>,
    pub(super) id: Uuid,
    pub(super) epoch: usize,
    pub(super) notes: Arc<Mutex<Notes>>,
    pub(super) handlers: Handlers,
    pub(super) waker: Waker,
    /// A connection was cut that the session lives by.
    pub(super) cut: bool,
    /// A body broke off.
    pub(super) broken: bool,
    /// The reasons with which the application has closed.
    pub(super) ends: Vec<CloseReason>,
    pub(super) ended: Option<CloseReason>,
    pub(super) forgotten: bool,
}

pub(super) struct Server {
    pub(super) runtime: Arc<Runtime>,
    pub(super) params: Arc<ServerParams>,
    pub(super) pool: Pool,
    pub(super) sessions: Vec<ServerSession>,
    /// The sessions that are not forgotten, by their sids.
    pub(super) sids: HashMap<String, usize>,
    /// The deadline that is queued.
    pub(super) timer: u64,
    pub(super) asleep_until: u64,
    /// The times at which it has woken.
    pub(super) wakes: Vec<u64>,
    pub(super) slow_until: u64,
    pub(super) deferred: Vec<WorldEvent>,
    /// The numbers of requests and of events so far.
    pub(super) asked: u64,
    pub(super) sent: u64,
}

/// A client, a server, all that is between them, and an oracle.
pub(super) struct World {
    pub(super) now: u64,
    /// The same for the codecs, which take notes.
    pub(super) clock: Arc<AtomicU64>,
    /// Tokio's clock, which the server reads.
    pub(super) tokio: tokio::runtime::Runtime,
    pub(super) queue: Queue<WorldEvent>,
    pub(super) random: Random,
    pub(super) scenario: Scenario,
    pub(super) cover: Coverage,
    pub(super) failure: Option<String>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) woken: Woken,
    pub(super) conns: Vec<Conn>,
    pub(super) client: Client,
    pub(super) server: Server,
    pub(super) books: Vec<Book>,
    /// The time since which no fault occurs.
    pub(super) calm: Option<u64>,
    pub(super) calm_at: Option<u64>,
    pub(super) finale: bool,
    /// How much was heard, and since when that has not changed.
    pub(super) progress: (usize, u64),
}
