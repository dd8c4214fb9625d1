//! The turns of a handler, and whether the links are woken now or when it yields. The methods only return
//! whether to wake; the caller wakes.

/// The state of one handler and of the links that send its messages. A session has one for each of its
/// channels.
///
/// While the handler is being polled, the messages that it sends stay in the outbox, and the links are woken
/// once, when it yields: one write for one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    handler: Handler,
    links: Links,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    /// The handler has no task yet.
    NotStarted,
    /// The handler has a task that was not polled yet.
    Starting,
    /// The handler has yielded, and its task was not woken since.
    Idle,
    /// The handler's task was woken and will be polled.
    Due,
    /// The handler is being polled. `woken`: its task was woken meanwhile, so that another turn follows.
    Polling { first: bool, woken: bool },
    /// Its task is gone.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    /// Some link may have registered a waker since the links were last woken.
    Waiting,
    /// The wakers of all links were taken, and none was registered since.
    Woken,
    /// The links are woken when the turn ends.
    WakeAtTurnEnd,
}

impl Turn {
    pub(super) const fn new() -> Self {
        Turn { handler: Handler::NotStarted, links: Links::Waiting }
    }

    /// The handler has got its task.
    pub(super) fn start(&mut self) {
        self.handler = Handler::Starting;
    }

    /// The handler is about to be polled.
    pub(super) fn begin(&mut self) {
        let first = matches!(self.handler, Handler::NotStarted | Handler::Starting);
        self.handler = Handler::Polling { first, woken: false };
    }

    /// The handler has yielded. Returns whether the links must be woken.
    pub(super) fn end(&mut self) -> bool {
        let wakes = self.links == Links::WakeAtTurnEnd;
        let again = matches!(self.handler, Handler::Polling { woken: true, .. });
        self.handler = if again { Handler::Due } else { Handler::Idle };
        self.links = match self.links {
            Links::WakeAtTurnEnd => Links::Woken,
            // A link that brought input during this turn waits for the next one, which takes that input.
            Links::Waiting if again => Links::WakeAtTurnEnd,
            links => links,
        };
        wakes
    }

    /// The handler's task is gone: no turn will come. Returns whether the links must be woken.
    pub(super) fn finish(&mut self) -> bool {
        let wakes = self.handler == Handler::Due || self.links == Links::WakeAtTurnEnd;
        self.handler = Handler::Ended;
        if wakes {
            self.links = Links::Woken;
        }
        wakes
    }

    /// The handler's task was woken since there is something to receive.
    pub(super) fn woken(&mut self) {
        match &mut self.handler {
            Handler::Polling { woken, .. } => *woken = true,
            Handler::Idle => self.handler = Handler::Due,
            // Either a turn comes in any case, or the handler has no task.
            Handler::Starting | Handler::Due | Handler::NotStarted | Handler::Ended => {}
        }
    }

    /// There is something to send. Returns whether the links must be woken now.
    pub(super) fn sent(&mut self) -> bool {
        if let Handler::Polling { .. } = self.handler {
            self.links = Links::WakeAtTurnEnd;
            return false;
        }
        std::mem::replace(&mut self.links, Links::Woken) != Links::Woken
    }

    /// A link has registered its waker.
    pub(super) fn link_registered(&mut self) {
        if self.links == Links::Woken {
            self.links = Links::Waiting;
        }
    }

    /// Whether a link that has brought input should wait: the handler was woken and takes a turn, in which it
    /// may answer. The link registers its waker and is woken when that turn ends.
    pub(super) fn awaits_turn(&mut self) -> bool {
        match self.handler {
            Handler::Due => {
                self.links = Links::WakeAtTurnEnd;
                true
            }
            Handler::Polling { woken, .. } => woken,
            _ => false,
        }
    }

    /// Whether the first turn is still to come or to end: the messages that the handler sends in it can leave
    /// with the first write. The link registers its waker and is woken when that turn ends.
    pub(super) fn awaits_first_turn(&mut self) -> bool {
        let awaits =
            matches!(self.handler, Handler::NotStarted | Handler::Starting | Handler::Polling { first: true, .. });
        if awaits {
            self.links = Links::WakeAtTurnEnd;
        }
        awaits
    }

    /// Whether the handler's task is gone.
    pub(super) fn is_ended(&self) -> bool {
        self.handler == Handler::Ended
    }

    /// Whether the handler has no task yet, or none any more.
    #[cfg(feature = "cluster")]
    pub(super) fn has_no_task(&self) -> bool {
        matches!(self.handler, Handler::NotStarted | Handler::Ended)
    }

    /// Whether the handler is being polled.
    pub(super) fn is_polling(&self) -> bool {
        matches!(self.handler, Handler::Polling { .. })
    }
}

#[cfg(test)]
mod tests;
