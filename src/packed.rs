//! The bytes that nodes write for each other: numbers as varints in their shortest form, lengths before bytes, payloads.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    message::{Message, Text},
    packet::{MAX_ATTACHMENTS, Packet},
    payload::Payload,
};

const TEXT: u8 = 0;
const BINARY: u8 = 1;
const EVENT: u8 = 2;

/// Bytes that nobody has written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_payload(out: &mut Vec<u8>, payload: &Payload) {
    match payload {
        Payload::Message(Message::Text(text)) => {
            out.push(TEXT);
            put_bytes(out, text.as_bytes());
        }
        Payload::Message(Message::Binary(bytes)) => {
            out.push(BINARY);
            put_bytes(out, bytes);
        }
        Payload::Event(packet) => {
            out.push(EVENT);
            put(out, packet.attachments().len() as u64);
            put_bytes(out, packet.text().as_bytes());
            packet.attachments().iter().for_each(|bytes| put_bytes(out, bytes));
        }
    }
}

/// Reads one part after another. The parts share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Fails unless nothing is left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.left() == 0 { Ok(()) } else { Err(Malformed) }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let found = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
        self.at += N;
        Ok(found)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            let is_long = shift > 0 && byte == 0;
            if is_long || part << shift >> shift != part {
                return Err(Malformed);
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// A count of things that have at least `size` bytes each, for which there is space in what is left.
    pub(crate) fn length(&mut self, size: usize) -> Result<usize, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        if length.checked_mul(size).is_some_and(|needed| needed <= self.left()) { Ok(length) } else { Err(Malformed) }
    }

    pub(crate) fn slice(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length(1)?;
        let found = self.bytes.slice(self.at..self.at + length);
        self.at += length;
        Ok(found)
    }

    pub(crate) fn text(&mut self) -> Result<ByteString, Malformed> {
        ByteString::try_from(self.slice()?).map_err(|_| Malformed)
    }

    /// A payload of at most `limit` bytes.
    pub(crate) fn payload(&mut self, limit: usize) -> Result<Payload, Malformed> {
        let payload = match self.byte()? {
            TEXT => Payload::Message(Message::Text(Text(self.text()?))),
            BINARY => Payload::Message(Message::Binary(self.slice()?)),
            EVENT => {
                let count = self.number()?;
                if count > MAX_ATTACHMENTS as u64 {
                    return Err(Malformed);
                }
                let text = self.text()?;
                let attachments = (0..count).map(|_| self.slice()).collect::<Result<Vec<_>, _>>()?;
                Payload::Event(Packet::new(text, attachments))
            }
            _ => return Err(Malformed),
        };
        if payload.len() > limit { Err(Malformed) } else { Ok(payload) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), 1 << 53, u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, number);
            let bytes = Bytes::from(out);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.number(), reader.end()), (Ok(number), Ok(())));
        }
        for wrong in [&b"\x80\x00"[..], b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", b""] {
            assert_eq!(Reader::new(&Bytes::copy_from_slice(wrong)).number(), Err(Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        for wrong in [&b"\x05abcd"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"] {
            assert_eq!(Reader::new(&Bytes::copy_from_slice(wrong)).slice(), Err(Malformed), "{wrong:?}");
        }
        assert_eq!(Reader::new(&Bytes::from_static(b"\x02abcd")).length(2), Ok(2));
        assert_eq!(Reader::new(&Bytes::from_static(b"\x03abcd")).length(2), Err(Malformed));
    }
}
