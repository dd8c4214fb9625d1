//! The outcomes of sends and joins.

use std::fmt;

use super::log::Position;
use crate::shared::SendError;

/// The outcome of a room send, in numbers of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Members whose outbox took the message. It is on its way to them.
    pub sent: usize,
    /// Members that miss the message: it was [droppable](crate::To::droppable) and they are behind, or their
    /// outbox was full under [`SlowMember::Gap`](crate::SlowMember::Gap). Their clients are informed of the
    /// gap. So do clients of SockJS if it is [binary](crate::SockJs::binary_as_base64), and they are not informed.
    pub skipped: usize,
    /// Members whose outbox was full, and whose sessions ended for it, as [`SlowMember`](crate::SlowMember)
    /// has it.
    pub slow: usize,
    /// The message goes to the other nodes of the [cluster](crate::guide::many_nodes), as far as the engine takes it. The other
    /// figures are of members on this node, and are 0 if they get the message as the other nodes do: when it has come
    /// back from the engine. `false` without a cluster, on a node that is alone, and if too much waits for the engine.
    pub published: bool,
    /// The message is above the [limit](crate::Builder::message_limit), and was sent to nobody.
    pub too_large: bool,
    /// Another message has taken the position of this one, which was sent to nobody.
    pub(crate) overtaken: bool,
}

/// How a session has joined a room with a history, as [`Session::join_since`](crate::Session::join_since)
/// returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// The position behind the messages that were replayed. What comes then is behind it.
    pub position: Position,
    /// The number of messages that were replayed: they are in the session's outbox.
    pub replayed: usize,
    /// No message since the given position is missing. Otherwise some are not kept any more, or the position
    /// is not known: it is of another room, for example, or of another process that has a history of its own; or the
    /// engine of a [cluster](crate::guide::many_nodes) was away.
    pub complete: bool,
}

/// The reason why [`Session::join_since`](crate::Session::join_since) did not join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The room has no history: no pattern of [`Builder::rooms`](crate::Builder::rooms) fits its name.
    NoHistory,
    /// The messages to replay do not fit into the session's outbox.
    Full,
    /// The session is closed or closing.
    Closed,
    /// The session is in the room already.
    Member,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinError::NoHistory => "the room has no history",
            JoinError::Full => "the history does not fit into the outbox",
            JoinError::Closed => "the session is closed",
            JoinError::Member => "the session is in the room already",
        })
    }
}

impl std::error::Error for JoinError {}

impl From<SendError> for JoinError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full | SendError::NoBytes => JoinError::Full,
            SendError::Closed | SendError::Exhausted => JoinError::Closed,
        }
    }
}

/// The effect of a join or a leave on whether the room has members.
///
/// The effect is found under the room's lock and used after it. Where two calls race, their callers may act
/// on the effects in the other order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupancy {
    /// The room had no member before.
    First,
    /// The room has no member any more.
    Last,
    /// The room had other members before and has them still.
    Same,
}
