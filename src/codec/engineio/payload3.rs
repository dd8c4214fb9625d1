//! Bodies of revision 3: packets with their lengths, in either of two framings.
//!
//! ```text
//! text   = length ":" packet                 the length in UTF-16 units, as decimal digits
//! binary = kind length 0xff packet           kind 0 is text, 1 is bytes; the length in bytes, a byte for a digit
//! ```

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};

use super::{
    packet::{Content, MESSAGE, MESSAGE_BYTE, Packet},
    parse_error,
};
use crate::session::frame::CloseReason;

/// The form of a body that is written: of text packets alone, or of packets of which one is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Text,
    Binary,
}

/// The kind of a packet in the binary framing.
const TEXT: u8 = 0;
const BYTES: u8 = 1;

/// Ends a length in the binary framing.
const END_OF_LENGTH: u8 = 0xff;

/// A length has at most so many digits.
const MAX_DIGITS: usize = 10;

/// Takes the next packet off a body of either framing, and leaves `None` behind the last.
///
/// # Errors
/// Fails if the body does not follow the grammar, or is empty. A body without packets is written `0:`, which may
/// also end one that has some.
pub(super) fn take(body: &mut Option<Bytes>) -> Result<Option<Packet>, CloseReason> {
    let Some(rest) = body else { return Ok(None) };
    if rest[..] == *b"0:" {
        *body = None;
        return Ok(None);
    }
    let packet = match rest.first() {
        None => return Err(parse_error("parse error: an empty body")),
        Some(&(TEXT | BYTES)) => take_binary(rest)?,
        Some(_) => take_text(rest)?,
    };
    if rest.is_empty() {
        *body = None;
    }
    Ok(Some(packet))
}

fn take_text(rest: &mut Bytes) -> Result<Packet, CloseReason> {
    let units = take_length(rest, b':', b'0')?;
    let length =
        bytes_of(rest, units).ok_or_else(|| parse_error("parse error: a packet is shorter than its length"))?;
    Packet::text(rest.split_to(length))
}

fn take_binary(rest: &mut Bytes) -> Result<Packet, CloseReason> {
    let kind = rest.get_u8();
    let length = take_length(rest, END_OF_LENGTH, 0)?;
    if length > rest.len() {
        return Err(parse_error("parse error: a packet is shorter than its length"));
    }
    let packet = rest.split_to(length);
    if kind == TEXT { Packet::text(packet) } else { Ok(Packet::Binary(packet)) }
}

/// Takes a length and what ends it. `zero` is the digit 0.
fn take_length(rest: &mut Bytes, end: u8, zero: u8) -> Result<usize, CloseReason> {
    let digits = rest.iter().take(MAX_DIGITS + 1).position(|&byte| byte == end);
    let digits =
        digits.filter(|&digits| digits > 0).ok_or_else(|| parse_error("parse error: no length before a packet"))?;
    let mut length: usize = 0;
    for &byte in &rest[..digits] {
        let digit = byte.checked_sub(zero).filter(|digit| *digit < 10);
        let digit = digit.ok_or_else(|| parse_error("parse error: a length has decimal digits"))?;
        length = length.saturating_mul(10).saturating_add(digit.into());
    }
    rest.advance(digits + 1);
    Ok(length)
}

/// How many bytes of UTF-8 have this many UTF-16 units. `None` if it is too short, or the last unit is the
/// first half of a character.
fn bytes_of(text: &[u8], units: usize) -> Option<usize> {
    let (mut left, mut at) = (units, 0);
    // A character has no more units than bytes.
    while left > 0 {
        let (length, taken) = match text.get(at)? {
            0..=0x7f => (1, 1),
            0xf0.. => (4, 2),
            0xe0.. => (3, 1),
            _ => (2, 1),
        };
        left = left.checked_sub(taken)?;
        at += length;
    }
    (at <= text.len()).then_some(at)
}

/// The length of a text in UTF-16 units.
fn units_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Appends a packet of text, whose two parts are written as one.
pub(super) fn put_text(kind: &str, text: &str, framing: Framing, body: &mut Vec<u8>) {
    match framing {
        Framing::Text => {
            put_digits(units_of(kind) + units_of(text), b'0', body);
            body.push(b':');
        }
        Framing::Binary => put_head(TEXT, kind.len() + text.len(), body),
    }
    body.extend_from_slice(kind.as_bytes());
    body.extend_from_slice(text.as_bytes());
}

/// Appends a message. In a text framing bytes are written as base64.
pub(super) fn put_message(content: Content<'_>, framing: Framing, body: &mut Vec<u8>) {
    match content {
        Content::Text(text) => put_text(MESSAGE, text, framing, body),
        Content::Binary(bytes) if framing == Framing::Binary => {
            put_head(BYTES, 1 + bytes.len(), body);
            body.push(MESSAGE_BYTE);
            body.extend_from_slice(bytes);
        }
        Content::Binary(bytes) => put_text("b4", &STANDARD.encode(bytes), framing, body),
    }
}

/// The packets of a body in the text framing that we have written, in the binary framing.
pub(super) fn to_binary(body: &[u8]) -> Vec<u8> {
    let mut rest = Bytes::copy_from_slice(body);
    let mut out = Vec::with_capacity(body.len() + body.len() / 4);
    while !rest.is_empty() {
        let Ok(Packet::Text(kind, text)) = take_text(&mut rest) else { unreachable!("it was written so") };
        put_head(TEXT, 1 + text.len(), &mut out);
        out.push(kind);
        out.extend_from_slice(text.as_bytes());
    }
    out
}

fn put_head(kind: u8, length: usize, body: &mut Vec<u8>) {
    body.push(kind);
    put_digits(length, 0, body);
    body.push(END_OF_LENGTH);
}

/// Appends a number in decimal digits, of which 0 is written as `zero`.
fn put_digits(number: usize, zero: u8, body: &mut Vec<u8>) {
    let from = body.len();
    let mut left = number;
    loop {
        body.push(zero + (left % 10) as u8);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    body[from..].reverse();
}
