//! The layer of events, by the texts of its packets.

mod arguments;
mod attachments;
mod faults;
mod fuzz;
mod heads;
mod names;
mod variants;

use super::{Arguments, FromArgs, Head, read_args};
use crate::{message::JsonError, packet::Packet};

/// A packet as it comes from the other side.
fn packet(text: &str, attachments: &[&[u8]]) -> Packet {
    let attachments = attachments.iter().map(|attachment| attachment.to_vec().into()).collect();
    Packet::new(text, attachments)
}

/// The arguments of an event or reply.
fn arguments(packet: &Packet) -> Arguments<'_> {
    let head = Head::parse(packet.text()).expect("a packet");
    assert_eq!(head.attachments, packet.attachments().len(), "{head:?}");
    match head.kind.is_ack() {
        true => Arguments::of_reply(head.data, packet.attachments()),
        false => Arguments::of_event(head.data, packet.attachments()),
    }
}

/// Reads a value from the items of a list behind its name, in which each `@` is an attachment of two bytes.
fn read<T: FromArgs>(json: &str) -> Result<T, JsonError> {
    let count = json.matches('@').count();
    let mut text = if count == 0 { "2[\"x\"".to_owned() } else { format!("5{count}-[\"x\"") };
    let mut nth = 0;
    for (part, piece) in json.split('@').enumerate() {
        if part > 0 {
            text += &format!("{{\"_placeholder\":true,\"num\":{nth}}}");
            nth += 1;
        }
        text += piece;
    }
    text += "]";
    let attachments: Vec<&[u8]> = [&[1, 255][..]; 12][..count].to_vec();
    read_args(arguments(&packet(&text, &attachments)))
}

/// The text of the error of `read`.
fn refusal<T: FromArgs + std::fmt::Debug>(json: &str) -> String {
    read::<T>(json).expect_err(json).to_string()
}
