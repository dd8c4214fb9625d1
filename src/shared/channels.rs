//! The channels of a session: its namespaces other than `/` and, for some families of clients, that one too. Each
//! has a queue of its own, whose events count with the session's inbox until they are received.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
    task::Waker,
};

use bytestring::ByteString;

use super::{
    receivers::Receivers,
    recovery::{Moved, Recovery},
    stomp::state::Stomp,
};
use crate::{
    broadcast::OutMessage,
    dialect::{
        Head,
        socketio::{Connection, Log},
    },
    packet::Packet,
    session::Arrival,
};

/// The channels of a session, if it has any. They are in memory of their own, at which a message to a room with many
/// members shall not look for each of them: whether there is a reason to is noted beside.
#[derive(Debug, Default)]
pub(super) struct Slot {
    channels: Option<Box<Channels>>,
    /// All channels are open and nothing is kept for one. Nobody has had access to change that since it was noted.
    quiet: bool,
}

impl Slot {
    /// Whether all channels are known to be open, with nothing kept for one.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Looks at the channels if it is not known, and notes it.
    pub(super) fn look_whether_quiet(&mut self) -> bool {
        self.quiet = self.quiet || self.channels.as_ref().is_none_or(|channels| channels.are_quiet());
        self.quiet
    }
}

impl Deref for Slot {
    type Target = Option<Box<Channels>>;

    fn deref(&self) -> &Self::Target {
        &self.channels
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.quiet = false;
        &mut self.channels
    }
}

/// The namespaces of a session that are channels, which its client opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ChannelSet {
    #[default]
    None,
    /// All but `/`, which is the session itself.
    Others,
    /// All. The session itself has no rooms and receives nothing.
    All,
}

/// An arrival, and the page that sent it.
#[derive(Debug, PartialEq)]
pub(crate) struct Arrived {
    pub(crate) arrival: Arrival,
    pub(crate) page: u64,
}

/// The channels of a session that has handlers of namespaces. Those that end count until their handler has
/// returned.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) all: Vec<Channel>,
    /// No more channels than this, besides `/`.
    pub(super) most: usize,
    /// `/` is a channel too.
    pub(super) has_root: bool,
    /// The state of a client that speaks Socket.IO.
    pub(super) connection: Option<Box<Connection>>,
    /// The state of a client that speaks STOMP.
    pub(super) stomp: Option<Box<Stomp>>,
    /// Since when that client owes an attachment, and has sent nothing of it.
    pub(super) owes_since: Option<u64>,
    /// The channels can be recovered.
    pub(super) recovery: Option<Box<Recovery>>,
    /// The client has gone on with the session that it had before.
    pub(super) moved: Option<Moved>,
    /// The number of channels so far.
    numbers: u64,
    /// The task that opens channels.
    pub(super) opener: Option<Waker>,
    /// The session ends, and opens no more channels.
    pub(super) ended: bool,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u64,
    pub(super) namespace: ByteString,
    pub(super) queue: VecDeque<Arrived>,
    pub(super) receivers: Receivers,
    /// The packet that asks for it, until somebody takes it.
    pub(super) asked: Option<Packet>,
    /// The length of that packet while somebody judges it: the auth data in it count until the channel is open.
    pub(super) judged: Option<usize>,
    pub(super) accepted: bool,
    /// The messages that were sent before it was open.
    pub(super) early: Vec<OutMessage>,
    pub(super) early_bytes: usize,
    /// The last messages, if the channel can be recovered.
    pub(super) log: Option<Box<Log<OutMessage>>>,
    /// Its client has lost its connection, and may come back until this time.
    pub(super) parked: Option<u64>,
    /// Nothing is sent or taken any more. What came before can be received.
    pub(super) over: bool,
}

/// A client's request to open a channel.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) namespace: ByteString,
    /// The client's auth data as JSON. Empty if there is none.
    pub(crate) auth: ByteString,
}

impl Channel {
    /// Whether somebody judges whether it opens.
    pub(super) fn is_opening(&self) -> bool {
        self.asked.is_none() && !self.accepted && !self.over
    }

    /// Takes the length of the packet that has asked for it, if it counts still.
    pub(super) fn take_asked(&mut self) -> Option<usize> {
        self.asked.take().map(|packet| packet.len()).or(self.judged.take())
    }

    /// Drops what was sent before it was open: nobody will get it.
    pub(super) fn drop_early(&mut self) {
        (self.early, self.early_bytes) = (Vec::new(), 0);
    }
}

impl Channels {
    pub(super) fn new(most: usize, has_root: bool) -> Self {
        Channels {
            all: Vec::new(),
            most,
            has_root,
            connection: None,
            stomp: None,
            owes_since: None,
            recovery: None,
            moved: None,
            numbers: 0,
            opener: None,
            ended: false,
        }
    }

    /// Whether all are open.
    pub(super) fn are_open(&self) -> bool {
        self.all.iter().all(|channel| channel.accepted && !channel.over)
    }

    /// Whether all are open, and nothing is kept that is to be sent or taken later. Channels that can be recovered keep
    /// what they send.
    fn are_quiet(&self) -> bool {
        let held = self.connection.as_ref().map_or(0, |connection| connection.held());
        held == 0 && self.recovery.is_none() && self.stomp.is_none() && self.are_open() && self.early_bytes() == 0
    }

    /// Adds the channel that a packet asks for.
    pub(super) fn add(&mut self, namespace: ByteString, packet: Packet) {
        self.numbers += 1;
        // Most sessions have one: a vector that doubles would make room for four.
        self.all.reserve_exact(1);
        self.all.push(Channel {
            number: self.numbers,
            namespace,
            queue: VecDeque::new(),
            receivers: Receivers::default(),
            asked: Some(packet),
            judged: None,
            accepted: false,
            early: Vec::new(),
            early_bytes: 0,
            log: None,
            parked: None,
            over: false,
        });
    }

    /// Whether no channel of this namespace has room beside the others. `/` always has: it waits for the former one
    /// of its own, so that there are never more than two.
    pub(super) fn are_full(&self, namespace: &str) -> bool {
        namespace != "/" && self.all.iter().filter(|channel| *channel.namespace != *"/").count() >= self.most
    }

    /// Whether the client could open `/`, and has not.
    pub(super) fn is_outside_root(&self) -> bool {
        self.has_root && !self.all.iter().any(|channel| channel.accepted && !channel.over && channel.namespace == *"/")
    }

    pub(super) fn find(&mut self, number: u64) -> Option<&mut Channel> {
        self.all.iter_mut().find(|channel| channel.number == number)
    }

    /// The channel that the client means by this namespace now.
    pub(super) fn current(&mut self, namespace: &str) -> Option<&mut Channel> {
        let place = self.place(namespace)?;
        Some(&mut self.all[place])
    }

    /// The place of that channel.
    pub(super) fn place(&self, namespace: &str) -> Option<usize> {
        self.all.iter().position(|channel| !channel.over && channel.namespace == *namespace)
    }

    /// Wakes all tasks that wait here. Returns whether the handler was woken.
    pub(super) fn wake_all(&mut self) -> bool {
        if let Some(opener) = self.opener.take() {
            opener.wake();
        }
        self.all.iter_mut().fold(false, |handler, channel| channel.receivers.wake_all() | handler)
    }

    /// Takes the request to open a channel that is next: a former channel of the namespace must have ended.
    pub(super) fn next_asked(&mut self) -> Option<Asked> {
        let is_first = |at: usize| !self.all[..at].iter().any(|other| other.namespace == self.all[at].namespace);
        let at = (0..self.all.len()).find(|&at| self.all[at].asked.is_some() && is_first(at))?;
        let channel = &mut self.all[at];
        let packet = channel.asked.take()?;
        channel.judged = Some(packet.len());
        let auth = Head::parse(packet.text()).map_or_else(|_| ByteString::new(), |it| packet.text().slice_ref(it.data));
        Some(Asked { number: channel.number, namespace: channel.namespace.clone(), auth })
    }
}
