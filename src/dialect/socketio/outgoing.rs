//! Packets of the server in the words of a revision.

use super::{
    Connection, Revision,
    connection::State,
    words::{refusal, refused_request},
};
use crate::{
    dialect::{Head, Kind, control},
    packet::Packet,
};

/// The fate of a packet that the server is about to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// It is sent as it is.
    Same,
    /// This is sent in its place.
    Other(Packet),
    /// It is not sent: the client has left.
    Nothing,
}

impl Connection {
    /// How a packet is sent, which is one of ours: a refusal has a fault, and so on. By the packets that open and
    /// end namespaces the connection learns of it.
    pub(crate) fn outgoing(&mut self, packet: &Packet) -> Outgoing {
        let Ok(head) = Head::parse(packet.text()) else { return Outgoing::Nothing };
        let place = self.place(head.namespace);
        match (head.kind, place) {
            (Kind::Refused, _) => Outgoing::Other(refused_request(&head)),
            (Kind::Connect, Some(at)) if self.places[at].state == State::Asked => {
                self.places[at].state = State::Open;
                match self.revision {
                    Revision::R4 => Outgoing::Other(control(Kind::Connect, head.namespace, "")),
                    Revision::R5 => Outgoing::Same,
                }
            }
            (Kind::ConnectError, Some(at)) if self.places[at].state == State::Asked => {
                self.end(at);
                Outgoing::Other(refusal(self.revision, packet))
            }
            (Kind::Disconnect, Some(at)) => {
                self.end(at);
                Outgoing::Other(control(Kind::Disconnect, head.namespace, ""))
            }
            (Kind::Connect | Kind::ConnectError | Kind::Disconnect, _) => Outgoing::Nothing,
            _ => Outgoing::Same,
        }
    }
}
