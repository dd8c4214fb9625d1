//! The namespaces of a connection, and what the client's messages mean for them.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Assembler, ClientPacket, Revision, Violation, words::refusal};
use crate::{
    dialect::{Fault, Head, Kind, not_opened},
    packet::Packet,
};

/// The number of namespaces that are remembered behind their end or refusal: a packet for one may be on its way.
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

    /// Whether attachments of a packet are missing.
    pub(crate) fn is_owed(&self) -> bool {
        self.assembler.is_owed()
    }

    /// Drops a packet that is not whole: the connection is over.
    pub(crate) fn clear(&mut self) {
        self.assembler.clear();
    }

    /// The client has lost its connection, and with it all of its namespaces.
    pub(crate) fn reset(&mut self) {
        self.clear();
        (self.places, self.ended) = (Vec::new(), VecDeque::new());
    }

    /// The client has asked for a namespace on a connection that has become this one.
    pub(crate) fn ask_again(&mut self, namespace: &str) {
        if self.place(namespace).is_none() {
            self.places.push(Place { namespace: namespace.into(), state: State::Asked });
        }
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
        let is_plain = packet.is_plain();
        let text = packet.into_text();
        if is_plain {
            return self.assemble(self.judge("/"), text, 0);
        }
        let head = Head::parse(&text).map_err(|_| Violation::Malformed("parse error: not a packet"))?;
        let attachments = head.attachments;
        match head.kind {
            _ if self.assembler.is_owed() => self.assembler.head(text, attachments).map(|_| Action::Nothing),
            Kind::Connect => self.connect(copy(head.namespace), text.slice_ref(head.data)),
            Kind::Disconnect => self.disconnect(head.namespace),
            _ => {
                let judged = self.judge(head.namespace);
                self.assemble(judged, text, attachments)
            }
        }
    }

    /// An event or an answer has come, of which so many attachments follow.
    fn assemble(
        &mut self,
        judged: Result<bool, Violation>,
        text: ByteString,
        attachments: usize,
    ) -> Result<Action, Violation> {
        match self.assembler.head(text, attachments)? {
            Some(packet) => judged.map(|open| if open { Action::Packet(packet) } else { Action::Nothing }),
            None => Ok(Action::Nothing),
        }
    }

    /// Takes a binary message.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(crate) fn binary(&mut self, bytes: Bytes) -> Result<Action, Violation> {
        match self.assembler.attachment(bytes)? {
            Some(packet) => self.whole(packet),
            None => Ok(Action::Nothing),
        }
    }

    /// Takes an event or an answer that came with its attachments. It follows the grammar.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(crate) fn whole(&self, packet: Packet) -> Result<Action, Violation> {
        let open = self.judge(Head::parse(packet.text()).map_or("/", |head| head.namespace))?;
        Ok(if open { Action::Packet(packet) } else { Action::Nothing })
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
        // Most clients have one: a vector that doubles would make room for four.
        self.places.reserve_exact(1);
        self.places.push(Place { namespace: namespace.clone(), state: State::Asked });
        Action::Connect { namespace, auth }
    }

    fn disconnect(&mut self, namespace: &str) -> Result<Action, Violation> {
        match self.place(namespace) {
            Some(at) => Ok(Action::Disconnect { namespace: self.places.remove(at).namespace }),
            None => self.not_open(namespace).map(|_| Action::Nothing),
        }
    }

    /// Whether a packet of this namespace is taken. If not, the server has ended the namespace, and the packet was on
    /// its way.
    fn judge(&self, namespace: &str) -> Result<bool, Violation> {
        match self.place(namespace).map(|at| self.places[at].state) {
            Some(State::Open) => Ok(true),
            // It opens unasked, and some clients do not wait for the answer. The packet does.
            Some(State::Asked) if self.revision == Revision::R4 && namespace == "/" => Ok(true),
            Some(State::Asked) => Err(Violation::Malformed("parse error: a packet before the namespace is open")),
            None => self.not_open(namespace),
        }
    }

    fn not_open(&self, namespace: &str) -> Result<bool, Violation> {
        match self.ended.iter().any(|ended| *ended == *namespace) {
            true => Ok(false),
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

/// The name of a namespace, which may be kept for longer than a large packet of which it is a part.
fn copy(namespace: &str) -> ByteString {
    match namespace {
        "/" => ByteString::from_static("/"),
        other => ByteString::from(other),
    }
}
