//! The namespaces of a connection, and what the client's messages mean for them.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Assembler, ClientPacket, Revision, Violation, words::refusal};
use crate::{
    dialect::{Fault, Head, Kind, not_opened},
    packet::Packet,
};

/// So many namespaces that the server has ended or refused are remembered: a packet for one may be on its way.
const MAX_ENDED: usize = 32;

/// The task that a message of the client is for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// There is nothing to do: attachments are missing, or the packet came too late.
    Nothing,
    /// The client asks for a namespace. The server's answer goes through
    /// [`outgoing`](Connection::outgoing).
    Connect {
        namespace: ByteString,
        /// JSON; empty if there is none.
        auth: ByteString,
    },
    /// An event, or the answer to a request, of a namespace that is open. In revision 4 it may also be `/` before
    /// the server has answered; the event waits for that.
    Packet(Packet),
    /// The client has left a namespace, and hears no more of it.
    Disconnect { namespace: ByteString },
    /// This is sent to the client, and nothing else happens. It has passed [`outgoing`](Connection::outgoing)
    /// already.
    Reply(Packet),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The client has asked, and the server has not answered.
    Asked,
    Open,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) namespace: ByteString,
    pub(super) state: State,
}

/// One client's connection. It outlives each of its transports.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) revision: Revision,
    assembler: Assembler,
    /// The largest number of namespaces besides `/`.
    most: usize,
    pub(super) places: Vec<Place>,
    /// The namespaces that the server has ended or refused, the oldest first.
    pub(super) ended: VecDeque<ByteString>,
}

impl Connection {
    /// A packet has at most `limit` bytes with its attachments, and there are at most `most` namespaces at a time
    /// besides `/`.
    pub(crate) fn new(revision: Revision, limit: usize, most: usize) -> Self {
        Connection { revision, assembler: Assembler::new(limit), most, places: Vec::new(), ended: VecDeque::new() }
    }

    /// The beginning of a connection, before anything has come: revision 4 asks for `/` by opening it.
    pub(crate) fn start(&mut self) -> Action {
        match self.revision {
            Revision::R4 => self.ask(ByteString::from_static("/"), ByteString::new()),
            Revision::R5 => Action::Nothing,
        }
    }

    /// The bytes of a packet that is not whole.
    pub(crate) fn held(&self) -> usize {
        self.assembler.held()
    }

    /// Drops a packet that is not whole: the connection is over.
    pub(crate) fn clear(&mut self) {
        self.assembler.clear();
    }

    /// Takes a text message.
    ///
    /// # Errors
    /// Fails if it violates the protocol, which ends the connection.
    pub(crate) fn text(&mut self, text: ByteString) -> Result<Action, Violation> {
        self.packet(ClientPacket::read(self.revision, text)?)
    }

    /// Takes a text message that was read before.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(crate) fn packet(&mut self, packet: ClientPacket) -> Result<Action, Violation> {
        let (kind, attachments, namespace) = {
            let head = packet.head();
            let namespace = match head.namespace {
                "/" => ByteString::from_static("/"),
                // It is a copy, since it may be kept for longer than a large packet of which it is a part.
                other => ByteString::from(other),
            };
            (head.kind, head.attachments, namespace)
        };
        match kind {
            _ if self.assembler.is_owed() => self.assembler.head(packet.text, attachments).map(|_| Action::Nothing),
            Kind::Connect => self.connect(namespace, packet.auth),
            Kind::Disconnect => self.disconnect(&namespace),
            _ => match self.assembler.head(packet.text, attachments)? {
                Some(packet) => self.deliver(packet, &namespace),
                None => Ok(Action::Nothing),
            },
        }
    }

    /// Takes a binary message.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(crate) fn binary(&mut self, bytes: Bytes) -> Result<Action, Violation> {
        let Some(packet) = self.assembler.attachment(bytes)? else { return Ok(Action::Nothing) };
        let namespace = Head::parse(packet.text()).map_or("/", |head| head.namespace).to_owned();
        self.deliver(packet, &namespace)
    }

    fn connect(&mut self, namespace: ByteString, auth: ByteString) -> Result<Action, Violation> {
        if self.place(&namespace).is_some() {
            // Revision 4's clients need not know that it opens by itself, and some ask.
            return match (self.revision, &*namespace) {
                (Revision::R4, "/") => Ok(Action::Nothing),
                _ => Err(Violation::Malformed("parse error: CONNECT for a namespace that was asked for")),
            };
        }
        Ok(self.ask(namespace, auth))
    }

    fn ask(&mut self, namespace: ByteString, auth: ByteString) -> Action {
        let others = self.places.iter().filter(|place| *place.namespace != *"/").count();
        if *namespace != *"/" && others >= self.most {
            let fault = Fault::new("full", format!("a connection has at most {} namespaces besides /", self.most));
            self.forget(namespace.clone());
            return Action::Reply(refusal(self.revision, &not_opened(&namespace, &fault)));
        }
        self.ended.retain(|ended| *ended != namespace);
        self.places.push(Place { namespace: namespace.clone(), state: State::Asked });
        Action::Connect { namespace, auth }
    }

    fn disconnect(&mut self, namespace: &str) -> Result<Action, Violation> {
        match self.place(namespace) {
            Some(at) => Ok(Action::Disconnect { namespace: self.places.remove(at).namespace }),
            None => self.not_open(namespace),
        }
    }

    fn deliver(&self, packet: Packet, namespace: &str) -> Result<Action, Violation> {
        match self.place(namespace).map(|at| self.places[at].state) {
            Some(State::Open) => Ok(Action::Packet(packet)),
            // It opens unasked, and some clients do not wait for the answer. The packet does.
            Some(State::Asked) if self.revision == Revision::R4 && namespace == "/" => Ok(Action::Packet(packet)),
            Some(State::Asked) => Err(Violation::Malformed("parse error: a packet before the namespace is open")),
            None => self.not_open(namespace),
        }
    }

    fn not_open(&self, namespace: &str) -> Result<Action, Violation> {
        match self.ended.iter().any(|ended| *ended == *namespace) {
            true => Ok(Action::Nothing),
            false => Err(Violation::Malformed("parse error: a packet for a namespace that is not open")),
        }
    }

    pub(super) fn place(&self, namespace: &str) -> Option<usize> {
        self.places.iter().position(|place| *place.namespace == *namespace)
    }

    /// The server has ended a namespace, or refused it.
    pub(super) fn end(&mut self, at: usize) {
        let namespace = self.places.remove(at).namespace;
        self.forget(namespace);
    }

    /// A packet of the client may be on its way to a namespace that is not open to it.
    fn forget(&mut self, namespace: ByteString) {
        // One that is refused again and again takes the places of no others.
        self.ended.retain(|ended| *ended != namespace);
        if self.ended.len() == MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(namespace);
    }
}
