//! The events of the world, and what goes over its wire.

use super::tasks::Task;

#[derive(Debug)]
pub(super) enum WorldEvent {
    /// The head of a request arrives; of a POST, the rest of its body, or its connection breaks in its midst.
    Request(usize),
    Body(usize, bool),
    Up(usize, Vec<u8>),
    UpEnd(usize),
    Answer(usize, Answer),
    Down(usize, Vec<u8>),
    DownEnd(usize),
    Run(Task),
    /// A connection has become a WebSocket at the server.
    SocketBegins(usize),
    /// A poll has waited long enough for the client's move.
    MoveOver(usize),
    ServerTimer,
    ServerSends,
    HandlersDue(usize),
    ClientTimer,
    ClientSends,
    ClientAnswers,
    ClientReads,
    /// The client connects again, or begins to upgrade, in the session of this number.
    Reconnect(usize),
    Probe(usize),
    Misdeed,
    Fault,
    ClientWakes,
    ServerWakes,
}

/// The meaning of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// It opens a session that is polled.
    Open,
    /// It opens a session that is a WebSocket.
    OpenSocket,
    Get,
    Post,
    /// A WebSocket beside the polls.
    Upgrade,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) verb: Verb,
    pub(super) sid: Option<String>,
    pub(super) body: Vec<u8>,
    /// The body's type is one of bytes.
    pub(super) bytes: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// The answer that a request is to get, on a wire that does nothing worse than to delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is refused, with this error of the protocol.
    Error(u8),
    /// It is refused with this status and no body.
    Status(u16),
    /// The WebSocket is closed, and says nothing before.
    Closed,
    /// It is refused without a body, or comes in time to be no second one.
    Either,
}
