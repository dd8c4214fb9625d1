//! The settings of STOMP.

use std::{fmt, sync::Arc, time::Duration};

use super::{handler::Boxed, session::Session};
use crate::{
    config::{SockJs, millis, size},
    dialect::Fault,
};

type OnSubscribe = dyn Fn(Session, String) -> Boxed<Result<StompTopic, Fault>> + Send + Sync;

/// The settings of [`Server::stomp_with`](crate::Server::stomp_with).
///
/// ```
/// use anywire::{Fault, Session, Stomp, StompTopic};
///
/// let settings = Stomp::new()
///     .topic("lobby")
///     .topic("chat-*")
///     .on_subscribe(async |session: Session, topic: String| match topic.strip_prefix("desk-") {
///         Some(_) if session.user().is_none() => Err(Fault::new("forbidden", "log in first")),
///         Some(desk) => Ok(StompTopic::Room(desk.to_owned())),
///         None => Ok(StompTopic::Broker),
///     });
/// # let _ = settings;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Stomp {
    pub(crate) rooms: Vec<String>,
    pub(crate) on_subscribe: Option<Arc<OnSubscribe>>,
    pub(crate) broker: bool,
    /// In milliseconds: at least so often the server sends, and wants to receive.
    pub(crate) heart_beat: (u64, u64),
    pub(crate) subscriptions: usize,
    pub(crate) unacknowledged: usize,
    pub(crate) transactions: usize,
    pub(crate) headers: usize,
    pub(crate) header_bytes: usize,
    pub(crate) queue_messages: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) queues: usize,
    pub(crate) sockjs: SockJs,
}

/// The topic that a client of STOMP gets, as [`Stomp::on_subscribe`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StompTopic {
    /// The topic of the broker that has this name. Its messages are those that clients send to it.
    Broker,
    /// The room of the application that has this name. Its messages are those that the application sends to it.
    Room(String),
}

impl Default for Stomp {
    fn default() -> Self {
        Stomp {
            rooms: Vec::new(),
            on_subscribe: None,
            broker: true,
            heart_beat: (10_000, 10_000),
            subscriptions: 100,
            unacknowledged: 1_000,
            transactions: 16,
            headers: 100,
            header_bytes: 16 * 1024,
            queue_messages: 10_000,
            queue_bytes: 8 * 1024 * 1024,
            queues: 1_000,
            sockjs: SockJs::new(),
        }
    }
}

impl Stomp {
    /// The defaults: the broker is on, and no topic is a room of the application.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens rooms of the application to subscribers: `/topic/<room>` is the room. `room` is its name, or the beginning
    /// of names and a `*`. SUBSCRIBE joins the session to it, and the last UNSUBSCRIBE leaves it again, unless the session
    /// was in the room before. Clients cannot send to such a topic: they send to `/app/<event>`, and a handler decides.
    /// Default: no room is open, so that the topic `/topic/lobby` has nothing to do with the room `lobby`.
    ///
    /// # Panics
    /// Panics if a `*` stands anywhere but at the end.
    pub fn topic(mut self, room: impl Into<String>) -> Self {
        let room = room.into();
        let beginning = room.strip_suffix('*').unwrap_or(&room);
        assert!(!beginning.contains('*'), "{room:?} is no room and no beginning of rooms: a `*` stands at the end");
        self.rooms.push(room);
        self
    }

    /// Sets the function that is asked which topic a client gets, when it subscribes to `/topic/<name>` and no
    /// [`topic`](Self::topic) fits the name. An error refuses the subscription: the client gets an
    /// ERROR with the fault, behind which its connection closes, as the specifications want it. Only a client of STOMP 1.0
    /// keeps its connection.
    ///
    /// Other frames of the session wait meanwhile. It has the [open timeout](crate::Builder::open_timeout).
    /// Default: topics are the broker's.
    pub fn on_subscribe<F, R>(mut self, ask: F) -> Self
    where
        F: Fn(Session, String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<StompTopic, Fault>> + Send + 'static,
    {
        self.on_subscribe = Some(Arc::new(move |session, topic| Box::pin(ask(session, topic))));
        self
    }

    /// Sets whether there is a broker: whether clients may send to `/topic/<name>` and `/queue/<name>`, from where it
    /// reaches the other subscribers in this process. Each mount has a broker of its own. Without it such destinations are
    /// refused, unless they are open [rooms](Self::topic). Default: there is one.
    pub fn broker(mut self, runs: bool) -> Self {
        self.broker = runs;
        self
    }

    /// Sets the heart-beats, as the server offers them: it sends something at least every `sends`, and a client that has
    /// sent nothing for twice `wants` is gone. Each is as long as the slower side has it; zero means none. On a
    /// session of this crate's own client there are none, since it watches its connections itself. Default: 10 s each.
    pub fn heartbeat(mut self, sends: Duration, wants: Duration) -> Self {
        self.heart_beat = (millis(sends), millis(wants));
        self
    }

    /// Sets how many subscriptions a session may have at a time, of which at most 16 may be to one destination. One more is
    /// refused with an ERROR. Default: 100.
    ///
    /// # Panics
    /// Panics if it is 0.
    pub fn subscriptions(mut self, most: usize) -> Self {
        assert!(most > 0, "a session has room for one subscription at least");
        self.subscriptions = most;
        self
    }

    /// Sets how many messages a session may leave unacknowledged in its subscriptions of the ack modes `client` and
    /// `client-individual`. Beyond it queues wait, and of a topic the oldest is forgotten. Default: 1,000.
    ///
    /// # Panics
    /// Panics if it is 0.
    pub fn unacknowledged(mut self, most: usize) -> Self {
        assert!(most > 0, "a session has room for one unacknowledged message at least");
        self.unacknowledged = most;
        self
    }

    /// Sets how many transactions a session may have open at a time. All together hold at most the builder's
    /// [`message_limit`](crate::Builder::message_limit) of bytes. More is refused with an ERROR. Default: 16.
    pub fn transactions(mut self, most: usize) -> Self {
        self.transactions = most;
        self
    }

    /// Sets how many headers a frame may have, and how many bytes its command and headers have together. A larger one
    /// is refused with an ERROR. Its body has the builder's [`message_limit`](crate::Builder::message_limit).
    /// Default: 100 headers of 16 KiB.
    ///
    /// # Panics
    /// Panics if one of them is 0.
    pub fn headers(mut self, most: usize, bytes: usize) -> Self {
        assert!(most > 0 && bytes > 0, "a frame has room for one header at least");
        (self.headers, self.header_bytes) = (most, size(bytes));
        self
    }

    /// Sets how many messages, and bytes of them, wait in one queue of the broker. A SEND that finds a queue full is
    /// refused: with STOMP 1.0 by an ERROR behind which the connection goes on; with 1.1 and 1.2, whose ERROR always
    /// ends the connection, its RECEIPT does not come, and a subscription to `/user/queue/errors` gets the reason. Default: 10,000
    /// messages of 8 MiB.
    ///
    /// # Panics
    /// Panics if one of them is 0.
    pub fn queue(mut self, messages: usize, bytes: usize) -> Self {
        assert!(messages > 0 && bytes > 0, "a queue has room for one message at least");
        (self.queue_messages, self.queue_bytes) = (messages, size(bytes));
        self
    }

    /// Sets how many queues there may be at a time: those with messages or subscribers. One more is refused as a full
    /// one is. Default: 1,000.
    ///
    /// # Panics
    /// Panics if it is 0.
    pub fn queues(mut self, most: usize) -> Self {
        assert!(most > 0, "a broker has room for one queue at least");
        self.queues = most;
        self
    }

    /// Sets the settings of the SockJS endpoints below the path.
    pub fn sockjs(mut self, settings: SockJs) -> Self {
        self.sockjs = settings;
        self
    }

    /// Whether a name is that of a room which is open to subscribers.
    pub(crate) fn opens(&self, room: &str) -> bool {
        self.rooms.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => room.starts_with(beginning),
            None => room == *pattern,
        })
    }
}

impl fmt::Debug for Stomp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stomp").field("rooms", &self.rooms).field("broker", &self.broker).finish_non_exhaustive()
    }
}
