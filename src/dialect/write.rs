//! Makes whole packets: events and requests, replies, refusals, and what opens and ends a namespace.

use serde::{Serialize, de::IgnoredAny, ser::Error as _};
use serde_json::Error;

use super::{
    args::IntoArgs,
    data::ListWriter,
    fault::Fault,
    head::{Head, Kind, event_name},
    reserved::check_name,
};
use crate::{
    message::{JsonError, Message},
    packet::Packet,
};

/// An event, or with an id a request.
///
/// # Errors
/// Fails if no event may have this name, or the arguments cannot be written.
pub(crate) fn event<A: IntoArgs + ?Sized>(
    namespace: &str,
    id: Option<u64>,
    name: &str,
    arguments: &A,
) -> Result<Packet, JsonError> {
    let packet = || {
        check_name(name).map_err(Error::custom)?;
        let mut list = ListWriter::new(Kind::Event, namespace, id);
        list.push(name)?;
        arguments.write_to(&mut list)?;
        list.finish()
    };
    packet().map_err(JsonError)
}

/// The id of a request. It is `None` of an event, and of what is neither.
#[cfg(feature = "cluster")]
pub(crate) fn request_id(packet: &Packet) -> Option<u64> {
    // Most events have neither a namespace nor an id, and are none by their second byte.
    if !packet.is_event() || packet.text().as_bytes().get(1) == Some(&b'[') {
        return None;
    }
    Head::parse(packet.text()).ok().and_then(|head| head.id)
}

/// The same request with another id. `None` if it is no request.
#[cfg(feature = "cluster")]
pub(crate) fn with_id(packet: &Packet, id: u64) -> Option<Packet> {
    let head = Head::parse(packet.text()).ok().filter(|head| head.kind.is_event() && head.id.is_some())?;
    let mut text = String::with_capacity(packet.text().len() + 20);
    Head { id: Some(id), ..head }.write(&mut text);
    Some(Packet::new(text, packet.attachments().to_vec()))
}

/// The reply to the request `id`.
///
/// # Errors
/// Fails if the arguments cannot be written.
pub(crate) fn ack<A: IntoArgs + ?Sized>(namespace: &str, id: u64, arguments: &A) -> Result<Packet, JsonError> {
    let mut list = ListWriter::new(Kind::Ack, namespace, Some(id));
    arguments.write_to(&mut list).and_then(|()| list.finish()).map_err(JsonError)
}

/// The refusal of the request `id`.
pub(crate) fn refused(namespace: &str, id: u64, fault: &Fault) -> Packet {
    let mut text = String::new();
    Head { kind: Kind::Refused, attachments: 0, namespace, id: Some(id), data: &json(fault) }.write(&mut text);
    Packet::new(text, Vec::new())
}

/// A packet that opens or ends a namespace, with data that is JSON or empty.
pub(crate) fn control(kind: Kind, namespace: &str, data: &str) -> Packet {
    // The type and a comma are all that is added.
    let mut text = String::with_capacity(namespace.len() + data.len() + 2);
    Head { kind, attachments: 0, namespace, id: None, data }.write(&mut text);
    Packet::new(text, Vec::new())
}

/// The refusal to open a namespace.
pub(crate) fn not_opened(namespace: &str, fault: &Fault) -> Packet {
    control(Kind::ConnectError, namespace, &json(fault))
}

/// A fault as JSON. It has only texts as keys, and nothing in it fails.
fn json(fault: &Fault) -> String {
    serde_json::to_string(fault).expect("a fault is JSON")
}

/// The event that a text is which a client without events has sent: a list of JSON whose first item is a name. `None`
/// if it is a message.
pub(crate) fn event_of_text(text: &str) -> Option<Packet> {
    let is_list =
        text.starts_with('[') && event_name(text).is_ok() && serde_json::from_str::<Vec<IgnoredAny>>(text).is_ok();
    is_list.then(|| Packet::new(format!("2{text}"), Vec::new()))
}

/// The event `message` of a namespace other than `/`, whose one argument is a message.
pub(crate) fn message_event(namespace: &str, message: Message) -> Packet {
    let list = ListWriter::new(Kind::Event, namespace, None);
    let packet = match message {
        Message::Text(text) => packet_of_message(list, &text.as_str()),
        Message::Binary(bytes) => packet_of_message(list, &bytes),
    };
    packet.expect("texts and bytes can be written")
}

fn packet_of_message(mut list: ListWriter, argument: &impl Serialize) -> Result<Packet, Error> {
    list.push("message")?;
    list.push(argument)?;
    list.finish()
}
