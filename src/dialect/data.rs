//! From values to packets: a list of arguments as JSON, with its bytes beside the text.

use std::io;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Serialize, ser::Error as _};
use serde_json::{
    Error,
    ser::{Formatter, Serializer},
};

use super::{
    buffer::Buffer,
    head::{Head, Kind, MAX_ATTACHMENTS},
    unit::is_unit,
};
use crate::packet::Packet;

/// The key of an object that stands for an attachment, as it is in the text.
const PLACEHOLDER_KEY: &str = "\"_placeholder\":";

/// The list of a packet's arguments while it is written.
#[derive(Debug)]
pub struct ListWriter {
    kind: Kind,
    /// A packet without attachments: its head, and its list without the last bracket.
    text: Buffer,
    is_empty: bool,
    attachments: Vec<Bytes>,
}

impl ListWriter {
    /// The beginning of a packet whose data is a list.
    pub(super) fn new(kind: Kind, namespace: &str, id: Option<u64>) -> Self {
        let mut list = ListWriter { kind, text: Buffer::new(), is_empty: true, attachments: Vec::new() };
        Head { kind, attachments: 0, namespace, id, data: "[" }.write(&mut list.text);
        list
    }

    /// Appends an item.
    ///
    /// # Errors
    /// Fails if the value's `Serialize` fails, the value has a map whose keys are not texts, or the packet
    /// would have more than 10 attachments. The list cannot be used afterwards.
    pub(super) fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        self.push_value(value)
    }

    /// Begins an item, which is written by the two methods below.
    pub(super) fn separate(&mut self) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.bytes.push(b',');
        }
    }

    /// Appends a part of an item as it is.
    pub(super) fn push_raw(&mut self, json: &str) {
        self.text.bytes.extend_from_slice(json.as_bytes());
    }

    /// Appends a value that is an item or a part of one.
    pub(super) fn push_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let formatter = Placeholders(&mut self.attachments);
        value.serialize(&mut Serializer::with_formatter(&mut self.text.bytes, formatter))
    }

    /// Appends the only argument of a packet, which is left out if it is the unit.
    pub(super) fn push_single<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let (length, was_empty) = (self.text.bytes.len(), self.is_empty);
        self.push(value)?;
        if matches!(&self.text.bytes[length..], b"null" | b",null") && is_unit(value) {
            self.text.bytes.truncate(length);
            self.is_empty = was_empty;
        }
        Ok(())
    }

    /// The whole packet.
    ///
    /// # Errors
    /// Fails if a packet with attachments has data in which an object looks like the place of one, which the
    /// other side would take for it.
    pub(super) fn finish(mut self) -> Result<Packet, Error> {
        self.text.bytes.push(b']');
        let text = ByteString::try_from(self.text.finish()).map_err(Error::custom)?;
        let (kind, attachments) = (self.kind, self.attachments);
        if attachments.is_empty() {
            return Ok(Packet::new(text, attachments));
        }
        // In the texts of JSON a quotation mark has a backslash, so that this finds keys alone.
        if text.matches(PLACEHOLDER_KEY).count() != attachments.len() {
            return Err(Error::custom("the key `_placeholder` cannot be used beside bytes"));
        }
        let mut binary = String::with_capacity(text.len() + 3);
        let head = Head { kind: kind.binary(), attachments: attachments.len(), namespace: "/", id: None, data: "" };
        head.write(&mut binary);
        binary.push_str(&text[1..]);
        Ok(Packet::new(binary, attachments))
    }
}

/// Writes `{"_placeholder":true,"num":n}` in place of bytes, and keeps the bytes.
struct Placeholders<'a>(&'a mut Vec<Bytes>);

impl Formatter for Placeholders<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        if self.0.len() == MAX_ATTACHMENTS {
            return Err(io::Error::other("an event has at most 10 binary values"));
        }
        write!(writer, "{{{PLACEHOLDER_KEY}true,\"num\":{}}}", self.0.len())?;
        self.0.push(Bytes::copy_from_slice(value));
        Ok(())
    }
}
