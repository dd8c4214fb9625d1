//! The differences between the families of clients, as data. The machine is one and the same for all of them.

use super::reason::{self, CloseReason};

/// The rules of a session with a family of clients.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) delivery: Delivery,
    pub(crate) rivals: Rivals,
    /// A link begins with [`Frame::Attached`](super::Frame::Attached).
    pub(crate) announce: bool,
    /// A link carries alone only after the client has confirmed it. Without this rule a link counts as
    /// confirmed from the start.
    pub(crate) confirm: bool,
    /// The end of the last link is the end of the session, and a session is closed by closing its link.
    pub(crate) cut_ends: bool,
}

/// How long a message is kept, and how the other half is asked to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Messages are numbered, kept until they are acknowledged, and sent again on the next link. A full inbox
    /// takes nothing and sends [`Frame::Pause`](super::Frame::Pause).
    UntilAcknowledged,
    /// A message is done once a link has it, and what a link brings is next in order, whatever its number. A
    /// full inbox must take it all the same, since nobody would send it again: the transport stops reading
    /// while the machine [is paused](super::Machine::is_paused).
    UntilWritten,
}

/// The rule for a link that attaches while another one is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rivals {
    /// The link with the higher ordinal replaces the other one.
    HigherOrdinalWins,
    /// The second link is refused with this reason.
    Refuse(CloseReason),
}

/// Our own protocol.
pub(crate) static NATIVE: Rules = Rules {
    delivery: Delivery::UntilAcknowledged,
    rivals: Rivals::HigherOrdinalWins,
    announce: true,
    confirm: true,
    cut_ends: false,
};

/// A bare WebSocket: the session is one connection, and a message is a message.
pub(crate) static RAW: Rules = Rules {
    delivery: Delivery::UntilWritten,
    rivals: Rivals::Refuse(reason::DUPLICATE),
    announce: false,
    confirm: false,
    cut_ends: true,
};
