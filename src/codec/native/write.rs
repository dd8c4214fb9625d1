//! Records -> bytes.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{Head, ResumeToken, Spelling};
use crate::{
    broadcast::OutMessage,
    message::Message,
    session::frame::{Attached, CloseReason, Frame, Outcome, SessionParams},
};

/// Writes the records of one body or link, and counts its messages.
#[derive(Debug)]
pub(crate) struct Writer {
    spelling: Spelling,
    /// The number that the other half expects of the next message; 0 while none was stated.
    next: u64,
}

impl Writer {
    pub(crate) fn new(spelling: Spelling) -> Self {
        Writer { spelling, next: 0 }
    }

    /// Appends a frame to a body. On a WebSocket only what is not a message is written here.
    pub(crate) fn write(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        match frame {
            Frame::Message { number, message } => self.message(*number, message, out),
            Frame::Gap { from, to } => {
                put(out, b'd', &[*from, *to]);
                self.next = 0;
            }
            Frame::Ack { received } => put(out, b'a', &[*received]),
            Frame::AckRequest => put(out, b'w', &[]),
            Frame::Pause { received, epoch } => put(out, b'h', &[*received, *epoch]),
            Frame::Resume { received, epoch } => put(out, b'g', &[*received, *epoch]),
            Frame::Ping { id } => put(out, b'p', &[*id]),
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
        }
    }

    /// States the number of the next message where the other half would count otherwise.
    pub(crate) fn count(&mut self, number: u64, out: &mut Vec<u8>) {
        if number != self.next {
            put(out, b'n', &[number]);
        }
        self.next = number + 1;
    }

    /// Appends a client's head record.
    #[cfg_attr(not(test), allow(dead_code, reason = "only a client says heads; the test client does"))]
    pub(crate) fn head(&self, head: &Head, out: &mut Vec<u8>) {
        match head {
            Head::Open { version, ordinal, attempt, auth } => {
                let length = self.length(auth);
                push(out, format_args!("o{version},{ordinal},{attempt},{length}:{auth}"));
            }
            Head::Join { version, ordinal, attempt } => push(out, format_args!("j{version},{ordinal},{attempt}:")),
            Head::Resume { version, ordinal, turn, seen, token: ResumeToken { id, secret, received } } => {
                let seen = u8::from(*seen);
                push(out, format_args!("r{version},{ordinal},{turn},{seen},{id},{secret},{received}:"));
            }
            Head::Upload { version, token: ResumeToken { id, secret, received } } => {
                push(out, format_args!("u{version},{id},{secret},{received}:"));
            }
            Head::TakeOver { version, ordinal, instance, token: ResumeToken { id, secret, received } } => {
                push(out, format_args!("t{version},{ordinal},{instance},{id},{secret},{received}:"));
            }
        }
    }

    /// Appends a message.
    pub(crate) fn message(&mut self, number: u64, message: &OutMessage, out: &mut Vec<u8>) {
        self.count(number, out);
        match message {
            OutMessage::Own(message) => self.payload(message, out),
            OutMessage::Shared(broadcast) => {
                let encoded = broadcast.encoded(self.spelling.cell(), |message| {
                    let mut bytes = Vec::with_capacity(message.len() + 16);
                    self.payload(message, &mut bytes);
                    Bytes::from(bytes)
                });
                out.extend_from_slice(encoded);
            }
        }
    }

    fn payload(&self, message: &Message, out: &mut Vec<u8>) {
        match message {
            Message::Text(text) => {
                put(out, b'm', &[self.length(text)]);
                out.extend_from_slice(text.as_bytes());
            }
            Message::Binary(bytes) if self.spelling == Spelling::Bytes => {
                put(out, b'b', &[bytes.len() as u64]);
                out.extend_from_slice(bytes);
            }
            Message::Binary(bytes) => {
                let text = STANDARD.encode(bytes);
                put(out, b'b', &[text.len() as u64]);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn reason(&self, letter: u8, number: Option<u64>, reason: &CloseReason, out: &mut Vec<u8>) {
        let (code, length) = (u64::from(reason.code), self.length(&reason.text));
        match number {
            Some(number) => put(out, letter, &[number, code, length]),
            None => put(out, letter, &[code, length]),
        }
        out.extend_from_slice(reason.text.as_bytes());
    }

    fn length(&self, text: &str) -> u64 {
        if self.spelling == Spelling::Bytes || text.is_ascii() {
            text.len() as u64
        } else {
            text.encode_utf16().count() as u64
        }
    }
}

/// The body of a refused request.
pub(crate) fn write_refusal(reason: &CloseReason) -> Vec<u8> {
    let mut out = Vec::with_capacity(reason.text.len() + 16);
    Writer::new(Spelling::Text).reason(b'x', None, reason, &mut out);
    out
}

/// Asks the client to rest for so many milliseconds behind the end of this answer.
pub(crate) fn write_rest(delay: u64, out: &mut Vec<u8>) {
    put(out, b'y', &[delay]);
}

/// Padding, to be ignored: spaces, which are the same in every spelling.
pub(crate) fn write_padding(length: usize, out: &mut Vec<u8>) {
    put(out, b'i', &[length as u64]);
    out.resize(out.len() + length, b' ');
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

fn put_start(out: &mut Vec<u8>, Attached { outcome, received, grant }: &Attached) {
    match (outcome, grant) {
        (Outcome::New, Some(grant)) => {
            push(out, format_args!("snew,{received},{},{}", grant.id, grant.secret));
            let SessionParams { interval, timeout, grace, limit, batch, hold } = grant.params;
            for number in [interval, timeout, grace, limit, batch, hold] {
                out.push(b',');
                put_number(out, number);
            }
            out.push(b':');
        }
        _ => push(out, format_args!("sfull,{received}:")),
    }
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a vector cannot fail");
}
