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
    /// The end of the last link is the end of the session, and a session is closed by closing its link. The
    /// end of a poll that was answered whole is not such an end, and neither is that of a link that was never
    /// confirmed.
    pub(crate) cut_ends: bool,
    /// A session that has ended is kept for its grace time, and tells each link that attaches why it has ended.
    /// Without this rule one that ends with its link is gone with it.
    pub(crate) repeats_close: bool,
    pub(crate) heartbeat: Heartbeats,
}

/// The messages that a client can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    All,
    /// Events have no attachments.
    NoAttachments,
    /// All are texts.
    Texts,
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
    /// A second poll ends the session, and both learn it. A WebSocket may come beside the polls, once: it carries
    /// nothing but its [probe](super::Frame::Probe) before it is confirmed, and the polls are over then.
    CloseBoth,
}

/// Which half pings, and what counts as life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeats {
    /// The server pings when nothing was sent or received for an interval. Whatever comes is an answer. Polls
    /// carry no pings, and a session without a link has its grace time.
    InSilence,
    /// The server pings an interval after the last answer, whatever else is sent, and on polls too. Only an answer
    /// counts. A session lives for as long as pings are answered, with or without a link.
    Fixed,
    /// The client pings, and the server answers. A session lives for as long as pings come.
    ByClient,
    /// The server pings when nothing was sent for an interval, and nobody answers. A session without a link has its
    /// grace time.
    OneWay,
}

/// Our own protocol.
pub(crate) static NATIVE: Rules = Rules {
    delivery: Delivery::UntilAcknowledged,
    rivals: Rivals::HigherOrdinalWins,
    announce: true,
    confirm: true,
    cut_ends: false,
    repeats_close: true,
    heartbeat: Heartbeats::InSilence,
};

/// A bare WebSocket: the session is one connection, and a message is a message.
pub(crate) static RAW: Rules = Rules {
    delivery: Delivery::UntilWritten,
    rivals: Rivals::Refuse(reason::DUPLICATE),
    announce: false,
    confirm: false,
    cut_ends: true,
    repeats_close: false,
    heartbeat: Heartbeats::InSilence,
};

/// Engine.IO, revision 4: the session is polled, and may move to a WebSocket once, or is one WebSocket from the
/// start.
pub(crate) static ENGINE_IO_4: Rules = Rules {
    delivery: Delivery::UntilWritten,
    rivals: Rivals::CloseBoth,
    announce: false,
    confirm: true,
    cut_ends: true,
    repeats_close: false,
    heartbeat: Heartbeats::Fixed,
};

/// Engine.IO, revision 3.
pub(crate) static ENGINE_IO_3: Rules = Rules {
    delivery: Delivery::UntilWritten,
    rivals: Rivals::CloseBoth,
    announce: false,
    confirm: true,
    cut_ends: true,
    repeats_close: false,
    heartbeat: Heartbeats::ByClient,
};

/// SockJS over HTTP: one answer after the other, each of which may be a stream. Over a WebSocket its sessions are
/// [`RAW`].
pub(crate) static SOCKJS: Rules = Rules {
    delivery: Delivery::UntilWritten,
    rivals: Rivals::Refuse(reason::DUPLICATE),
    announce: true,
    confirm: false,
    cut_ends: true,
    repeats_close: true,
    heartbeat: Heartbeats::OneWay,
};
