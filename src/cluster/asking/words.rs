//! The words of nodes about a request to rooms, as bytes.
//!
//! A question is `version publisher(8) id count (room n)..`. What is said of it is a sequence of words, each behind its length
//! in four bytes.

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;

use crate::{
    cluster::rooms::Publisher,
    packed::{Malformed, Reader, put, put_bytes, put_payload},
    packet::Packet,
    payload::Payload,
};

const VERSION: u8 = 1;

/// The most sessions that one word names.
pub(crate) const MOST_NAMED: usize = 256;

/// The longest id of a session.
const LONGEST_ID: usize = 512;

/// The bytes that a word may have besides the content of an answer.
const BESIDES: usize = MOST_NAMED * (LONGEST_ID + 3) + 64;

/// The length before a word.
const PREFIX: usize = 4;

const ASKED: u8 = 0;
const ANSWERED: u8 = 1;
const MISSING: u8 = 2;
const WHOLE: u8 = 3;
const LOST: u8 = 4;

/// Behind this byte a session was asked; others are the reasons why one was not.
const IS_ASKED: u8 = 0;

/// A node wants to know what becomes of its request at another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) publisher: Publisher,
    /// The request's id, which is in the packet.
    pub(crate) id: u64,
    pub(crate) parts: Vec<Part>,
}

/// A room that the request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) room: ByteString,
    /// The number of the request among the publisher's messages to the room.
    pub(crate) n: u64,
}

/// A part of what becomes of a request. The places of sessions count from 0 in the order in which they are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// These are asked, or cannot be.
    Asked(Vec<(ByteString, Option<Why>)>),
    Answered {
        place: u64,
        packet: Packet,
    },
    Missing {
        place: u64,
        why: Why,
    },
    /// All members were named.
    Whole,
    /// The request, or a part of it, did not come to this node: there may be members that were not asked.
    Lost,
}

/// The reason why a session has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// Too many requests are not answered.
    Full,
    OutboxFull,
    NoEvents,
    Closed,
    /// Another page has taken it over.
    Unknown,
    /// The time is up. No node says so of its own.
    Timeout,
    /// The node is gone. No node says so of its own.
    Unreachable,
}

/// The reasons that nodes tell each other, by their bytes, from 1 on. None is ever put between others.
const REASONS: [Why; 5] = [Why::Full, Why::OutboxFull, Why::NoEvents, Why::Closed, Why::Unknown];

impl Why {
    fn byte(self) -> u8 {
        let place = REASONS.iter().position(|why| *why == self).and_then(|place| u8::try_from(place).ok());
        place.map_or(0, |place| place + 1)
    }

    fn of(byte: u8) -> Result<Self, Malformed> {
        let place = usize::from(byte).checked_sub(1).ok_or(Malformed)?;
        REASONS.get(place).copied().ok_or(Malformed)
    }
}

impl Question {
    pub(crate) fn write(&self) -> Bytes {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.publisher.to_be_bytes());
        put(&mut out, self.id);
        put(&mut out, self.parts.len() as u64);
        for part in &self.parts {
            put_bytes(&mut out, part.room.as_bytes());
            put(&mut out, part.n);
        }
        out.into()
    }

    pub(crate) fn read(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed);
        }
        let publisher = Publisher::from_be_bytes(*reader.array()?);
        let id = reader.number()?;
        let count = reader.length(2)?;
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(Part { room: reader.text()?, n: reader.number()? });
        }
        reader.end()?;
        if parts.is_empty() { Err(Malformed) } else { Ok(Question { publisher, id, parts }) }
    }
}

impl Said {
    /// Appends it.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        match self {
            Said::Asked(sessions) => {
                out.push(ASKED);
                put(out, sessions.len() as u64);
                for (id, why) in sessions {
                    out.push(why.map_or(IS_ASKED, Why::byte));
                    put_bytes(out, id.as_bytes());
                }
            }
            Said::Answered { place, packet } => {
                out.push(ANSWERED);
                put(out, *place);
                put_payload(out, &Payload::Event(packet.clone()));
            }
            Said::Missing { place, why } => {
                out.push(MISSING);
                put(out, *place);
                out.push(why.byte());
            }
            Said::Whole => out.push(WHOLE),
            Said::Lost => out.push(LOST),
        }
        let length = u32::try_from(out.len() - start - PREFIX).expect("an answer is below the message limit");
        out[start..start + PREFIX].copy_from_slice(&length.to_be_bytes());
    }

    fn read(bytes: &Bytes, limit: usize) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let said = match reader.byte()? {
            ASKED => {
                let count = reader.length(2)?;
                if count > MOST_NAMED {
                    return Err(Malformed);
                }
                let mut sessions = Vec::with_capacity(count);
                for _ in 0..count {
                    let why = match reader.byte()? {
                        IS_ASKED => None,
                        why => Some(Why::of(why)?),
                    };
                    sessions.push((id(&mut reader)?, why));
                }
                Said::Asked(sessions)
            }
            ANSWERED => {
                let place = reader.number()?;
                match reader.payload(limit)? {
                    Payload::Event(packet) if packet.is_answer() => Said::Answered { place, packet },
                    _ => return Err(Malformed),
                }
            }
            MISSING => Said::Missing { place: reader.number()?, why: Why::of(reader.byte()?)? },
            WHOLE => Said::Whole,
            LOST => Said::Lost,
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok(said)
    }
}

/// The id of a session, as a text of its own: the bytes around it are not kept for it.
fn id(reader: &mut Reader<'_>) -> Result<ByteString, Malformed> {
    let id = reader.text()?;
    if id.is_empty() || id.len() > LONGEST_ID { Err(Malformed) } else { Ok(ByteString::from(&*id)) }
}

/// Reads what a node says of a request, in pieces as they come.
#[derive(Debug)]
pub(crate) struct Words {
    bytes: BytesMut,
    limit: usize,
}

impl Words {
    /// `limit` is that of messages.
    pub(crate) fn new(limit: usize) -> Self {
        Words { bytes: BytesMut::new(), limit }
    }

    /// More has come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next word; `None` until all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Said>, Malformed> {
        let Some(prefix) = self.bytes.first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > self.limit.saturating_add(BESIDES) {
            return Err(Malformed);
        }
        if self.bytes.len() < PREFIX + length {
            return Ok(None);
        }
        self.bytes.advance(PREFIX);
        let word = self.bytes.split_to(length).freeze();
        Said::read(&word, self.limit).map(Some)
    }
}
