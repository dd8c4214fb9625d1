//! The frames that the two halves of a session send each other.

use bytestring::ByteString;

pub use super::reason::CloseReason;
use crate::{
    broadcast::{OutMessage, OutMessageRef},
    packet::MAX_ATTACHMENTS,
    payload::Payload,
};

/// The largest number of a message: 2^53 - 1, the last integer that JavaScript counts exactly.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// A unit that one half sends to the other on a link.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The server's answer to an attach.
    Attached(Attached),
    Message {
        number: u64,
        message: OutMessage,
    },
    /// These numbers were dropped and will not come.
    Gap {
        from: u64,
        to: u64,
    },
    Ack {
        received: u64,
    },
    /// The other half must acknowledge now.
    AckRequest,
    /// The inbox is full: nothing is taken until it resumes.
    Pause {
        received: u64,
        epoch: u64,
    },
    /// Ends the pause of this epoch and those before it.
    Resume {
        received: u64,
        epoch: u64,
    },
    Ping {
        id: u64,
        /// It acknowledges too, where [`Names::PING`] is in force.
        received: Option<u64>,
    },
    Pong {
        id: u64,
        received: u64,
    },
    /// The client has received the answer to its attach on this link.
    Confirm,
    Close {
        number: u64,
        reason: CloseReason,
    },
    /// The server is going away. The client makes a new link after this many milliseconds.
    GoAway {
        delay: u64,
    },
    /// The client begins its next turn this many milliseconds after the end of this one. Codecs read and
    /// write it; the machine never sends it.
    PollDelay {
        delay: u64,
    },
    /// Bytes to be ignored. They push what was sent before them through whatever holds it back.
    Padding {
        length: u64,
    },
    /// Engine.IO: the client tries a WebSocket for a session that it polls. The server answers with the same.
    Probe,
    /// Engine.IO: an answer without content.
    Noop,
    /// The link ends. The class of the reason determines whether the session ends too.
    LinkClose(CloseReason),
}

/// A frame that a link sends next. A message is borrowed, since it stays in the outbox.
#[derive(Debug)]
pub(crate) enum Outbound<'a> {
    Message {
        number: u64,
        message: OutMessageRef<'a>,
        /// The client knows events. Otherwise it gets an event as a text message.
        events: bool,
        /// The client gets the offset of an event that many share, as its last argument.
        offsets: bool,
    },
    Frame(Frame),
}

impl<'a> Outbound<'a> {
    /// The most [packets](Self::packets) of one message.
    pub(crate) const MOST_PACKETS: u8 = 1 + MAX_ATTACHMENTS as u8;

    /// How many packets it is for a client that gets each attachment as one.
    pub(crate) fn packets(&self) -> u8 {
        match self {
            Outbound::Message { message, .. } => match message.payload() {
                Payload::Event(packet) => 1 + u8::try_from(packet.attachments().len()).unwrap_or(u8::MAX - 1),
                Payload::Message(_) => 1,
            },
            Outbound::Frame(_) => 1,
        }
    }

    /// A message for a client that has listed these names.
    pub(crate) fn message(number: u64, message: OutMessageRef<'a>, names: Names) -> Self {
        let (events, offsets) = (names.contains(Names::EVENTS), names.contains(Names::OFFSETS));
        Outbound::Message { number, message, events, offsets }
    }

    pub(crate) fn into_frame(self) -> Frame {
        match self {
            Outbound::Message { number, message, .. } => Frame::Message { number, message: message.to_owned() },
            Outbound::Frame(frame) => frame,
        }
    }
}

/// The first frame of a link that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) outcome: Outcome,
    pub(crate) received: u64,
    /// The names in force, which a client that lists none is not sent.
    pub(crate) names: Names,
    /// It is sent once, when the session opens. The server's machine leaves it empty, and its transport fills
    /// it in.
    pub(crate) grant: Option<Box<Grant>>,
    /// The secret that takes the place of the one before. The server's machine leaves it empty too.
    pub(crate) secret: Option<Box<str>>,
}

/// The result of an attach for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The session goes on and nothing is missing.
    Full,
    /// This is a new session.
    New,
}

/// The id, the secret and the parameters that the server grants with a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: ByteString,
    pub(crate) secret: ByteString,
    pub(crate) params: SessionParams,
}

/// The parameters of a server's sessions that the client must know. Times are milliseconds, sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionParams {
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    pub(crate) grace: u64,
    /// The largest message.
    pub(crate) limit: u64,
    /// The largest body of an upload.
    pub(crate) batch: u64,
    /// The longest time for which a poll waits.
    pub(crate) hold: u64,
    /// The time over which clients spread their first attempts after a cut. It is sent together with the
    /// names in force.
    pub(crate) spread: u64,
}

/// The parts of the protocol that are used only with a client that has listed their names. The names that
/// this server does not know are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u8);

impl Names {
    /// The client has listed its names, however few.
    pub(crate) const LISTED: Names = Names(1);
    /// The server's pings carry an acknowledgement.
    pub(crate) const PING: Names = Names(1 << 1);
    /// The client sends credentials to other origins too.
    pub(crate) const CRED: Names = Names(1 << 2);
    /// A secret that was in a URL is replaced.
    pub(crate) const ROTATE: Names = Names(1 << 3);
    /// The client knows events.
    pub(crate) const EVENTS: Names = Names(1 << 4);
    /// The client gets offsets with its events. This is no name of the protocol: no client lists it.
    pub(crate) const OFFSETS: Names = Names(1 << 5);

    /// Each name as it is written, in the order in which they are written.
    const KNOWN: [(&str, Names); 4] =
        [("ping", Names::PING), ("cred", Names::CRED), ("rotate", Names::ROTATE), ("events", Names::EVENTS)];

    /// The names in a list whose separator is a dot. An unknown or empty name is passed over.
    pub(crate) fn parse(list: &[u8]) -> Self {
        let known = list.split(|&byte| byte == b'.').flat_map(|name| {
            Names::KNOWN.iter().filter(move |(known, _)| known.as_bytes() == name).map(|&(_, bit)| bit)
        });
        known.fold(Names::LISTED, |names, name| Names(names.0 | name.0))
    }

    pub(crate) fn with(self, name: Names) -> Self {
        Names(self.0 | name.0)
    }

    pub(crate) fn contains(self, name: Names) -> bool {
        self.0 & name.0 == name.0
    }

    /// The names as a number, for another node.
    #[cfg(any(feature = "cluster", test))]
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// The names that another node has written. Those that this one does not know are not kept.
    #[cfg(any(feature = "cluster", test))]
    pub(super) fn from_bits(bits: u8) -> Self {
        Names(bits & (Names::OFFSETS.0 * 2 - 1))
    }

    /// Whether the client has listed its names: a client of an earlier version does not.
    pub(crate) fn are_listed(self) -> bool {
        self.contains(Names::LISTED)
    }
}

/// As they are written: `ping.cred`.
impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for (name, _) in Names::KNOWN.iter().filter(|&&(_, bit)| self.contains(bit)) {
            write!(f, "{separator}{name}")?;
            separator = ".";
        }
        Ok(())
    }
}
