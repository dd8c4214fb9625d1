//! Makes whole packets: events and requests, replies, refusals, and what opens and ends a namespace.

use bytestring::ByteString;
use serde::ser::Error as _;
use serde_json::Error;

use super::{
    args::IntoArgs,
    data::ListWriter,
    fault::Fault,
    head::{Head, Kind},
    reserved::check_name,
};
use crate::{message::JsonError, packet::Packet};

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
    // A fault has only texts as keys, and nothing in it fails.
    let data = serde_json::to_string(fault).expect("a fault is JSON");
    let mut text = String::new();
    Head { kind: Kind::Refused, attachments: 0, namespace, id: Some(id), data: &data }.write(&mut text);
    Packet { text: ByteString::from(text), attachments: Vec::new() }
}
