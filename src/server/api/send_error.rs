//! Why a message was not sent.

use std::fmt;

use crate::message::Message;

/// The reason why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The outbox is full, because the client acknowledges too slowly. Try later, or wait with `send`.
    Full,
    /// The session is closed or closing.
    Closed,
    /// The message is above the message limit, or its key above 256 bytes.
    TooLarge,
    /// The value cannot be written as JSON.
    NotJson,
    /// No event may have this name: it is empty, has more than 256 bytes, or is reserved.
    BadName,
    /// The client knows no events, so that it cannot answer, and cannot get bytes in an event.
    NoEvents,
    /// The client takes no binary messages: it is one of SockJS (see
    /// [`binary_as_base64`](crate::SockJs::binary_as_base64)).
    NoBinary,
}

/// The reason why [`Live::send_to`](crate::Live::send_to) did not send a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendToError {
    /// There is no session with this id: it is over, or was never there.
    Unknown,
    /// The session's node was not reached in time. The message was sent or not.
    Unreachable,
    /// The session does not take it, for this reason.
    NotSent(SendError),
}

impl fmt::Display for SendToError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendToError::Unknown => f.write_str("there is no session with this id"),
            SendToError::Unreachable => f.write_str("the node of the session was not reached"),
            SendToError::NotSent(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendToError {}

/// The reason why [`Session::try_send`](crate::Session::try_send) did not send a message, and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrySendError {
    pub(super) reason: SendError,
    pub(super) message: Message,
}

impl TrySendError {
    /// The reason.
    pub fn reason(&self) -> SendError {
        self.reason
    }

    /// The message that was not sent.
    pub fn into_message(self) -> Message {
        self.message
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for TrySendError {}

impl From<TrySendError> for SendError {
    fn from(error: TrySendError) -> SendError {
        error.reason
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full => "the outbox is full",
            SendError::Closed => "the session is closed",
            SendError::TooLarge => "the message or its key is above the limit",
            SendError::NotJson => "the value cannot be written as JSON",
            SendError::BadName => "no event may have this name",
            SendError::NoEvents => "the client knows no events",
            SendError::NoBinary => "the client takes no binary messages",
        })
    }
}

impl std::error::Error for SendError {}
