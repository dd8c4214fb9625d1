//! The channels of a session: its namespaces other than `/` and, for some families of clients, that one too. Each
//! has a queue of its own, whose events count with the session's inbox until they are received.

use std::{collections::VecDeque, task::Waker};

use bytestring::ByteString;

use super::{
    receivers::Receivers,
    recovery::{Moved, Recovery},
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
            recovery: None,
            moved: None,
            numbers: 0,
            opener: None,
            ended: false,
        }
    }

    /// Adds the channel that a packet asks for.
    pub(super) fn add(&mut self, namespace: ByteString, packet: Packet) {
        self.numbers += 1;
        self.all.push(Channel {
            number: self.numbers,
            namespace,
            queue: VecDeque::new(),
            receivers: Receivers::default(),
            asked: Some(packet),
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

    pub(super) fn find(&mut self, number: u64) -> Option<&mut Channel> {
        self.all.iter_mut().find(|channel| channel.number == number)
    }

    /// The channel that the client means by this namespace now.
    pub(super) fn current(&mut self, namespace: &str) -> Option<&mut Channel> {
        self.all.iter_mut().find(|channel| !channel.over && channel.namespace == *namespace)
    }

    /// Wakes all tasks that wait here. Returns whether the handler was woken.
    pub(super) fn wake_all(&mut self) -> bool {
        if let Some(opener) = self.opener.take() {
            opener.wake();
        }
        self.all.iter_mut().fold(false, |handler, channel| channel.receivers.wake_all() | handler)
    }

    /// Takes the request to open a channel that is next: a former channel of the namespace must have ended.
    pub(super) fn next_asked(&mut self) -> Option<(Asked, usize)> {
        let is_first = |at: usize| !self.all[..at].iter().any(|other| other.namespace == self.all[at].namespace);
        let at = (0..self.all.len()).find(|&at| self.all[at].asked.is_some() && is_first(at))?;
        let channel = &mut self.all[at];
        let packet = channel.asked.take()?;
        let auth = Head::parse(packet.text()).map_or_else(|_| ByteString::new(), |it| packet.text().slice_ref(it.data));
        Some((Asked { number: channel.number, namespace: channel.namespace.clone(), auth }, packet.len()))
    }
}
