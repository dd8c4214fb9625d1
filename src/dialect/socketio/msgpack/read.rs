//! From MessagePack to packets.

use std::io::{self, Write};

use bytes::Bytes;
use rmp::Marker;

use super::{
    super::{Violation, packet::check_form},
    time::time,
};
use crate::{
    dialect::head::{Head, Kind, MAX_ATTACHMENTS, MAX_ID},
    packet::Packet,
};

const MAX_DEPTH: usize = 128;

/// The attachments of a message that is not longer may keep it.
const SMALL: usize = 256;

const CUT: Violation = Violation::Malformed("parse error: a packet in MessagePack is cut short");
const NO_PACKET: Violation = Violation::Malformed("parse error: not a packet in MessagePack");

/// Reads the packet of a client that is this message. It has at most `limit` bytes, with its attachments.
///
/// # Errors
/// Fails if the message is no packet of a client, or has something that JSON has no word for, or is too large.
pub(crate) fn read(message: &Bytes, limit: usize) -> Result<Packet, Violation> {
    let out = Limited { bytes: Vec::with_capacity(message.len().min(limit)), limit };
    let mut reader = Reader { message, at: 0, out, attachments: Vec::new(), placeholder: false };
    let fields = reader.fields()?;
    if reader.at < message.len() {
        return Err(Violation::Malformed("parse error: bytes behind a packet"));
    }
    if reader.placeholder && !reader.attachments.is_empty() {
        return Err(Violation::Malformed("parse error: the key _placeholder beside bytes"));
    }
    let attachments = reader.attachments;
    let data = String::from_utf8(reader.out.bytes).map_err(|_| NO_PACKET)?;
    let kind = match attachments.len() {
        0 => fields.kind,
        _ => fields.kind.binary(),
    };
    let mut text = String::with_capacity(data.len() + fields.namespace.len() + 24);
    let Fields { namespace, id, .. } = fields;
    Head { kind, attachments: attachments.len(), namespace, id, data: &data }.write(&mut text);
    // The text is judged as it is, so that nothing in a name or a number can be taken for another part of it.
    let head = Head::parse(&text).map_err(|_| NO_PACKET)?;
    if (head.namespace, head.id, head.data, head.attachments) != (namespace, id, &*data, attachments.len()) {
        return Err(NO_PACKET);
    }
    check_form(&head).map_err(Violation::Malformed)?;
    match text.len() + attachments.iter().map(Bytes::len).sum::<usize>() {
        length if length > limit => Err(Violation::TooLarge),
        _ => Ok(Packet::new(text, attachments)),
    }
}

/// The fields of a packet besides its data.
struct Fields<'a> {
    kind: Kind,
    namespace: &'a str,
    id: Option<u64>,
}

/// JSON that has a limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Reader<'a> {
    message: &'a Bytes,
    at: usize,
    out: Limited,
    attachments: Vec<Bytes>,
    /// An object has the key of those that stand for attachments.
    placeholder: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Violation> {
        let rest = &self.message[self.at..];
        let part = rest.get(..length).ok_or(CUT)?;
        self.at += length;
        Ok(part)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        self.take(N)?.try_into().map_err(|_| CUT)
    }

    fn marker(&mut self) -> Result<Marker, Violation> {
        let [byte] = self.bytes()?;
        Ok(Marker::from_u8(byte))
    }

    /// The number of bytes or items that a marker states, here or in the bytes behind it. `None` if it states none.
    fn length(&mut self, marker: Marker) -> Result<Option<usize>, Violation> {
        use Marker::*;
        Ok(Some(match marker {
            FixStr(length) | FixArray(length) | FixMap(length) => length.into(),
            FixExt1 => 1,
            FixExt2 => 2,
            FixExt4 => 4,
            FixExt8 => 8,
            FixExt16 => 16,
            Str8 | Bin8 | Ext8 => u8::from_be_bytes(self.bytes()?).into(),
            Str16 | Bin16 | Ext16 | Array16 | Map16 => u16::from_be_bytes(self.bytes()?).into(),
            Str32 | Bin32 | Ext32 | Array32 | Map32 => u32::from_be_bytes(self.bytes()?) as usize,
            _ => return Ok(None),
        }))
    }

    /// An integer; `None` if the marker begins none.
    fn integer(&mut self, marker: Marker) -> Result<Option<i128>, Violation> {
        Ok(Some(match marker {
            Marker::FixPos(number) => number.into(),
            Marker::FixNeg(number) => number.into(),
            Marker::U8 => u8::from_be_bytes(self.bytes()?).into(),
            Marker::U16 => u16::from_be_bytes(self.bytes()?).into(),
            Marker::U32 => u32::from_be_bytes(self.bytes()?).into(),
            Marker::U64 => u64::from_be_bytes(self.bytes()?).into(),
            Marker::I8 => i8::from_be_bytes(self.bytes()?).into(),
            Marker::I16 => i16::from_be_bytes(self.bytes()?).into(),
            Marker::I32 => i32::from_be_bytes(self.bytes()?).into(),
            Marker::I64 => i64::from_be_bytes(self.bytes()?).into(),
            _ => return Ok(None),
        }))
    }

    fn text(&mut self, marker: Marker) -> Result<&'a str, Violation> {
        let is_text = matches!(marker, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32);
        let length = if is_text { self.length(marker)? } else { None };
        let text = self.take(length.ok_or(NO_PACKET)?)?;
        std::str::from_utf8(text).map_err(|_| Violation::Malformed("parse error: a text is not UTF-8"))
    }

    /// Whether undefined is next, or, where both are the same, `nil`. It is taken.
    fn is_nothing(&mut self, or_nil: bool) -> bool {
        let length = match self.message[self.at..] {
            [0xd4, 0, _, ..] => 3,
            [0xc0, ..] if or_nil => 1,
            _ => 0,
        };
        self.at += length;
        length > 0
    }

    /// Reads the map of a packet. Its data are written to `out`.
    fn fields(&mut self) -> Result<Fields<'a>, Violation> {
        let (mut kind, mut namespace, mut id, mut data) = (None, None, None, false);
        let marker = self.marker()?;
        let is_map = matches!(marker, Marker::FixMap(_) | Marker::Map16 | Marker::Map32);
        let count = if is_map { self.length(marker)? } else { None };
        for _ in 0..count.ok_or(NO_PACKET)? {
            let marker = self.marker()?;
            match self.text(marker)? {
                "type" if kind.is_none() => kind = Some(self.kind()?),
                "nsp" if namespace.is_none() => {
                    let marker = self.marker()?;
                    namespace = Some(self.text(marker)?);
                }
                "id" if id.is_none() => id = self.id()?,
                "data" if !data => {
                    data = true;
                    if !self.is_nothing(true) {
                        self.value(0)?;
                    }
                }
                "type" | "nsp" | "id" | "data" => return Err(Violation::Malformed("parse error: a field comes twice")),
                _ => self.ignore()?,
            }
        }
        let (Some(kind), Some(namespace)) = (kind, namespace) else { return Err(NO_PACKET) };
        Ok(Fields { kind, namespace, id })
    }

    fn kind(&mut self) -> Result<Kind, Violation> {
        let marker = self.marker()?;
        Ok(match self.integer(marker)? {
            Some(0) => Kind::Connect,
            Some(1) => Kind::Disconnect,
            Some(2) => Kind::Event,
            Some(3) => Kind::Ack,
            _ => return Err(Violation::Malformed("parse error: not a packet of a client")),
        })
    }

    fn id(&mut self) -> Result<Option<u64>, Violation> {
        if self.is_nothing(true) {
            return Ok(None);
        }
        let marker = self.marker()?;
        let id = self.integer(marker)?.and_then(|id| u64::try_from(id).ok()).filter(|id| *id <= MAX_ID);
        id.map(Some).ok_or(Violation::Malformed("parse error: an id is a number of at most 2^53 - 1"))
    }

    /// Reads a value that nobody wants.
    fn ignore(&mut self) -> Result<(), Violation> {
        let (length, attachments) = (self.out.bytes.len(), self.attachments.len());
        let (limit, placeholder) = (self.out.limit, self.placeholder);
        self.value(0)?;
        self.out.bytes.truncate(length);
        self.attachments.truncate(attachments);
        (self.out.limit, self.placeholder) = (limit, placeholder);
        Ok(())
    }

    fn put(&mut self, json: &[u8]) -> Result<(), Violation> {
        self.out.write_all(json).map_err(|_| Violation::TooLarge)
    }

    fn put_text(&mut self, text: &str) -> Result<(), Violation> {
        serde_json::to_writer(&mut self.out, text).map_err(|_| Violation::TooLarge)
    }

    /// Reads a value that is so deep.
    fn value(&mut self, depth: usize) -> Result<(), Violation> {
        use Marker::*;
        let marker = self.marker()?;
        if let Some(number) = self.integer(marker)? {
            return write!(self.out, "{number}").map_err(|_| Violation::TooLarge);
        }
        match marker {
            Null => self.put(b"null"),
            True => self.put(b"true"),
            False => self.put(b"false"),
            F32 => {
                let number = f32::from_be_bytes(self.bytes()?);
                self.float(number.into())
            }
            F64 => {
                let number = f64::from_be_bytes(self.bytes()?);
                self.float(number)
            }
            FixStr(_) | Str8 | Str16 | Str32 => {
                let text = self.text(marker)?;
                self.put_text(text)
            }
            _ => {
                let length = self.length(marker)?.ok_or(NO_PACKET)?;
                match marker {
                    Bin8 | Bin16 | Bin32 => self.attachment(length),
                    FixArray(_) | Array16 | Array32 => self.list(length, depth),
                    FixMap(_) | Map16 | Map32 => self.map(length, depth),
                    _ => self.extension(length),
                }
            }
        }
    }

    fn float(&mut self, number: f64) -> Result<(), Violation> {
        // A number that is not finite is written as `null`.
        serde_json::to_writer(&mut self.out, &number).map_err(|_| Violation::TooLarge)
    }

    fn attachment(&mut self, length: usize) -> Result<(), Violation> {
        if self.attachments.len() == MAX_ATTACHMENTS {
            return Err(Violation::Malformed("parse error: a packet has at most 10 attachments"));
        }
        let bytes = self.take(length)?;
        self.out.limit = self.out.limit.checked_sub(length).ok_or(Violation::TooLarge)?;
        let number = self.attachments.len();
        write!(self.out, "{{\"_placeholder\":true,\"num\":{number}}}").map_err(|_| Violation::TooLarge)?;
        // A small part does not keep the memory of a large message.
        let is_small = self.message.len() > SMALL && length * 2 < self.message.len();
        let attachment = if is_small { Bytes::copy_from_slice(bytes) } else { self.message.slice_ref(bytes) };
        self.attachments.push(attachment);
        Ok(())
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<(), Violation> {
        let depth = deeper(depth)?;
        self.put(b"[")?;
        for item in 0..length {
            if item > 0 {
                self.put(b",")?;
            }
            self.value(depth)?;
        }
        self.put(b"]")
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<(), Violation> {
        let depth = deeper(depth)?;
        self.put(b"{")?;
        let mut is_empty = true;
        for _ in 0..length {
            let before = self.out.bytes.len();
            if !is_empty {
                self.put(b",")?;
            }
            self.key()?;
            if self.is_nothing(false) {
                self.out.bytes.truncate(before);
                continue;
            }
            is_empty = false;
            self.put(b":")?;
            self.value(depth)?;
        }
        self.put(b"}")
    }

    fn key(&mut self) -> Result<(), Violation> {
        let marker = self.marker()?;
        if let Some(number) = self.integer(marker)? {
            return self.put_text(&number.to_string());
        }
        let key = self.text(marker)?;
        self.placeholder |= key == "_placeholder";
        self.put_text(key)
    }

    fn extension(&mut self, length: usize) -> Result<(), Violation> {
        let kind = i8::from_be_bytes(self.bytes()?);
        let millis = match (kind, length) {
            (0, 1) => {
                self.take(length)?;
                None
            }
            (0, 8) => Some(i64::from_be_bytes(self.bytes()?)),
            (-1, 4) => Some(i64::from(u32::from_be_bytes(self.bytes()?)) * 1000),
            (-1, 8) => {
                let both = u64::from_be_bytes(self.bytes()?);
                Some((both & 0x3_ffff_ffff) as i64 * 1000 + (both >> 34) as i64 / 1_000_000)
            }
            (-1, 12) => {
                let nanos = u32::from_be_bytes(self.bytes()?);
                let seconds = i64::from_be_bytes(self.bytes()?);
                Some(seconds.saturating_mul(1000).saturating_add(i64::from(nanos) / 1_000_000))
            }
            _ => return Err(Violation::Malformed("parse error: an extension that JSON has no word for")),
        };
        match millis.and_then(time) {
            Some(time) => self.put_text(&time),
            None => self.put(b"null"),
        }
    }
}

fn deeper(depth: usize) -> Result<usize, Violation> {
    match depth {
        MAX_DEPTH => Err(Violation::Malformed("parse error: nested more than 128 deep")),
        depth => Ok(depth + 1),
    }
}
