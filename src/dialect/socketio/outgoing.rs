//! Packets of the server in the words of a revision.

use serde_json::{Value, json};

use super::{Connection, Revision, connection::State};
use crate::{
    dialect::{Fault, Head, Kind, control},
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
        let Ok(head) = Head::parse(&packet.text) else { return Outgoing::Nothing };
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
                self.places.remove(at);
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

/// The refusal to open a namespace.
pub(super) fn refusal(revision: Revision, packet: &Packet) -> Packet {
    let Ok(head) = Head::parse(&packet.text) else { return packet.clone() };
    let fault = Fault::parse(head.data);
    let data = match revision {
        _ if fault == Fault::unknown_namespace() => json!({ "message": "Invalid namespace" }),
        Revision::R4 => fault.data.unwrap_or(Value::String(fault.message)),
        // Clients make an error of the message and the data. The code is for those who look at the packet.
        Revision::R5 => match fault.data {
            Some(data) => json!({ "message": fault.message, "data": data, "code": fault.code }),
            None => json!({ "message": fault.message, "code": fault.code }),
        },
    };
    // A text is no object, so this is not written as `control` does.
    let text = match head.namespace {
        "/" => format!("4{data}"),
        namespace => format!("4{namespace},{data}"),
    };
    Packet { text: text.into(), attachments: Vec::new() }
}

/// The ACK that stands for the refusal of a request.
fn refused_request(head: &Head<'_>) -> Packet {
    let mut text = String::with_capacity(head.data.len() + 32);
    let data = format!("[{{\"error\":{}}}]", head.data);
    Head { kind: Kind::Ack, data: &data, ..*head }.write(&mut text);
    Packet { text: text.into(), attachments: Vec::new() }
}
