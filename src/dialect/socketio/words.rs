//! Faults in the words of a revision.

use serde_json::{Value, json};

use super::Revision;
use crate::{
    dialect::{Fault, Head, Kind},
    packet::Packet,
};

/// The refusal to open a namespace.
pub(super) fn refusal(revision: Revision, packet: &Packet) -> Packet {
    let Ok(head) = Head::parse(packet.text()) else { return packet.clone() };
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
    Packet::new(text, Vec::new())
}

/// The ACK that stands for the refusal of a request.
pub(super) fn refused_request(head: &Head<'_>) -> Packet {
    let mut text = String::with_capacity(head.data.len() + 32);
    let data = format!("[{{\"error\":{}}}]", head.data);
    Head { kind: Kind::Ack, data: &data, ..*head }.write(&mut text);
    Packet::new(text, Vec::new())
}
