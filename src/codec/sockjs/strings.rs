//! Strings of JSON as the server writes them.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::scan::position;
use crate::{message::Message, payload::Payload};

/// Whether an escape may be due at this byte: it is one that a JSON string must not have, or the first of a character
/// that is changed on the way.
fn is_suspect(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0xe2) | (byte == 0xef) | (byte >= 0xf0)
}

/// Appends what a client is told of a message: its text, or the base64 of its bytes.
pub(super) fn put_payload(payload: &Payload, out: &mut Vec<u8>) {
    match payload {
        Payload::Message(Message::Text(text)) => put(text, out),
        Payload::Message(Message::Binary(bytes)) => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        Payload::Event(packet) => put(packet.plain(), out),
    }
}

/// Appends a text as a string.
pub(super) fn put(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = position(rest.as_bytes(), is_suspect) {
        let (before, behind) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let mut characters = behind.chars();
        let Some(character) = characters.next() else { break };
        put_character(character, out);
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn put_character(character: char, out: &mut Vec<u8>) {
    let short = match character {
        '"' | '\\' => character,
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\0'..='\u{1f}'
        | '\u{200c}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'.. => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                put_unit(*unit, out);
            }
            return;
        }
        _ => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short as u8]);
}

fn put_unit(unit: u16, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    out.extend([12, 8, 4, 0].map(|shift| DIGITS[usize::from(unit >> shift) & 15]));
}
