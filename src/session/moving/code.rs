//! The state of a machine in bytes.
//!
//! Whatever the bytes are, what was read of them is a state that a machine can have: numbers are in order, and no memory is
//! taken for more than came.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Flow, Incoming, Kept, MovedLinks, MovedMachine, Outgoing, Turned};
use crate::{
    config::Transport,
    message::{Message, Text},
    packed::{Malformed, Reader, put, put_bytes, put_payload},
    packet::Packet,
    payload::Payload,
    session::{
        frame::{CloseReason, MAX_NUMBER, Names},
        idle_limit::LearnedLimit,
        inbox::Arrival,
        links::LinkKind,
        outbox::MOST_AT_A_TIME,
        rate::RateLeft,
    },
};

const VERSION: u8 = 1;

/// The most messages and gaps in one direction, and values.
const MOST: usize = 1 << 20;

/// The most links between turns: a machine has no more links.
const MOST_LINKS: usize = 8;

const MESSAGE: u8 = 0;
const GAP: u8 = 1;
const CLOSE: u8 = 2;

const OPENING: u8 = 0;
const POLL: u8 = 1;
const STREAM: u8 = 2;

/// The transports as they are written.
const TRANSPORTS: [Transport; 11] = [
    Transport::WebSocket,
    Transport::FetchStream,
    Transport::XhrStream,
    Transport::XhrPoll,
    Transport::EventSource,
    Transport::HtmlFile,
    Transport::Iframe,
    Transport::Multipart,
    Transport::JsonpPoll,
    Transport::Poll,
    Transport::Polling,
];

impl MovedMachine {
    /// Writes it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let messages = self.outgoing.entries.iter().map(|kept| match kept {
            Kept::Message(payload) => payload.len() + 12,
            Kept::Gap(_) | Kept::Close(_) => 12,
        });
        let arrivals = self.incoming.arrivals.iter().map(|arrival| match arrival {
            Arrival::Message(payload) => payload.len() + 12,
            Arrival::Gap { .. } => 12,
        });
        let mut out = Vec::with_capacity(messages.chain(arrivals).sum::<usize>() + 128);
        out.push(VERSION);
        self.outgoing.put(&mut out);
        self.incoming.put(&mut out);
        out.push(self.names.bits());
        self.links.put(&mut out);
        put_option(&mut out, self.rtt);
        put_option(&mut out, self.idle_limit.map(|learned| u64::from(learned.limit)));
        put(&mut out, self.idle_limit.map_or(0, |learned| learned.doubt_in));
        put_option(&mut out, self.away.map(|(away, _)| away));
        put(&mut out, self.away.map_or(0, |(_, under_way)| under_way));
        put_option(&mut out, self.stalled);
        put_flag(&mut out, self.rate.is_some());
        if let Some(rate) = self.rate {
            [rate.messages, rate.bytes, rate.until].into_iter().for_each(|time| put(&mut out, time));
            put_option(&mut out, rate.over_for);
        }
        out
    }

    /// Reads what [`encode`](Self::encode) has written.
    ///
    /// # Errors
    /// Fails if it was not, or if it is of a version that this one does not know.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed);
        }
        let outgoing = Outgoing::read(&mut reader)?;
        let incoming = Incoming::read(&mut reader)?;
        let names = Names::from_bits(reader.byte()?);
        let links = MovedLinks::read(&mut reader)?;
        let rtt = option(&mut reader)?;
        let (limit, doubt_in) = (option(&mut reader)?, reader.number()?);
        let (away, under_way) = (option(&mut reader)?, reader.number()?);
        let stalled = option(&mut reader)?;
        let rate = if flag(&mut reader)? { Some(rate(&mut reader)?) } else { None };
        reader.end()?;
        let limit = limit.map(u32::try_from).transpose().map_err(|_| Malformed)?;
        let idle_limit = limit.map(|limit| LearnedLimit { limit, doubt_in });
        let away = away.map(|away| (away, time(under_way)));
        Ok(MovedMachine { outgoing, incoming, names, links, rtt, idle_limit, away, stalled, rate })
    }
}

impl Outgoing {
    fn put(&self, out: &mut Vec<u8>) {
        [self.acked, self.sent, self.ack_requested].into_iter().for_each(|number| put(out, number));
        put(out, self.entries.len() as u64);
        for kept in &self.entries {
            match kept {
                Kept::Message(payload) => {
                    out.push(MESSAGE);
                    put_payload(out, payload);
                }
                Kept::Gap(count) => {
                    out.push(GAP);
                    put(out, *count);
                }
                Kept::Close(reason) => {
                    out.push(CLOSE);
                    put(out, u64::from(reason.code));
                    put_bytes(out, reason.text.as_bytes());
                }
            }
        }
        put(out, self.values.len() as u64);
        for (key, value, behind) in &self.values {
            put_bytes(out, key.as_bytes());
            put_payload(out, value);
            put(out, *behind);
        }
        [self.skipped, self.last_droppable].into_iter().for_each(|number| put(out, number));
        put_flow(out, self.flow);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (acked, sent, ack_requested) = (number(reader)?, number(reader)?, number(reader)?);
        let mut last = acked;
        let mut entries = Vec::new();
        for left in (0..count(reader, 2)?).rev() {
            let kept = match reader.byte()? {
                MESSAGE => Kept::Message(owned(reader.payload(usize::MAX)?)),
                GAP => Kept::Gap(number(reader)?),
                CLOSE if left == 0 => {
                    let code = u16::try_from(reader.number()?).map_err(|_| Malformed)?;
                    Kept::Close(CloseReason::new(code, &*reader.text()?))
                }
                _ => return Err(Malformed),
            };
            let numbers = if let Kept::Gap(count) = kept { count } else { 1 };
            last += numbers;
            if numbers == 0 || last > MAX_NUMBER || last - acked >= MOST_AT_A_TIME {
                return Err(Malformed);
            }
            entries.push(kept);
        }
        let mut values = Vec::new();
        for _ in 0..count(reader, 4)? {
            let key = own_text(&reader.text()?);
            values.push((key, owned(reader.payload(usize::MAX)?), number(reader)?));
        }
        let (skipped, last_droppable) = (number(reader)?, number(reader)?);
        let in_order = acked <= sent && sent <= last && ack_requested <= last && last_droppable <= last;
        let closed = matches!(entries.last(), Some(Kept::Close(_)));
        let nothing_waits = values.is_empty() && skipped == 0;
        if !in_order
            || last + skipped >= MAX_NUMBER
            || last + skipped - acked >= MOST_AT_A_TIME
            || (closed && !nothing_waits)
        {
            return Err(Malformed);
        }
        let flow = flow(reader)?;
        Ok(Outgoing { acked, sent, ack_requested, entries, values, skipped, last_droppable, flow })
    }
}

impl Incoming {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, self.received);
        put(out, self.arrivals.len() as u64);
        for arrival in &self.arrivals {
            match arrival {
                Arrival::Message(payload) => {
                    out.push(MESSAGE);
                    put_payload(out, payload);
                }
                Arrival::Gap { from, to } => {
                    out.push(GAP);
                    put(out, *from);
                    put(out, *to);
                }
            }
        }
        put_flow(out, self.flow);
        put_flag(out, self.held);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let received = number(reader)?;
        let mut arrivals = VecDeque::new();
        let mut before = 0;
        for _ in 0..count(reader, 2)? {
            arrivals.push_back(match reader.byte()? {
                MESSAGE => Arrival::Message(owned(reader.payload(usize::MAX)?)),
                GAP => {
                    let (from, to) = (number(reader)?, number(reader)?);
                    if from <= before || from > to || to > received {
                        return Err(Malformed);
                    }
                    before = to;
                    Arrival::Gap { from, to }
                }
                _ => return Err(Malformed),
            });
        }
        if arrivals.len() as u64 > received {
            return Err(Malformed);
        }
        Ok(Incoming { received, arrivals, flow: flow(reader)?, held: flag(reader)? })
    }
}

impl MovedLinks {
    fn put(&self, out: &mut Vec<u8>) {
        let transport = TRANSPORTS.iter().position(|transport| *transport == self.transport);
        out.push(transport.unwrap_or_default() as u8);
        put(out, self.highest_confirmed);
        put_flag(out, self.proven);
        put(out, self.turns.len() as u64);
        for link in &self.turns {
            put(out, link.ordinal);
            put(out, link.turn);
            let (kind, hold) = match link.kind {
                LinkKind::Opening => (OPENING, 0),
                LinkKind::Poll { hold } => (POLL, hold),
                LinkKind::Stream | LinkKind::Duplex | LinkKind::Upload => (STREAM, 0),
            };
            out.push(kind);
            put(out, hold);
            put_flag(out, link.confirmed);
            put_flow(out, link.flow);
            out.push(link.flow_turns);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let transport = *TRANSPORTS.get(usize::from(reader.byte()?)).ok_or(Malformed)?;
        let (highest_confirmed, proven) = (number(reader)?, flag(reader)?);
        let links = reader.length(8)?;
        if links > MOST_LINKS {
            return Err(Malformed);
        }
        let mut turns = Vec::<Turned>::new();
        for _ in 0..links {
            let (ordinal, turn, kind, hold) = (number(reader)?, number(reader)?, reader.byte()?, reader.number()?);
            let kind = match kind {
                OPENING => LinkKind::Opening,
                POLL => LinkKind::Poll { hold: time(hold) },
                STREAM => LinkKind::Stream,
                _ => return Err(Malformed),
            };
            if turns.iter().any(|other| other.ordinal == ordinal) {
                return Err(Malformed);
            }
            let (confirmed, flow, flow_turns) = (flag(reader)?, flow(reader)?, reader.byte()?);
            turns.push(Turned { ordinal, turn, kind, confirmed, flow, flow_turns });
        }
        Ok(MovedLinks { transport, highest_confirmed, proven, turns })
    }
}

fn put_flag(out: &mut Vec<u8>, flag: bool) {
    out.push(flag.into());
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

fn put_option(out: &mut Vec<u8>, number: Option<u64>) {
    put_flag(out, number.is_some());
    number.into_iter().for_each(|number| put(out, number));
}

fn option(reader: &mut Reader<'_>) -> Result<Option<u64>, Malformed> {
    if flag(reader)? { reader.number().map(Some) } else { Ok(None) }
}

fn put_flow(out: &mut Vec<u8>, flow: Flow) {
    put(out, flow.epoch);
    put_flag(out, flow.paused);
}

fn flow(reader: &mut Reader<'_>) -> Result<Flow, Malformed> {
    let (epoch, paused) = (number(reader)?, flag(reader)?);
    // A pause is the first step of its epoch, and epoch 0 has none.
    if epoch == 0 && paused { Err(Malformed) } else { Ok(Flow { epoch, paused }) }
}

fn rate(reader: &mut Reader<'_>) -> Result<RateLeft, Malformed> {
    let (messages, bytes, until) = (reader.number()?, reader.number()?, reader.number()?);
    Ok(RateLeft { messages, bytes, until, over_for: option(reader)? })
}

/// The number of a message or a link.
fn number(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    reader.number().and_then(|number| if number <= MAX_NUMBER { Ok(number) } else { Err(Malformed) })
}

fn count(reader: &mut Reader<'_>, size: usize) -> Result<usize, Malformed> {
    reader.length(size).and_then(|count| if count <= MOST { Ok(count) } else { Err(Malformed) })
}

/// No time that is added to others is longer than a day.
fn time(milliseconds: u64) -> u64 {
    milliseconds.min(24 * 60 * 60 * 1000)
}

/// A payload that shares no bytes: a small one would hold all that came with it.
fn owned(payload: Payload) -> Payload {
    match payload {
        Payload::Message(Message::Text(Text(text))) => Payload::Message(Message::Text(Text(own_text(&text)))),
        Payload::Message(Message::Binary(bytes)) => Payload::Message(Message::Binary(Bytes::copy_from_slice(&bytes))),
        Payload::Event(packet) => {
            let attachments = packet.attachments().iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
            Payload::Event(Packet::new(own_text(packet.text()), attachments))
        }
    }
}

fn own_text(text: &ByteString) -> ByteString {
    ByteString::from(text.to_string())
}
