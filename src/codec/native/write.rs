//! Writes records as bytes.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::Spelling;
use crate::{
    broadcast::OutMessageRef,
    codec::ContentType,
    message::Message,
    payload::Payload,
    session::frame::{Attached, CloseReason, Frame, Outcome, SessionParams},
};

/// From this length on a message is announced, in bytes. Smaller ones take no longer than a heartbeat allows.
const LARGE: usize = 64 * 1024;

/// Most records without their payloads have no more bytes.
const MOST_SHORT: usize = 16;

/// Writes the records of one body or link, and counts its messages.
#[derive(Debug)]
pub(crate) struct Writer {
    spelling: Spelling,
    /// The number that the other half expects of the next message; 0 as long as none was stated.
    next: u64,
}

impl Writer {
    pub(crate) fn new(spelling: Spelling) -> Self {
        Writer { spelling, next: 0 }
    }

    pub(crate) fn content_type(&self) -> ContentType {
        self.spelling.content_type()
    }

    /// Appends a frame to a body, or a frame that is no message to a text message of a WebSocket.
    pub(crate) fn write(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        match frame {
            Frame::Message { number, message } => self.message(*number, message.borrowed(), true, out),
            Frame::Gap { from, to } => {
                put(out, b'd', &[*from, *to]);
                self.next = 0;
            }
            Frame::Ack { received } => put(out, b'a', &[*received]),
            Frame::AckRequest => put(out, b'w', &[]),
            Frame::Pause { received, epoch } => put(out, b'h', &[*received, *epoch]),
            Frame::Resume { received, epoch } => put(out, b'g', &[*received, *epoch]),
            Frame::Ping { id, received: None } => put(out, b'p', &[*id]),
            Frame::Ping { id, received: Some(received) } => put(out, b'p', &[*id, *received]),
            Frame::Pong { id, received } => put(out, b'q', &[*id, *received]),
            Frame::Confirm => put(out, b'v', &[]),
            Frame::Close { number, reason } => self.reason(b'c', Some(*number), reason, out),
            Frame::GoAway { delay } => put(out, b'z', &[*delay]),
            Frame::PollDelay { delay } => put(out, b'y', &[*delay]),
            Frame::Padding { length } => {
                put(out, b'i', &[*length]);
                out.resize(out.len() + *length as usize, b' ');
            }
            Frame::LinkClose(reason) => self.reason(b'x', None, reason, out),
            Frame::Attached(start) => put_start(out, start),
            // They are of Engine.IO alone.
            Frame::Probe | Frame::Noop => {}
        }
    }

    /// States the number of the next message if the other half would count to another one.
    pub(crate) fn count(&mut self, number: u64, out: &mut Vec<u8>) {
        if number != self.next {
            put(out, b'n', &[number]);
        }
        self.next = number + 1;
    }

    /// Whether the other half counts to the number of this message of `length` bytes, so that nothing need be
    /// [announced](Self::announce). If so, it counts as written.
    #[inline]
    pub(crate) fn follows(&mut self, number: u64, length: usize) -> bool {
        let follows = number == self.next && length < LARGE;
        self.next += u64::from(follows);
        follows
    }

    /// Announces a message of `length` bytes to a client that cannot see how it comes in: states its number,
    /// and for a large message the length too.
    pub(crate) fn announce(&mut self, number: u64, length: usize, out: &mut Vec<u8>) {
        if length < LARGE {
            return self.count(number, out);
        }
        put(out, b'n', &[number, length as u64]);
        self.next = number + 1;
    }

    /// Appends a message, or an event as it is for a client that knows events or not.
    pub(crate) fn message(&mut self, number: u64, message: OutMessageRef<'_>, events: bool, out: &mut Vec<u8>) {
        // Room for its records at once, where a body begins.
        out.reserve(message.len() + 2 * MOST_SHORT);
        self.count(number, out);
        match message {
            OutMessageRef::Own(payload) => self.payload(payload, events, out),
            OutMessageRef::Shared(broadcast) => {
                let encoded = broadcast.encoded(self.spelling.cell(events), |payload| {
                    let mut bytes = Vec::with_capacity(payload.len() + 16);
                    self.payload(payload, events, &mut bytes);
                    // Its spare room would be held and not counted.
                    Bytes::from(bytes.into_boxed_slice())
                });
                out.extend_from_slice(encoded);
            }
        }
    }

    fn payload(&self, payload: &Payload, events: bool, out: &mut Vec<u8>) {
        match payload {
            Payload::Message(Message::Text(text)) => self.text(b'm', text, out),
            Payload::Message(Message::Binary(bytes)) => self.binary(bytes, out),
            Payload::Event(packet) if events => {
                self.text(b'e', packet.text(), out);
                for attachment in packet.attachments() {
                    self.binary(attachment, out);
                }
            }
            Payload::Event(packet) => self.text(b'm', packet.plain(), out),
        }
    }

    fn text(&self, letter: u8, text: &str, out: &mut Vec<u8>) {
        put(out, letter, &[self.spelling.length(text)]);
        out.extend_from_slice(text.as_bytes());
    }

    fn binary(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.spelling == Spelling::Bytes {
            put(out, b'b', &[bytes.len() as u64]);
            return out.extend_from_slice(bytes);
        }
        let text = STANDARD.encode(bytes);
        put(out, b'b', &[text.len() as u64]);
        out.extend_from_slice(text.as_bytes());
    }

    fn reason(&self, letter: u8, number: Option<u64>, reason: &CloseReason, out: &mut Vec<u8>) {
        let (code, length) = (u64::from(reason.code), self.spelling.length(&reason.text));
        match number {
            Some(number) => put(out, letter, &[number, code, length]),
            None => put(out, letter, &[code, length]),
        }
        out.extend_from_slice(reason.text.as_bytes());
    }
}

/// The body of a refused request.
pub(crate) fn write_refusal(reason: &CloseReason) -> Vec<u8> {
    let mut out = Vec::with_capacity(reason.text.len() + 16);
    Writer::new(Spelling::Text).reason(b'x', None, reason, &mut out);
    out
}

fn put(out: &mut Vec<u8>, letter: u8, numbers: &[u64]) {
    out.push(letter);
    for (at, &number) in numbers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_number(out, number);
    }
    out.push(b':');
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn put_start(out: &mut Vec<u8>, Attached { outcome, received, names, grant, secret }: &Attached) {
    out.reserve(MOST_SHORT);
    match (outcome, grant) {
        (Outcome::New, Some(grant)) => {
            push(out, format_args!("snew,{received},{},{}", grant.id, grant.secret));
            let SessionParams { interval, timeout, grace, limit, batch, hold, spread } = grant.params;
            for number in [interval, timeout, grace, limit, batch, hold] {
                out.push(b',');
                put_number(out, number);
            }
            if names.are_listed() {
                push(out, format_args!(",{names},{spread}"));
            }
        }
        _ if names.are_listed() => {
            push(out, format_args!("sfull,{received},{names}"));
            if let Some(secret) = secret {
                push(out, format_args!(",{secret}"));
            }
        }
        _ => push(out, format_args!("sfull,{received}")),
    }
    out.push(b':');
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a vector cannot fail");
}
